//! What the server does with a frame.

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client as Frame, Server, server};
use parlour_protocol::id::{MessageId, SessionId, StoreId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::record::Mentions;
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::model::Outcome;
use crate::world::{CLIENTS, World, room};

impl World {
    /// The server takes a frame.
    pub(crate) fn serve(&mut self, i: usize, frame: Frame) {
        let user = self.devices[i].settings.user;
        match frame {
            Frame::Hello(_) => {
                let device = self.devices[i].settings.device;
                self.reply(
                    i,
                    Server::Welcome(server::Welcome {
                        session: SessionId::NIL,
                        user,
                        device,
                        store: StoreId::derived("store", &[b"one"]),
                        time_ms: 0,
                        limits: Limits::default(),
                        features: vec![],
                    }),
                );
            }
            Frame::Sync(sync) => {
                let line = Line {
                    conversation: room(),
                    head: self.model.head(),
                    own: self.model.marks.get(&user).copied().unwrap_or_default(),
                    other: None,
                    standing: Standing::Member(Seq(1)),
                };
                let about = server::About {
                    conversation: room(),
                    shape: Shape::Group,
                    history: Default::default(),
                    members: 3,
                    name: None,
                    topic: None,
                    peer: None,
                    role: Default::default(),
                    joined_n: 0,
                    mentions: 0,
                };
                self.reply(
                    i,
                    Server::Page(server::Page {
                        r#ref: sync.r#ref,
                        lines: vec![line],
                        about: vec![about],
                        stretch: None,
                        more: false,
                        ready: true,
                    }),
                );
            }
            Frame::Send(s) => {
                self.sequence(i, s.r#ref, s.id, s.after, kind::MESSAGE, |e| {
                    e.body = Some(s.body)
                });
            }
            Frame::Edit(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::EDIT, |e| {
                e.target = Some(x.target);
                e.body = Some(x.body);
            }),
            Frame::Delete(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::DELETE, |e| {
                e.target = Some(x.target);
            }),
            Frame::React(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::REACTION, |e| {
                e.target = Some(x.target);
                e.key = Some(x.key);
                e.on = x.on;
            }),
            Frame::Cancel(c) => {
                let key = (user, c.id);
                let known = c
                    .after
                    .is_none_or(|a| self.model.outcomes.contains_key(&(user, a)));
                if !known && !self.model.outcomes.contains_key(&key) {
                    let error = server::Error::new(c.r#ref, Code::AFTER_UNKNOWN);
                    return self.reply(i, Server::Error(error.of(room(), c.id)));
                }
                let outcome = *self
                    .model
                    .outcomes
                    .entry(key)
                    .or_insert(Outcome::Refused(Code::CANCELLED));
                self.answer(i, c.r#ref, c.id, outcome);
            }
            Frame::Delivered(m) | Frame::Read(m) => {
                let head = self.model.head();
                for seq in m.marks.values() {
                    assert!(*seq <= head.seq, "a mark of the future");
                    let at = Head {
                        seq: *seq,
                        n: self.model.log.get(seq.0 as usize - 1).unwrap().n,
                    };
                    let mark = self.model.marks.entry(user).or_default();
                    *mark = mark.join(Mark {
                        delivered: at,
                        read: Head::default(),
                    });
                }
                let own = self.model.marks.get(&user).copied();
                self.reply(
                    i,
                    Server::Receipt(server::Receipt {
                        conversation: room(),
                        own,
                        members: vec![],
                        counts: None,
                    }),
                );
            }
            Frame::History(h) => self.history(i, &h),
            Frame::Ping(p) => self.reply(
                i,
                Server::Pong(server::Pong {
                    r#ref: p.r#ref,
                    time_ms: 0,
                }),
            ),
            _ => {}
        }
    }

    pub(crate) fn answer(&mut self, i: usize, r#ref: u64, id: MessageId, outcome: Outcome) {
        if self.faults && self.dice.one_in(6) {
            return;
        }
        let frame = match outcome {
            Outcome::Placed(seq) => Server::Sent(server::Sent {
                r#ref,
                id,
                conversation: room(),
                seq,
                n: self.model.log[seq.0 as usize - 1].n,
                time_ms: seq.0,
            }),
            Outcome::Refused(code) => Server::Error(server::Error::new(r#ref, code).of(room(), id)),
        };
        self.reply(i, frame);
    }

    pub(crate) fn sequence(
        &mut self,
        i: usize,
        r#ref: u64,
        id: MessageId,
        after: Option<MessageId>,
        kind: &str,
        fill: impl FnOnce(&mut server::Event),
    ) {
        let user = self.devices[i].settings.user;
        if let Some(outcome) = self.model.outcomes.get(&(user, id)) {
            return self.answer(i, r#ref, id, *outcome);
        }
        if self.faults && self.dice.one_in(8) {
            // Lost on the way to the log.
            return;
        }
        let known = after.is_none_or(|a| self.model.outcomes.contains_key(&(user, a)));
        let busy = self.faults && self.dice.one_in(6);
        if !known || busy {
            let code = if known {
                Code::UNAVAILABLE
            } else {
                Code::AFTER_UNKNOWN
            };
            return self.reply(
                i,
                Server::Error(server::Error::new(r#ref, code).of(room(), id)),
            );
        }
        let head = self.model.head();
        let class = kind::find(kind).unwrap().class;
        let mut e = server::Event {
            conversation: room(),
            seq: head.seq.next(),
            n: head.n + u64::from(class == Class::Content),
            prev: head.seq,
            time_ms: head.seq.0 + 1,
            id,
            sender: user,
            device: self.devices[i].settings.device,
            class,
            kind: kind.to_owned(),
            target: None,
            key: None,
            value: None,
            on: true,
            base: None,
            named: vec![],
            create: None,
            reply_to: None,
            thread: None,
            mentions: Mentions::default(),
            quiet: false,
            origin: None,
            expires_after_s: None,
            body: None,
            edited: None,
            deleted: None,
            reactions: vec![],
            reactions_more: 0,
            pinned: None,
        };
        fill(&mut e);
        let refusal = match e.target.and_then(|t| (t.0 as usize).checked_sub(1)) {
            _ if e.target.is_none() => None,
            Some(t) if t < self.model.log.len() => {
                let target = self.model.folded(Seq(t as u64 + 1), head.seq);
                if target.class != Class::Content {
                    Some(Code::NO_TARGET)
                } else if target.deleted.is_some() {
                    Some(Code::DELETED)
                } else {
                    None
                }
            }
            _ => Some(Code::NO_TARGET),
        };
        if let Some(code) = refusal {
            let outcome = Outcome::Refused(code);
            self.model.outcomes.insert((user, id), outcome);
            return self.answer(i, r#ref, id, outcome);
        }
        self.model
            .outcomes
            .insert((user, id), Outcome::Placed(e.seq));
        self.model.log.push(e.clone());
        for other in 0..CLIENTS {
            if !self.devices[other].up {
                continue;
            }
            // Lost in between, and the head told later; or not at all until the next event.
            if self.faults && self.dice.one_in(5) {
                if !self.dice.one_in(3) {
                    let heads = vec![server::Moved {
                        conversation: room(),
                        head: self.model.head(),
                    }];
                    self.reply(other, Server::Heads(server::Heads { heads }));
                }
            } else {
                self.reply(other, Server::Event(e.clone()));
            }
        }
        self.answer(i, r#ref, id, Outcome::Placed(e.seq));
    }

    pub(crate) fn history(&mut self, i: usize, h: &parlour_protocol::frame::client::History) {
        if self.faults && self.dice.one_in(8) {
            return;
        }
        if self.faults && self.dice.one_in(8) {
            let error = server::Error::new(h.r#ref, Code::UNAVAILABLE);
            return self.reply(i, Server::Error(error));
        }
        let head = self.model.head().seq;
        // What the head row says may lag behind the events.
        let as_of = if self.faults {
            Seq(head.0.saturating_sub(self.dice.roll(3)))
        } else {
            head
        };
        let limit = u64::from(h.limit.unwrap());
        let (from, to, more) = match (h.after, h.before) {
            (Some(a), _) => {
                let end = h.before.map_or(head, |b| b.prev().min(head));
                let to = Seq((a.0 + limit).min(end.0));
                (a.next(), to, to < end)
            }
            (None, before) => {
                let to = before.map_or(head, Seq::prev);
                let from = Seq(to.0.saturating_sub(limit - 1).max(1));
                (from, to, from > Seq(1))
            }
        };
        let mut events: Vec<_> = (from.0..=to.0)
            .map(|s| self.model.folded(Seq(s), as_of))
            .collect();
        if let Some(since) = h.changes_since {
            events.retain(|e| {
                self.model
                    .log
                    .iter()
                    .any(|c| c.seq > since && c.seq <= as_of && c.target == Some(e.seq))
            });
        }
        let stretch = server::Stretch {
            conversation: room(),
            from,
            to,
            events,
            as_of,
            withheld: vec![],
            more,
            changes: h.changes_since.is_some(),
        };
        self.reply(
            i,
            Server::Page(server::Page {
                r#ref: h.r#ref,
                lines: vec![],
                about: vec![],
                stretch: Some(stretch),
                more: false,
                ready: false,
            }),
        );
    }
}
