//! Secrets that are easy to find, and the search for them in every form they may take.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes of a key that signs.
pub const HMAC: &str = "marked-hmac-key-of-32-bytes-long";
/// A key that signs and is written as it is.
pub const TEXT: &str = "marked-text-key-0123456789";
/// Bytes of the private key that signs by Ed25519.
pub const ED25519: &str = "marked-ed25519-private-key-of-32";
/// A merchant's password.
pub const BASIC: &str = "marked-basic-password";
/// A merchant's token.
pub const BEARER: &str = "marked-bearer-token";
/// Bytes of the key that seals.
pub const KEK: &str = "marked-key-encryption-key-32-byt";
/// The operator's password at the proxy.
pub const PROXY: &str = "marked-proxy-password";
/// The password in an event's `notify_url`.
pub const NOTIFY: &str = "marked-notify-password";

/// Bytes of a line of PEM.
const LINE: usize = 48;
/// Bytes of a private key that are looked for.
const PART: usize = 16;

/// What is not to be found.
pub struct Mark {
    name: String,
    forms: Vec<String>,
}

impl Mark {
    /// A text, in every form.
    pub fn text(text: &str) -> Self {
        Self { name: text.to_owned(), forms: forms(text.as_bytes()) }
    }

    /// A private key in PEM: a part of its middle, and of the lines as they are written.
    pub fn pem(name: &str, pem: &str) -> Self {
        let lines: Vec<&str> = pem.lines().filter(|line| !line.starts_with('-')).collect();
        let bytes = STANDARD.decode(lines.concat()).unwrap();
        // The beginning is the same in all keys of a kind, and the end of small ones is public.
        let mut at = bytes.len() / 4;
        // Within a line: the escape of a break would hide it.
        if at % LINE + PART > LINE {
            at = at.next_multiple_of(LINE);
        }
        Self { name: name.to_owned(), forms: forms(&bytes[at..at + PART]) }
    }

    /// The form in which it is in the text.
    pub fn found(&self, text: &str) -> Option<&str> {
        self.forms.iter().map(String::as_str).find(|form| text.contains(form))
    }
}

/// Fails where one of them is in the text.
pub fn assert_none(what: &str, text: &str, marks: &[Mark]) {
    for mark in marks {
        if let Some(form) = mark.found(text) {
            let at = text.find(form).unwrap_or_default();
            let around: String = text[..at].chars().rev().take(200).collect();
            let around: String = around.chars().rev().collect();
            panic!("{} is in {what} as {form}, after: {around}", mark.name);
        }
    }
}

/// As it is, in hexadecimal digits, as a list of numbers, in a URL, and inside base64 of any
/// alignment and alphabet.
fn forms(secret: &[u8]) -> Vec<String> {
    let hex = secret.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    let mut forms = vec![hex.to_uppercase(), hex];
    if let Ok(text) = std::str::from_utf8(secret) {
        forms.push(text.to_owned());
        forms.push(text.replace('-', "%2D"));
    }
    for before in 0..3 {
        let bytes = [&vec![0; before], secret].concat();
        // Only whole groups, and of the first what depends on the secret alone.
        let whole = bytes.len() / 3 * 4;
        let core = STANDARD.encode(&bytes)[[0, 2, 3][before]..whole].to_owned();
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core);
    }
    forms.push(secret.iter().map(u8::to_string).collect::<Vec<_>>().join(", "));
    forms
}

#[test]
fn a_secret_is_found_in_every_form() {
    for before in ["", "u:", "ab:"] {
        let header = STANDARD.encode(format!("{before}{BASIC} and more"));
        assert!(Mark::text(BASIC).found(&header).is_some(), "{before}");
    }
    assert!(Mark::text(HMAC).found(&format!("{:?}", HMAC.as_bytes())).is_some());
    let bearer = Mark::text(BEARER);
    assert!(bearer.found("6d61726b65642d6265617265722d746f6b656e").is_some());
    assert!(bearer.found("marked-bearer").is_none());
    let pem = crate::pki::Authority::new().issue("a").key.serialize_pem();
    let key = Mark::pem("key", &pem);
    assert!(key.found(&pem).is_some() && key.found(&pem[..60]).is_none());
    let other = crate::pki::Authority::new().issue("a").key.serialize_pem();
    assert!(key.found(&other).is_none(), "another key is another mark");
}
