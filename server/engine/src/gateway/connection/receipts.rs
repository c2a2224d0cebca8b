//! Marks in and receipts out (decision 23).
//!
//! A mark is taken at a place that its user may read and whose event was given here or is found in
//! history, whence its n. Marks are gathered, made durable, and only then told.

use std::collections::BTreeMap;

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Server, server};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::node::Signal;
use parlour_protocol::seq::{Head, Mark, Seq};

use super::catching_up::page;
use super::requests::Pending;
use super::{Connection, Output};
use crate::gateway::catch_up::{about, line};
use crate::gateway::need::{Entry, History, Need};

/// Group counts are told at most once in this while, in milliseconds.
const COUNTS_MS: u64 = 1_000;

#[derive(Debug, Default)]
pub(super) struct Marking {
    waiting: BTreeMap<ConversationId, Mark>,
    storing: BTreeMap<ConversationId, Mark>,
    next_ms: u64,
}

/// The conversation on the screen.
#[derive(Debug)]
pub(super) struct Focus {
    pub(super) conversation: ConversationId,
    members: bool,
    shape: Shape,
    marks: BTreeMap<UserId, Mark>,
    others: u32,
    changed: Vec<UserId>,
    snapshot: bool,
    next_ms: u64,
}

impl Connection {
    pub(super) fn mark(
        &mut self,
        marks: BTreeMap<ConversationId, Seq>,
        read: bool,
        out: &mut Vec<Output>,
    ) {
        for (conversation, seq) in marks {
            let known = self.known(conversation);
            match known.about {
                Some(_) if known.given.seq == seq => {
                    let head = known.given;
                    self.marking.add(conversation, head, read);
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
                    self.ask(Pending::Place(conversation, seq, read), need, out);
                }
            }
        }
    }

    pub(super) fn place_found(
        &mut self,
        conversation: ConversationId,
        seq: Seq,
        read: bool,
        history: Option<&History>,
        out: &mut Vec<Output>,
    ) {
        let refused = |code| {
            let mut error = server::Error::new(0, code);
            error.conversation = Some(conversation);
            Server::Error(error)
        };
        let user = self.user();
        let Some(history) = history else {
            return self.send(&refused(Code::NOT_FOUND), out);
        };
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
                self.known(conversation).about = Some(about);
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
            let about = self.known(conversation).about;
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
    pub(super) fn marked(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        mark: Mark,
        out: &mut Vec<Output>,
    ) {
        let own = user == self.user();
        let focus = self
            .focus
            .as_mut()
            .filter(|f| f.conversation == conversation);
        if own {
            let receipt = receipt(conversation, Some(mark), Vec::new());
            return self.send(&Server::Receipt(receipt), out);
        }
        match focus {
            Some(focus) if focus.shape == Shape::Group => {
                let known = focus.marks.entry(user).or_default();
                let joined = known.join(mark);
                if joined != *known {
                    *known = joined;
                    if !focus.changed.contains(&user) {
                        focus.changed.push(user);
                    }
                }
            }
            // In a direct conversation at once.
            _ => {
                let members = vec![server::MemberMark { user, mark }];
                let receipt = receipt(conversation, None, members);
                self.send(&Server::Receipt(receipt), out);
            }
        }
    }

    pub(super) fn focus_on(
        &mut self,
        conversation: Option<ConversationId>,
        members: bool,
        out: &mut Vec<Output>,
    ) {
        match conversation {
            None => {
                self.focus = None;
                out.push(Output::Focus(None));
            }
            Some(conversation) => {
                self.ask(
                    Pending::Focus(conversation, members),
                    Need::Entry { conversation },
                    out,
                );
            }
        }
    }

    pub(super) fn focused(
        &mut self,
        conversation: ConversationId,
        members: bool,
        entry: Option<&Entry>,
        out: &mut Vec<Output>,
    ) {
        let Some(entry) = entry else {
            let mut error = server::Error::new(0, Code::NOT_FOUND);
            error.conversation = Some(conversation);
            return self.send(&Server::Error(error), out);
        };
        let user = self.user();
        let shape = entry.standing.shape;
        self.known(conversation).about = Some((shape, entry.peer(user)));
        let mut answer = page(0);
        answer.lines = vec![line(entry)];
        answer.about = vec![about(entry, user)];
        self.send(&Server::Page(answer), out);
        if !entry.is_member() {
            self.focus = None;
            return out.push(Output::Focus(None));
        }
        self.focus = Some(Focus {
            conversation,
            members,
            shape,
            marks: BTreeMap::new(),
            others: entry.standing.members.saturating_sub(1),
            changed: Vec::new(),
            snapshot: false,
            next_ms: 0,
        });
        out.push(Output::Focus(Some(conversation)));
        if shape != Shape::Channel {
            self.ask(
                Pending::Marks(conversation),
                Need::Marks { conversation },
                out,
            );
        }
    }

    pub(super) fn marks_read(&mut self, conversation: ConversationId, marks: Vec<(UserId, Mark)>) {
        let user = self.user();
        if let Some(focus) = self
            .focus
            .as_mut()
            .filter(|f| f.conversation == conversation)
        {
            for (of, mark) in marks.into_iter().filter(|(of, _)| *of != user) {
                let known = focus.marks.entry(of).or_default();
                *known = known.join(mark);
            }
            focus.snapshot = true;
            focus.changed = focus.marks.keys().copied().collect();
        }
    }

    /// Tells receipts of the conversation in focus when they are due. Answers when that is next.
    pub(super) fn receipts_on(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        let focus = self.focus.as_mut()?;
        if focus.changed.is_empty() || !focus.snapshot {
            return None;
        }
        if now_ms < focus.next_ms {
            return Some(focus.next_ms);
        }
        focus.next_ms = now_ms.saturating_add(COUNTS_MS);
        let changed = core::mem::take(&mut focus.changed);
        let conversation = focus.conversation;
        let mut receipt = receipt(conversation, None, Vec::new());
        if focus.members || focus.shape == Shape::Direct {
            receipt.members = changed
                .iter()
                .filter_map(|user| {
                    let mark = *focus.marks.get(user)?;
                    Some(server::MemberMark { user: *user, mark })
                })
                .collect();
        }
        let (others, marks) = (focus.others, &focus.marks);
        if focus.shape == Shape::Group {
            let seq = self
                .known
                .get(&conversation)
                .map_or(Seq::ZERO, |k| k.told.seq);
            let count = |at: fn(&Mark) -> Seq| {
                u32::try_from(marks.values().filter(|m| at(m) >= seq).count()).unwrap_or(u32::MAX)
            };
            receipt.counts = Some(server::Counts {
                seq,
                delivered: count(|m| m.delivered().seq),
                read: count(|m| m.read.seq),
                of: others,
            });
        }
        self.send(&Server::Receipt(receipt), out);
        None
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

fn receipt(
    conversation: ConversationId,
    own: Option<Mark>,
    members: Vec<server::MemberMark>,
) -> server::Receipt {
    server::Receipt {
        conversation,
        own,
        members,
        counts: None,
    }
}
