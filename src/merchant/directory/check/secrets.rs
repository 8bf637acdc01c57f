//! Signing keys.

use std::collections::HashSet;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use secrecy::ExposeSecret;

use super::problem::{Checked, Problem, at_most};
use crate::{
    merchant::directory::SecretEntry,
    model::{Secret, SecretBytes},
};

const SECRETS: usize = 8;
/// Standard base64; secrets are found with and without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn secrets(entries: &[SecretEntry]) -> Checked<Vec<Secret>> {
    at_most("secrets", entries.len(), SECRETS)?;
    let mut ids = HashSet::new();
    let mut secrets = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let secret = secret(entry).map_err(|problem| problem.within(&format!("secrets[{at}]")))?;
        if !ids.insert(secret.id.clone()) {
            let path = format!("secrets[{at}].id");
            return Err(Problem::new(&path, "is used twice", "give each secret its own id"));
        }
        secrets.push(secret);
    }
    Ok(secrets)
}

fn secret(entry: &SecretEntry) -> Checked<Secret> {
    // The id goes to logs and is joined by commas there.
    if crate::model::EndpointId::parse(&entry.id).is_err() {
        let what = "must match ^[A-Za-z0-9_:.-]{1,64}$";
        return Err(Problem::new("id", what, "name it such as s1"));
    }
    if entry.kind != "hmac" {
        return Err(Problem::unsupported("kind"));
    }
    let text = entry.value.expose_secret().strip_prefix("whsec_");
    // At most 64 bytes are needed; the buffer is wiped by its owner.
    let key =
        text.and_then(|text| BASE64.decode(text).ok()).filter(|k| (24..=64).contains(&k.len()));
    let Some(key) = key else {
        let what = "must be the prefix whsec and, after _, the base64 of 24 to 64 random bytes";
        return Err(Problem::new("value", what, "make one: openssl rand -base64 32"));
    };
    if let (Some(start), Some(end)) = (entry.not_before, entry.expires)
        && start >= end
    {
        return Err(Problem::new("expires", "is not after not_before", "correct one of them"));
    }
    Ok(Secret {
        id: entry.id.clone(),
        key: SecretBytes::new(key),
        not_before: entry.not_before,
        expires: entry.expires,
    })
}
