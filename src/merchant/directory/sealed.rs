//! Secrets of an entry at rest: sealed where an entry is stored, opened where it is read.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    Entry, Error,
    check::problem::{Checked, Problem},
};
use crate::merchant::vault::{OpenError, Place, Vault, is_sealed};

const PASSWORD: &str = "auth/password";
const TOKEN: &str = "auth/token";
const KEY: &str = "auth/key";

/// Opens every sealed value; those in the clear stay as they are.
pub(super) fn open(entry: &mut Entry, vault: Option<&Vault>) -> Result<(), Error> {
    let merchant = entry.merchant_id.clone();
    for (at, endpoint) in entry.endpoints.iter_mut().enumerate() {
        let place =
            Place { merchant: merchant.as_str(), endpoint: endpoint.id.as_str(), secret: "" };
        let secrets = endpoint.secrets.iter_mut().enumerate().map(|(number, secret)| {
            (format!("secrets[{number}].value"), secret.id.as_str(), &mut secret.value)
        });
        let auth = endpoint.auth.as_mut().into_iter().flat_map(|auth| {
            let parts =
                [(PASSWORD, &mut auth.password), (TOKEN, &mut auth.token), (KEY, &mut auth.key)];
            parts
                .into_iter()
                .filter_map(|(id, part)| Some((id.replace('/', "."), id, part.as_mut()?)))
        });
        for (path, secret, value) in secrets.chain(auth) {
            open_one(vault, Place { secret, ..place }, value).map_err(|problem| {
                let path = format!("endpoints[{at}].{path}");
                problem.within(&path).into_error(Some(merchant.clone()))
            })?;
        }
    }
    Ok(())
}

fn open_one(vault: Option<&Vault>, place: Place<'_>, value: &mut SecretString) -> Checked<()> {
    if !is_sealed(value.expose_secret()) {
        return Ok(());
    }
    let Some(vault) = vault else {
        let what = "is sealed, and there is no key to open it";
        return Err(Problem::new("", what, "set directory.key_file, or another source of keys"));
    };
    *value = vault.open(place, value.expose_secret()).map_err(|error| {
        let remedy = match error {
            OpenError::UnknownKey(_) => "add that key to the source of keys",
            _ => "put the entry again, with its secrets",
        };
        Problem::new("", error.to_string(), remedy)
    })?;
    Ok(())
}

/// The entry with every value sealed by the current key: what was in the clear, and what another key
/// had sealed. `None` where there was nothing to do.
pub fn seal_entry(entry: &[u8], vault: &Vault) -> Result<Option<Vec<u8>>, Error> {
    // Whoever wrote it has been checked, or is told by this what is wrong.
    let merchant = Entry::parse(entry)?.merchant_id;
    let unreadable = |_| {
        let problem = Problem::new("entry", "is no JSON object", "write one JSON object");
        problem.into_error(Some(merchant.clone()))
    };
    let mut json: Value = serde_json::from_slice(entry).map_err(unreadable)?;
    let mut changed = false;
    let endpoints = json.get_mut("endpoints").and_then(Value::as_array_mut);
    for (at, endpoint) in endpoints.into_iter().flatten().enumerate() {
        let id = endpoint["id"].as_str().unwrap_or_default().to_owned();
        let mut seal = |path: String, secret: &str, value: &mut Value| {
            let place = Place { merchant: merchant.as_str(), endpoint: &id, secret };
            let sealed = sealed(vault, place, value).map_err(|error| {
                let remedy = "put the entry again, with its secrets";
                let problem =
                    Problem::new(&format!("endpoints[{at}].{path}"), error.to_string(), remedy);
                problem.into_error(Some(merchant.clone()))
            })?;
            if let Some(sealed) = sealed {
                (*value, changed) = (sealed.into(), true);
            }
            Ok::<_, Error>(())
        };
        let secrets = endpoint.get_mut("secrets").and_then(Value::as_array_mut);
        for (number, secret) in secrets.into_iter().flatten().enumerate() {
            let name = secret["id"].as_str().unwrap_or_default().to_owned();
            seal(format!("secrets[{number}].value"), &name, &mut secret["value"])?;
        }
        for (name, secret) in [("password", PASSWORD), ("token", TOKEN), ("key", KEY)] {
            if let Some(value) = endpoint.get_mut("auth").and_then(|auth| auth.get_mut(name)) {
                seal(format!("auth.{name}"), secret, value)?;
            }
        }
    }
    Ok(changed.then(|| json.to_string().into_bytes()))
}

fn sealed(vault: &Vault, place: Place<'_>, value: &Value) -> Result<Option<String>, OpenError> {
    match value.as_str() {
        Some(text) if is_sealed(text) => vault.rewrap(place, text),
        Some(text) => Ok(Some(vault.seal(place, text))),
        None => Ok(None),
    }
}
