//! What both ends compute, or what data that is stored depends on: never to change.
//!
//! The values were computed once by hand from what docs/protocol.md says, with another program.

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::line::{BUCKETS, Line, Standing, bucket, digests};
use parlour_protocol::position::Partition;
use parlour_protocol::seq::{Head, Mark, Seq};

fn user(n: u8) -> UserId {
    UserId::from_bytes([n; 16])
}

fn hex(bytes: &[u8]) -> String {
    crate::diagnostic::hex(bytes)
}

#[test]
fn a_direct_conversations_id() {
    let of = |a, b| ConversationId::direct(user(a), user(b)).to_string();
    assert_eq!(of(1, 2), "8c2200ef-48fd-81b9-a9f9-30656018cb43");
    assert_eq!(of(2, 1), of(1, 2));
    assert_eq!(of(1, 1), "3923882e-ceda-8a5c-9ed1-8c73cf062fdb");
}

#[test]
fn a_conversations_partition_and_bucket() {
    let of = |n| ConversationId::from_bytes([n; 16]);
    let partitions = [0, 1, 2, 255].map(|n| Partition::of(of(n), 16).0);
    assert_eq!(partitions, [15, 5, 8, 1]);
    assert_eq!([0, 1, 2, 255].map(|n| bucket(of(n))), [55, 12, 41, 26]);
    assert_eq!(Partition::of(of(1), 0), Partition(0));
}

#[test]
fn a_digest() {
    let head = |seq, n| Head { seq: Seq(seq), n };
    let line = |n: u8, other, standing| Line {
        conversation: ConversationId::from_bytes([n; 16]),
        head: head(9, 7),
        own: Mark {
            delivered: head(3, 2),
            read: head(5, 4),
        },
        other,
        standing,
    };
    let mark = Mark {
        delivered: head(8, 6),
        read: head(1, 1),
    };
    // Two of one bucket, given in the wrong order, and one of another.
    let lines = [
        line(113, None, Standing::Removed(Seq(6))),
        line(49, Some(mark), Standing::Member(Seq(0))),
        line(1, None, Standing::Left(Seq(2))),
    ];
    let digests = digests(&lines);
    assert_eq!(digests.len(), BUCKETS);
    assert_eq!(
        hex(&digests[0]),
        "e422aaee97ec88e6cc93b273e69cdea41e3b370afeb2e1365c5a97db323d8c4b"
    );
    assert_eq!(
        hex(&digests[12]),
        "1c058fd03c2e99e596274df690f6d474e070e3efcbc36f703641b23853f13934"
    );
    assert_eq!(digests.iter().filter(|d| !d.is_empty()).count(), 2);
}
