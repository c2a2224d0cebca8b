//! The two codecs. Decoding never panics, and never allocates by a length that it was told: bytes
//! are walked before anything is built from them, so what they claim to hold, they hold.

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

    /// Whether these bytes are one value that may be decoded: no deeper than [`DEPTH`], and in
    /// MessagePack whole, with nothing behind.
    pub(crate) fn walk(self, bytes: &[u8]) -> Result<(), Error> {
        match self {
            Self::Json => walk_json(bytes),
            Self::MessagePack => walk_msgpack(bytes),
        }
    }

    /// What bytes that were walked hold.
    pub(crate) fn read<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Result<T, Error> {
        match self {
            Self::Json => {
                serde_json::from_slice(bytes).map_err(|e| Error::Malformed(why(&e.to_string())))
            }
            Self::MessagePack => {
                let mut d = rmp_serde::Deserializer::from_read_ref(bytes);
                // One more than was walked, for the counter refuses at its last.
                d.set_max_depth(DEPTH + 1);
                T::deserialize(&mut d).map_err(|e| Error::Malformed(why(&e.to_string())))
            }
        }
    }

    /// How many bytes this value takes, without writing it anywhere.
    #[must_use]
    pub fn size<T: Serialize>(self, value: &T) -> usize {
        let mut count = Count(0);
        // As in `encode`: there is no error to give.
        match self {
            Self::Json => serde_json::to_writer(&mut count, value).unwrap_or_default(),
            Self::MessagePack => {
                rmp_serde::encode::write_named(&mut count, value).unwrap_or_default();
            }
        }
        count.0
    }

    /// The `ref` of a frame that may be no frame of ours otherwise: of an object that is whole in
    /// this codec and has a number there. So that whoever sent it knows which it was.
    #[must_use]
    pub fn reference(self, bytes: &[u8]) -> Option<crate::frame::Ref> {
        self.walk(bytes).ok()?;
        self.read::<Reference>(bytes).ok()?.0
    }

    pub(crate) fn encode<T: Serialize>(self, value: &T) -> Vec<u8> {
        // Our own types have string keys and write to memory: there is no error to give.
        match self {
            Self::Json => serde_json::to_vec(value).unwrap_or_default(),
            Self::MessagePack => rmp_serde::to_vec_named(value).unwrap_or_default(),
        }
    }
}

/// Counts what is written to it.
struct Count(usize);

impl std::io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The `ref` of an object, whatever else is in it.
struct Reference(Option<crate::frame::Ref>);

impl<'de> Deserialize<'de> for Reference {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(Object)
    }
}

struct Object;

impl<'de> serde::de::Visitor<'de> for Object {
    type Value = Reference;

    fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Reference, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == "ref" && found.is_none() {
                found = Some(map.next_value()?);
            } else {
                map.next_value::<serde::de::IgnoredAny>()?;
            }
        }
        Ok(Reference(found))
    }
}

pub(crate) fn msgpack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, Error> {
    Codec::MessagePack.walk(bytes)?;
    Codec::MessagePack.read(bytes)
}

/// A value of these JSON bytes, as HTTP bodies carry it.
///
/// # Errors
/// The bytes are not JSON of this shape, or nest too deep.
pub fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    Codec::Json.walk(bytes)?;
    Codec::Json.read(bytes)
}

/// What a parser says, without the value that it met: that may be a token, or a whole message, and
/// what is said here is logged and sent back.
fn why(said: &str) -> String {
    /// Enough for every message of ours.
    const CHARS_MAX: usize = 200;
    let met = ["invalid type: ", "invalid value: ", "unknown variant `"];
    let text = match (
        met.iter().find(|met| said.starts_with(**met)),
        said.rfind(", expected "),
    ) {
        (Some(met), Some(at)) => {
            let value = said.get(met.len()..at).unwrap_or_default();
            // The first word says of what type it was; of a variant, the value is all there is.
            let kind = value.split([' ', '`', '"']).next().unwrap_or_default();
            let kind = if met.ends_with('`') { "" } else { kind };
            let expected = said.get(at..).unwrap_or_default();
            format!("{}{kind}{expected}", met.trim_end_matches(" `"))
        }
        _ => said.to_owned(),
    };
    text.chars().take(CHARS_MAX).collect()
}

fn malformed<T>(what: &str) -> Result<T, Error> {
    Err(Error::Malformed(what.to_owned()))
}

fn too_deep<T>() -> Result<T, Error> {
    Err(Error::Malformed(format!("nested deeper than {DEPTH}")))
}

/// Counts brackets outside strings. Whether they match, and all else, the parser judges.
fn walk_json(bytes: &[u8]) -> Result<(), Error> {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                if depth > DEPTH {
                    return too_deep();
                }
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

fn walk_msgpack(bytes: &[u8]) -> Result<(), Error> {
    let mut rest = bytes;
    value(&mut rest, DEPTH)?;
    if rest.is_empty() {
        Ok(())
    } else {
        malformed("trailing bytes")
    }
}

/// Walks over one MessagePack value. Recursion ends at [`DEPTH`].
fn value(rest: &mut &[u8], depth: usize) -> Result<(), Error> {
    let [marker] = take(rest)?;
    match marker {
        0x00..=0x7f | 0xe0..=0xff | 0xc0 | 0xc2 | 0xc3 => Ok(()),
        0x80..=0x8f => items(rest, 2 * u64::from(marker & 0x0f), depth),
        0x90..=0x9f => items(rest, u64::from(marker & 0x0f), depth),
        0xa0..=0xbf => skip(rest, u64::from(marker & 0x1f)),
        0xc4 | 0xd9 => size(rest, 1).and_then(|n| skip(rest, n)),
        0xc5 | 0xda => size(rest, 2).and_then(|n| skip(rest, n)),
        0xc6 | 0xdb => size(rest, 4).and_then(|n| skip(rest, n)),
        0xca | 0xce | 0xd2 => skip(rest, 4),
        0xcb | 0xcf | 0xd3 => skip(rest, 8),
        0xcc | 0xd0 => skip(rest, 1),
        0xcd | 0xd1 => skip(rest, 2),
        0xdc => size(rest, 2).and_then(|n| items(rest, n, depth)),
        0xdd => size(rest, 4).and_then(|n| items(rest, n, depth)),
        0xde => size(rest, 2).and_then(|n| items(rest, 2 * n, depth)),
        0xdf => size(rest, 4).and_then(|n| items(rest, 2 * n, depth)),
        // Extensions and the byte that is never used: nothing of ours is written so.
        0xc1 | 0xc7..=0xc9 | 0xd4..=0xd8 => malformed("an extension type"),
    }
}

fn items(rest: &mut &[u8], count: u64, depth: usize) -> Result<(), Error> {
    let Some(depth) = depth.checked_sub(1) else {
        return too_deep();
    };
    // Each item has a byte at least: what cannot be there is not asked for.
    if count > rest.len() as u64 {
        return malformed("cut short");
    }
    for _ in 0..count {
        value(rest, depth)?;
    }
    Ok(())
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], Error> {
    match rest.split_first_chunk::<N>() {
        Some((taken, behind)) => {
            *rest = behind;
            Ok(*taken)
        }
        None => malformed("cut short"),
    }
}

fn size(rest: &mut &[u8], width: usize) -> Result<u64, Error> {
    let mut size = 0;
    for _ in 0..width {
        let [byte] = take(rest)?;
        size = size << 8 | u64::from(byte);
    }
    Ok(size)
}

fn skip(rest: &mut &[u8], count: u64) -> Result<(), Error> {
    let behind = usize::try_from(count)
        .ok()
        .and_then(|count| rest.split_at_checked(count));
    match behind {
        Some((_, behind)) => {
            *rest = behind;
            Ok(())
        }
        None => malformed("cut short"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ref_of_what_is_no_frame() {
        let json = |text: &str| Codec::Json.reference(text.as_bytes());
        assert_eq!(
            json(r#"{"type":"history","ref":77,"conversation":5}"#),
            Some(77)
        );
        assert_eq!(json(r#"{"ref":0,"nested":{"ref":9}}"#), Some(0));
        assert_eq!(json(r#"{"nested":{"ref":9}}"#), None);
        assert_eq!(json(r#"{"ref":18446744073709551615}"#), Some(u64::MAX));
        // The first counts: what follows is no reason to answer another.
        assert_eq!(json(r#"{"ref":1,"ref":2}"#), Some(1));
        for no in [
            r#"{"ref":"7"}"#,
            r#"{"ref":-7}"#,
            r#"{"ref":7.5}"#,
            r#"{"ref":null}"#,
            r#"{"ref":7"#,
            r#"{"ref":7} x"#,
            "[7]",
            "7",
            "",
        ] {
            assert_eq!(json(no), None, "{no}");
        }
        let deep = format!("{{\"ref\":7,\"x\":{}{}}}", "[".repeat(99), "]".repeat(99));
        assert_eq!(json(&deep), None);
        let msgpack = |bytes: &[u8]| Codec::MessagePack.reference(bytes);
        assert_eq!(msgpack(b"\x82\xa3ref\x05\xa4type\x01"), Some(5));
        assert_eq!(msgpack(b"\x81\xa3ref\xcd\x01\x00"), Some(256));
        for no in [
            &b"\x81\xa3ref\xa17"[..],
            b"\x82\xa3ref\x05",
            b"\x81\xa3ref\x05\x00",
            b"\x81\x01\x05",
            b"\x91\x05",
            b"",
        ] {
            assert_eq!(msgpack(no), None, "{no:?}");
        }
    }

    #[test]
    fn a_size_is_that_of_what_is_written() {
        let values = [
            serde_json::json!({"text": "\u{1}\u{2}\n\"quoted\" ünïcödé"}),
            serde_json::json!([1, 2.5, null, true, {"a": {"b": []}}]),
            serde_json::json!("x".repeat(70_000)),
        ];
        for value in &values {
            for codec in [Codec::Json, Codec::MessagePack] {
                assert_eq!(codec.size(value), codec.encode(value).len());
            }
        }
    }
}
