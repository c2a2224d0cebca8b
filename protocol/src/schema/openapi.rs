//! OpenAPI of the HTTP API: every path of [`ROUTES`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::{generator, object, shapes};
use crate::error::CODES;
use crate::frame::{client, server};
use crate::http::{self, Auth, ROUTES, Route};

/// Everything that crosses HTTP as a body.
fn bodies(generator: &mut SchemaGenerator) {
    fn add<T: JsonSchema>(generator: &mut SchemaGenerator) {
        generator.subschema_for::<T>();
    }
    for add in [
        add::<http::SignUp>,
        add::<http::LogIn>,
        add::<http::LoggedIn>,
        add::<http::Profile>,
        add::<http::ProfileChange>,
        add::<http::Profiles>,
        add::<http::Devices>,
        add::<http::NewConversation>,
        add::<http::Conversation>,
        add::<http::Conversations>,
        add::<http::Members>,
        add::<http::AddMembers>,
        add::<http::Placed>,
        add::<http::BulkAccounts>,
        add::<http::BulkMade>,
        add::<http::NewInvitation>,
        add::<http::Invitation>,
        add::<http::Health>,
        add::<client::Send>,
        add::<server::Stretch>,
        add::<server::Error>,
    ] {
        add(generator);
    }
}

/// The bodies' schemas, by name.
pub(super) fn definitions() -> serde_json::Map<String, Value> {
    let mut generator = generator("/components/schemas");
    bodies(&mut generator);
    generator.take_definitions(true)
}

/// The document.
pub(super) fn document() -> Value {
    let definitions = definitions();
    let mut paths: BTreeMap<&str, BTreeMap<String, Value>> = BTreeMap::new();
    for route in ROUTES {
        let methods = paths.entry(route.path).or_default();
        methods.insert(route.method.to_ascii_lowercase(), operation(route));
    }
    let paths = paths
        .into_iter()
        .map(|(path, methods)| (path.to_owned(), object(methods)));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Parlour: the HTTP API",
            "version": "1",
            "description": "Bodies are JSON. The token goes in `Authorization: Bearer …`. Every \
                            refusal is an `Error` with a number; `docs/errors.md` lists them. \
                            `docs/protocol.md` tells it as a story.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{
            "url": "{server}",
            "variables": { "server": { "default": "http://127.0.0.1:7400" } },
        }],
        "paths": object(paths),
        "components": {
            "schemas": shapes::sorted(definitions),
            "responses": responses(),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A device's token, as signing up or logging in gives it once.",
                },
            },
        },
    })
}

/// One answer for each HTTP status of the codes' table.
fn responses() -> Value {
    let mut by_status: BTreeMap<u16, Vec<String>> = BTreeMap::new();
    for entry in CODES {
        let line = format!("{} `{}`: {}", entry.code.0, entry.code.name(), entry.about);
        by_status.entry(entry.status).or_default().push(line);
    }
    object(by_status.into_iter().map(|(status, lines)| {
        let response = json!({
            "description": format!("One of:\n\n- {}", lines.join("\n- ")),
            "content": { "application/json": { "schema": schema("Error") } },
        });
        (format!("Error{status}"), response)
    }))
}

fn schema(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": id(route),
        "summary": route.about,
        "responses": answers(route),
    });
    let parameters: Vec<_> = in_path(route)
        .chain(route.query.iter().map(|name| in_query(route, name)))
        .collect();
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if let Some(request) = route.request {
        operation["requestBody"] = json!({
            "required": true,
            "content": { "application/json": { "schema": schema(request) } },
        });
    }
    operation["security"] = match route.auth {
        Auth::None => json!([]),
        Auth::Token | Auth::Admin => json!([{ "token": [] }]),
    };
    if route.auth == Auth::Admin {
        operation["description"] = json!("Takes a token with the scope `admin`.");
    }
    operation
}

/// A name of an operation, from its method and path: `get_conversations_conversation_members`.
fn id(route: &Route) -> String {
    let words = route
        .path
        .split('/')
        .filter(|part| !matches!(*part, "" | "v1"));
    let words = words.map(|part| part.trim_matches(['{', '}']).to_owned());
    let method = route.method.to_ascii_lowercase();
    std::iter::once(method)
        .chain(words)
        .collect::<Vec<_>>()
        .join("_")
}

fn in_path(route: &Route) -> impl Iterator<Item = Value> {
    let names = route
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    names.map(|name| {
        json!({
            "name": name,
            "in": "path",
            "required": true,
            "schema": { "type": "string", "format": "uuid" },
        })
    })
}

fn in_query(route: &Route, name: &str) -> Value {
    let place = json!({ "type": "integer", "format": "uint64", "minimum": 0 });
    let (schema, about) = match name {
        "after" if route.path.ends_with("/members") => (
            json!({ "type": "string", "format": "uuid" }),
            "The `next` of the page before.",
        ),
        "before" => (place, "Events before this place."),
        "after" => (place, "Events after this place."),
        "changes_since" => (place, "Events that changed since this `as_of`."),
        "limit" => (
            json!({ "type": "integer", "format": "uint32", "minimum": 1 }),
            "At most so many.",
        ),
        "ids" => (
            json!({ "type": "string" }),
            "User ids, with commas between.",
        ),
        "name" => (
            json!({ "type": "string" }),
            "The whole name, whatever its case.",
        ),
        "prefix" => (json!({ "type": "string" }), "The beginning of names."),
        _ => (json!({ "type": "string" }), ""),
    };
    json!({ "name": name, "in": "query", "description": about, "schema": schema })
}

fn answers(route: &Route) -> Value {
    let mut answers = BTreeMap::new();
    let json_of = |name: &str| json!({ "application/json": { "schema": schema(name) } });
    let (status, good) = match (route.path, route.response) {
        ("/v1/socket", _) => ("101", json!({ "description": "The socket is open." })),
        ("/metrics", _) => (
            "200",
            json!({
                "description": "Prometheus' text format.",
                "content": { "text/plain": { "schema": { "type": "string" } } },
            }),
        ),
        (_, Some(name)) => (
            "200",
            json!({ "description": "It went well.", "content": json_of(name) }),
        ),
        (_, None) => ("204", json!({ "description": "It went well." })),
    };
    answers.insert(status.to_owned(), good);
    if route.path == "/health" || route.path == "/ready" {
        let status = if route.path == "/health" {
            "500"
        } else {
            "503"
        };
        let bad = json!({ "description": "It did not; `status` says why.", "content": json_of("Health") });
        answers.insert(status.to_owned(), bad);
        return object(answers);
    }
    for status in refusals(route) {
        let to = json!({ "$ref": format!("#/components/responses/Error{status}") });
        answers.insert(status.to_string(), to);
    }
    object(answers)
}

/// The statuses of the refusals that this path may give.
fn refusals(route: &Route) -> BTreeSet<u16> {
    let mut statuses = BTreeSet::from([429, 500, 503]);
    let named = route.path.contains('{');
    if named || route.request.is_some() || !route.query.is_empty() {
        statuses.extend([400, 404]);
    }
    if route.request.is_some() {
        statuses.extend([409, 413]);
    }
    if named && route.method != "GET" {
        statuses.extend([409, 410]);
    }
    match route.path {
        "/v1/socket" => statuses.extend([400, 403]),
        "/metrics" => statuses.extend([404]),
        _ => statuses.extend([401, 403]),
    }
    statuses
}
