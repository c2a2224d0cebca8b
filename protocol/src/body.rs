//! What an event says: [`Body`], plain or sealed.
//!
//! A body becomes bytes once, at the gateway that takes it ([`Body::to_payload`]), and is stored
//! and relayed byte for byte from then on.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::bytes::Bytes;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub enum Body {
    /// Readable by the server. Fields by kind; unknown ones are kept.
    #[cfg_attr(feature = "schema", ts(type = "Record<string, unknown>"))]
    Plain(Map<String, Value>),
    /// Readable by the devices that hold the key, and by nobody else.
    Sealed(Sealed),
}

/// A sealed body. The server knows its algorithm's name and its size, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, ts_rs::TS))]
pub struct Sealed {
    /// The algorithm, for example `olm.v1` or `megolm.v1`.
    pub alg: String,
    /// Which key of the algorithm: a session, a key version.
    #[serde(default)]
    #[cfg_attr(feature = "schema", ts(type = "number"))]
    pub epoch: u64,
    /// The ciphertext.
    pub bytes: Bytes,
}

impl Default for Body {
    fn default() -> Self {
        Self::Plain(Map::new())
    }
}

impl Body {
    /// A plain text message.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        let mut map = Map::new();
        map.insert("text".to_owned(), Value::String(text.into()));
        Self::Plain(map)
    }

    /// A plain body of one field.
    #[must_use]
    pub fn field(name: &str, value: impl Into<Value>) -> Self {
        let mut map = Map::new();
        map.insert(name.to_owned(), value.into());
        Self::Plain(map)
    }

    /// The `text` field of a plain body.
    #[must_use]
    pub fn as_text(&self) -> Option<&str> {
        self.get("text").and_then(Value::as_str)
    }

    /// A field of a plain body.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Plain(map) => map.get(name),
            Self::Sealed(_) => None,
        }
    }

    /// How deep a plain body nests; a sealed one is flat.
    #[must_use]
    pub fn depth(&self) -> usize {
        fn of(v: &Value) -> usize {
            match v {
                Value::Array(a) => 1 + a.iter().map(of).max().unwrap_or(0),
                Value::Object(o) => 1 + o.values().map(of).max().unwrap_or(0),
                _ => 0,
            }
        }
        match self {
            Self::Plain(map) => 1 + map.values().map(of).max().unwrap_or(0),
            Self::Sealed(_) => 0,
        }
    }

    /// Its size in its JSON encoding, without building it.
    #[must_use]
    pub fn json_bytes(&self) -> usize {
        struct Count(usize);
        impl std::io::Write for Count {
            fn write(&mut self, b: &[u8]) -> std::io::Result<usize> {
                self.0 += b.len();
                Ok(b.len())
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let mut count = Count(0);
        // Writing to a counter cannot fail; a body that could not be encoded counts as endless.
        if serde_json::to_writer(&mut count, self).is_err() {
            usize::MAX
        } else {
            count.0
        }
    }

    /// The bytes that are stored and relayed: named MessagePack.
    #[must_use]
    pub fn to_payload(&self) -> Bytes {
        Bytes::from(rmp_serde::to_vec_named(self).unwrap_or_default())
    }

    /// The body of a stored payload. An empty payload is an empty plain body.
    ///
    /// # Errors
    /// The bytes are not a payload that [`Body::to_payload`] makes.
    pub fn from_payload(payload: &[u8]) -> Result<Self, crate::codec::Error> {
        if payload.is_empty() {
            return Ok(Self::default());
        }
        crate::codec::msgpack(payload)
    }
}
