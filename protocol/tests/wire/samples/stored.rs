//! One of each record and row.

use parlour_protocol::body::Body;
use parlour_protocol::error::Code;
use parlour_protocol::kind::{self, Class, HistoryRule, Role, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position, Progress};
use parlour_protocol::record::{Header, Record};
use parlour_protocol::row::{self, Row};
use parlour_protocol::seq::{Head, Seq};

use super::*;

const DIGEST: u64 = 0x0102_0304_0506_0708;

pub(crate) fn position() -> Position {
    Position {
        generation: Generation(2),
        partition: Partition(1),
        offset: Offset(1_000),
    }
}

pub(crate) fn header() -> Header {
    Header {
        verdict: Some(Code::BLOCKED),
        after: Some(id(6)),
        target: seqs(9),
        key: Some("key".into()),
        base: seqs(8),
        named: named(),
        create: Some(create()),
        peer: Some(bob()),
        reply_to: seqs(11),
        thread: seqs(10),
        mentions: mentions(),
        quiet: true,
        origin: Some(origin()),
        expires_after_s: Some(3_600),
        value: Some("value".into()),
        off: true,
        ..header_least()
    }
}

pub(crate) fn header_least() -> Header {
    let (conversation, id) = (group(), id(7));
    Header::new(
        conversation,
        id,
        ann(),
        device(),
        Class::Content,
        kind::MESSAGE,
        TIME_MS,
    )
}

/// Log records by the name of their snapshot.
pub(crate) fn records() -> Vec<(&'static str, Record)> {
    vec![
        ("record", Record::new(&header(), plain().to_payload())),
        (
            "record.stranger",
            Record::new(
                &Header {
                    stranger: Some(true),
                    ..header_least()
                },
                plain().to_payload(),
            ),
        ),
        (
            "record.digest",
            Record::new(
                &Header {
                    digest: Some(DIGEST),
                    ..header_least()
                },
                plain().to_payload(),
            ),
        ),
        (
            "record.least",
            Record::new(&header_least(), Body::text("hello").to_payload()),
        ),
        (
            "record.sealed",
            Record::new(&header_least(), sealed().to_payload()),
        ),
    ]
}

/// The name of a row's variant. A new variant does not compile until it has one, and fails the
/// snapshots until it has a sample.
pub(crate) fn variant(row: &Row) -> &'static str {
    match row {
        Row::Event(_) => "event",
        Row::Outcome(_) => "outcome",
        Row::Change(_) => "change",
        Row::Erased(_) => "erased",
        Row::Interval(_) => "interval",
        Row::Setting(_) => "setting",
        Row::Mention(_) => "mention",
    }
}

/// How many variants a row has.
pub(crate) const VARIANTS: usize = 7;

/// Rows by the name of their snapshot, which begins with their variant.
pub(crate) fn rows() -> Vec<(&'static str, Row)> {
    let (conversation, position) = (group(), position());
    let edge = |seq| row::Edge {
        seq: Seq(seq),
        position,
    };
    let interval = row::Interval {
        conversation,
        user: bob(),
        from: edge(3),
        until: Some(edge(30)),
        role: Role::Admin,
        n: 2,
        joined: Seq(3),
    };
    let outcome = |outcome| {
        Row::Outcome(row::OutcomeRow {
            conversation,
            sender: ann(),
            id: id(7),
            position,
            at: Seq(40),
            outcome,
        })
    };
    vec![
        (
            "event",
            Row::Event(row::Event {
                conversation,
                seq: Seq(41),
                position,
                carried: row::Carried {
                    n: 32,
                    prev: Seq(40),
                    members: 4,
                    shape: Shape::Group,
                    history: HistoryRule::All,
                    quiet: true,
                },
                header: header_least().to_bytes(),
                payload: Body::text("hello").to_payload(),
            }),
        ),
        (
            "outcome",
            outcome(row::Outcome::Placed {
                seq: Seq(41),
                n: 32,
                time_ms: TIME_MS,
                digest: None,
            }),
        ),
        (
            "outcome.digest",
            outcome(row::Outcome::Placed {
                seq: Seq(258),
                n: 250,
                time_ms: TIME_MS,
                digest: Some(DIGEST),
            }),
        ),
        (
            "outcome.refused",
            outcome(row::Outcome::Refused {
                code: Code::NOT_MEMBER,
            }),
        ),
        (
            "change",
            Row::Change(row::Change {
                conversation,
                target: Seq(11),
                kind: kind::REACTION.into(),
                user: bob(),
                key: "\u{1F44D}".into(),
                seq: Seq(44),
                position,
                header: header_least().to_bytes(),
                payload: Body::default().to_payload(),
            }),
        ),
        (
            "erased",
            Row::Erased(row::Erased {
                conversation,
                target: Seq(11),
                seq: Seq(43),
                position,
                by: bob(),
            }),
        ),
        ("interval", Row::Interval(interval)),
        (
            "interval.open",
            Row::Interval(row::Interval {
                until: None,
                ..interval
            }),
        ),
        (
            "setting",
            Row::Setting(row::Setting {
                conversation,
                key: "setting:post".into(),
                seq: Seq(12),
                position,
                value: Some("admins".into()),
                payload: Body::default().to_payload(),
            }),
        ),
        (
            "mention",
            Row::Mention(row::Mention {
                user: bob(),
                conversation,
                seq: Seq(41),
                position,
            }),
        ),
    ]
}

pub(crate) fn progress() -> Progress {
    let record = Record::new(&header_least(), Body::text("hello").to_payload());
    Progress {
        position: position(),
        record_hash: record.hash(),
    }
}

pub(crate) fn standing() -> row::Standing {
    row::Standing {
        conversation: group(),
        shape: Shape::Group,
        history: HistoryRule::All,
        head: Head {
            seq: Seq(41),
            n: 32,
        },
        members: 4,
        direct: Some((ann(), bob())),
        name: Some((Seq(2), "name".into())),
        topic: Some((Seq(5), "topic".into())),
    }
}

pub(crate) fn inbox() -> row::Inbox {
    row::Inbox {
        user: ann(),
        conversation: group(),
        head: Head {
            seq: Seq(41),
            n: 32,
        },
        mark: mark(),
    }
}
