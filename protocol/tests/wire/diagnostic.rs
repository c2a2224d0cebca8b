//! MessagePack as people read it, in the notation that CBOR has for it (RFC 8949, 8).

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

struct Diagnostic(String);

impl<'de> Deserialize<'de> for Diagnostic {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(Reader).map(Self)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = String;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }
    fn visit_unit<E>(self) -> Result<String, E> {
        Ok("null".into())
    }
    fn visit_bool<E>(self, v: bool) -> Result<String, E> {
        Ok(v.to_string())
    }
    fn visit_u64<E>(self, v: u64) -> Result<String, E> {
        Ok(v.to_string())
    }
    fn visit_i64<E>(self, v: i64) -> Result<String, E> {
        Ok(v.to_string())
    }
    fn visit_f64<E>(self, v: f64) -> Result<String, E> {
        Ok(format!("{v:?}"))
    }
    fn visit_str<E>(self, v: &str) -> Result<String, E> {
        Ok(format!("{v:?}"))
    }
    fn visit_bytes<E>(self, v: &[u8]) -> Result<String, E> {
        Ok(format!("h'{}'", hex(v)))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<String, A::Error> {
        let mut items = Vec::new();
        while let Some(Diagnostic(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(format!("[{}]", items.join(", ")))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let mut items = Vec::new();
        while let Some((Diagnostic(key), Diagnostic(value))) = map.next_entry()? {
            items.push(format!("{key}: {value}"));
        }
        Ok(format!("{{{}}}", items.join(", ")))
    }
}

/// These bytes in diagnostic notation.
pub(crate) fn msgpack(bytes: &[u8]) -> String {
    let Diagnostic(text) = rmp_serde::from_slice(bytes).expect("MessagePack");
    text
}

/// These bytes in hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// These bytes in hex, 32 a line.
pub(crate) fn lines(bytes: &[u8]) -> String {
    let lines: Vec<_> = bytes.chunks(32).map(hex).collect();
    lines.join("\n")
}
