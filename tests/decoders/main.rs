//! Whatever bytes come from outside, no decoder panics, nothing grows without bound, an error says
//! where the mistake is, and none repeats a secret. `make fuzz` tries more of the same.

mod config;
mod envelope;
mod event;
mod finding;
mod map;
mod merchant;
mod retry_after;
mod sealed;

use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::Value;

/// What is a secret in these tests, and may be in no error.
const SECRET: &str = "hunter2hunter2";

/// Characters of an error at most: it stands in logs and in headers of dead letters. What was found
/// is shortened before every character of it is escaped.
const LONGEST_ERROR: usize = 1_500;

/// One change of a text that was good.
#[derive(Debug, Clone)]
enum Damage {
    Cut(Index),
    Replace(Index, u8),
    Insert(Index, Vec<u8>),
    Remove(Index),
    Repeat(Index, Index),
}

/// Damage that moves no secret into a field of which nobody can tell that it holds one.
fn damage_in_place() -> impl Strategy<Value = Damage> {
    let special = prop::sample::select(br#"{}[]":,\ 0-eE.=#'@/%+;"#.to_vec());
    let bytes = prop_oneof![vec(any::<u8>(), 1..4), vec(special.clone(), 1..4)];
    prop_oneof![
        any::<Index>().prop_map(Damage::Cut),
        (any::<Index>(), prop_oneof![any::<u8>(), special])
            .prop_map(|(at, byte)| Damage::Replace(at, byte)),
        (any::<Index>(), bytes).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        any::<Index>().prop_map(Damage::Remove),
    ]
}

fn damages_in_place() -> impl Strategy<Value = Vec<Damage>> {
    vec(damage_in_place(), 1..5)
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let repeat = (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Damage::Repeat(from, to));
    vec(prop_oneof![4 => damage_in_place(), 1 => repeat], 1..5)
}

fn damaged(good: &[u8], damages: &[Damage]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for one in damages {
        if bytes.is_empty() {
            break;
        }
        match one {
            Damage::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Damage::Replace(at, byte) => {
                let at = at.index(bytes.len());
                bytes[at] = *byte;
            }
            Damage::Insert(at, more) => {
                let at = at.index(bytes.len());
                bytes.splice(at..at, more.iter().copied());
            }
            Damage::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Damage::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(to..to, part);
            }
        }
    }
    bytes
}

/// The same for what must stay text.
fn damaged_text(good: &str, damages: &[Damage]) -> String {
    String::from_utf8_lossy(&damaged(good.as_bytes(), damages)).into_owned()
}

/// Any JSON, the shapes that parsers trip over included.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
        "[0-9]{0,30}(ms|s|m|h|d)?".prop_map(Value::from),
        "[a-z]{0,9}".prop_map(|text| Value::from(text.repeat(200))),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z_]{0,8}", inner, 0..4)
                .prop_map(|fields| Value::from(serde_json::Map::from_iter(fields))),
        ]
    })
}

/// Every JSON pointer of a document but that of the whole.
fn pointers(document: &Value) -> Vec<String> {
    fn walk(value: &Value, path: &str, found: &mut Vec<String>) {
        let children: Vec<(String, &Value)> = match value {
            Value::Object(fields) => fields.iter().map(|(name, one)| (name.clone(), one)).collect(),
            Value::Array(items) => {
                items.iter().enumerate().map(|(at, one)| (at.to_string(), one)).collect()
            }
            _ => Vec::new(),
        };
        for (name, child) in children {
            let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
            found.push(path.clone());
            walk(child, &path, found);
        }
    }
    let mut found = Vec::new();
    walk(document, "", &mut found);
    found
}

/// The document with other JSON at one place.
fn spoiled(good: &Value, pointer: &str, with: Value) -> Value {
    let mut document = good.clone();
    *document.pointer_mut(pointer).expect("a pointer of the document") = with;
    document
}

/// An error is short, in words, and keeps the secret.
fn is_fit_to_show(error: &str) -> Result<(), TestCaseError> {
    prop_assert!(!error.trim().is_empty());
    prop_assert!(error.chars().count() <= LONGEST_ERROR, "{} characters: {error}", error.len());
    prop_assert!(!error.contains(SECRET), "{error}");
    Ok(())
}
