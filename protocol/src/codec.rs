//! The two codecs. Decoding never panics, and never allocates by a length that it was told.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// How frames become bytes; chosen by the WebSocket subprotocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Codec {
    /// JSON in text frames, for people and scripts.
    Json,
    /// Named MessagePack in binary frames, for programs.
    MessagePack,
}

/// How deep a frame may nest before decoding gives up. Both codecs stop there.
pub const DEPTH: usize = 64;

/// Bytes that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not valid in its codec, or not of the shape expected.
    #[error("{0}")]
    Malformed(String),
    /// A frame of a type that does not exist.
    #[error("there is no frame of type `{0}`")]
    UnknownType(String),
    /// A record or row that is damaged or of another version.
    #[error("{0}")]
    Row(String),
}

impl Codec {
    /// The codec of a subprotocol.
    #[must_use]
    pub fn of(subprotocol: &str) -> Option<Self> {
        match subprotocol {
            crate::frame::SUBPROTOCOL_JSON => Some(Self::Json),
            crate::frame::SUBPROTOCOL_MSGPACK => Some(Self::MessagePack),
            _ => None,
        }
    }

    /// Its subprotocol.
    #[must_use]
    pub const fn subprotocol(self) -> &'static str {
        match self {
            Self::Json => crate::frame::SUBPROTOCOL_JSON,
            Self::MessagePack => crate::frame::SUBPROTOCOL_MSGPACK,
        }
    }

    pub(crate) fn decode<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Result<T, Error> {
        match self {
            Self::Json => {
                serde_json::from_slice(bytes).map_err(|e| Error::Malformed(e.to_string()))
            }
            Self::MessagePack => msgpack(bytes),
        }
    }

    pub(crate) fn encode<T: Serialize>(self, value: &T) -> Vec<u8> {
        // Our own types have string keys and write to memory: there is no error to give.
        match self {
            Self::Json => serde_json::to_vec(value).unwrap_or_default(),
            Self::MessagePack => rmp_serde::to_vec_named(value).unwrap_or_default(),
        }
    }
}

pub(crate) fn msgpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    let mut d = rmp_serde::Deserializer::from_read_ref(bytes);
    d.set_max_depth(DEPTH);
    let value = T::deserialize(&mut d).map_err(|e| Error::Malformed(e.to_string()))?;
    // Whatever is still there to be read does not belong to the frame.
    match serde::de::IgnoredAny::deserialize(&mut d) {
        Err(rmp_serde::decode::Error::InvalidMarkerRead(e))
            if e.kind() == std::io::ErrorKind::UnexpectedEof =>
        {
            Ok(value)
        }
        _ => Err(Error::Malformed("trailing bytes".to_owned())),
    }
}

/// A value of these JSON bytes, as HTTP bodies carry it.
///
/// # Errors
/// The bytes are not JSON of this shape.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes).map_err(|e| Error::Malformed(e.to_string()))
}
