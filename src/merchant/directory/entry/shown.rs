//! What people see of fields that stand beside secrets: an entry that nobody checked may hold a
//! secret in any of them.

use url::Url;

use crate::model::EndpointId;

/// Stands where something is not shown.
pub(super) const REDACTED: &str = "[redacted]";

/// An id, where it can be one.
pub(super) fn id(text: &str) -> &str {
    let key = ["whsec_", "whsk_"].iter().any(|mark| text.contains(mark));
    if !key && EndpointId::parse(text).is_ok() { text } else { REDACTED }
}

/// The kind of a secret or of `auth`, where it is one.
pub(super) fn kind(text: &str) -> &str {
    const KINDS: [&str; 8] = [
        "hmac",
        "hmac-text",
        "hmac-hex",
        "ed25519",
        "rsa",
        "basic",
        "bearer",
        "client_certificate",
    ];
    if KINDS.contains(&text) { text } else { REDACTED }
}

/// A chain of certificates, where no key is among them.
pub(super) fn certificate(text: &str) -> &str {
    if text.contains("PRIVATE KEY") { REDACTED } else { text }
}

/// A URL without user and password.
pub(super) fn url(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) if url.cannot_be_a_base() && text.contains('@') => REDACTED.to_owned(),
        Ok(url) if url.username().is_empty() && url.password().is_none() => text.to_owned(),
        Ok(mut url) => {
            // Fails only where there is no host to carry them.
            if url.set_password(None).is_err() || url.set_username("").is_err() {
                return REDACTED.to_owned();
            }
            url.into()
        }
        Err(_) if text.contains('@') => REDACTED.to_owned(),
        Err(_) => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_the_wrong_field_is_not_shown() {
        assert_eq!(
            (id("s1"), id("whsec_abc"), id("a b"), id("a/b")),
            ("s1", REDACTED, REDACTED, REDACTED)
        );
        assert_eq!((kind("hmac"), kind("s3cret")), ("hmac", REDACTED));
        let key = "-----BEGIN CERTIFICATE-----\n-----BEGIN EC PRIVATE KEY-----";
        assert_eq!((certificate(key), certificate("MIIB")), (REDACTED, "MIIB"));
        assert_eq!(url("https://u:s3cret@a.example/x?y"), "https://a.example/x?y");
        assert_eq!(url("https://a.example"), "https://a.example");
        assert_eq!(
            (url("u:s3cret@"), url("//u:s3cret@a")),
            (REDACTED.to_owned(), REDACTED.to_owned())
        );
    }
}
