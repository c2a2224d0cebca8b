//! A decoder allocates by what it is given, never by what it is told.
//!
//! One test alone in its program, so that nobody else's allocations are counted.

use std::alloc::System;

use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client, Server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::Class;
use parlour_protocol::position::Progress;
use parlour_protocol::record::{Header, Record};
use parlour_protocol::row::{self, Row};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Bytes allocated while `work` is done; what is freed meanwhile counts too.
fn allocated<T>(work: impl FnOnce() -> T) -> usize {
    let region = Region::new(COUNTED);
    let kept = work();
    let change = region.change();
    drop(kept);
    change.bytes_allocated
}

/// Everything that decodes, once.
fn decode_all(bytes: &[u8]) -> usize {
    [
        allocated(|| Client::decode(Codec::MessagePack, bytes)),
        allocated(|| Server::decode(Codec::MessagePack, bytes)),
        allocated(|| Client::decode(Codec::Json, bytes)),
        allocated(|| Server::decode(Codec::Json, bytes)),
        allocated(|| Body::from_payload(bytes)),
        allocated(|| Header::from_bytes(bytes)),
        allocated(|| Record::from_bytes(bytes)),
        allocated(|| row::from_bytes::<Row>(bytes)),
        allocated(|| row::from_bytes::<Progress>(bytes)),
    ]
    .into_iter()
    .max()
    .unwrap_or(0)
}

/// Lengths of 4 GiB and more, in MessagePack and in CBOR, as text, bytes, list and map.
const CLAIMS: &[&[u8]] = &[
    b"\xdb\xff\xff\xff\xff",
    b"\xc6\xff\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"\x5a\xff\xff\xff\xff",
    b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x7a\xff\xff\xff\xff",
    b"\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\x9a\xff\xff\xff\xff",
    b"\x9b\x7f\xff\xff\xff\xff\xff\xff\xff",
    b"\xba\xff\xff\xff\xff",
    b"\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
];

fn text(out: &mut Vec<u8>, s: &str) {
    out.push(0xa0 | s.len() as u8);
    out.extend(s.as_bytes());
}

/// A frame of this type with one field, whose value begins with `claim`.
fn frame(kind: &str, field: &str, claim: &[u8]) -> Vec<u8> {
    let mut out = vec![0x82];
    text(&mut out, "type");
    text(&mut out, kind);
    text(&mut out, field);
    out.extend(claim);
    out
}

#[test]
fn a_length_that_was_told_allocates_nothing() {
    // What was allocated is enough for an error and what was really there, and no more.
    const ENOUGH: usize = 4_096;
    let fields = [
        ("sync", "digests"),
        ("send", "id"),
        ("send", "mail"),
        ("send", "named"),
        ("send", "kind"),
        ("send", "body"),
        ("send", "unknown"),
        ("read", "marks"),
        ("watch", "users"),
        ("mail", "bytes"),
        ("heads", "heads"),
        ("page", "stretch"),
        ("error", "details"),
    ];
    let header = Header::new(
        ConversationId::NIL,
        MessageId::NIL,
        UserId::NIL,
        DeviceId::NIL,
        Class::Content,
        "message",
        0,
    );
    let header = header.to_bytes();
    for claim in CLAIMS {
        for (kind, field) in fields {
            let bytes = frame(kind, field, claim);
            let used = decode_all(&bytes);
            assert!(used < ENOUGH, "{kind}.{field} {claim:x?}: {used} bytes");
        }
        for behind in [&[][..], &[0x50; 64]] {
            let bytes = [claim, behind].concat();
            let used = decode_all(&bytes).max(decode_all(&[&[1][..], &bytes].concat()));
            assert!(used < ENOUGH, "{claim:x?}: {used} bytes");
            // A header with one field more: first one that is known and is a list, then others.
            for field in [12u8, 5, 17, 19, 23] {
                let mut more = header.to_vec();
                more[0] += 1;
                more.push(field);
                more.extend(&bytes);
                let used = allocated(|| Header::from_bytes(&more));
                assert!(used < ENOUGH, "field {field} {claim:x?}: {used} bytes");
            }
        }
    }
    // A record whose header claims 4 GiB.
    let used = allocated(|| Record::from_bytes(b"\x01\x00\x01\xff\xff\xff\xffabc"));
    assert!(used < ENOUGH, "{used} bytes");

    // What is really there may take its room: at most so many times its own.
    let room = |bytes: usize| 128 * bytes + ENOUGH;
    let lists = |n: usize| [&b"\xdd"[..], &(n as u32).to_be_bytes(), &vec![0x90; n]].concat();
    let full = frame(
        "send",
        "body",
        &[&b"\x81\xa5plain\x81\xa1a"[..], &lists(100_000)].concat(),
    );
    let used = decode_all(&full);
    assert!(used < room(full.len()), "{used} for {}", full.len());
    let users = frame("watch", "users", &lists(100_000));
    let used = decode_all(&users);
    assert!(used < room(users.len()), "{used} for {}", users.len());
    let json = format!(
        r#"{{"type":"send","body":{{"plain":{{"a":[{}0]}}}}}}"#,
        "[],".repeat(40_000)
    );
    let used = decode_all(json.as_bytes());
    assert!(used < room(json.len()), "{used} for {}", json.len());
}
