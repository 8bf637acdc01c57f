//! Templates: text with `{name}` for values, `{{` and `}}` for the braces themselves.

use crate::model::{Piece, Template};

/// Bytes of a template.
const MOST: usize = 1024;

/// Names that signed content may use.
pub(super) const OF_CONTENT: &[(&str, Piece)] = &[
    ("method", Piece::Method),
    ("path", Piece::Path),
    ("id", Piece::Id),
    ("timestamp", Piece::Timestamp),
    ("timestamp_ms", Piece::TimestampMs),
    ("key_id", Piece::KeyId),
    ("body", Piece::Body),
];
/// Names that headers may use.
pub(super) const OF_HEADERS: &[(&str, Piece)] = &[
    ("signature", Piece::Signature),
    ("timestamp", Piece::Timestamp),
    ("timestamp_ms", Piece::TimestampMs),
    ("key_id", Piece::KeyId),
    ("id", Piece::Id),
];

/// Reads a template; the error says what is wrong without quoting it.
pub(super) fn template(text: &str, names: &[(&str, Piece)]) -> Result<Template, String> {
    if text.is_empty() || text.len() > MOST {
        return Err(format!("is empty or longer than {MOST} bytes"));
    }
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        plain.push_str(&rest[..at]);
        let (brace, after) = rest[at..].split_at(1);
        if let Some(after) = after.strip_prefix(brace) {
            plain.push_str(brace);
            rest = after;
            continue;
        }
        let name = if brace == "{" { after.split_once('}') } else { None };
        let (name, after) = name.ok_or("has a brace without its other; write {{ or }} for one")?;
        let Some((_, piece)) = names.iter().find(|(known, _)| *known == name) else {
            let known: Vec<_> = names.iter().map(|(known, _)| format!("{{{known}}}")).collect();
            return Err(format!("has a name in braces that is none of {}", known.join(", ")));
        };
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain)));
        }
        pieces.push(piece.clone());
        rest = after;
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(Template(pieces))
}
