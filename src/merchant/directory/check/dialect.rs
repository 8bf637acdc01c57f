//! How requests are signed.

use std::{collections::BTreeMap, sync::Arc};

use http::{HeaderName, HeaderValue};

use super::{
    headers,
    problem::{Checked, Problem, at_most},
    template::{OF_CONTENT, OF_HEADERS, template},
};
use crate::{
    merchant::directory::DialectEntry,
    model::{Algorithm, CustomDialect, Dialect, Encoding, Piece, Policy, Template},
};

const HEADERS: usize = 8;

pub(super) fn dialect(entry: Option<DialectEntry>, default: Dialect) -> Checked<Dialect> {
    let Some(entry) = entry else { return Ok(default) };
    let checked = match (entry.kind.as_str(), Dialect::named(&entry.kind)) {
        ("custom", _) => custom(entry),
        (_, Some(dialect)) => declared(dialect, &entry),
        (_, None) => {
            let remedy = "write standard, stripe-like, none, or an object of kind custom";
            Err(Problem::new("", "is not known", remedy))
        }
    };
    checked.map_err(|problem| problem.within("dialect"))
}

/// A header has one source: the dialect or the policy's own headers.
pub(super) fn apart(policy: &Policy) -> Checked<()> {
    let fixed = |name: &HeaderName| {
        policy.headers.iter().any(|(fixed, _)| fixed.eq_ignore_ascii_case(name.as_str()))
    };
    let twice = match &policy.dialect {
        Dialect::None | Dialect::Standard => None,
        Dialect::StripeLike(name) => Some(name).filter(|name| fixed(name)),
        Dialect::Custom(custom) => {
            custom.headers.iter().map(|(name, _)| name).find(|name| fixed(name))
        }
    };
    match twice {
        None => Ok(()),
        Some(name) => {
            let path = format!("headers.{name}");
            Err(Problem::new(&path, "is set by the dialect", "leave it out of one of them"))
        }
    }
}

fn declared(dialect: Dialect, entry: &DialectEntry) -> Checked<Dialect> {
    let bare = DialectEntry { header: entry.header.clone(), ..DialectEntry::named(&entry.kind) };
    match (&dialect, &entry.header) {
        (_, None) if *entry == bare => Ok(dialect),
        (Dialect::StripeLike(_), Some(name)) if *entry == bare => {
            Ok(Dialect::StripeLike(header_name("header", name)?))
        }
        (Dialect::StripeLike(_), _) => {
            Err(Problem::new("", "has more than kind and header", "leave the rest out"))
        }
        _ => Err(Problem::new("", "has more than its kind", "leave the rest out")),
    }
}

fn custom(entry: DialectEntry) -> Checked<Dialect> {
    let DialectEntry { header, algorithm, encoding, headers, content, .. } = entry;
    if header.is_some() {
        return Err(Problem::new("header", "belongs to stripe-like", "use headers"));
    }
    let algorithm = one_of("algorithm", algorithm.as_deref(), &ALGORITHMS)?;
    let encoding = one_of("encoding", encoding.as_deref(), &ENCODINGS)?;
    let headers = header_templates(headers.unwrap_or_default())?;
    let remedy = "see the examples in deploy/examples";
    let content = template(&content.unwrap_or_default(), OF_CONTENT)
        .map_err(|what| Problem::new("content", what, remedy))?;
    let count = |piece: &Piece| content.0.iter().filter(|found| *found == piece).count();
    if count(&Piece::Body) > 1 {
        return Err(Problem::new("content", "holds {body} more than once", "keep one"));
    }
    if count(&Piece::Body) + count(&Piece::Id) == 0 {
        // Otherwise the signature of one request would fit every other.
        return Err(Problem::new("content", "holds neither {body} nor {id}", "add {body}"));
    }
    Ok(Dialect::Custom(Arc::new(CustomDialect { algorithm, encoding, headers, content })))
}

fn header_templates(entry: BTreeMap<String, String>) -> Checked<Vec<(HeaderName, Template)>> {
    at_most("headers", entry.len(), HEADERS)?;
    let mut headers: Vec<(HeaderName, Template)> = Vec::with_capacity(entry.len());
    for (name, text) in entry {
        let parsed = header_name("headers", &name)?;
        let path = format!("headers.{parsed}");
        if headers.iter().any(|(other, _)| *other == parsed) {
            return Err(Problem::new(&path, "is there twice", "case does not matter: keep one"));
        }
        if HeaderValue::from_str(&text).is_err() {
            let what = "has control characters or other than ASCII";
            return Err(Problem::new(&path, what, "correct the value"));
        }
        let template = template(&text, OF_HEADERS)
            .map_err(|what| Problem::new(&path, what, "see the examples in deploy/examples"))?;
        headers.push((parsed, template));
    }
    let signed = |(_, Template(pieces)): &(_, Template)| pieces.contains(&Piece::Signature);
    if !headers.iter().any(signed) {
        let what = "hold no {signature}";
        return Err(Problem::new("headers", what, "write a header with {signature}"));
    }
    Ok(headers)
}

fn header_name(path: &str, name: &str) -> Checked<HeaderName> {
    let Ok(parsed) = HeaderName::try_from(name) else {
        return Err(Problem::new(path, "is no header name", "use letters, digits and hyphens"));
    };
    if headers::is_reserved(parsed.as_str()) {
        let path = format!("{path}.{parsed}");
        return Err(Problem::new(&path, "is set by paynotify itself", "use another name"));
    }
    Ok(parsed)
}

const ALGORITHMS: [(&str, Algorithm); 4] = [
    ("hmac-sha256", Algorithm::HmacSha256),
    ("hmac-sha512", Algorithm::HmacSha512),
    ("rsa-sha256", Algorithm::RsaSha256),
    ("ed25519", Algorithm::Ed25519),
];

const ENCODINGS: [(&str, Encoding); 3] = [
    ("hex", Encoding::Hex),
    ("base64", Encoding::Base64),
    ("base64-percent", Encoding::PercentBase64),
];

fn one_of<T: Copy>(path: &str, name: Option<&str>, known: &[(&str, T)]) -> Checked<T> {
    let found = known.iter().find(|(known, _)| Some(*known) == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let what = if name.is_some() { "is not known" } else { "is missing" };
        let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
        Problem::new(path, what, &format!("write one of {}", names.join(", ")))
    })
}
