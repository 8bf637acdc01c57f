//! Standard Webhooks 1.0.0 signatures, `v1`: HMAC-SHA256 over `{id}.{timestamp}.{body}`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::{EventId, Secret, Timestamp};

/// Signatures of one attempt and the names of the keys that made them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Value of `webhook-signature`: one `v1,<base64>` for each secret, newest first, separated by
    /// spaces, so that a merchant can change from the old secret to the new.
    pub header: String,
    /// Ids of the secrets in the same order, separated by commas.
    pub key_ids: String,
}

/// Signs with every secret that is valid at `now`, whose whole seconds are the
/// `webhook-timestamp`; nothing when none is valid.
pub fn sign(secrets: &[Secret], id: &EventId, now: Timestamp, body: &[u8]) -> Option<Signed> {
    let mut valid: Vec<&Secret> = secrets.iter().filter(|secret| secret.is_valid(now)).collect();
    valid.sort_by_key(|secret| std::cmp::Reverse(secret.not_before));
    let (mut header, mut key_ids) = (String::new(), String::new());
    for secret in valid {
        if !header.is_empty() {
            header.push(' ');
            key_ids.push(',');
        }
        header.push_str("v1,");
        STANDARD.encode_string(mac(secret.key.expose(), id, now.as_seconds(), body)?, &mut header);
        key_ids.push_str(&secret.id);
    }
    (!header.is_empty()).then_some(Signed { header, key_ids })
}

/// HMAC takes keys of every length, so there is always a code.
fn mac(key: &[u8], id: &EventId, seconds: i64, body: &[u8]) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(id.as_str().as_bytes());
    mac.update(b".");
    mac.update(seconds.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    Some(mac.finalize().into_bytes().into())
}

#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "the verifier knows only the real time")]
mod tests {
    use http::HeaderMap;

    use super::*;
    use crate::model::SecretBytes;

    fn secret(id: &str, key: &[u8], not_before: Option<i64>, expires: Option<i64>) -> Secret {
        let time = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        Secret {
            id: id.to_owned(),
            key: SecretBytes::new(key.to_vec()),
            not_before: not_before.map(time),
            expires: expires.map(time),
        }
    }

    #[test]
    fn the_published_vector_is_signed_as_published() {
        let key = STANDARD.decode("C2FVsBQIhrscChlQIMV+b5sSYspob7oD").unwrap();
        let id = EventId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").unwrap();
        let body = br#"{"email":"test@example.com","username":"test_user"}"#;
        let now = Timestamp::from_millis(1_649_367_553_999);
        let signed = sign(&[secret("s1", &key, None, None)], &id, now, body).unwrap();
        assert_eq!(signed.header, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
        assert_eq!(signed.key_ids, "s1");
    }

    #[test]
    fn every_secret_valid_now_signs_and_no_other_newest_first() {
        let secrets = [
            secret("old", b"1", None, Some(200)),
            secret("new", b"2", Some(50), None),
            secret("gone", b"3", None, Some(100)),
            secret("later", b"4", Some(101), None),
        ];
        let id = EventId::parse("e").unwrap();
        let signed = sign(&secrets, &id, Timestamp::from_millis(100_000), b"{}").unwrap();
        assert_eq!(signed.key_ids, "new,old");
        assert_eq!(signed.header.split(' ').count(), 2);
        assert_eq!(sign(&secrets[2..], &id, Timestamp::from_millis(100_000), b"{}"), None);
    }

    #[test]
    fn an_independent_verifier_accepts_each_secret_of_a_rotation() {
        let (old, new) = ([7_u8; 24], [9_u8; 32]);
        let id = EventId::parse("evt_1").unwrap();
        let seconds =
            std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
        let now = Timestamp::from_millis(i64::try_from(seconds).unwrap() * 1000);
        let secrets = [secret("old", &old, None, None), secret("new", &new, None, None)];
        let body = r#"{"a":"Grüße"}"#;
        let signed = sign(&secrets, &id, now, body.as_bytes()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", "evt_1".parse().unwrap());
        headers.insert("webhook-timestamp", seconds.to_string().parse().unwrap());
        headers.insert("webhook-signature", signed.header.parse().unwrap());
        for key in [old.to_vec(), new.to_vec()] {
            let verifier = standardwebhooks::Webhook::from_bytes(key).unwrap();
            verifier.verify(body.as_bytes(), &headers).unwrap();
            assert!(verifier.verify(b"{}", &headers).is_err());
        }
    }
}
