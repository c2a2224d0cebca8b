//! What a page makes of the largest events: each goes into a frame, whatever lies beside it.

use parlour_engine::gateway::fold::{Asked, stretch};
use parlour_engine::gateway::need::{Entry, History};
use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Server, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::kind::{self, Class, HistoryRule, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::position::Position;
use parlour_protocol::record::Header;
use parlour_protocol::row::{Carried, Change, Event, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};

fn user(n: u64) -> UserId {
    UserId::derived("test", &[&n.to_be_bytes()])
}

fn header(n: u64, class: Class, kind: &str) -> Header {
    let conversation = ConversationId::direct(user(1), user(2));
    let id = MessageId::derived("test", &[&n.to_be_bytes()]);
    Header::new(conversation, id, user(n), DeviceId::NIL, class, kind, n)
}

/// The largest message there can be, with so many reactions of this key beside it.
fn history(reactions: u64, key: &str) -> History {
    let conversation = ConversationId::direct(user(1), user(2));
    let limits = Limits::default();
    let room = usize::try_from(limits.body_bytes).expect("bytes") - Body::text("").json_bytes();
    let event = Event {
        conversation,
        seq: Seq(1),
        position: Position::default(),
        carried: Carried {
            n: 1,
            prev: Seq::ZERO,
            members: 2,
            shape: Shape::Direct,
            history: HistoryRule::All,
            quiet: false,
        },
        header: header(1, Class::Content, kind::MESSAGE).to_bytes(),
        payload: Body::text("x".repeat(room)).to_payload(),
    };
    let changes = (0..reactions)
        .map(|n| {
            let mut h = header(n, Class::Change, kind::REACTION);
            h.target = Some(Seq(1));
            h.key = Some(key.to_owned());
            Change {
                conversation,
                target: Seq(1),
                kind: kind::REACTION.to_owned(),
                user: user(n),
                key: key.to_owned(),
                seq: Seq(2 + n),
                position: Position::default(),
                header: h.to_bytes(),
                payload: Default::default(),
            }
        })
        .collect();
    let as_of = Head {
        seq: Seq(1 + reactions),
        n: 1,
    };
    History {
        entry: Entry {
            standing: Standing {
                conversation,
                shape: Shape::Direct,
                history: HistoryRule::All,
                head: as_of,
                members: 2,
                direct: Some((user(1), user(2))),
                name: None,
                topic: None,
            },
            mark: Mark::default(),
            other: None,
            member: None,
            removed: false,
            mentions: 0,
        },
        intervals: Vec::new(),
        as_of,
        events: vec![event],
        changes,
        erased: Vec::new(),
        more: false,
    }
}

fn page(history: &History, codec: Codec) -> server::Stretch {
    let asked = Asked {
        after: Seq::ZERO,
        before: Seq::MAX,
        newest: true,
        changes: false,
    };
    let bytes = usize::try_from(Limits::default().page_bytes).expect("bytes");
    let conversation = history.entry.standing.conversation;
    stretch(conversation, asked, history, codec, bytes)
}

#[test]
fn however_many_react_an_event_goes_into_a_frame() {
    let most = usize::try_from(Limits::default().server_frame_bytes).expect("bytes");
    // Each of its characters takes six in JSON.
    let long = "\u{1}".repeat(256);
    for (reactions, key) in [(5_000, "+1"), (2_000, long.as_str())] {
        for codec in [Codec::Json, Codec::MessagePack] {
            let stretch = page(&history(reactions, key), codec);
            let shown = &stretch.events[0];
            let kept = shown.reactions.len() as u64;
            assert!(kept > 30, "{kept}");
            assert_eq!(kept + shown.reactions_more, reactions);
            assert!(shown.reactions.windows(2).all(|r| r[0].seq < r[1].seq));
            assert_eq!(shown.reactions[0].seq, Seq(2), "the oldest stay");
            let page = Server::Page(server::Page {
                r#ref: 1,
                lines: Vec::new(),
                about: Vec::new(),
                stretch: Some(stretch),
                more: true,
                ready: true,
            });
            let bytes = page.encode(codec).len();
            assert!(bytes <= most, "{bytes} bytes in {codec:?}");
        }
    }
}

#[test]
fn as_many_as_have_room_are_all_shown() {
    let shown = page(&history(500, "🎉"), Codec::Json).events.remove(0);
    assert_eq!((shown.reactions.len(), shown.reactions_more), (500, 0));
}
