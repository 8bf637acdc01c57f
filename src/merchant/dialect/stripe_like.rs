//! Stripe's form (docs.stripe.com/webhooks, "Verify webhook signatures manually"):
//! `t={timestamp},v1={hex}`, HMAC-SHA256 over `{timestamp}.{body}`, one `v1` for each secret that is
//! valid. The key is the text of the secret as it stands, its prefix included.

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderMap, HeaderName};
use sha2::Sha256;

use super::{Scheme, Unsigned, append, encode::encode, value};
use crate::model::{Encoding, Key, Secret};

/// The dialect `stripe-like`, in the header of this name.
pub(super) struct StripeLike<'a>(pub &'a HeaderName);

impl Scheme for StripeLike<'_> {
    fn sign(
        &self,
        keys: &[&Secret],
        request: &Unsigned<'_>,
        headers: &mut HeaderMap,
    ) -> Option<String> {
        let time = format!("{}.", request.now.as_seconds());
        let (mut header, mut key_ids) = (String::new(), String::new());
        write!(header, "t={}", request.now.as_seconds()).ok()?;
        for secret in keys {
            let Key::Hmac(key) = &secret.key else { continue };
            let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
            mac.update(time.as_bytes());
            mac.update(request.body);
            header.push_str(",v1=");
            encode(Encoding::Hex, &mac.finalize().into_bytes(), &mut header);
            append(&mut key_ids, ',', &secret.id);
        }
        if key_ids.is_empty() {
            return None;
        }
        headers.insert(self.0, value(header)?);
        Some(key_ids)
    }
}
