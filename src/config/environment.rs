//! `PAYNOTIFY_<SECTION>__<KEY>` → dotted keys.

use super::{
    Origin,
    reader::{Raw, Reader, Value},
};

const PREFIX: &str = "PAYNOTIFY_";
const PROPERTIES: &str = "KAFKA__PROPERTIES__";

/// Whether a variable is a setting. One without a double underscore is not: Kubernetes puts
/// `PAYNOTIFY_SERVICE_HOST` and its like into every pod beside a service named paynotify.
pub(super) fn is_ours(name: &str) -> bool {
    name.strip_prefix(PREFIX).is_some_and(|rest| rest.contains("__"))
}

/// Puts every variable of ours into the reader.
pub(super) fn parse(variables: &[(String, String)], reader: &mut Reader) {
    let mut ours: Vec<_> = variables.iter().filter(|(name, _)| is_ours(name)).collect();
    ours.sort();
    for (name, value) in ours {
        let raw =
            Raw { value: Value::Text(value.clone()), origin: Origin::Environment(name.clone()) };
        reader.put(key_of(&name[PREFIX.len()..]), raw);
    }
}

/// The dotted key that a variable means; librdkafka's properties have dots for underscores.
fn key_of(rest: &str) -> String {
    match rest.strip_prefix(PROPERTIES) {
        Some(property) => {
            format!("kafka.properties.{}", property.to_ascii_lowercase().replace('_', "."))
        }
        None => rest.to_ascii_lowercase().replace("__", "."),
    }
}

/// The variable that sets a dotted key, for remedies.
pub(super) fn variable_of(key: &str) -> String {
    let key = match key.strip_prefix("kafka.properties.") {
        Some(property) => format!("kafka__properties__{}", property.replace('.', "_")),
        None => key.replace('.', "__"),
    };
    format!("{PREFIX}{}", key.to_ascii_uppercase())
}
