//! The published JSON Schemas, compiled once: what `publish` and `merchants put` check first.
//!
//! The schemas describe the whole contract; the Rust types are stricter where a rule relates
//! fields to each other, and where this version does not support something yet.

use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

/// Text of the schema of events.
pub const EVENT: &str = include_str!("../schemas/event.schema.json");
/// Text of the schema of merchants.
pub const MERCHANT: &str = include_str!("../schemas/merchant.schema.json");
/// Text of the schema of the delivery log.
pub const ATTEMPT: &str = include_str!("../schemas/attempt.schema.json");

/// Faults listed for one document at most.
const MAX_FAULTS: usize = 5;
/// Characters of one fault at most.
const MAX_FAULT: usize = 300;

/// One schema, ready to use.
#[derive(Debug)]
pub struct Schema(Option<Validator>);

/// The schema of events.
pub fn event() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile(EVENT));
    &SCHEMA
}

/// The schema of merchants.
pub fn merchant() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile(MERCHANT));
    &SCHEMA
}

/// The schema of the delivery log.
pub fn attempt() -> &'static Schema {
    static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::compile(ATTEMPT));
    &SCHEMA
}

impl Schema {
    /// Refuses bytes that are no JSON or have faults; the message joins the faults.
    pub fn check(&self, document: &[u8]) -> Result<(), String> {
        let document = serde_json::from_slice(document).map_err(|error| error.to_string())?;
        let faults = self.faults(&document);
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }

    fn compile(text: &str) -> Self {
        let compile = |schema: Value| {
            jsonschema::draft202012::options().should_validate_formats(true).build(&schema).ok()
        };
        Self(serde_json::from_str(text).ok().and_then(compile))
    }

    /// At most five faults, each with its JSON path first; values are never quoted, since they may
    /// be secrets. None means valid.
    pub fn faults(&self, document: &Value) -> Vec<String> {
        let Some(validator) = &self.0 else {
            // The schemas are part of the program and compile in its tests.
            return vec!["the built-in schema does not compile".to_owned()];
        };
        let fault = |error: jsonschema::ValidationError<'_>| {
            let path = error.instance_path().as_str();
            let path = if path.is_empty() { "/" } else { path };
            format!("{path}: {}", error.masked()).chars().take(MAX_FAULT).collect()
        };
        validator.iter_errors(document).take(MAX_FAULTS).map(fault).collect()
    }
}
