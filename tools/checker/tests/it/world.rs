//! A small right server and its devices, which write a record as they go.

use std::collections::{BTreeMap, BTreeSet};

use parlour_checker::{Intent, Op, ReadBack, Seen, Shown, Via, Why};
use parlour_protocol::error::Code;
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{ConversationId, DeviceId, MessageId, Seq, SessionId, UserId};

pub(crate) const C: ConversationId = ConversationId::from_bytes([0xc0; 16]);

pub(crate) fn user(n: u8) -> UserId {
    UserId::from_bytes([0x10 + n; 16])
}
/// Device `n` is of user `n / 2`.
pub(crate) fn device(n: u8) -> DeviceId {
    DeviceId::from_bytes([0x20 + n; 16])
}
pub(crate) fn owner(n: u8) -> UserId {
    user(n / 2)
}
pub(crate) fn id(n: u64) -> MessageId {
    MessageId::from_bytes(((0xe0_u128 << 120) | u128::from(n)).to_be_bytes())
}

/// One conversation, four users with two devices each. User 0 made it and stays.
pub(crate) struct World {
    pub(crate) ops: Vec<Op>,
    pub(crate) events: Vec<Seen>,
    history: HistoryRule,
    channel: bool,
    /// Folded bodies, by place.
    shown: BTreeMap<u64, Shown>,
    edits: BTreeMap<u64, u64>,
    pub(crate) members: BTreeMap<UserId, Vec<(u64, Option<u64>)>>,
    connections: BTreeMap<u8, SessionId>,
    sessions: u64,
    has: BTreeMap<u8, BTreeSet<u64>>,
    marks: BTreeMap<UserId, (Seq, Seq)>,
    pub(crate) ids: u64,
}

impl World {
    pub(crate) fn new(history: HistoryRule, channel: bool) -> Self {
        let mut world = Self {
            ops: vec![Op::History {
                conversation: C,
                history,
            }],
            events: Vec::new(),
            history,
            channel,
            shown: BTreeMap::new(),
            edits: BTreeMap::new(),
            members: BTreeMap::new(),
            connections: BTreeMap::new(),
            sessions: 0,
            has: BTreeMap::new(),
            marks: BTreeMap::new(),
            ids: 0,
        };
        for d in 0..8 {
            world.connect(d);
        }
        world.members.insert(user(0), vec![(1, None)]);
        world.made(0, Class::Membership, &[]);
        world
    }

    pub(crate) fn is_member(&self, user: UserId) -> bool {
        self.members
            .get(&user)
            .and_then(|m| m.last())
            .is_some_and(|m| m.1.is_none())
    }

    pub(crate) fn invoke(&mut self, d: u8, n: u64, intent: Intent) {
        self.ops.push(Op::Invoke {
            device: device(d),
            user: owner(d),
            conversation: C,
            id: id(n),
            hash: Some(n * 7),
            intent,
        });
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A place for this send, told to all devices that are online, but for those in `miss`.
    pub(crate) fn place(&mut self, d: u8, n: u64, class: Class, miss: &[u8]) -> Seen {
        let last = self.events.last();
        let event = Seen {
            seq: Seq(self.events.len() as u64 + 1),
            n: last.map_or(0, |e| e.n) + u64::from(class == Class::Content),
            prev: self
                .events
                .iter()
                .rev()
                .find(|e| !e.quiet)
                .map_or(Seq::ZERO, |e| e.seq),
            id: id(n),
            sender: owner(d),
            class,
            quiet: self.channel && class == Class::Membership && last.is_some(),
            shown: Shown::Whole(n * 7),
        };
        self.events.push(event);
        for d in 0..8 {
            if self.connections.contains_key(&d) && !miss.contains(&d) {
                self.live(d, event);
            }
        }
        event
    }

    /// A device is given an event as it happens: it repairs a gap first.
    fn live(&mut self, d: u8, event: Seen) {
        if !self.was_member(owner(d), event.seq.0) {
            return;
        }
        if event.quiet && event.sender != owner(d) {
            return;
        }
        self.receive(d, event, Via::Live);
        let missing = event.prev.0 > 0
            && !self.has[&d].contains(&event.prev.0)
            && self.was_member(owner(d), event.prev.0);
        if missing {
            self.fetch(d);
        }
    }

    pub(crate) fn receive(&mut self, d: u8, event: Seen, via: Via) {
        let connection = self.connections.get(&d).copied().unwrap_or_default();
        self.has.entry(d).or_default().insert(event.seq.0);
        self.ops.push(Op::Receive {
            device: device(d),
            user: owner(d),
            connection,
            conversation: C,
            event,
            via,
        });
    }

    fn was_member(&self, user: UserId, seq: u64) -> bool {
        self.members.get(&user).is_some_and(|m| {
            m.iter()
                .any(|&(from, until)| from <= seq && until.is_none_or(|u| seq <= u))
        })
    }

    /// A device fetches what it may read and lacks; the rest is named as withheld.
    pub(crate) fn fetch(&mut self, d: u8) {
        let who = owner(d);
        for seq in 1..=self.events.len() as u64 {
            if self.has.get(&d).is_some_and(|has| has.contains(&seq)) {
                continue;
            }
            let all = self.history == HistoryRule::All
                && self
                    .members
                    .get(&who)
                    .is_some_and(|m| m.iter().any(|i| i.1.is_none_or(|u| seq <= u)));
            if self.was_member(who, seq) || all {
                let event = self.folded(seq);
                self.receive(d, event, Via::Page);
            } else if self.members.contains_key(&who) {
                self.ops.push(Op::Jump {
                    device: device(d),
                    user: who,
                    conversation: C,
                    from: Seq(seq),
                    to: Seq(seq),
                    why: Why::NotMember,
                });
            }
        }
    }

    fn folded(&self, seq: u64) -> Seen {
        let mut event = self.events[seq as usize - 1];
        if event.class == Class::Change {
            event.shown = Shown::Absent;
        }
        if let Some(shown) = self.shown.get(&seq) {
            event.shown = *shown;
        }
        event
    }

    pub(crate) fn connect(&mut self, d: u8) {
        if self.connections.contains_key(&d) {
            return;
        }
        self.sessions += 1;
        let connection = SessionId::from_bytes(u128::from(self.sessions).to_be_bytes());
        self.connections.insert(d, connection);
        self.has.entry(d).or_default();
        self.ops.push(Op::Connect {
            device: device(d),
            user: owner(d),
            connection,
        });
        self.fetch(d);
    }

    pub(crate) fn disconnect(&mut self, d: u8) {
        if let Some(connection) = self.connections.remove(&d) {
            self.ops.push(Op::Disconnect {
                device: device(d),
                connection,
            });
        }
    }

    pub(crate) fn ok(&mut self, d: u8, event: Seen) {
        self.ops.push(Op::Ok {
            device: device(d),
            conversation: C,
            id: event.id,
            seq: event.seq,
            n: event.n,
        });
    }

    /// Sent, placed, told, answered.
    pub(crate) fn made(&mut self, d: u8, class: Class, miss: &[u8]) -> Seen {
        let n = self.next_id();
        self.invoke(
            d,
            n,
            if class == Class::Membership {
                Intent::Setup
            } else {
                Intent::Send
            },
        );
        let event = self.place(d, n, class, miss);
        self.ok(d, event);
        event
    }

    pub(crate) fn say(&mut self, d: u8) -> Seen {
        self.made(d, Class::Content, &[])
    }

    /// Placed, but the answer was lost; perhaps asked again.
    pub(crate) fn say_unanswered(&mut self, d: u8, again: bool) {
        let n = self.next_id();
        self.invoke(d, n, Intent::Send);
        let event = self.place(d, n, Class::Content, &[]);
        self.ops.push(Op::Unknown {
            device: device(d),
            conversation: C,
            id: id(n),
        });
        if again {
            self.invoke(d, n, Intent::Send);
            self.ok(d, event);
        }
    }

    pub(crate) fn refused(&mut self, d: u8, finally: bool) -> u64 {
        let n = self.next_id();
        self.invoke(d, n, Intent::Send);
        let code = if finally {
            Code::FORBIDDEN
        } else {
            Code::RATE_LIMITED
        };
        self.ops.push(Op::Refused {
            device: device(d),
            conversation: C,
            id: id(n),
            code,
            finally,
        });
        n
    }

    /// User 0 adds a user.
    pub(crate) fn add(&mut self, who: UserId) {
        if !self.is_member(who) {
            let seq = self.events.len() as u64 + 1;
            self.members.entry(who).or_default().push((seq, None));
            self.made(0, Class::Membership, &[]);
        }
    }

    pub(crate) fn leave(&mut self, d: u8) {
        let seq = self.events.len() as u64 + 1;
        if owner(d) == user(0) || !self.is_member(owner(d)) {
            return;
        }
        if let Some(last) = self.members.get_mut(&owner(d)).and_then(|m| m.last_mut()) {
            last.1 = Some(seq);
        }
        self.made(d, Class::Membership, &[]);
    }

    /// Edits or erases a message of one's own.
    pub(crate) fn change(&mut self, d: u8, pick: u8, erase: bool) {
        let own: Vec<u64> = self
            .events
            .iter()
            .filter(|e| e.class == Class::Content && e.sender == owner(d))
            .filter(|e| !matches!(self.shown.get(&e.seq.0), Some(Shown::Deleted(_))))
            .map(|e| e.seq.0)
            .collect();
        if own.is_empty() || !self.is_member(owner(d)) {
            return;
        }
        let target = own[usize::from(pick) % own.len()];
        let at = self.made(d, Class::Change, &[]);
        let Shown::Whole(hash) = at.shown else {
            unreachable!("sent whole")
        };
        let shown = if erase {
            Shown::Deleted(at.seq)
        } else {
            Shown::Edited { hash, at: at.seq }
        };
        self.shown.insert(target, shown);
        self.edits.insert(at.seq.0, target);
    }

    pub(crate) fn mark(&mut self, d: u8, read: bool) {
        let head = Seq(self.events.len() as u64);
        let marks = self.marks.entry(owner(d)).or_default();
        marks.0 = head;
        if read {
            marks.1 = head;
        }
        let (delivered, read) = *marks;
        self.ops.push(Op::MarkSet {
            device: device(d),
            user: owner(d),
            conversation: C,
            delivered,
            read,
        });
        for observer in [d, 0] {
            self.ops.push(Op::MarkSeen {
                observer: device(observer),
                of: owner(d),
                conversation: C,
                delivered,
                read,
            });
        }
    }

    /// Everyone who is online catches up; timelines, memberships, marks and the whole are read.
    pub(crate) fn end(&mut self) {
        for d in 0..8 {
            if self.connections.contains_key(&d) {
                self.fetch(d);
            }
            let events = self.has[&d]
                .iter()
                .map(|s| (Seq(*s), self.events[*s as usize - 1].id))
                .collect();
            self.ops.push(Op::Timeline {
                device: device(d),
                conversation: C,
                events,
            });
        }
        for (who, intervals) in &self.members {
            for &(from, until) in intervals {
                self.ops.push(Op::Membership {
                    conversation: C,
                    user: *who,
                    from: Seq(from),
                    until: until.map(Seq),
                });
            }
        }
        for (who, (delivered, read)) in &self.marks {
            self.ops.push(Op::MarkFinal {
                of: *who,
                conversation: C,
                delivered: *delivered,
                read: *read,
            });
        }
        self.ops.push(Op::ReadBack(ReadBack {
            device: DeviceId::from_bytes([0x7f; 16]),
            user: user(0),
            conversation: C,
            head: Seq(self.events.len() as u64),
            parts: None,
            events: (1..=self.events.len() as u64)
                .map(|s| self.folded(s))
                .collect(),
            withheld: Vec::new(),
        }));
    }
}
