//! Secrets that are easy to find, and the search for them in every form they may take.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// Bytes of a key that signs.
pub const HMAC: &str = "marked-hmac-key-of-32-bytes-long";
/// A key that signs and is written as it is.
pub const TEXT: &str = "marked-text-key-0123456789";
/// A merchant's password.
pub const BASIC: &str = "marked-basic-password";
/// A merchant's token.
pub const BEARER: &str = "marked-bearer-token";
/// Bytes of the key that seals.
pub const KEK: &str = "marked-key-encryption-key-32-byt";

/// Fails where a secret is in the text: as it is, in hexadecimal digits, or inside base64 of any
/// alignment and alphabet.
pub fn assert_none(what: &str, text: &str, secrets: &[&str]) {
    for secret in secrets {
        if let Some(form) = found(text, secret) {
            let at = text.find(&form).unwrap_or_default();
            let around: String = text[..at].chars().rev().take(200).collect();
            let around: String = around.chars().rev().collect();
            panic!("{secret} is in {what} as {form}, after: {around}");
        }
    }
}

/// The form in which the secret is in the text.
pub fn found(text: &str, secret: &str) -> Option<String> {
    let hex: Vec<_> = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    let hex = hex.concat();
    let mut forms = vec![secret.to_owned(), hex.to_uppercase(), hex];
    for before in 0..3 {
        let bytes = [&vec![0; before], secret.as_bytes()].concat();
        // Only whole groups, and of the first what depends on the secret alone.
        let whole = bytes.len() / 3 * 4;
        let core = STANDARD.encode(&bytes)[[0, 2, 3][before]..whole].to_owned();
        forms.push(core.replace('+', "-").replace('/', "_"));
        forms.push(core);
    }
    let list = secret.bytes().map(|byte| byte.to_string()).collect::<Vec<_>>().join(", ");
    forms.push(list);
    forms.into_iter().find(|form| text.contains(form.as_str()))
}

#[test]
fn a_secret_is_found_in_every_form() {
    for before in ["", "u:", "ab:"] {
        let header = STANDARD.encode(format!("{before}{BASIC} and more"));
        assert!(found(&header, BASIC).is_some(), "{before}");
    }
    assert!(found(&format!("{:?}", HMAC.as_bytes()), HMAC).is_some());
    assert!(found("6d61726b65642d6265617265722d746f6b656e", BEARER).is_some());
    assert!(found("marked-bearer", BEARER).is_none());
}
