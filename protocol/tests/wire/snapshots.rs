//! The bytes of every frame, row and log record, each with its version.
//!
//! A change of one of these files is a change of the wire or of what is stored: fields are only
//! ever added. `cargo insta review`, or `INSTA_UPDATE=always`, writes them anew.

use std::collections::BTreeSet;

use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client, SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, Server};
use parlour_protocol::record::{self, Record};
use parlour_protocol::row::{self, Row};

use crate::diagnostic::{lines, msgpack};
use crate::samples;

fn frame(json: &[u8], packed: &[u8]) -> String {
    format!(
        "version: {SUBPROTOCOL_JSON}, {} bytes\n{}\n\nversion: {SUBPROTOCOL_MSGPACK}, {} bytes\n{}\n\nas it reads:\n{}",
        json.len(),
        std::str::from_utf8(json).expect("text"),
        packed.len(),
        lines(packed),
        msgpack(packed),
    )
}

fn stored(version: u8, bytes: &[u8], reads: &str) -> String {
    format!(
        "version: {version}, {} bytes\n{}\n\nas it reads:\n{reads}",
        bytes.len(),
        lines(bytes)
    )
}

fn cbor(bytes: &[u8]) -> String {
    minicbor::display(bytes).to_string()
}

/// The picture of a row's bytes; that they are read back as the same row is checked on the way.
fn row<T>(row: &T) -> String
where
    T: PartialEq + std::fmt::Debug + minicbor::Encode<()> + for<'b> minicbor::Decode<'b, ()>,
{
    let bytes = row::to_bytes(row);
    assert_eq!(&row::from_bytes::<T>(&bytes).expect("a row"), row);
    stored(row::VERSION, &bytes, &cbor(&bytes[1..]))
}

fn record(record: &Record) -> String {
    let bytes = record.to_bytes();
    assert_eq!(&Record::from_bytes(&bytes).expect("a record"), record);
    let reads = format!(
        "rules: {}\nheader: {}\npayload: {}",
        record.rules,
        cbor(&record.header),
        msgpack(&record.payload)
    );
    stored(record::VERSION, &bytes, &reads)
}

/// Every snapshot: its name and its text.
fn all() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, f) in samples::client() {
        let (json, packed) = (f.encode(Codec::Json), f.encode(Codec::MessagePack));
        for (codec, bytes) in [(Codec::Json, &json), (Codec::MessagePack, &packed)] {
            assert_eq!(Client::decode(codec, bytes), Ok(f.clone()), "{name}");
        }
        all.push((format!("client.{name}"), frame(&json, &packed)));
    }
    for (name, f) in samples::server() {
        let (json, packed) = (f.encode(Codec::Json), f.encode(Codec::MessagePack));
        for (codec, bytes) in [(Codec::Json, &json), (Codec::MessagePack, &packed)] {
            assert_eq!(Server::decode(codec, bytes), Ok(f.clone()), "{name}");
        }
        all.push((format!("server.{name}"), frame(&json, &packed)));
    }
    for (name, r) in samples::records() {
        all.push((format!("log.{name}"), record(&r)));
    }
    for (name, r) in samples::rows() {
        all.push((format!("row.{name}"), row(&r)));
    }
    all.push(("store.progress".into(), row(&samples::progress())));
    all.push(("store.standing".into(), row(&samples::standing())));
    all.push(("store.inbox".into(), row(&samples::inbox())));
    all
}

#[test]
fn no_byte_changes_unseen() {
    for (name, text) in all() {
        insta::assert_snapshot!(name, text);
    }
}

/// The part of a sample's name that says what it is a sample of.
fn stem(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}

#[test]
fn every_frame_type_has_one() {
    let types = |names: Vec<&'static str>| names.into_iter().map(stem).collect::<BTreeSet<_>>();
    let client = types(samples::client().into_iter().map(|(n, _)| n).collect());
    assert_eq!(client, Client::TYPES.iter().copied().collect());
    for (name, frame) in samples::client() {
        assert_eq!(stem(name), frame.kind());
    }
    let server = types(samples::server().into_iter().map(|(n, _)| n).collect());
    assert_eq!(server, Server::TYPES.iter().copied().collect());
    for (name, frame) in samples::server() {
        assert_eq!(stem(name), frame.kind());
    }
}

#[test]
fn every_row_has_one() {
    let mut variants = BTreeSet::new();
    for (name, row) in samples::rows() {
        let row: Row = row;
        assert_eq!(stem(name), samples::variant(&row));
        variants.insert(samples::variant(&row));
    }
    assert_eq!(variants.len(), samples::VARIANTS);
}

/// A snapshot whose sample is gone would be looked at by nobody.
#[test]
fn no_snapshot_is_left_over() {
    let names: BTreeSet<_> = all()
        .into_iter()
        .map(|(name, _)| format!("wire__snapshots__{name}.snap"))
        .collect();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/wire/snapshots");
    let files: BTreeSet<_> = std::fs::read_dir(folder)
        .expect("the folder of snapshots")
        .map(|entry| {
            entry
                .expect("a file")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .filter(|name| name.ends_with(".snap"))
        .collect();
    assert_eq!(files, names);
}
