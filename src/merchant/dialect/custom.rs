//! A dialect that a merchant's entry declares: algorithm, encoding, signed content, headers.
//!
//! One signature, by the newest valid secret. RSA costs about a millisecond of a processor for each
//! attempt, everything else some microseconds.

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use ring::{
    rand::SystemRandom,
    signature::{RSA_PKCS1_SHA256, RsaKeyPair},
};
use sha2::{Sha256, Sha512};

use super::{Scheme, Unsigned, encode::encode, value};
use crate::model::{Algorithm, CustomDialect, Key, Piece, Secret, Template};

impl Scheme for CustomDialect {
    fn sign(
        &self,
        keys: &[&Secret],
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Option<String> {
        let newest = keys.first()?;
        let content = filled(&self.content, request, newest, "");
        let mut signature = String::new();
        encode(self.encoding, &signed(self.algorithm, &newest.key, &content)?, &mut signature);
        for (name, template) in &self.headers {
            let text = String::from_utf8(filled(template, request, newest, &signature)).ok()?;
            headers.insert(name, value(text)?);
        }
        Some(newest.id.clone())
    }
}

fn filled(template: &Template, request: &Unsigned<'_>, key: &Secret, signature: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    for piece in &template.0 {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Method => out.extend_from_slice(b"POST"),
            Piece::Path => out.extend_from_slice(request.path.as_bytes()),
            Piece::Id => out.extend_from_slice(request.id.as_str().as_bytes()),
            Piece::Timestamp => number(request.now.as_seconds(), &mut out),
            Piece::TimestampMs => number(request.now.as_millis(), &mut out),
            Piece::KeyId => out.extend_from_slice(key.id.as_bytes()),
            Piece::Body => out.extend_from_slice(request.body),
            Piece::Signature => out.extend_from_slice(signature.as_bytes()),
        }
    }
    out
}

fn number(number: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(number.to_string().as_bytes());
}

/// Nothing where the key is of another kind.
fn signed(algorithm: Algorithm, key: &Key, content: &[u8]) -> Option<Vec<u8>> {
    match (algorithm, key) {
        (Algorithm::HmacSha256, Key::Hmac(key)) => {
            let mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
            Some(mac.chain_update(content).finalize().into_bytes().to_vec())
        }
        (Algorithm::HmacSha512, Key::Hmac(key)) => {
            let mac = Hmac::<Sha512>::new_from_slice(key.expose()).ok()?;
            Some(mac.chain_update(content).finalize().into_bytes().to_vec())
        }
        (Algorithm::RsaSha256, Key::Rsa(pair)) => rsa_sha256(pair, content),
        (Algorithm::Ed25519, Key::Ed25519(pair)) => Some(pair.sign(content).as_ref().to_vec()),
        _ => None,
    }
}

/// PKCS#1 v1.5 (RFC 8017, section 8.2) needs no randomness: the same content, the same signature.
pub(in super::super) fn rsa_sha256(pair: &RsaKeyPair, content: &[u8]) -> Option<Vec<u8>> {
    let mut signature = vec![0; pair.public().modulus_len()];
    pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), content, &mut signature).ok()?;
    Some(signature)
}
