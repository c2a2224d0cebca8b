//! What an older router does not know goes through it unchanged: an unknown header field, an
//! unknown kind, and records of two numbers of the rules side by side.

use parlour_protocol::body::Body;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::kind::{self, Class};
use parlour_protocol::record::{self, Header, RULES, Record};
use parlour_protocol::row::{self, Row};
use parlour_protocol::seq::Seq;

use crate::samples;

/// The header's bytes with field 99, which no version has yet, holding a list.
fn with_field_99(header: &Header) -> Bytes {
    let mut bytes = header.to_bytes().to_vec();
    match bytes[0] {
        0xb7 => drop(bytes.splice(..1, [0xb8, 24])),
        0xa0..=0xb6 => bytes[0] += 1,
        0xb8 => bytes[1] += 1,
        other => panic!("a header that begins with {other:#x}"),
    }
    bytes.extend([0x18, 99, 0x82, 0x61, b'x', 0xa1, 0x01, 0xf5]);
    bytes.into()
}

/// What a router does with a record: it reads the header, and keeps the bytes.
fn place(record: &Record) -> Row {
    let Row::Event(like) = samples::rows().swap_remove(0).1 else {
        panic!("the first sample is an event");
    };
    let header = Header::from_bytes(&record.header).expect("a header");
    Row::Event(row::Event {
        conversation: header.conversation,
        seq: Seq(42),
        header: record.header.clone(),
        payload: record.payload.clone(),
        ..like
    })
}

#[test]
fn a_header_field_that_is_unknown_is_read_over_and_kept() {
    for header in [samples::header(), samples::header_least()] {
        let newer = Record {
            rules: RULES,
            header: with_field_99(&header),
            payload: Body::text("hello").to_payload(),
        };
        // Through the log, and an older router's eyes.
        let read = Record::from_bytes(&newer.to_bytes()).expect("a record");
        assert_eq!(read, newer);
        assert_eq!(Header::from_bytes(&read.header), Ok(header.clone()));
        assert_ne!(
            header.to_bytes(),
            read.header,
            "re-encoding would lose the field"
        );
        // Through the store.
        let bytes = row::to_bytes(&place(&read));
        match row::from_bytes::<Row>(&bytes).expect("a row") {
            Row::Event(event) => {
                assert_eq!(event.header, newer.header);
                assert_eq!(event.payload, newer.payload);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_kind_that_is_unknown_goes_by_its_class() {
    let mut header = samples::header_least();
    header.kind = "poll".into();
    header.class = Class::Content;
    assert!(kind::find(&header.kind).is_none());
    let record = Record::new(&header, Body::field("options", vec!["a", "b"]).to_payload());
    let read = Record::from_bytes(&record.to_bytes()).expect("a record");
    assert_eq!(Header::from_bytes(&read.header), Ok(header));
    assert_eq!(read.payload, record.payload);
}

#[test]
fn records_of_two_numbers_of_the_rules_lie_side_by_side() {
    let [old, new] = [RULES, RULES + 1].map(|rules| Record {
        rules,
        ..Record::new(&samples::header(), Body::text("hello").to_payload())
    });
    for record in [&old, &new] {
        let read = Record::from_bytes(&record.to_bytes()).expect("a record");
        assert_eq!(&read, record);
    }
    assert_eq!(old.header, new.header);
    // The number is part of what `progress` remembers.
    assert_ne!(old.hash(), new.hash());
}

#[test]
fn another_version_of_the_format_is_named() {
    let mut bytes = Record::new(&samples::header(), Bytes::default()).to_bytes();
    bytes[0] = record::VERSION + 1;
    let error = Record::from_bytes(&bytes).unwrap_err().to_string();
    assert!(error.contains("version 2"), "{error}");
    for (_, row) in samples::rows() {
        let mut bytes = row::to_bytes(&row);
        bytes[0] = row::VERSION + 1;
        let error = row::from_bytes::<Row>(&bytes).unwrap_err().to_string();
        assert!(
            error.contains("version 2") && error.contains("newer"),
            "{error}"
        );
    }
}

#[test]
fn a_row_field_that_is_unknown_is_read_over() {
    // An event's row is `[variant, [[fields…]]]`; a later version adds a seventh field.
    let (_, row) = samples::rows().swap_remove(0);
    let mut bytes = row::to_bytes(&row);
    let at = bytes
        .iter()
        .position(|b| *b == 0x86)
        .expect("a list of six fields");
    bytes[at] = 0x87;
    bytes.extend([0x63, b'n', b'e', b'w']);
    assert_eq!(row::from_bytes::<Row>(&bytes), Ok(row));
}
