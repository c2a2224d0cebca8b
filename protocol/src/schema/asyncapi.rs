//! AsyncAPI of the socket: every frame of both directions as a message.

use serde_json::{Value, json};

use super::{generator, object, shapes};
use crate::frame::{Client, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, Server};

/// The document.
pub(super) fn document() -> Value {
    let mut generator = generator("/components/schemas");
    generator.subschema_for::<Client>();
    generator.subschema_for::<Server>();
    let definitions = generator.take_definitions(true);
    let of = |name: &str| {
        definitions
            .get(name)
            .map(shapes::frames)
            .unwrap_or_default()
    };
    let client = of("Client");
    let server = of("Server");

    let key = |side: &str, kind: &str| format!("{side}.{kind}");
    let message = |side: &str, shape: &shapes::Shape| {
        let value = json!({
            "name": shape.kind,
            "title": format!("{} ({side})", shape.kind),
            "summary": shape.about,
            "payload": {
                "allOf": [
                    { "$ref": shape.fields },
                    {
                        "type": "object",
                        "properties": { "type": { "const": shape.kind } },
                        "required": ["type"],
                    },
                ],
            },
        });
        (key(side, &shape.kind), value)
    };
    let messages = client
        .iter()
        .map(|shape| message("client", shape))
        .chain(server.iter().map(|shape| message("server", shape)));
    let messages = object(messages);
    let named = |side: &str, shapes: &[shapes::Shape]| -> Vec<String> {
        shapes.iter().map(|shape| key(side, &shape.kind)).collect()
    };
    let (from_client, from_server) = (named("client", &client), named("server", &server));
    let in_channel = from_client.iter().chain(&from_server).map(|key| {
        let to = json!({ "$ref": format!("#/components/messages/{key}") });
        (key.clone(), to)
    });
    let listed = |keys: &[String]| -> Vec<Value> {
        keys.iter()
            .map(|key| json!({ "$ref": format!("#/channels/socket/messages/{key}") }))
            .collect()
    };

    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Parlour: the socket",
            "version": "1",
            "description": "One WebSocket per device. The first frame is `hello`, and carries the \
                            token; no token is ever in a URL. `docs/protocol.md` tells it as a \
                            story, `docs/errors.md` lists the numbered errors and the limits.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": {
            "node": {
                "host": "{host}",
                "protocol": "wss",
                "description": "Any node of the server.",
                "variables": {
                    "host": { "default": "127.0.0.1:8080", "description": "Name and port." },
                },
            },
        },
        "channels": {
            "socket": {
                "address": "/v1/socket",
                "title": "The socket",
                "description": format!(
                    "The subprotocol chooses the codec: `{SUBPROTOCOL_JSON}`, JSON in text frames; \
                     `{SUBPROTOCOL_MSGPACK}`, named MessagePack in binary frames, with ids and \
                     bytes as binary."
                ),
                "messages": object(in_channel),
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "properties": {
                                "Sec-WebSocket-Protocol": {
                                    "type": "string",
                                    "enum": [SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK],
                                },
                            },
                            "required": ["Sec-WebSocket-Protocol"],
                        },
                    },
                },
            },
        },
        "operations": {
            "take": {
                "action": "receive",
                "channel": { "$ref": "#/channels/socket" },
                "summary": "What the server takes from a client.",
                "messages": listed(&from_client),
            },
            "give": {
                "action": "send",
                "channel": { "$ref": "#/channels/socket" },
                "summary": "What the server gives to a client.",
                "messages": listed(&from_server),
            },
        },
        "components": {
            "messages": messages,
            "schemas": shapes::sorted(definitions),
        },
    })
}
