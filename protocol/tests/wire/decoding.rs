//! No bytes make a decoder panic or overflow a stack, and what was encoded is read back.

use parlour_protocol::body::Body;
use parlour_protocol::check::check;
use parlour_protocol::codec::{self, Codec, DEPTH, Error};
use parlour_protocol::frame::{Client, Server};
use parlour_protocol::limits::Limits;
use parlour_protocol::position::Progress;
use parlour_protocol::record::{Header, Record};
use parlour_protocol::roster;
use parlour_protocol::row::{self, Row};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::draw::Draw;
use crate::samples;

const CODECS: [Codec; 2] = [Codec::Json, Codec::MessagePack];

/// Every decoder there is.
fn decode_all(bytes: &[u8]) {
    for codec in CODECS {
        let _ = Client::decode(codec, bytes);
        let _ = Server::decode(codec, bytes);
    }
    let _ = codec::json::<serde_json::Value>(bytes);
    let _ = Body::from_payload(bytes);
    let _ = Header::from_bytes(bytes);
    if let Ok(record) = Record::from_bytes(bytes) {
        let _ = Header::from_bytes(&record.header);
        let _ = Body::from_payload(&record.payload);
    }
    let _ = row::from_bytes::<Row>(bytes);
    let _ = row::from_bytes::<row::Standing>(bytes);
    let _ = row::from_bytes::<row::Inbox>(bytes);
    let _ = row::from_bytes::<Progress>(bytes);
    let _ = row::from_bytes::<roster::Change>(bytes);
    let _ = row::from_bytes::<parlour_protocol::node::Signal>(bytes);
}

/// Bytes of every sample, in every form.
fn samples_encoded() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for codec in CODECS {
        all.extend(samples::client().iter().map(|(_, f)| f.encode(codec)));
        all.extend(samples::server().iter().map(|(_, f)| f.encode(codec)));
    }
    all.extend(samples::records().iter().map(|(_, r)| r.to_bytes()));
    all.extend(samples::records().iter().map(|(_, r)| r.header.to_vec()));
    all.extend(samples::records().iter().map(|(_, r)| r.payload.to_vec()));
    all.extend(samples::rows().iter().map(|(_, r)| row::to_bytes(r)));
    all.push(row::to_bytes(&samples::progress()));
    all.push(row::to_bytes(&samples::standing()));
    all.push(row::to_bytes(&samples::inbox()));
    all
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(bytes in vec(any::<u8>(), 0..1_024)) {
        decode_all(&bytes);
        // Behind a version byte, rows and records are looked into.
        let mut versioned = vec![1];
        versioned.extend(&bytes);
        decode_all(&versioned);
    }

    #[test]
    fn any_damage_is_survived(
        which in any::<prop::sample::Index>(),
        cuts in vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..8),
    ) {
        let all = samples_encoded();
        let mut bytes = which.get(&all).clone();
        for (at, byte, how) in cuts {
            let at = at.index(bytes.len().max(1));
            match how {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => bytes[at] ^= 1 << (byte % 8),
                2 if at < bytes.len() => drop(bytes.remove(at)),
                _ => bytes.insert(at.min(bytes.len()), byte),
            }
        }
        decode_all(&bytes);
    }

    #[test]
    fn a_clients_frame_is_read_back(bytes in vec(any::<u8>(), 0..1_024)) {
        let frame = Draw::new(&bytes).client();
        // Whatever it says of it, it says something.
        let _ = check(&frame, samples::ann(), &Limits::default());
        for codec in CODECS {
            prop_assert_eq!(Client::decode(codec, &frame.encode(codec)), Ok(frame.clone()));
        }
    }

    #[test]
    fn a_servers_frame_is_read_back(bytes in vec(any::<u8>(), 0..4_096)) {
        let frame = Draw::new(&bytes).server();
        for codec in CODECS {
            prop_assert_eq!(Server::decode(codec, &frame.encode(codec)), Ok(frame.clone()));
        }
    }

    #[test]
    fn what_is_stored_is_read_back(bytes in vec(any::<u8>(), 0..1_024)) {
        let mut draw = Draw::new(&bytes);
        let (row, header, record, body) = (draw.row(), draw.header(), draw.record(), draw.body());
        prop_assert_eq!(row::from_bytes::<Row>(&row::to_bytes(&row)), Ok(row));
        prop_assert_eq!(Header::from_bytes(&header.to_bytes()), Ok(header));
        prop_assert_eq!(Record::from_bytes(&record.to_bytes()), Ok(record));
        prop_assert_eq!(Body::from_payload(&body.to_payload()), Ok(body.clone()));
        prop_assert_eq!(body.json_bytes(), serde_json::to_vec(&body).unwrap().len());
    }
}

#[test]
fn cut_at_every_byte_is_an_error() {
    for codec in CODECS {
        for (name, frame) in samples::client() {
            let bytes = frame.encode(codec);
            for cut in 0..bytes.len() {
                let read = Client::decode(codec, &bytes[..cut]);
                assert!(read.is_err(), "{name} cut at {cut}: {read:?}");
            }
        }
        for (name, frame) in samples::server() {
            let bytes = frame.encode(codec);
            for cut in 0..bytes.len() {
                let read = Server::decode(codec, &bytes[..cut]);
                assert!(read.is_err(), "{name} cut at {cut}: {read:?}");
            }
        }
    }
    for (name, row) in samples::rows() {
        let bytes = row::to_bytes(&row);
        for cut in 0..bytes.len() {
            assert!(
                row::from_bytes::<Row>(&bytes[..cut]).is_err(),
                "{name} cut at {cut}"
            );
        }
    }
    for (name, record) in samples::records() {
        for cut in 0..record.header.len() {
            assert!(
                Header::from_bytes(&record.header[..cut]).is_err(),
                "{name} cut at {cut}"
            );
        }
        for cut in 1..record.payload.len() {
            assert!(
                Body::from_payload(&record.payload[..cut]).is_err(),
                "{name} cut at {cut}"
            );
        }
        // The payload has no length of its own: what holds records says how long they are.
        let bytes = record.to_bytes();
        for cut in 0..bytes.len() - record.payload.len() {
            assert!(
                Record::from_bytes(&bytes[..cut]).is_err(),
                "{name} cut at {cut}"
            );
        }
    }
}

#[test]
fn what_comes_behind_is_an_error() {
    for behind in [0x00, 0x20, 0x7d, 0x80, 0x91, 0xc1, 0xdd, 0xff] {
        for (name, frame) in samples::client() {
            let mut bytes = frame.encode(Codec::MessagePack);
            bytes.push(behind);
            let read = Client::decode(Codec::MessagePack, &bytes);
            assert!(read.is_err(), "{name} and {behind:#x}");
            // White space may follow JSON.
            if behind != 0x20 {
                let mut bytes = frame.encode(Codec::Json);
                bytes.push(behind);
                assert!(
                    Client::decode(Codec::Json, &bytes).is_err(),
                    "{name} and {behind:#x}"
                );
            }
        }
        for (name, row) in samples::rows() {
            let mut bytes = row::to_bytes(&row);
            bytes.push(behind);
            assert!(
                row::from_bytes::<Row>(&bytes).is_err(),
                "{name} and {behind:#x}"
            );
        }
    }
}

/// A `send` whose body nests `depth` lists, in both codecs. With the three objects around them
/// the frame is three deeper.
fn nested(depth: usize) -> [(Codec, Vec<u8>); 2] {
    let id = samples::id(1);
    let json = format!(
        r#"{{"type":"send","id":"{id}","body":{{"plain":{{"a":{}{}}}}}}}"#,
        "[".repeat(depth),
        "]".repeat(depth)
    );
    let text = |out: &mut Vec<u8>, s: &str| {
        out.push(0xa0 | s.len() as u8);
        out.extend(s.as_bytes());
    };
    let mut packed = vec![0x83];
    text(&mut packed, "type");
    text(&mut packed, "send");
    text(&mut packed, "id");
    packed.extend([0xc4, 16]);
    packed.extend(id.as_bytes());
    text(&mut packed, "body");
    packed.push(0x81);
    text(&mut packed, "plain");
    packed.push(0x81);
    text(&mut packed, "a");
    packed.extend(vec![0x91; depth - 1]);
    packed.push(0x90);
    [
        (Codec::Json, json.into_bytes()),
        (Codec::MessagePack, packed),
    ]
}

#[test]
fn both_codecs_nest_as_deep_and_no_deeper() {
    let most = DEPTH - 3;
    for depth in [most - 1, most] {
        for (codec, bytes) in nested(depth) {
            match Client::decode(codec, &bytes) {
                Ok(Client::Send(send)) => assert_eq!(send.body.depth(), depth + 1, "{codec:?}"),
                other => panic!("{codec:?} at {depth}: {other:?}"),
            }
        }
    }
    for (codec, bytes) in nested(most + 1) {
        let read = Client::decode(codec, &bytes);
        assert_eq!(
            read,
            Err(Error::Malformed(format!("nested deeper than {DEPTH}"))),
            "{codec:?}"
        );
    }
}

#[test]
fn brackets_in_text_are_no_nesting() {
    let brackets = "[{".repeat(DEPTH);
    for text in [
        brackets.clone(),
        format!("\"{brackets}"),
        format!("\\\"\\{brackets}"),
    ] {
        let mut send = samples::send_least();
        send.body = Body::text(text);
        let frame = Client::Send(send);
        for codec in CODECS {
            assert_eq!(
                Client::decode(codec, &frame.encode(codec)),
                Ok(frame.clone())
            );
        }
    }
    // Nor is what stands beside each other.
    let beside = vec![serde_json::json!([{}, {}, [], []]); 2 * DEPTH];
    let mut send = samples::send_least();
    send.body = Body::field("a", beside);
    let frame = Client::Send(send);
    for codec in CODECS {
        assert_eq!(
            Client::decode(codec, &frame.encode(codec)),
            Ok(frame.clone())
        );
    }
    // Nor does a quote that is escaped hide what is.
    let hidden = format!(r#"{{"type":"ping","a":"\\","b":{}"#, "[".repeat(DEPTH));
    let read = Client::decode(Codec::Json, hidden.as_bytes());
    assert_eq!(
        read,
        Err(Error::Malformed(format!("nested deeper than {DEPTH}")))
    );
}

#[test]
fn the_deepest_nesting_is_an_error_on_a_small_stack() {
    let on_a_small_stack = || {
        for depth in [10_000, 100_000] {
            for (codec, bytes) in nested(depth) {
                assert!(Client::decode(codec, &bytes).is_err());
                assert!(Server::decode(codec, &bytes).is_err());
            }
            // Opened and never closed; in maps; in what is stored.
            for unit in [
                &b"["[..],
                b"{\"a\":",
                b"\x91",
                b"\x81\xa1a",
                b"\x81",
                b"\x9f",
                b"\xbf",
                b"\xc1",
            ] {
                let bytes = unit.repeat(depth);
                decode_all(&bytes);
                let mut versioned = vec![row::VERSION];
                versioned.extend(&bytes);
                decode_all(&versioned);
                // As a field of a header that this version does not know.
                let mut header = samples::header_least().to_bytes().to_vec();
                header[0] += 1;
                header.extend([0x18, 0x63]);
                header.extend(&bytes);
                let _ = Header::from_bytes(&header);
            }
        }
    };
    let thread = std::thread::Builder::new().stack_size(256 * 1_024);
    thread.spawn(on_a_small_stack).unwrap().join().unwrap();
}

/// What is said of a frame that cannot be read is logged and sent back: it is short, says where or
/// what was expected, and never what was met.
#[test]
fn an_error_tells_no_secret() {
    let secret = format!(r"SECRET, expected `SECRET` \\ {}", "x".repeat(10_000));
    let secret = secret.as_str();
    let id = samples::id(1);
    let frames = [
        format!(r#"{{"type":"ping","ref":"{secret}"}}"#),
        format!(r#"{{"type":"{secret}"}}"#),
        format!(r#"{{"type":"hello","token":["{secret}"]}}"#),
        format!(r#"{{"type":"hello","token":"{secret}","features":"{secret}"}}"#),
        format!(r#"{{"type":"hello","token":"{secret}","device":"{secret}"}}"#),
        format!(r#"{{"type":"send","id":"{id}","class":"{secret}"}}"#),
        format!(r#"{{"type":"send","id":"{id}","body":"{secret}"}}"#),
        format!(r#"{{"type":"send","id":"{id}","body":{{"{secret}":1}}}}"#),
        format!(r#"{{"type":"send","id":"{id}","body":{{"plain":"{secret}"}}}}"#),
        format!(r#"{{"type":"send","id":"{id}","mentions":{{"users":["{secret}"]}}}}"#),
        format!(
            r#"{{"type":"send","id":"{id}","body":{{"sealed":{{"alg":"a","bytes":"{secret}"}}}}}}"#
        ),
        format!(r#"{{"type":"send","id":"{id}","body":{{"plain":{{"text":"{secret}""#),
    ];
    for json in frames {
        let mut packed = Vec::new();
        if let Ok(value) = serde_json::from_str::<serde_json::Value>(&json) {
            packed = rmp_serde::to_vec_named(&value).unwrap();
        }
        for (codec, bytes) in [
            (Codec::Json, json.as_bytes()),
            (Codec::MessagePack, &packed),
        ] {
            match Client::decode(codec, bytes) {
                // A type is named back, cut short: the frame that it would be is looked for.
                Err(Error::UnknownType(name)) => assert_eq!(name.chars().count(), 64),
                Err(error) => {
                    let said = error.to_string();
                    assert!(!said.contains("SECRET") && !said.contains("xx"), "{said}");
                    assert!(said.len() < 400, "{said}");
                }
                Ok(frame) => panic!("{frame:?}"),
            }
        }
    }
    let read = Client::decode(Codec::Json, br#"{"type":"ping","ref":"three"}"#);
    let said = "invalid type: string, expected u64 at line 1 column 28";
    assert_eq!(read, Err(Error::Malformed(said.into())));
    let read = Client::decode(Codec::Json, br#"{"type":"typing"}"#);
    let said = "missing field `conversation` at line 1 column 17";
    assert_eq!(read, Err(Error::Malformed(said.into())));
}
