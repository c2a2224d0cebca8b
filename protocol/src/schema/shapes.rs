//! What is read out of generated schemas: the frames of an enumeration, one by one.

use serde_json::{Map, Value};

/// One frame, as its enumeration's schema has it.
pub(super) struct Shape {
    /// Its `type`.
    pub(super) kind: String,
    /// What it means, in a sentence.
    pub(super) about: String,
    /// Where the schema of its fields is.
    pub(super) fields: Value,
}

/// The frames of this enumeration's schema, in its order.
pub(super) fn frames(schema: &Value) -> Vec<Shape> {
    let branches = schema.get("oneOf").and_then(Value::as_array);
    let branches = branches.into_iter().flatten();
    branches
        .filter_map(|branch| {
            Some(Shape {
                kind: branch
                    .pointer("/properties/type/const")?
                    .as_str()?
                    .to_owned(),
                about: branch.get("description")?.as_str()?.to_owned(),
                fields: branch.get("$ref")?.clone(),
            })
        })
        .collect()
}

/// The same definitions, by name.
pub(super) fn sorted(definitions: Map<String, Value>) -> Value {
    let sorted: std::collections::BTreeMap<_, _> = definitions.into_iter().collect();
    super::object(sorted)
}
