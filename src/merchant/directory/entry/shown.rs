//! What people see of fields that stand beside secrets: an entry that nobody checked may hold a
//! secret in any of them.

use serde_json::Value;
use url::Url;

use crate::model::EndpointId;

/// What stands for a value that nobody may see.
pub(super) const REDACTED: &str = "[redacted]";

/// What signing keys and private keys hold, wherever they are.
const MARKS: [&str; 3] = ["whsec_", "whsk_", "PRIVATE KEY"];

/// Whether this holds a key that can be told by its form.
pub(in crate::merchant::directory) fn holds_key(text: &str) -> bool {
    MARKS.iter().any(|mark| text.contains(mark))
}

/// An id, where it can be one.
pub(super) fn id(text: &str) -> &str {
    if EndpointId::parse(text).is_ok() { text } else { REDACTED }
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

/// A URL without user and password.
pub(super) fn url(text: &str) -> String {
    match Url::parse(text).ok().filter(Url::has_host) {
        Some(url) if url.username().is_empty() && url.password().is_none() => text.to_owned(),
        Some(mut url) => {
            // Fails only where there is no host to carry them.
            if url.set_password(None).is_err() || url.set_username("").is_err() {
                return REDACTED.to_owned();
            }
            url.into()
        }
        None => host(text).to_owned(),
    }
}

/// A host, unless it is written with user and password.
pub(super) fn host(text: &str) -> &str {
    if text.contains('@') { REDACTED } else { text }
}

/// The user of basic authentication, without a password after a colon.
pub(super) fn username(text: &str) -> &str {
    if text.contains(':') { REDACTED } else { text }
}

/// Certificates in PEM, where it is nothing else: a private key may stand among them.
pub(super) fn certificate(text: &str) -> &str {
    const EDGE: &str = "-----";
    let mut inside = false;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let fits = match line.strip_prefix(EDGE).and_then(|line| line.strip_suffix(EDGE)) {
            Some("BEGIN CERTIFICATE") => !std::mem::replace(&mut inside, true),
            Some("END CERTIFICATE") => std::mem::replace(&mut inside, false),
            Some(_) => false,
            None => inside,
        };
        if !fits {
            return REDACTED;
        }
    }
    if inside { REDACTED } else { text }
}

/// Hides every text in which a key can be told by its form, names of fields included.
pub(super) fn without_keys(value: &mut Value) {
    match value {
        Value::String(text) if holds_key(text) => REDACTED.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(without_keys),
        Value::Object(fields) => {
            let (kept, hidden) = std::mem::take(fields)
                .into_iter()
                .partition::<serde_json::Map<_, _>, _>(|(name, _)| !holds_key(name));
            *fields = kept;
            if !hidden.is_empty() {
                fields.insert(REDACTED.to_owned(), REDACTED.into());
            }
            fields.values_mut().for_each(without_keys);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_secret_in_the_wrong_field_is_not_shown() {
        assert_eq!((id("s1"), id("a b"), id("a/b")), ("s1", REDACTED, REDACTED));
        assert_eq!((kind("hmac"), kind("s3cret")), ("hmac", REDACTED));
        assert_eq!((username("shop"), username("shop:s3cret")), ("shop", REDACTED));
        assert_eq!((host("a.example"), host("u:s3cret@a")), ("a.example", REDACTED));
        assert_eq!(url("https://u:s3cret@a.example/x?y"), "https://a.example/x?y");
        assert_eq!(url("https://a.example"), "https://a.example");
        assert_eq!(
            (url("u:s3cret@"), url("//u:s3cret@a")),
            (REDACTED.to_owned(), REDACTED.to_owned())
        );
    }

    #[test]
    fn a_certificate_is_shown_only_where_it_is_nothing_else() {
        let pem = |label: &str, body: &str| {
            format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
        };
        let chain = pem("CERTIFICATE", "MIIB") + "\r\n" + &pem("CERTIFICATE", "MIIC");
        assert_eq!(certificate(&chain), chain);
        for other in [
            pem("PRIVATE KEY", "s3cret"),
            pem("EC PRIVATE KEY", "s3cret"),
            chain.clone() + &pem("RSA PRIVATE KEY", "s3cret"),
            "s3cret\n".to_owned() + &chain,
            chain.clone() + "s3cret",
            "-----BEGIN CERTIFICATE-----\ns3cret".to_owned(),
            pem("CERTIFICATE", &pem("PRIVATE KEY", "s3cret")),
            "s3cret".to_owned(),
        ] {
            assert_eq!(certificate(&other), REDACTED, "{other}");
        }
    }

    #[test]
    fn a_key_that_can_be_told_by_its_form_is_shown_nowhere() {
        let mut entry = json!({ "name": "whsec_abc", "list": [1, "a whsk_abc", "b"],
            "headers": { "whsec_abc": "x", "y": "-----BEGIN EC PRIVATE KEY-----", "z": "z" } });
        without_keys(&mut entry);
        let expected = json!({ "name": REDACTED, "list": [1, REDACTED, "b"],
            "headers": { REDACTED: REDACTED, "y": REDACTED, "z": "z" } });
        assert_eq!(entry, expected);
    }
}
