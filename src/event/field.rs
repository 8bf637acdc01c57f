//! Fields of an event: each read once, each error naming field, rule and what was found.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::Undecodable;
use crate::model::{EventType, MerchantId, Resource, Timestamp};

/// Parses a JSON object into borrowed raw fields.
pub(super) fn object<'a, T: serde::Deserialize<'a>>(text: &'a str) -> Result<T, Undecodable> {
    if !text.trim_start().starts_with('{') {
        let found = kind_of(text.trim_start());
        return Err(Undecodable::NoEvent(format!("value: must be a JSON object, but is {found}")));
    }
    serde_json::from_str(text).map_err(|error| match error.classify() {
        // The only rule that the raw types can break is a field given twice.
        serde_json::error::Category::Data => Undecodable::Invalid(format!("value: {error}")),
        _ => Undecodable::NoEvent(format!("value: is not valid JSON: {error}")),
    })
}

/// The text of a required string field.
pub(super) fn required<'a>(
    name: &str,
    raw: Option<&'a RawValue>,
) -> Result<Cow<'a, str>, Undecodable> {
    optional(name, raw)?.ok_or_else(|| missing(name))
}

/// The text of a string field, where there is one that is not null.
pub(super) fn optional<'a>(
    name: &str,
    raw: Option<&'a RawValue>,
) -> Result<Option<Cow<'a, str>>, Undecodable> {
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else {
        return Ok(None);
    };
    let plain = raw.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match plain {
        Some(plain) if !plain.contains('\\') => Ok(Some(Cow::Borrowed(plain))),
        Some(_) => match serde_json::from_str::<String>(raw) {
            Ok(text) => Ok(Some(Cow::Owned(text))),
            Err(_) => Err(broken(name, "must be a string of Unicode characters", "is not")),
        },
        None => Err(broken(name, "must be a string", &format!("is {}", kind_of(raw)))),
    }
}

/// The bytes of `data`, a required object.
pub(super) fn data(raw: Option<&RawValue>) -> Result<&str, Undecodable> {
    let raw = raw.ok_or_else(|| missing("data"))?.get();
    if raw.starts_with('{') {
        return Ok(raw);
    }
    Err(broken("data", "must be an object", &format!("is {}", kind_of(raw))))
}

pub(super) fn event_type(text: &str) -> Result<EventType, Undecodable> {
    EventType::parse(text).map_err(|error| invalid("type", &error))
}

/// RFC 3339 in its narrow sense, so that merchants can parse it too.
pub(super) fn timestamp(name: &str, text: &str) -> Result<Timestamp, Undecodable> {
    let time = Timestamp::parse(text).map_err(|error| invalid(name, &error))?;
    if is_rfc3339(text) {
        return Ok(time);
    }
    let found = format!("is {:?}", shortened(text));
    Err(broken(name, "must be an RFC 3339 time such as 2026-01-31T12:00:00.000Z", &found))
}

/// The merchant that the key names.
pub(super) fn merchant_of_key(key: Option<&[u8]>) -> Result<MerchantId, Undecodable> {
    let Some(key) = key else {
        return Err(broken("key", "must be the merchant id", "is missing"));
    };
    let text = String::from_utf8_lossy(&key[..key.len().min(200)]);
    MerchantId::parse(&text).map_err(|error| invalid("key", &error))
}

pub(super) fn resource(raw: Option<&RawValue>) -> Result<Option<Resource>, Undecodable> {
    #[derive(serde::Deserialize)]
    struct Fields<'a> {
        #[serde(rename = "type", borrow)]
        kind: Option<&'a RawValue>,
        #[serde(borrow)]
        id: Option<&'a RawValue>,
        #[serde(borrow)]
        version: Option<&'a RawValue>,
    }
    let Some(raw) = raw.map(RawValue::get).filter(|raw| *raw != "null") else {
        return Ok(None);
    };
    if !raw.starts_with('{') {
        return Err(broken("resource", "must be an object", &format!("is {}", kind_of(raw))));
    }
    let fields: Fields<'_> =
        serde_json::from_str(raw).map_err(|error| invalid("resource", &error))?;
    let version = match fields.version.map(RawValue::get) {
        None | Some("null") => None,
        Some(raw) => Some(raw.parse().map_err(|_| {
            let found = format!("is {}", shortened(raw));
            broken("resource.version", "must be a whole number from 0 to 2^64-1", &found)
        })?),
    };
    Ok(Some(Resource {
        kind: required("resource.type", fields.kind)?.into_owned(),
        id: required("resource.id", fields.id)?.into_owned(),
        version,
    }))
}

/// What a URL from outside must be before anybody dials it: http or https, with a host, without
/// user and password, at most 2,048 bytes. The error says the rule that is broken.
pub fn check_url(text: &str) -> Result<url::Url, &'static str> {
    if text.len() > 2048 {
        return Err("must be at most 2048 bytes long");
    }
    let (scheme, rest) = text.split_once("://").ok_or("must be an absolute http or https URL")?;
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err("must be an http or https URL");
    }
    // The parser forgives these; receivers and readers of logs may not.
    if text.contains(|char: char| char.is_whitespace() || char.is_control() || char == '\\') {
        return Err("must not hold blanks, control characters or backslashes");
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Err("must name a host");
    }
    if authority.contains('@') {
        return Err("must not hold a user name or a password");
    }
    let url = url::Url::parse(text).map_err(|_| "must be an absolute http or https URL")?;
    if !url.username().is_empty() || url.password().is_some() || !url.has_host() {
        return Err("must name a host, without a user name or a password");
    }
    Ok(url)
}

pub(super) fn missing(name: &str) -> Undecodable {
    Undecodable::Invalid(format!("{name}: is required, but is missing"))
}

pub(super) fn broken(name: &str, rule: &str, found: &str) -> Undecodable {
    Undecodable::Invalid(format!("{name}: {rule}, but {found}"))
}

pub(super) fn invalid(name: &str, error: &dyn std::error::Error) -> Undecodable {
    Undecodable::Invalid(format!("{name}: {error}"))
}

/// What a URL that breaks a rule is; it may hold a password.
pub(super) fn shown_url(text: &str) -> String {
    if text.contains('@') {
        "is not shown, since it may hold a password".to_owned()
    } else {
        format!("is {:?}", shortened(text))
    }
}

pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(80).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Values that break a rule are named by their kind only: `data` may hold what is nobody's
/// business.
fn kind_of(json: &str) -> &'static str {
    match json.as_bytes().first() {
        Some(b'{') => "an object",
        Some(b'[') => "an array",
        Some(b'"') => "a string",
        Some(b't' | b'f') => "a boolean",
        Some(b'n') => "null",
        Some(b'-' | b'0'..=b'9') => "a number",
        _ => "something else",
    }
}

fn is_rfc3339(text: &str) -> bool {
    let (date_time, rest) = match text.split_at_checked(19) {
        Some((head, tail)) => (head.as_bytes(), tail),
        None => return false,
    };
    let shape = b"dddd-dd-ddTdd:dd:dd";
    let fits = date_time.iter().zip(shape).all(|(byte, form)| match form {
        b'd' => byte.is_ascii_digit(),
        b'T' => matches!(byte, b'T' | b't'),
        _ => byte == form,
    });
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let offset = |zone: &[u8]| {
        matches!(zone, [b'+' | b'-', a, b, b':', c, d]
            if [a, b, c, d].iter().all(|byte| byte.is_ascii_digit()))
    };
    fits && (matches!(zone, "Z" | "z") || offset(zone.as_bytes()))
}
