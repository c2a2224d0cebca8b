//! What is generated names everything that there is. Needs the feature `schema`.
#![cfg(feature = "schema")]

use std::collections::BTreeSet;

use parlour_protocol::error::{CODES, Code};
use parlour_protocol::frame::{Client, Server};
use parlour_protocol::http::ROUTES;
use parlour_protocol::kind::KINDS;
use parlour_protocol::limits::LIMITS;
use parlour_protocol::schema::files;
use serde_json::Value;

fn text(path: &str) -> String {
    let found = files().into_iter().find(|(name, _)| *name == path);
    found.unwrap_or_else(|| panic!("{path} is generated")).1
}
fn json(path: &str) -> Value {
    serde_json::from_str(&text(path)).expect("JSON")
}

/// Every `$ref` of a document leads somewhere.
fn references(document: &Value, value: &Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::String(to)) = fields.get("$ref") {
                let path = to.strip_prefix('#').expect("within the document");
                assert!(document.pointer(path).is_some(), "{to} leads nowhere");
            }
            fields.values().for_each(|v| references(document, v));
        }
        Value::Array(items) => items.iter().for_each(|v| references(document, v)),
        _ => {}
    }
}

#[test]
fn twice_is_the_same() {
    assert_eq!(files(), files());
    for (path, text) in files() {
        assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{path}");
        if path.ends_with(".json") {
            let document = json(path);
            references(&document, &document);
        }
    }
}

#[test]
fn every_frame_is_in_the_schema_and_a_message() {
    let schema = json("docs/generated/frames.schema.json");
    let asyncapi = json("docs/generated/asyncapi.json");
    for (side, name, types) in [
        ("client", "Client", Client::TYPES),
        ("server", "Server", Server::TYPES),
    ] {
        let branches = schema.pointer(&format!("/$defs/{name}/oneOf"));
        let branches = branches.and_then(Value::as_array).expect("branches");
        let found: Vec<_> = branches
            .iter()
            .filter_map(|b| b.pointer("/properties/type/const")?.as_str())
            .collect();
        assert_eq!(found, types);
        for kind in types {
            let message = &asyncapi["components"]["messages"][format!("{side}.{kind}")];
            assert!(message["summary"].is_string(), "{side}.{kind}");
        }
    }
}

#[test]
fn every_path_is_in_the_api_with_its_bodies() {
    let api = json("docs/generated/openapi.json");
    let mut ids = BTreeSet::new();
    for route in ROUTES {
        let method = route.method.to_ascii_lowercase();
        let operation = &api["paths"][route.path][&method];
        assert_eq!(
            operation["summary"], route.about,
            "{} {}",
            route.method, route.path
        );
        assert!(ids.insert(operation["operationId"].to_string()));
        for name in [route.request, route.response].into_iter().flatten() {
            assert!(api["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}

#[test]
fn every_code_kind_and_limit_is_on_its_page_once() {
    let (errors, kinds) = (text("docs/errors.md"), text("docs/kinds.md"));
    for entry in CODES {
        let row = format!("| {} | `{}` |", entry.code.0, entry.code.name());
        assert_eq!(errors.matches(&row).count(), 1, "{row}");
    }
    for (name, default, _) in LIMITS {
        assert_eq!(
            errors.matches(&format!("| `{name}` | {default} |")).count(),
            1,
            "{name}"
        );
    }
    for kind in KINDS {
        assert_eq!(
            kinds.matches(&format!("| `{}` |", kind.name)).count(),
            1,
            "{}",
            kind.name
        );
    }
    // The title of each range begins with a number that is in it.
    let titles = errors.lines().filter_map(|line| line.strip_prefix("## "));
    let firsts: Vec<u16> = titles
        .filter_map(|t| t.split('–').next()?.parse().ok())
        .collect();
    let actions: Vec<_> = firsts.iter().map(|n| Code(*n).action()).collect();
    assert_eq!(actions.len(), 4);
    assert!(actions.windows(2).all(|w| w[0] != w[1]));
}

#[test]
fn types_are_declared_once() {
    let types = text("docs/generated/types.ts");
    let mut names = BTreeSet::new();
    for line in types.lines().filter_map(|l| l.strip_prefix("export type ")) {
        let name = line.split([' ', '=']).next().expect("a name");
        assert!(names.insert(name), "{name}");
    }
    for name in [
        "Client",
        "Server",
        "Send",
        "Typing",
        "TypingUsers",
        "LoggedIn",
    ] {
        assert!(names.contains(name), "{name}");
    }
}
