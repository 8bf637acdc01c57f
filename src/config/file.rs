//! A TOML file → flat dotted keys, each with its line.

use std::{io::Read as _, path::Path, sync::Arc};

use toml::de::{DeTable, DeValue};

use super::{
    Error, Origin,
    reader::{Raw, Reader, Value},
};

/// No configuration is longer; more is a wrong file.
const LONGEST: u64 = 1 << 20;

/// Reads a file, or standard input for `-`; answers its name for messages and its text.
pub(super) fn read(path: &Path) -> Result<(String, String), Error> {
    let mut text = String::new();
    let (name, result) = if path.as_os_str() == "-" {
        ("<stdin>".to_owned(), std::io::stdin().take(LONGEST).read_to_string(&mut text))
    } else {
        let file = std::fs::File::open(path);
        let read = file.and_then(|file| file.take(LONGEST).read_to_string(&mut text));
        (path.display().to_string(), read)
    };
    match result {
        Ok(_) => Ok((name, text)),
        Err(source) => Err(Error::Unreadable { path: name, source }),
    }
}

/// Puts every key of the text into the reader.
pub(super) fn parse(name: &str, text: &str, reader: &mut Reader) -> Result<(), Error> {
    let name: Arc<str> = name.into();
    let place = |at: usize| Origin::File { name: name.clone(), line: line_of(text, at) };
    let table = DeTable::parse(text).map_err(|error| Error::Syntax {
        place: place(error.span().map_or(0, |span| span.start)),
        message: error.message().replace('\n', ", "),
    })?;
    flatten("", table.get_ref(), reader, &place);
    Ok(())
}

fn flatten(above: &str, table: &DeTable<'_>, reader: &mut Reader, place: &dyn Fn(usize) -> Origin) {
    for (key, value) in table {
        let name = key.get_ref();
        let key_path = if above.is_empty() { name.to_string() } else { format!("{above}.{name}") };
        match value.get_ref() {
            DeValue::Table(inner) if !inner.is_empty() => {
                flatten(&key_path, inner, reader, place);
            }
            found => {
                let origin = place(key.span().start);
                reader.put(key_path, Raw { value: value_of(found), origin });
            }
        }
    }
}

fn value_of(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Value::Other("an integer out of range"), Value::Integer),
        DeValue::Boolean(flag) => Value::Boolean(*flag),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| value_of(item.get_ref())).collect())
        }
        DeValue::Float(number) => Value::Number(number.as_str().to_owned()),
        DeValue::Datetime(_) => Value::Other("a date"),
        DeValue::Table(table) if table.is_empty() => Value::EmptySection,
        DeValue::Table(_) => Value::Other("a section"),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}
