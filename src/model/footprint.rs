//! What a merchant of the directory takes in memory, about.

use std::{mem::size_of, sync::Arc};

use rustls::SignatureAlgorithm;
use serde_json::Value;

use super::{
    Acknowledge, ClientCertificate, Dialect, Endpoint, EventFilter, Key, Merchant, MerchantId,
    Piece, Policy, Secret, SecretBytes, Template,
};

/// Counters that stand before what an `Arc` holds.
const COUNTERS: usize = 2 * size_of::<usize>();
/// Numbers of a key pair of RSA, each as long as its modulus: two factors and their exponents are half as
/// long, and some are kept in two forms.
const RSA_NUMBERS: usize = 6;
/// A key that signs handshakes: of RSA, and any other.
const SIGNING_KEYS: [usize; 2] = [2_048, 256];

impl Merchant {
    /// Bytes that it takes in the directory: its place in the table, and everything that it owns as the
    /// allocator hands it out. An estimate: the parts of a hash table that are empty, and of what the
    /// libraries keep to themselves, are reckoned at what is usual.
    pub fn footprint(&self) -> usize {
        // A table is between seven sixteenths and seven eighths full.
        let place = (size_of::<(MerchantId, Arc<Self>)>() + 1) * 8 / 5;
        let Self { id, name, notify_url_hosts, endpoints, .. } = self;
        place
            + shared::<Self>()
            + shared_text(id.as_str())
            + text(name)
            + list(notify_url_hosts, text)
            + list(endpoints, |endpoint| endpoint.footprint())
    }
}

impl Endpoint {
    fn footprint(&self) -> usize {
        shared::<Self>()
            + shared_text(self.id.as_str())
            + allocation(self.url.as_str().len())
            + list(&self.events, filter)
            + policy(&self.policy)
            + self.authorization.as_ref().map_or(0, secret_bytes)
            + self.certificate.as_ref().map_or(0, certificate)
            + list(&self.secrets, secret)
    }
}

fn policy(policy: &Policy) -> usize {
    list(&policy.intervals, |_| 0)
        + acknowledge(&policy.acknowledge)
        + dialect(&policy.dialect)
        + list(&policy.headers, |(name, value)| text(name) + text(value))
}

fn acknowledge(rule: &Acknowledge) -> usize {
    let json = rule.json.as_ref().map_or(0, |json| {
        let equals = if let Value::String(word) = &json.equals { text(word) } else { 0 };
        text(&json.pointer) + equals
    });
    list(&rule.statuses.0, |_| 0) + rule.body.as_ref().map_or(0, text) + json
}

fn dialect(dialect: &Dialect) -> usize {
    let template = |template: &Template| {
        list(&template.0, |piece| if let Piece::Text(words) = piece { text(words) } else { 0 })
    };
    match dialect {
        Dialect::None | Dialect::Standard => 0,
        Dialect::StripeLike(name) => allocation(name.as_str().len()),
        Dialect::Custom(custom) => {
            let header = |(name, value): &(http::HeaderName, Template)| {
                allocation(name.as_str().len()) + template(value)
            };
            allocation(COUNTERS + size_of_val(custom.as_ref()))
                + list(&custom.headers, header)
                + template(&custom.content)
        }
    }
}

fn filter(filter: &EventFilter) -> usize {
    match filter {
        EventFilter::All => 0,
        EventFilter::Under(words) | EventFilter::Exactly(words) => text(words),
    }
}

fn certificate(certificate: &ClientCertificate) -> usize {
    let shown = certificate.key();
    let [rsa, other] = SIGNING_KEYS;
    let is_rsa = shown.key.algorithm() == SignatureAlgorithm::RSA;
    allocation(COUNTERS + size_of_val(shown.as_ref()))
        + list(&shown.cert, |link| allocation(link.len()))
        + if is_rsa { rsa } else { other }
}

fn secret(secret: &Secret) -> usize {
    let key = match &secret.key {
        Key::Hmac(bytes) => secret_bytes(bytes),
        Key::Ed25519(pair) => allocation(COUNTERS + size_of_val(pair.as_ref())),
        Key::Rsa(pair) => {
            let numbers = RSA_NUMBERS * pair.public().modulus_len();
            allocation(COUNTERS + size_of_val(pair.as_ref())) + numbers
        }
    };
    text(&secret.id) + key
}

fn secret_bytes(bytes: &SecretBytes) -> usize {
    allocation(COUNTERS + size_of::<Box<[u8]>>()) + allocation(bytes.expose().len())
}

fn list<T>(items: &Vec<T>, of: impl Fn(&T) -> usize) -> usize {
    allocation(items.capacity() * size_of::<T>()) + items.iter().map(of).sum::<usize>()
}

fn text(words: &String) -> usize {
    allocation(words.capacity())
}

fn shared<T>() -> usize {
    allocation(COUNTERS + size_of::<T>())
}

fn shared_text(words: &str) -> usize {
    allocation(COUNTERS + words.len())
}

/// What the allocator takes for so many bytes: whole words, and sizes in steps of an eighth, of which
/// half is lost on average.
fn allocation(bytes: usize) -> usize {
    (bytes + bytes / 16).next_multiple_of(size_of::<usize>())
}
