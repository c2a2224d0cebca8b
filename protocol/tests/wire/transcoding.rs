//! The codecs say the same, and what one end does not know is passed over by the other.

use parlour_protocol::codec::{Codec, Error};
use parlour_protocol::frame::{Client, Server};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::draw::Draw;
use crate::samples;

const CODECS: [Codec; 2] = [Codec::Json, Codec::MessagePack];

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_event_is_the_same_through_either_codec(bytes in vec(any::<u8>(), 0..2_048)) {
        let event = Server::Event(Draw::new(&bytes).event());
        let (json, packed) = (event.encode(Codec::Json), event.encode(Codec::MessagePack));
        let from_packed = Server::decode(Codec::MessagePack, &packed).unwrap();
        prop_assert_eq!(from_packed.encode(Codec::Json), json.clone());
        let from_json = Server::decode(Codec::Json, &json).unwrap();
        prop_assert_eq!(from_json.encode(Codec::MessagePack), packed);
    }

    /// A body that came in as JSON goes out as the same JSON, through what is stored.
    #[test]
    fn a_body_is_the_same_through_the_store(bytes in vec(any::<u8>(), 0..1_024)) {
        let body = Draw::new(&bytes).body();
        let json = serde_json::to_vec(&body).unwrap();
        let taken: parlour_protocol::body::Body = parlour_protocol::codec::json(&json).unwrap();
        let stored = taken.to_payload();
        let shown = parlour_protocol::body::Body::from_payload(&stored).unwrap();
        prop_assert_eq!(serde_json::to_vec(&shown).unwrap(), json);
        prop_assert_eq!(shown.to_payload(), stored);
    }
}

/// The frame with a field more, at its end.
fn with_a_later_field(codec: Codec, mut bytes: Vec<u8>) -> Vec<u8> {
    match codec {
        Codec::Json => {
            bytes.pop();
            bytes.extend(br#","from_later":{"a":[1,null,"x"]}}"#);
        }
        Codec::MessagePack => {
            match bytes[0] {
                0x8f => drop(bytes.splice(..1, [0xde, 0, 16])),
                0x80..=0x8e => bytes[0] += 1,
                0xde => bytes[2] += 1,
                other => panic!("a frame that begins with {other:#x}"),
            }
            bytes.extend(b"\xaafrom_later\x81\xa1a\x93\x01\xc0\xc4\x01\xff");
        }
    }
    bytes
}

#[test]
fn a_field_that_is_unknown_is_passed_over() {
    for codec in CODECS {
        for (name, frame) in samples::client() {
            let bytes = with_a_later_field(codec, frame.encode(codec));
            assert_eq!(Client::decode(codec, &bytes), Ok(frame), "{name}");
        }
        for (name, frame) in samples::server() {
            let bytes = with_a_later_field(codec, frame.encode(codec));
            assert_eq!(Server::decode(codec, &bytes), Ok(frame), "{name}");
        }
    }
}

#[test]
fn a_type_that_is_unknown_is_an_error_to_servers_and_unknown_to_clients() {
    let json = br#"{"type":"from_later","a":[1]}"#.to_vec();
    let packed = b"\x82\xa4type\xaafrom_later\xa1a\x91\x01".to_vec();
    for (codec, bytes) in [(Codec::Json, json), (Codec::MessagePack, packed)] {
        let unknown = Err(Error::UnknownType("from_later".into()));
        assert_eq!(Client::decode(codec, &bytes), unknown);
        assert_eq!(Server::decode(codec, &bytes), Ok(Server::Unknown));
    }
    // What is said back of a type is short, whatever was sent.
    let long = format!(r#"{{"type":"{}"}}"#, "é".repeat(10_000));
    match Client::decode(Codec::Json, long.as_bytes()) {
        Err(Error::UnknownType(name)) => assert_eq!(name.chars().count(), 64),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_no_frame_is_malformed() {
    let cases: [&[u8]; 12] = [
        b"",
        b" ",
        b"null",
        b"[]",
        b"{}",
        br#""ping""#,
        br#"{"type":1}"#,
        br#"{"type":"ping","type":"ping"}"#,
        br#"{"type":"ping","ref":-1}"#,
        br#"{"type":"ping","ref":"1"}"#,
        br#"{"type":"typing"}"#,
        b"{\"type\":\"typing\",\"conversation\":\"\xff\"}",
    ];
    for bytes in cases {
        let read = Client::decode(Codec::Json, bytes);
        assert!(
            matches!(read, Err(Error::Malformed(_))),
            "{bytes:?}: {read:?}"
        );
    }
    // A frame as a list of its fields is none, though the codecs could read it.
    for bytes in [&b"[\"ping\",1]"[..], b"[\"ping\"]"] {
        assert!(Client::decode(Codec::Json, bytes).is_err());
    }
}

#[test]
fn the_type_may_stand_anywhere_and_be_escaped() {
    let ping = br#"{"ref":3,"\u0074ype":"\u0070ing"}"#;
    match Client::decode(Codec::Json, ping) {
        Ok(Client::Ping(ping)) => assert_eq!(ping.r#ref, 3),
        other => panic!("{other:?}"),
    }
}

/// Who writes JSON by hand may leave out what has a default.
#[test]
fn a_hand_written_send_is_short() {
    let to = samples::bob();
    let text = format!(
        r#"{{"type":"send","to":"{to}","id":"{}","body":{{"plain":{{"text":"hi"}}}}}}"#,
        samples::id(1)
    );
    match Client::decode(Codec::Json, text.as_bytes()) {
        Ok(Client::Send(send)) => {
            // Absent means true: a repetition of something that may have been handed to a socket.
            assert!(send.retry && send.on);
            assert_eq!((send.to, send.body.as_text()), (Some(to), Some("hi")));
        }
        other => panic!("{other:?}"),
    }
}
