//! What lies behind a gateway or a node in a script: conversations that the real sequencer made,
//! their events by place, and the names of everything that a script has named.

use std::collections::BTreeMap;

use parlour_engine::log::sequencer::Sequencer;
use parlour_protocol::body::Body;
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::row::{Change, Erased, Event, Interval, Row};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::script::{conversation, id, record, user, user_name};
use crate::store::Store;

pub fn at(offset: u64) -> Position {
    Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(offset),
    }
}

pub fn device(name: &str) -> DeviceId {
    let (name, number) = name.split_once('/').unwrap_or((name, "1"));
    let number: u8 = number.parse().expect("a device number");
    DeviceId::from_bytes([user(name).as_bytes()[0] * 16 + number; 16])
}

pub fn device_name(id: DeviceId) -> String {
    let byte = id.as_bytes()[0];
    let name = user_name(UserId::from_bytes([byte / 16; 16]));
    format!("{name}/{}", byte % 16)
}

pub fn session(name: &str) -> SessionId {
    let number: u8 = name.trim_start_matches('s').parse().expect("sN");
    SessionId::from_bytes([number; 16])
}

pub fn session_name(id: SessionId) -> String {
    format!("s{}", id.as_bytes()[0])
}

pub fn users(list: &str) -> Vec<UserId> {
    list.split(',')
        .filter(|u| !u.is_empty())
        .map(user)
        .collect()
}

pub fn user_names(of: &[UserId]) -> String {
    let names: Vec<_> = of.iter().map(|u| user_name(*u)).collect();
    if names.is_empty() {
        "nobody".to_owned()
    } else {
        names.join(",")
    }
}

pub fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("no number: {text}"))
}

/// `READ/DELIVERED`, or one number for both.
pub fn mark(text: &str) -> Mark {
    let (read, delivered) = text.split_once('/').unwrap_or((text, text));
    let head = |text| Head {
        seq: Seq(number(text)),
        n: number(text),
    };
    Mark {
        read: head(read),
        delivered: head(delivered),
    }
}

pub fn mark_text(mark: Mark) -> String {
    format!("{}/{}", mark.read.seq.0, mark.delivered().seq.0)
}

/// The value of `key=` among words.
pub fn value<'a>(words: &[&'a str], key: &str) -> Option<&'a str> {
    words
        .iter()
        .find_map(|w| w.strip_prefix(key)?.strip_prefix('='))
}

#[derive(Default)]
pub struct World {
    me: String,
    store: Store,
    sequencer: Option<Sequencer>,
    written: u64,
    conversations: BTreeMap<ConversationId, String>,
    messages: BTreeMap<MessageId, String>,
}

impl World {
    /// As this user sees it: `@ann` is the conversation with ann.
    pub fn of(me: &str) -> Self {
        Self {
            me: me.to_owned(),
            ..Self::default()
        }
    }

    pub fn conversation(&mut self, name: &str) -> ConversationId {
        let id = conversation(&self.me, name);
        self.conversations.insert(id, name.to_owned());
        id
    }

    pub fn conversation_name(&self, id: ConversationId) -> String {
        self.conversations
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    pub fn message(&mut self, name: &str) -> MessageId {
        self.messages.insert(id(name), name.to_owned());
        id(name)
    }

    pub fn message_name(&self, id: MessageId) -> String {
        self.messages
            .get(&id)
            .cloned()
            .unwrap_or_else(|| id.to_string())
    }

    /// Remembers what a line names.
    pub fn name(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [who, _, name, "in", place, ..] = words[..] {
            let who = who.split('/').next().unwrap_or(who);
            let shown = match place.strip_prefix('@') {
                Some(peer) if peer == self.me => format!("@{who}"),
                _ => place.to_owned(),
            };
            self.conversations.insert(conversation(who, place), shown);
            self.messages.insert(id(name), name.to_owned());
        }
    }

    /// Has lines sequenced, `; ` between them. `… controls=N`: its text is so many control
    /// characters.
    pub fn write(&mut self, lines: &str) {
        for line in lines.split("; ") {
            let (line, controls) = line.split_once(" controls=").unwrap_or((line, ""));
            self.name(line);
            let sequencer = self.sequencer.get_or_insert_with(|| Sequencer::new(100));
            let mut record = record(line);
            if !controls.is_empty() {
                let text = "\u{1}".repeat(number(controls) as usize);
                record.payload = Body::text(&text).to_payload();
            }
            let batch = [(at(self.written), record)];
            self.written += 1;
            let questions = sequencer.questions(&batch);
            let facts = self.store.facts(batch[0].0, &questions);
            sequencer.learn(&questions, facts);
            let (decided, judged) = sequencer.decide(&batch);
            judged.expect("known rules");
            for one in decided {
                assert!(one.event.is_some(), "not placed: {line}");
                self.store.append(&one.rows);
            }
        }
    }

    /// Events of places in (after, before).
    pub fn events(&self, conversation: ConversationId, after: Seq, before: Seq) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .store
            .rows
            .iter()
            .filter_map(|r| match r {
                Row::Event(e) if e.conversation == conversation => Some(e.clone()),
                _ => None,
            })
            .filter(|e| e.seq > after && e.seq < before)
            .collect();
        events.sort_by_key(|e| e.seq);
        events
    }

    pub fn event(&mut self, place: &str, seq: &str) -> Event {
        let conversation = self.conversation(place);
        let seq = Seq(number(seq));
        self.events(conversation, seq.prev(), seq.next())
            .pop()
            .unwrap_or_else(|| panic!("no event {seq:?} in {place}"))
    }

    pub fn head(&self, conversation: ConversationId) -> Head {
        self.events(conversation, Seq::ZERO, Seq::MAX)
            .last()
            .map_or_else(Head::default, |e| Head {
                seq: e.seq,
                n: e.carried.n,
            })
    }

    pub fn shape(&self, conversation: ConversationId) -> Shape {
        self.events(conversation, Seq::ZERO, Seq::MAX)
            .last()
            .map_or(Shape::Group, |e| e.carried.shape)
    }

    pub fn members(&self, conversation: ConversationId) -> u32 {
        self.events(conversation, Seq::ZERO, Seq::MAX)
            .last()
            .map_or(0, |e| e.carried.members)
    }

    /// Memberships of a user as they stood at a place; what ended behind it is open.
    pub fn intervals(&self, conversation: ConversationId, of: UserId, end: Seq) -> Vec<Interval> {
        let mut out: Vec<Interval> = Vec::new();
        for row in &self.store.rows {
            let Row::Interval(i) = row else { continue };
            if i.conversation != conversation || i.user != of || i.from.seq > end {
                continue;
            }
            let mut i = *i;
            i.until = i.until.filter(|u| u.seq <= end);
            match out.iter_mut().find(|o| o.from == i.from) {
                Some(o) => o.until = o.until.or(i.until),
                None => out.push(i),
            }
        }
        out
    }

    pub fn changes(&self, conversation: ConversationId) -> Vec<Change> {
        let of = |r: &Row| match r {
            Row::Change(c) if c.conversation == conversation => Some(c.clone()),
            _ => None,
        };
        self.store.rows.iter().filter_map(of).collect()
    }

    pub fn erased(&self, conversation: ConversationId) -> Vec<Erased> {
        let of = |r: &Row| match r {
            Row::Erased(e) if e.conversation == conversation => Some(e.clone()),
            _ => None,
        };
        self.store.rows.iter().filter_map(of).collect()
    }
}
