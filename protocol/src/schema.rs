//! What is generated from the types of the wire: [`files`]. For `cargo xtask docs` alone.
//!
//! Promises the same text from the same types, and that every frame, path, code, kind and limit is
//! in it. Writes no file itself.

mod asyncapi;
mod openapi;
mod pages;
mod shapes;
mod typescript;

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use crate::frame::{Client, Server};

/// Every generated file: its path from the root of the repository, and its text.
#[must_use]
pub fn files() -> Vec<(&'static str, String)> {
    vec![
        ("docs/errors.md", pages::errors()),
        ("docs/kinds.md", pages::kinds()),
        ("docs/http.md", pages::http()),
        ("docs/generated/frames.schema.json", pretty(&frames())),
        (
            "docs/generated/asyncapi.json",
            pretty(&asyncapi::document()),
        ),
        ("docs/generated/openapi.json", pretty(&openapi::document())),
        ("docs/generated/types.ts", typescript::module()),
    ]
}

/// JSON Schema of all frames.
fn frames() -> Value {
    let mut generator = generator("/$defs");
    let client = generator.subschema_for::<Client>().to_value();
    let server = generator.subschema_for::<Server>().to_value();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Frames of Parlour, version 1",
        "description": "What crosses the WebSocket, as JSON has it. In MessagePack the fields are \
                        the same; ids and bytes are binary there. A property that is not required \
                        may be absent. One that is not named here may come from a newer version, \
                        and is to be ignored.",
        "anyOf": [client, server],
        "$defs": shapes::sorted(generator.take_definitions(true)),
    })
}

/// A generator of schemas that refer to each other under this path.
fn generator(path: &'static str) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = path.into())
        .into_generator()
}

fn pretty(value: &Value) -> String {
    // A value in memory has string keys: there is no error to give.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// An object of these entries.
fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(entries.into_iter().collect::<Map<_, _>>())
}
