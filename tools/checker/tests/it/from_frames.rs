//! Entries made of real frames.

use parlour_checker::frames::{hash, hash_body, memberships, read_back, seen};
use parlour_checker::{Checker, Intent, Op, Seen, Shown, Via, Why};
use parlour_protocol::body::Body;
use parlour_protocol::codec;
use parlour_protocol::frame::server::{Event, Stretch};
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{Seq, SessionId};

use crate::world::{C, device, id, user};

/// An event as a server writes it in JSON, with more or other fields.
fn event(seq: u64, sender: u8, class: &str, kind: &str, more: &str) -> Event {
    let text = format!(
        r#"{{"conversation":"{C}","seq":{seq},"n":{n},"prev":{prev},"time_ms":5,"id":"{id}","sender":"{sender}",
            "device":"{device}","class":"{class}","kind":"{kind}"{more}}}"#,
        n = seq.saturating_sub(1),
        prev = seq - 1,
        id = id(seq),
        sender = user(sender),
        device = device(sender * 2),
    );
    codec::json(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"))
}

#[test]
fn hashes_stay() {
    // The known values of FNV-1a, 64 bits.
    assert_eq!(hash(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(hash(b"foobar"), 0x8594_4171_f739_67e8);
    assert_ne!(hash_body(&Body::text("a")), hash_body(&Body::text("b")));
}

#[test]
fn bodies_as_they_are_shown() {
    let text = r#","body":{"plain":{"text":"hi"}}"#;
    let whole = hash_body(&Body::text("hi"));
    let shown = |more: &str| seen(&event(3, 1, "content", "message", more)).shown;
    assert_eq!(shown(text), Shown::Whole(whole));
    assert_eq!(shown(""), Shown::Absent);
    assert_eq!(
        shown(&format!(r#"{text},"edited":{{"seq":7,"time_ms":1}}"#)),
        Shown::Edited {
            hash: whole,
            at: Seq(7)
        }
    );
    let deleted = format!(r#","deleted":{{"seq":8,"by":"{}"}}"#, user(1));
    assert_eq!(shown(&deleted), Shown::Deleted(Seq(8)));
    let all = seen(&event(3, 1, "content", "message", text));
    let expected = Seen {
        seq: Seq(3),
        n: 2,
        prev: Seq(2),
        id: id(3),
        sender: user(1),
        class: Class::Content,
        quiet: false,
        shown: Shown::Whole(whole),
    };
    assert_eq!(all, expected);
}

fn named(users: &[u8]) -> String {
    let users: Vec<_> = users
        .iter()
        .map(|u| format!(r#"{{"user":"{}"}}"#, user(*u)))
        .collect();
    format!(r#","named":[{}]"#, users.join(","))
}

#[test]
fn memberships_as_events_say() {
    let create = format!(
        r#"{},"create":{{"shape":"group","history":"all"}}"#,
        named(&[1])
    );
    let events = [
        event(1, 0, "membership", "create", &create),
        event(2, 0, "membership", "add", &named(&[1, 2])),
        event(3, 0, "membership", "role", &named(&[1])),
        event(4, 1, "membership", "leave", ""),
        event(5, 0, "membership", "remove", &named(&[2])),
        event(6, 1, "membership", "join", ""),
    ];
    let is = |who, from, until: Option<u64>| Op::Membership {
        conversation: C,
        user: user(who),
        from: Seq(from),
        until: until.map(Seq),
    };
    let expected = vec![
        Op::History {
            conversation: C,
            history: HistoryRule::All,
        },
        is(1, 1, Some(4)),
        is(2, 2, Some(5)),
        is(0, 1, None),
        is(1, 6, None),
    ];
    assert_eq!(memberships(C, &events), expected);
}

/// From the call to the final reading, with nothing written by hand but the frames.
#[test]
fn a_whole_record_of_frames() {
    let create = r#","create":{"shape":"group","history":"from_join"},"body":{"plain":{}}"#;
    let events = vec![
        event(1, 0, "membership", "create", create),
        event(
            2,
            0,
            "content",
            "message",
            r#","body":{"plain":{"text":"hi"}}"#,
        ),
    ];
    let connection = SessionId::from_bytes([1; 16]);
    let mut ops = vec![Op::Connect {
        device: device(0),
        user: user(0),
        connection,
    }];
    for (event, intent) in events.iter().zip([Intent::Setup, Intent::Send]) {
        let hash = event.body.as_ref().map(hash_body);
        ops.push(Op::Invoke {
            device: device(0),
            user: user(0),
            conversation: C,
            id: event.id,
            hash,
            intent,
        });
        ops.push(Op::Receive {
            device: device(0),
            user: user(0),
            connection,
            conversation: C,
            event: seen(event),
            via: Via::Live,
        });
        ops.push(Op::Ok {
            device: device(0),
            conversation: C,
            id: event.id,
            seq: event.seq,
            n: event.n,
        });
    }
    ops.extend(memberships(C, &events));
    let page: Stretch = codec::json(format!(
        r#"{{"conversation":"{C}","from":1,"to":3,"events":[],"as_of":3,"withheld":[{{"from":3,"to":3,"why":"removed"}}]}}"#
    ).as_bytes()).expect("a stretch");
    let pages = [Stretch { events, ..page }];
    let reading = read_back(device(1), user(0), C, Seq(3), &pages);
    assert_eq!(reading.withheld, [(Seq(3), Seq(3), Why::Removed)]);
    ops.push(Op::ReadBack(reading));
    let mut checker = Checker::default();
    for (at, op) in ops.iter().enumerate() {
        assert_eq!(checker.feed(op), at as u64 + 1);
    }
    let report = checker.finish();
    assert!(report.passed(), "\n{report}");
    assert_eq!(
        report.to_string(),
        "messages 2, deliveries 2, acks 2, refusals 0, unknown 0, lost 0, duplicated 0, reordered 0, phantom 0"
    );
}
