//! Sends from the gateway's judgement through the log: a conversation that is not one's own answers
//! as one that is not there.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;

use parlour_engine::gateway::admit::{Identity, Judged, Submission, judge};
use parlour_engine::gateway::need::{Admit, Entry};
use parlour_engine::log::sequencer::Sequencer;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Client;
use parlour_protocol::http::Scope;
use parlour_protocol::id::{ConversationId, DeviceId};
use parlour_protocol::kind::{HistoryRule, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Record;
use parlour_protocol::row::{Edge, Interval, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};
use script::{answer, conversation, id, record, user};
use serde_json::{Value, json};

fn at(offset: u64) -> Position {
    Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(offset),
    }
}

struct Log {
    store: store::Store,
    sequencer: Sequencer,
    end: u64,
}

impl Log {
    fn new(lines: &[&str]) -> Self {
        let mut log = Self {
            store: store::Store::default(),
            sequencer: Sequencer::new(100),
            end: 0,
        };
        for line in lines {
            log.append(record(line));
        }
        log
    }

    fn append(&mut self, record: Record) -> String {
        let batch = [(at(self.end), record)];
        self.end += 1;
        let questions = self.sequencer.questions(&batch);
        let facts = self.store.facts(batch[0].0, &questions);
        self.sequencer.learn(&questions, facts);
        let (decided, _) = self.sequencer.decide(&batch);
        decided
            .iter()
            .map(|d| {
                self.store.append(&d.rows);
                d.told.map_or_else(String::new, |told| answer(told.answer))
            })
            .collect()
    }

    /// What a user gets for a frame, whichever stage answers.
    fn sends(&mut self, who: &str, admit: &Admit, frame: Value) -> String {
        let me = Identity {
            user: user(who),
            device: DeviceId::from_bytes([9; 16]),
            scopes: vec![Scope::Full],
        };
        let frame = Client::decode(Codec::Json, frame.to_string().as_bytes()).expect("a frame");
        let submission = Submission::of(frame, me.user, &Limits::default()).expect("a send");
        let place = submission.conversation(me.user).expect("an address");
        match judge(&submission, &me, place, admit, 5, 1) {
            Judged::Append { record, .. } => self.append(*record),
            Judged::Refuse(refusal) => format!("refused {}", refusal.code),
        }
    }
}

/// Every request that dan can make of a conversation, one after the other, each behind the last
/// and with its answer.
fn probes(log: &mut Log, place: ConversationId) -> Vec<(String, String)> {
    let nothing = Admit::default();
    let mut answers = Vec::new();
    // What `after` names has an outcome, so that nothing is held back for it.
    let first = json!({"type": "send", "conversation": place, "id": id("first"), "body": {"plain": {"text": "x"}}});
    answers.push(("plain".to_owned(), log.sends("dan", &nothing, first)));
    let ann = json!([{"user": user("ann"), "role": "member"}]);
    let mut kinds = vec![json!({"kind": "message"})];
    for kind in ["join", "leave", "name", "setting", "a-kind-of-later"] {
        kinds.push(json!({"kind": kind, "key": "join", "value": "open"}));
    }
    for kind in ["add", "remove", "role"] {
        kinds.push(json!({"kind": kind, "named": ann}));
    }
    for class in ["content", "change", "membership", "setting"] {
        kinds.push(json!({"kind": "later", "class": class, "target": 1}));
    }
    for more in ["edit", "delete", "react"] {
        kinds.push(json!({"type": more, "target": 1, "key": "+1"}));
    }
    kinds.push(json!({"type": "cancel"}));
    for (n, more) in kinds.into_iter().enumerate() {
        for after in [false, true] {
            let mut frame = json!({
                "type": "send", "conversation": place,
                "id": id(&format!("probe{n}{after}")), "body": {"plain": {"text": "x"}},
            });
            if after {
                frame["after"] = json!(id("first"));
            }
            for (key, value) in more.as_object().expect("an object") {
                frame[key] = value.clone();
            }
            let found = log.sends("dan", &nothing, frame);
            answers.push((format!("{more} after={after}"), found));
        }
    }
    answers
}

#[test]
fn what_is_not_ones_own_answers_as_what_is_not_there() {
    let group = conversation("ann", "G");
    let direct = conversation("ann", "@bob");
    let nowhere = probes(&mut Log::new(&[]), group);
    for lines in [
        &["ann create g1 in G group with=bob"][..],
        &["ann create g1 in G channel with=bob"][..],
        &["ann create g1 in G group with=bob", "ann say m1 in G"][..],
    ] {
        assert_eq!(probes(&mut Log::new(lines), group), nowhere, "{lines:?}");
    }
    let here = probes(&mut Log::new(&["ann say m1 in @bob"]), direct);
    assert_eq!(here, probes(&mut Log::new(&[]), direct));
    for (asked, found) in nowhere {
        // Or for its form alone, which is the same anywhere.
        let form = found == "refused 3024 unknown_kind";
        assert!(
            form || found == "refused 3003 not_found",
            "{asked}: {found}"
        );
    }
}

#[test]
fn who_is_brought_in_before_their_send_may_send() {
    let mut log = Log::new(&[
        "ann create g1 in G group with=bob",
        "ann add a1 in G members=dan",
    ]);
    let place = conversation("ann", "G");
    // The gateway has not heard of it yet.
    let first = json!({"type": "send", "conversation": place, "id": id("first"), "body": {"plain": {"text": "x"}}});
    let refused = log.sends("dan", &Admit::default(), first);
    assert_eq!(refused, "refused 3003 not_found");
    let second = json!({"type": "send", "conversation": place, "id": id("second"), "after": id("first"), "body": {"plain": {"text": "x"}}});
    let placed = log.sends("dan", &Admit::default(), second);
    assert_eq!(placed, "placed #3 n=1");
}

#[test]
fn who_was_in_it_is_told_so() {
    let place = conversation("ann", "G");
    let mut log = Log::new(&[
        "ann create g1 in G group with=dan",
        "ann remove r1 in G members=dan",
    ]);
    let edge = |seq| Edge {
        seq: Seq(seq),
        position: at(seq - 1),
    };
    let interval = Interval {
        conversation: place,
        user: user("dan"),
        from: edge(1),
        until: Some(edge(2)),
        role: Default::default(),
        n: 0,
        joined: Seq(1),
    };
    let admit = Admit {
        entry: Some(Entry {
            standing: Standing {
                conversation: place,
                shape: Shape::Group,
                history: HistoryRule::All,
                head: Head { seq: Seq(2), n: 0 },
                members: 1,
                direct: None,
                name: None,
                topic: None,
            },
            mark: Mark::default(),
            other: None,
            member: Some(interval),
            removed: true,
            mentions: 0,
        }),
        ..Admit::default()
    };
    let text = json!({"plain": {"text": "x"}});
    let send = json!({"type": "send", "conversation": place, "id": id("m1"), "body": text});
    assert_eq!(log.sends("dan", &admit, send), "refused 3004 not_member");
    let send = json!({"type": "send", "conversation": place, "id": id("m2"), "after": id("m1"), "body": text});
    assert_eq!(log.sends("dan", &admit, send), "refused 3004 not_member");
}
