//! After every input: whatever may go out now goes out.

use std::collections::BTreeMap;

use parlour_protocol::frame::{Client as Frame, client};
use parlour_protocol::id::ConversationId;
use parlour_protocol::mutant::{Mutant, planted};

use super::{About, Client, send};
use crate::output::{Output, Update};
use crate::room::{Ask, Asking, Need};

/// Marks that were stated and not echoed are stated again after this while.
const RESTATE_MS: u64 = 30_000;
/// Requests remembered on one connection; past it the oldest is forgotten, and its answer is
/// found by what it says.
const REFS: usize = 4_096;

impl Client {
    pub(super) fn tick(&mut self, out: &mut Vec<Output>) {
        let now = self.now_ms;
        self.tick_link(out);
        self.outbox.overdue(now);
        for conversation in self.presence.faded(now) {
            let users = self.presence.typing(conversation);
            out.push(Output::Update(Update::Typing {
                conversation,
                users,
            }));
        }
        for id in &self.busy {
            if let Some(room) = self.rooms.get_mut(id)
                && room.asking.is_some_and(|a| a.deadline <= now)
            {
                room.answered(false);
            }
        }
        if self.restate_at.is_some_and(|at| at <= now) {
            self.restate_at = None;
            for room in self.rooms.values_mut().filter(|r| r.unechoed()) {
                room.stated = Default::default();
                self.marked.insert(room.id);
            }
        }
    }

    pub(super) fn pump(&mut self, out: &mut Vec<Output>) {
        if !self.connection.welcome() {
            return;
        }
        if self.mail.wants_again() {
            self.give_up_connection("mail is asked for again", out);
            return;
        }
        self.pump_outbox(out);
        self.pump_history(out);
        self.pump_marks(out);
        if let Some(frame) = self.mail.acknowledge() {
            send(out, frame);
        }
    }

    fn pump_outbox(&mut self, out: &mut Vec<Output>) {
        loop {
            let r#ref = self.next_ref.saturating_add(1);
            let next = self.outbox.next(
                &self.settings,
                &mut self.entropy,
                self.now_ms,
                self.persisted,
                r#ref,
            );
            let Some((id, frame)) = next else { return };
            self.next_ref = r#ref;
            self.remember(r#ref, About::Send(id));
            send(out, frame);
            if planted(Mutant::OutboxForgets) {
                self.outbox.forget(id);
                self.ops.push(crate::saved::Op::OutboxGone(id));
            }
        }
    }

    fn remember(&mut self, r#ref: u64, about: About) {
        self.refs.insert(r#ref, about);
        if self.refs.len() > REFS {
            self.refs.pop_first();
        }
    }

    fn pump_history(&mut self, out: &mut Vec<Output>) {
        if self.busy.is_empty() {
            return;
        }
        let mut open = self
            .busy
            .iter()
            .filter_map(|id| self.rooms.get(id))
            .filter(|r| r.asking.is_some())
            .count();
        let first = self.focus.filter(|f| self.busy.contains(f));
        let rest = self.busy.iter().copied().filter(|id| Some(*id) != first);
        let order: Vec<ConversationId> = first.into_iter().chain(rest).collect();
        for id in order {
            // The conversation on the screen never waits for the others.
            if open >= self.settings.history_open_max && Some(id) != self.focus {
                return;
            }
            let policy = self.policy(id);
            let Some(room) = self.rooms.get_mut(&id) else {
                self.busy.remove(&id);
                continue;
            };
            match room.need(self.now_ms, policy) {
                Need::Now(ask) => {
                    let whole = match ask {
                        Ask::Changes { from, to, .. } => (from, to),
                        _ => Default::default(),
                    };
                    self.ask(id, ask, None, whole, out);
                    open = open.saturating_add(1);
                }
                Need::Nothing if room.asking.is_none() => {
                    room.load_wanted = false;
                    self.busy.remove(&id);
                }
                Need::Nothing | Need::Later(_) => {}
            }
        }
    }

    pub(super) fn ask(
        &mut self,
        conversation: ConversationId,
        ask: Ask,
        as_of: Option<parlour_protocol::Seq>,
        whole: (parlour_protocol::Seq, parlour_protocol::Seq),
        out: &mut Vec<Output>,
    ) {
        let r#ref = self.new_ref();
        let jitter = self.entropy.upto(self.settings.answer_ms / 4);
        let deadline = self.now_ms + self.settings.answer_ms + jitter;
        if let Some(room) = self.rooms.get_mut(&conversation) {
            room.asking = Some(Asking {
                ask,
                r#ref,
                deadline,
                as_of,
                whole,
            });
        }
        self.remember(r#ref, About::History(conversation));
        let mut frame = client::History {
            r#ref,
            conversation,
            before: None,
            after: None,
            changes_since: None,
            limit: Some(self.settings.page_events.max(1)),
        };
        match ask {
            Ask::Newest => {}
            Ask::Before(seq) => frame.before = Some(seq),
            Ask::After(seq) => frame.after = Some(seq),
            Ask::Changes { from, to, since } => {
                frame.after = Some(from.prev());
                frame.before = Some(to.next());
                frame.changes_since = Some(since);
            }
        }
        send(out, Frame::History(frame));
    }

    fn pump_marks(&mut self, out: &mut Vec<Output>) {
        if self.marked.is_empty() || self.now_ms < self.marks_at {
            return;
        }
        let max = usize::try_from(self.limits.marks.max(1)).unwrap_or(usize::MAX);
        let (mut delivered, mut read) = (BTreeMap::new(), BTreeMap::new());
        for id in core::mem::take(&mut self.marked) {
            if delivered.len() >= max || read.len() >= max {
                self.marked.insert(id);
                continue;
            }
            let Some(room) = self.rooms.get_mut(&id) else {
                continue;
            };
            let (d, r) = room.unstated();
            if let Some(seq) = d {
                delivered.insert(id, seq);
                room.stated.0 = seq;
            }
            if let Some(seq) = r {
                read.insert(id, seq);
                room.stated.1 = seq;
            }
        }
        if delivered.is_empty() && read.is_empty() {
            return;
        }
        if !delivered.is_empty() {
            send(
                out,
                Frame::Delivered(client::Marks {
                    r#ref: 0,
                    marks: delivered,
                }),
            );
        }
        if !read.is_empty() {
            send(
                out,
                Frame::Read(client::Marks {
                    r#ref: 0,
                    marks: read,
                }),
            );
        }
        self.marks_at = self.now_ms.saturating_add(self.settings.marks_ms);
        let again = self.now_ms.saturating_add(RESTATE_MS);
        self.restate_at.get_or_insert(again);
    }
}
