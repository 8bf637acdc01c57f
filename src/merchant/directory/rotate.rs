//! A new signing key beside the old ones, which end a while later: merchants check either meanwhile.

use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::{Entry, Error, check::problem::Problem};
use crate::model::{EndpointId, Span, Timestamp};

/// What is to change.
#[derive(Debug)]
pub struct Rotation<'a> {
    /// Whose key.
    pub endpoint: &'a EndpointId,
    /// Id of the new key, which no other has.
    pub id: &'a str,
    /// How its value is written, such as `hmac`.
    pub kind: &'a str,
    /// The new key.
    pub value: &'a SecretString,
    /// It signs from now on.
    pub now: Timestamp,
    /// The others sign for so long, or until they would have ended anyway.
    pub overlap: Span,
}

/// The entry with the new key; its rules are checked where it is put.
pub fn rotated(entry: &[u8], rotation: &Rotation<'_>) -> Result<Vec<u8>, Error> {
    let parsed = Entry::parse(entry)?;
    let refused = |path: &str, what: &str, remedy: &str| {
        Problem::new(path, what, remedy).into_error(Some(parsed.merchant_id.clone()))
    };
    let unreadable = |_| refused("entry", "is no JSON object", "write one JSON object");
    let mut json: Value = serde_json::from_slice(entry).map_err(unreadable)?;
    let found = parsed.endpoints.iter().position(|endpoint| endpoint.id == *rotation.endpoint);
    let at = found.ok_or_else(|| {
        refused("endpoints", &format!("has no {}", rotation.endpoint), "name another endpoint")
    })?;
    if parsed.endpoints[at].secrets.iter().any(|secret| secret.id == rotation.id) {
        let path = format!("endpoints[{at}].secrets");
        return Err(refused(&path, "has a key of that id", "choose another with --id"));
    }
    let end = rotation.now + rotation.overlap;
    let mut secrets = json["endpoints"][at]["secrets"].take();
    let list = match secrets.as_array_mut() {
        Some(list) => std::mem::take(list),
        None => Vec::new(),
    };
    // What has ended leaves: a list that only grew would be full one day.
    let old = list.into_iter().zip(&parsed.endpoints[at].secrets);
    let kept = old.filter(|(_, read)| read.expires.is_none_or(|ends| rotation.now < ends));
    let kept = kept.map(|(mut written, read)| {
        if read.expires.is_none_or(|ends| end < ends) {
            written["expires"] = json!(end.to_string());
        }
        written
    });
    let new = json!({
        "id": rotation.id,
        "kind": rotation.kind,
        "value": rotation.value.expose_secret(),
        "not_before": rotation.now.to_string(),
    });
    json["endpoints"][at]["secrets"] = std::iter::once(new).chain(kept).collect();
    Ok(json.to_string().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_607_200_000);

    fn rotate(secrets: &Value, endpoint: &str, id: &str) -> Result<Value, String> {
        let entry = json!({ "format": 1, "merchant_id": "m", "endpoints": [
            { "id": "other", "url": "https://shop.example/a" },
            { "id": "main", "url": "https://shop.example/b", "secrets": secrets } ] });
        let (value, endpoint) = (SecretString::from("new"), EndpointId::parse(endpoint).unwrap());
        let rotation = Rotation {
            endpoint: &endpoint,
            id,
            kind: "hmac",
            value: &value,
            now: NOW,
            overlap: Span::from_secs(3_600),
        };
        let rotated = rotated(entry.to_string().as_bytes(), &rotation);
        let rotated = rotated.map_err(|error| error.to_string())?;
        let rotated: Value = serde_json::from_slice(&rotated).unwrap();
        assert_eq!(rotated["endpoints"][0], entry["endpoints"][0], "the others stay");
        Ok(rotated["endpoints"][1]["secrets"].clone())
    }

    fn secret(id: &str, expires: Option<&str>) -> Value {
        json!({ "id": id, "kind": "hmac", "value": format!("value of {id}"), "expires": expires })
    }

    #[test]
    fn the_old_keys_sign_beside_the_new_one_for_the_overlap_and_no_longer_than_they_would_have() {
        let old = json!([
            secret("lasting", None),
            secret("short", Some("2026-01-05T10:30:00.000Z")),
            secret("long", Some("2027-01-01T00:00:00.000Z")),
            secret("ended", Some("2026-01-05T10:00:00.000Z")),
        ]);
        let found = rotate(&old, "main", "s2").unwrap();
        let times: Vec<_> = found
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["id"].as_str().unwrap(), one["expires"].as_str().unwrap_or("-")))
            .collect();
        let end = "2026-01-05T11:00:00.000Z";
        assert_eq!(
            times,
            [("s2", "-"), ("lasting", end), ("short", "2026-01-05T10:30:00.000Z"), ("long", end)]
        );
        assert_eq!(found[0]["not_before"], "2026-01-05T10:00:00.000Z");
        assert_eq!(found[1]["value"], "value of lasting");
    }

    #[test]
    fn an_endpoint_without_keys_gets_its_first() {
        assert_eq!(rotate(&json!([]), "main", "s1").unwrap().as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_unknown_endpoint_and_an_id_that_is_taken_are_refused() {
        let old = json!([secret("s1", None)]);
        let error = rotate(&old, "side", "s2").unwrap_err();
        assert!(error.contains("endpoints: has no side"), "{error}");
        let error = rotate(&old, "main", "s1").unwrap_err();
        assert!(error.contains("endpoints[1].secrets: has a key of that id"), "{error}");
    }
}
