//! Rows as a sequencer would make them: a group with one member, one message after another.

use std::path::Path;

use parlour_embedded::Store;
use parlour_embedded::verify::{Report, verify};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{Class, HistoryRule, Role, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Header;
use parlour_protocol::row::{Carried, Edge, Event, Interval, Outcome, OutcomeRow, Row};
use parlour_protocol::seq::Seq;

/// A conversation by number.
pub(crate) fn conversation(n: u8) -> ConversationId {
    ConversationId::from_bytes([n; 16])
}

/// A user by number.
pub(crate) fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

/// A device by number.
pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([n; 16])
}

/// The send at a place.
pub(crate) fn id(seq: u64) -> MessageId {
    MessageId::derived("test", &[&seq.to_be_bytes()])
}

/// A place in the log.
pub(crate) fn at(offset: u64) -> Position {
    Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(offset),
    }
}

/// A body that is the seq's own.
pub(crate) fn body(seq: u64) -> Bytes {
    Bytes::from(format!("body of {seq}, {}", "x".repeat(100)).into_bytes())
}

/// The rows of one message. Its offset is its seq; the first one lets the sender in.
pub(crate) fn message(c: ConversationId, seq: u64) -> Vec<Row> {
    let sender = user(1);
    let header = Header::new(c, id(seq), sender, device(1), Class::Content, "text", seq);
    let mut rows = vec![
        Row::Event(Event {
            conversation: c,
            seq: Seq(seq),
            position: at(seq),
            carried: Carried {
                n: seq,
                prev: Seq(seq - 1),
                members: 1,
                shape: Shape::Group,
                history: HistoryRule::All,
                quiet: false,
            },
            header: header.to_bytes(),
            payload: body(seq),
        }),
        Row::Outcome(OutcomeRow {
            conversation: c,
            sender,
            id: id(seq),
            position: at(seq),
            at: Seq(seq),
            outcome: Outcome::Placed {
                seq: Seq(seq),
                n: seq,
                time_ms: seq,
                digest: None,
            },
        }),
    ];
    if seq == 1 {
        rows.push(Row::Interval(interval(c, 1, 1, None)));
    }
    rows
}

/// A membership, with the role of a member.
pub(crate) fn interval(c: ConversationId, who: u8, from: u64, until: Option<u64>) -> Interval {
    let edge = |seq| Edge {
        seq: Seq(seq),
        position: at(seq),
    };
    Interval {
        conversation: c,
        user: user(who),
        from: edge(from),
        until: until.map(edge),
        role: Role::Member,
        n: 0,
        joined: Seq(from),
    }
}

/// Messages of a span of places.
pub(crate) fn messages(c: ConversationId, seqs: std::ops::RangeInclusive<u64>) -> Vec<Row> {
    seqs.flat_map(|seq| message(c, seq)).collect()
}

/// Writes messages 1..=upto of a conversation into a folder's store, and closes it.
pub(crate) async fn fill(folder: &Path, c: ConversationId, upto: u64) {
    let store = Store::open(folder).unwrap();
    store
        .history()
        .append(Partition(0), messages(c, 1..=upto))
        .await
        .unwrap();
}

/// Checks a folder's store, which must open.
pub(crate) fn check(folder: &Path) -> Report {
    verify(folder, &mut |_, _, _| {}).unwrap()
}
