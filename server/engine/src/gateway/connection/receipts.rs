//! Marks in and receipts out (decision 23).
//!
//! A mark is taken at a place that its user may read and whose event was given here or is found in
//! history, whence its n. Marks are gathered, made durable, and only then told. Receipts that wait
//! for the socket merge; those of a group are the focus's.

use std::collections::BTreeMap;

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Ref, Server, client, server};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::node::Signal;
use parlour_protocol::seq::{Head, Mark, Seq};

use super::requests::Pending;
use super::{Connection, Output};
use crate::gateway::need::{History, Need};

#[derive(Debug, Default)]
pub(super) struct Marking {
    waiting: BTreeMap<ConversationId, Mark>,
    storing: BTreeMap<ConversationId, Mark>,
    next_ms: u64,
}

impl Connection {
    pub(super) fn mark(&mut self, marks: client::Marks, read: bool, out: &mut Vec<Output>) {
        let r#ref = marks.r#ref;
        for (conversation, seq) in marks.marks {
            let place = self.places.get(conversation);
            match place.about {
                Some(_) if place.given().seq == seq => {
                    self.marking.add(conversation, place.given(), read);
                }
                _ => {
                    let need = Need::History {
                        conversation,
                        after: seq.prev(),
                        before: seq.next(),
                        newest: false,
                        limit: 1,
                        changes_since: None,
                    };
                    self.ask(Pending::Place(r#ref, conversation, seq, read), need, out);
                }
            }
        }
    }

    pub(super) fn place_found(
        &mut self,
        r#ref: Ref,
        (conversation, seq): (ConversationId, Seq),
        read: bool,
        history: Option<&History>,
        out: &mut Vec<Output>,
    ) {
        let refused = |code| {
            let mut error = server::Error::new(r#ref, code);
            error.conversation = Some(conversation);
            Server::Error(error)
        };
        let user = self.user();
        let Some(history) = history else {
            return self.send(&refused(Code::NOT_FOUND), out);
        };
        let given = self.places.get(conversation).given();
        if seq > history.as_of.seq && seq == given.seq {
            // The event went out here before the head was raised behind it.
            let about = (history.entry.standing.shape, history.entry.peer(user));
            self.places.at(conversation).about = Some(about);
            return self.marking.add(conversation, given, read);
        }
        if seq > history.as_of.seq {
            return self.send(&refused(Code::SEQ_AHEAD), out);
        }
        let reader = history.reader();
        match history.events.first() {
            Some(event) if event.seq == seq && reader.may(seq) => {
                let head = Head {
                    seq,
                    n: event.carried.n,
                };
                let about = (history.entry.standing.shape, history.entry.peer(user));
                self.places.at(conversation).about = Some(about);
                self.marking.add(conversation, head, read);
            }
            // Not to be read by them, or not yet: a mark there means nothing.
            _ => self.send(&refused(Code::NOT_FOUND), out),
        }
    }

    /// Makes marks durable when they are due. Answers when that is next.
    pub(super) fn mark_on(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        if self.marking.waiting.is_empty() || !self.marking.storing.is_empty() {
            return None;
        }
        if now_ms < self.marking.next_ms {
            return Some(self.marking.next_ms);
        }
        self.marking.storing = core::mem::take(&mut self.marking.waiting);
        let marks = self.marking.storing.iter().map(|(c, m)| (*c, *m)).collect();
        self.ask(Pending::StoreMarks, Need::StoreMarks { marks }, out);
        None
    }

    pub(super) fn marks_stored(
        &mut self,
        marks: Vec<(ConversationId, Mark)>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        self.marking.storing.clear();
        self.marking.next_ms = now_ms.saturating_add(self.config.marks_ms);
        let user = self.user();
        for (conversation, mark) in marks {
            let about = self.places.get(conversation).about;
            let to: Vec<UserId> = match about {
                Some((Shape::Direct, Some(peer))) if peer != user => vec![user, peer],
                _ => vec![user],
            };
            out.push(Output::Tell(Signal::Marked {
                user,
                conversation,
                mark,
                to,
            }));
            if matches!(about, Some((Shape::Group, _)) | None) {
                let to = Vec::new();
                out.push(Output::Tell(Signal::Marked {
                    user,
                    conversation,
                    mark,
                    to,
                }));
            }
        }
    }

    /// They are stored with the next ones; unechoed ones the client states again anyway.
    pub(super) fn marks_failed(&mut self, now_ms: u64) {
        for (conversation, mark) in core::mem::take(&mut self.marking.storing) {
            let waiting = self.marking.waiting.entry(conversation).or_default();
            *waiting = waiting.join(mark);
        }
        self.marking.next_ms = now_ms.saturating_add(1_000);
    }

    /// A mark was stored, one's own or another's.
    pub(super) fn marked(&mut self, user: UserId, conversation: ConversationId, mark: Mark) {
        let own = self.user();
        if user == own {
            self.outbound.own_receipt(conversation, mark);
        } else if conversation == ConversationId::direct(own, user) {
            self.outbound.receipt(conversation, user, mark);
        } else {
            // Of a group only to who has it in focus, by counts.
            self.focus_marked(user, conversation, mark);
        }
    }
}

impl Marking {
    fn add(&mut self, conversation: ConversationId, head: Head, read: bool) {
        let mark = if read {
            Mark {
                read: head,
                delivered: head,
            }
        } else {
            Mark {
                delivered: head,
                ..Mark::default()
            }
        };
        let waiting = self.waiting.entry(conversation).or_default();
        *waiting = waiting.join(mark);
    }
}
