//! What a token says of itself, where it is a JSON Web Token. Its signature is the broker's concern.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;

/// As much of the claims as a client needs.
#[derive(Debug, Default, PartialEq, Deserialize)]
pub struct Claims {
    /// Whom it stands for.
    pub sub: Option<String>,
    /// When it expires, in seconds since the epoch.
    pub exp: Option<f64>,
}

/// The claims of `token`; none where it is opaque.
pub fn read(token: &str) -> Claims {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Claims::default();
    };
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).unwrap_or_default();
    serde_json::from_slice(&claims).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subject_and_expiry_of_a_jwt_are_found() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","exp":1700000000,"x":[]}"#);
        let expected = Claims { sub: Some("alice".into()), exp: Some(1_700_000_000.0) };
        assert_eq!(read(&format!("e30.{claims}.c2ln")), expected);
        assert_eq!(read(&format!("e30.{claims}.")), expected, "an unsecured one too");
    }

    #[test]
    fn an_opaque_token_says_nothing() {
        for token in ["", "opaque", "a.b", "a.!.c", "a.e30.c.d", "a.W10.c"] {
            assert_eq!(read(token), Claims::default(), "of {token:?}");
        }
    }
}
