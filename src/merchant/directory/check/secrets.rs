//! Signing keys.

use std::collections::HashSet;

use secrecy::ExposeSecret;

use super::{
    keys::Kind,
    problem::{Checked, Problem, at_most},
};
use crate::{
    merchant::directory::SecretEntry,
    model::{Dialect, Secret},
};

const SECRETS: usize = 8;

/// Keys that sign in this dialect.
pub(super) fn secrets(entries: &[SecretEntry], dialect: &Dialect) -> Checked<Vec<Secret>> {
    at_most("secrets", entries.len(), SECRETS)?;
    let mut ids = HashSet::new();
    let mut secrets = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        let secret =
            secret(entry, dialect).map_err(|problem| problem.within(&format!("secrets[{at}]")))?;
        if !ids.insert(secret.id.clone()) {
            let path = format!("secrets[{at}].id");
            return Err(Problem::new(&path, "is used twice", "give each secret its own id"));
        }
        secrets.push(secret);
    }
    Ok(secrets)
}

fn secret(entry: &SecretEntry, dialect: &Dialect) -> Checked<Secret> {
    // The id goes to logs and is joined by commas there.
    if crate::model::EndpointId::parse(&entry.id).is_err() {
        let what = "must match ^[A-Za-z0-9_:.-]{1,64}$";
        return Err(Problem::new("id", what, "name it such as s1"));
    }
    let kind = Kind::parse(&entry.kind)?;
    kind.suits(dialect)?;
    let key = kind.read(entry.value.expose_secret())?;
    if let (Some(start), Some(end)) = (entry.not_before, entry.expires)
        && start >= end
    {
        return Err(Problem::new("expires", "is not after not_before", "correct one of them"));
    }
    Ok(Secret { id: entry.id.clone(), key, not_before: entry.not_before, expires: entry.expires })
}
