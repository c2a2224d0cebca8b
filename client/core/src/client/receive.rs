//! Frames from the server.

use parlour_protocol::error::{Action, Code};
use parlour_protocol::frame::{Server, server};
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::kind::{self, Class};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::seq::Head;

use super::{About, Client};
use crate::input::Request;
use crate::outbox::Outcome;
use crate::output::{Ended, Output, Update, Via};
use crate::room::{Ask, Did};
use crate::saved::{Asked, Op};

/// How long the event of a send may come after its `sent` before it is asked for.
const GRACE_MS: u64 = 2_000;
/// The failure inside the node, one after the other, that is told.
const FAILED_TOLD: u32 = 3;

impl Client {
    pub(super) fn receive(&mut self, frame: Server, out: &mut Vec<Output>) {
        self.heard();
        match frame {
            Server::Welcome(welcome) => self.welcomed(welcome, out),
            Server::Error(error) => self.refused(error, out),
            Server::GoingAway(g) => self.leave_after(g.after_ms),
            // Before the welcome nothing else is expected, nor believed.
            _ if !self.connection.welcome() => {}
            Server::Sent(sent) => self.sent(&sent, out),
            Server::Event(event) => self.event_came(event, out),
            Server::Heads(heads) => self.heads(&heads),
            Server::Receipt(receipt) => self.receipt(receipt, out),
            Server::Mail(mail) => {
                if let Some(update) = self.mail.came(mail) {
                    out.push(Output::Update(update));
                }
            }
            Server::Presence(presence) => {
                let news = self.presence.told(&presence.users);
                if !news.is_empty() {
                    out.push(Output::Update(Update::Presence(news)));
                }
            }
            Server::Typing(typing) => self.typing_came(&typing, out),
            Server::Page(page) => self.page(page, out),
            Server::Behind(behind) => self.sync_after(behind.after_ms),
            Server::Pong(_) => {}
            Server::Unknown => self.unknown = self.unknown.saturating_add(1),
        }
    }

    fn typing_came(&mut self, typing: &server::Typing, out: &mut Vec<Output>) {
        let until = self.now_ms.saturating_add(self.settings.typing_ms);
        let me = self.settings.user;
        let others: Vec<_> = typing.users.iter().copied().filter(|u| *u != me).collect();
        if self.presence.typed(typing.conversation, &others, until) {
            self.typing_changed(typing.conversation, out);
        }
    }

    fn typing_changed(&self, conversation: ConversationId, out: &mut Vec<Output>) {
        out.push(Output::Update(Update::Typing {
            conversation,
            users: self.presence.typing(conversation),
        }));
    }

    fn event_came(&mut self, event: server::Event, out: &mut Vec<Output>) {
        let id = event.conversation;
        let now = self.now_ms;
        let me = self.settings.user;
        if event.sender == me {
            self.own_event(&event, out);
        }
        let room = self.room(id);
        let Some(did) = room.live(event) else { return };
        room.used_ms = now;
        self.took(id, did, Via::Live, out);
        // Who is added learns here that there is a conversation; the rest of it the server says.
        if self
            .rooms
            .get(&id)
            .is_some_and(|r| r.line.is_none() || r.about.is_none())
        {
            self.sync_after(300);
        }
    }

    /// An event of this user: the outcome of a send, if this device made it.
    fn own_event(&mut self, event: &server::Event, out: &mut Vec<Output>) {
        let place = (event.seq, event.n, event.time_ms);
        let outcome = self
            .outbox
            .placed(event.conversation, event.id, place, true);
        if let Some(outcome) = outcome {
            self.ended(outcome, out);
        }
    }

    /// Events came into what is held.
    fn took(&mut self, id: ConversationId, did: Did, via: Via, out: &mut Vec<Output>) {
        let me = self.settings.user;
        self.held = self.held.saturating_add(did.new.len());
        for event in &did.new {
            self.ops.push(Op::Event(event.clone()));
            if kind::find(&event.kind).is_none() {
                self.unknown = self.unknown.saturating_add(1);
            }
            if event.sender == me {
                if via == Via::Page {
                    self.own_event(event, out);
                }
                self.outbox.shown(id, event.seq);
            }
            // An edit ends the writing of it as a message does.
            let ends = event.class == Class::Content || event.kind == kind::EDIT;
            let said = via == Via::Live && ends;
            if said && self.presence.sent(id, event.sender) {
                self.typing_changed(id, out);
            }
            if self.room(id).note(me, event) {
                self.touched.insert(id);
            }
            out.push(Output::Update(Update::Event {
                event: event.clone(),
                via,
            }));
        }
        for event in did.changed {
            self.ops.push(Op::Event(event.clone()));
            out.push(Output::Update(Update::Changed { event }));
        }
        for event in did.rewritten {
            self.ops.push(Op::Event(event));
        }
        for places in did.withheld {
            out.push(Output::Update(Update::Withheld {
                conversation: id,
                places,
            }));
        }
        self.moved(id);
        if via == Via::Page {
            self.redrawn.insert(id);
        }
    }

    /// What is held, or known, of a conversation changed.
    fn moved(&mut self, id: ConversationId) {
        let policy = self.policy(id);
        if let Some(room) = self.rooms.get_mut(&id)
            && room.deliver(policy)
        {
            self.marked.insert(id);
        }
        self.busy.insert(id);
        self.unsaved.insert(id);
        self.touched.insert(id);
    }

    fn sent(&mut self, sent: &server::Sent, out: &mut Vec<Output>) {
        self.refs.remove(&sent.r#ref);
        let grace = self.now_ms.saturating_add(GRACE_MS);
        let room = self.room(sent.conversation);
        let shown = room.stretches.covers(sent.seq);
        let raised = room.raise(Head {
            seq: sent.seq,
            n: sent.n,
        });
        if raised {
            room.grace_until = grace;
        }
        let unknown = room.line.is_none();
        self.moved(sent.conversation);
        if unknown {
            self.sync_after(300);
        }
        let place = (sent.seq, sent.n, sent.time_ms);
        let outcome = self.outbox.placed(sent.conversation, sent.id, place, shown);
        if let Some(outcome) = outcome {
            self.ended(outcome, out);
        }
    }

    /// A request has its outcome, and leaves the outbox.
    pub(super) fn ended(&mut self, outcome: Outcome, out: &mut Vec<Output>) {
        let Outcome { row, how, delete } = outcome;
        if matches!(how, Ended::Sent { .. }) {
            self.ops.push(Op::OutboxGone(row.id));
        }
        self.redrawn.insert(row.conversation);
        self.touched.insert(row.conversation);
        if let Ended::Sent { seq, n, .. } = how {
            self.saw_own(row.conversation, &row.asked, Head { seq, n });
        }
        let update = Update::Ended {
            conversation: row.conversation,
            id: row.id,
            how: how.clone(),
        };
        if matches!(how, Ended::Refused { .. }) && !planted(Mutant::RefusalUnkept) {
            // A gateway may have refused it without a word to the log. Told before it is kept, a
            // crash would bring it back, and a second try might be taken: two outcomes.
            let kept = self.next_ticket();
            self.refusals.push_back((kept, update));
        } else {
            out.push(Output::Update(update));
        }
        if let (true, Ended::Sent { seq, .. }) = (delete, how) {
            let request = Request::Delete {
                conversation: row.conversation,
                target: seq,
            };
            // An outbox that is full keeps a person from sending, but not from taking back.
            self.take_request(request, true);
        }
    }

    /// Who has seen all that lies before their own event has seen it too.
    fn saw_own(&mut self, conversation: ConversationId, asked: &Asked, at: Head) {
        let content = match asked {
            Asked::Send(send) => match &send.kind {
                None => true,
                Some(kind) => {
                    kind::find(kind).map_or(send.class, |k| Some(k.class)) == Some(Class::Content)
                }
            },
            _ => false,
        };
        let room = self.room(conversation);
        room.raise(at);
        if room.has_seen_up_to_n(at.n.saturating_sub(u64::from(content))) && room.see(at.seq) {
            self.marked.insert(conversation);
            self.unsaved.insert(conversation);
        }
    }

    fn heads(&mut self, heads: &server::Heads) {
        for moved in &heads.heads {
            let now = self.now_ms;
            let room = self.room(moved.conversation);
            let unknown = room.line.is_none();
            if room.raise(moved.head) {
                room.grace_until = 0;
                room.used_ms = now;
                self.moved(moved.conversation);
            }
            if unknown {
                self.sync_after(300);
            }
        }
    }

    fn receipt(&mut self, receipt: server::Receipt, out: &mut Vec<Output>) {
        let id = receipt.conversation;
        let me = self.settings.user;
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        if let Some(own) = receipt.own
            && room.echoed(own)
        {
            out.push(Output::Update(Update::Marks {
                conversation: id,
                own: room.own_mark(),
            }));
            self.touched.insert(id);
        }
        let mut members = Vec::new();
        for told in receipt.members {
            if room.marked(me, told.user, told.mark) {
                members.push((told.user, told.mark));
            }
        }
        let mut recounted = false;
        if let Some(counts) = receipt.counts
            && room.counts.as_ref().is_none_or(|c| c.seq <= counts.seq)
        {
            recounted = room.counts.as_ref() != Some(&counts);
            room.counts = Some(counts);
        }
        if recounted || !members.is_empty() {
            out.push(Output::Update(Update::Receipts {
                conversation: id,
                members,
            }));
        }
        self.unsaved.insert(id);
    }

    fn page(&mut self, page: server::Page, out: &mut Vec<Output>) {
        let sync = self.refs.get(&page.r#ref) == Some(&About::Sync);
        let mut lines = page.lines;
        lines.sort_by_key(|l| l.conversation);
        for line in lines {
            let room = self.room(line.conversation);
            room.grace_until = 0;
            if room.absorb_line(line) {
                self.moved(line.conversation);
            }
        }
        for about in page.about {
            let id = about.conversation;
            let room = self.room(id);
            let as_of = room.line.map_or(room.head.seq, |l| l.head.seq);
            if room.absorb_about(about, as_of) {
                self.moved(id);
            }
        }
        if let Some(stretch) = page.stretch {
            self.stretch(page.r#ref, stretch, out);
        }
        if sync {
            self.sync_page(page.r#ref, page.ready, out);
        }
    }

    fn stretch(&mut self, r#ref: u64, stretch: server::Stretch, out: &mut Vec<Output>) {
        let id = stretch.conversation;
        self.refs.remove(&r#ref);
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        // Only the answer to the question that is open counts: of another it is not known what
        // it leaves out.
        let Some(asking) = room.asking.filter(|a| a.r#ref == r#ref) else {
            return;
        };
        room.asking = None;
        let end = stretch.as_of;
        let did = if let Ask::Changes { from, to, since } = asking.ask {
            let as_of = asking.as_of.map_or(stretch.as_of, |a| a.min(stretch.as_of));
            let (more, upto) = (stretch.more, stretch.to);
            let further = more && upto < to;
            let stuck = further && upto < from;
            let mut did = room.changes(stretch, asking.whole, as_of, !further);
            if stuck {
                did.fruitful = false;
            } else if further {
                let rest = Ask::Changes {
                    from: upto.next(),
                    to,
                    since,
                };
                self.took(id, did, Via::Page, out);
                self.ask(id, rest, Some(as_of), asking.whole, out);
                return;
            }
            did
        } else {
            let did = room.page(stretch);
            if matches!(asking.ask, Ask::Before(_)) {
                room.older_wanted = false;
            }
            did
        };
        room.answered(did.fruitful);
        if !did.fruitful {
            // Who is out is shown nothing behind their end, whatever head they were told.
            room.denied |= room.is_out_at(end);
            self.pause_room(id, None);
        }
        self.took(id, did, Via::Page, out);
    }

    /// Asks nothing of a conversation for a while.
    fn pause_room(&mut self, id: ConversationId, after_ms: Option<u64>) {
        let max = self.settings.backoff_ms_max;
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        let least = after_ms.unwrap_or(0);
        let pause = self.entropy.pause(room.fruitless, 500, max);
        room.not_before = self.now_ms.saturating_add(least).saturating_add(pause);
        self.busy.insert(id);
    }

    fn refused(&mut self, error: server::Error, out: &mut Vec<Output>) {
        let message = match &error.details {
            Some(details) => match details.as_str() {
                Some(text) => format!("{} ({text})", error.message),
                None => error.message.clone(),
            },
            None => error.message.clone(),
        };
        match error.code.action() {
            Action::SignOut => {
                out.push(Output::Close);
                self.sign_out(error.code, message, out);
                return;
            }
            Action::Reconnect => {
                self.give_up_connection(&message, out);
                return;
            }
            Action::Retry | Action::GiveUp => {}
        }
        let about = self.refs.remove(&error.r#ref);
        if let Some(id) = error.id
            && self.send_refused(id, &error, &message, out)
        {
            return;
        }
        match about {
            Some(About::Send(id)) => self.send_unanswered(id, &error, &message, out),
            Some(About::History(id)) => self.history_refused(id, &error, message, out),
            Some(About::Sync) => {
                // Put back: it is still the catch-up's.
                let failed = self.sync_failed(error.r#ref, error.code, error.retry_ms);
                self.keeps_failing(failed, message, None, out);
            }
            None => out.push(Output::Update(Update::Problem {
                code: error.code,
                message,
                conversation: error.conversation,
            })),
        }
    }

    /// An error that names a send. Says whether the send is one of ours.
    fn send_refused(
        &mut self,
        id: MessageId,
        error: &server::Error,
        message: &str,
        out: &mut Vec<Output>,
    ) -> bool {
        let Some(row) = self.outbox.row(id) else {
            return false;
        };
        if error.conversation.is_some_and(|c| c != row.conversation) {
            return false;
        }
        if error.code.action() == Action::GiveUp {
            let ticket = self.next_ticket();
            let outcome = self
                .outbox
                .refused(&self.settings, id, error.code, message, ticket);
            if let Some((outcome, ops)) = outcome {
                self.ops.extend(ops);
                self.ended(outcome, out);
            }
        } else {
            self.send_later(id, error, message, out);
        }
        true
    }

    /// A try of a send came to nothing.
    fn send_later(
        &mut self,
        id: MessageId,
        error: &server::Error,
        message: &str,
        out: &mut Vec<Output>,
    ) {
        let failed = self.outbox.later(
            &self.settings,
            &mut self.entropy,
            id,
            self.now_ms,
            error.code,
            error.retry_ms,
        );
        let conversation = self.outbox.row(id).map(|row| row.conversation);
        self.keeps_failing(failed, message.to_owned(), conversation, out);
    }

    /// Tells once of what fails inside the node again and again: someone has to look at it there.
    fn keeps_failing(
        &self,
        times: u32,
        message: String,
        conversation: Option<ConversationId>,
        out: &mut Vec<Output>,
    ) {
        if times == FAILED_TOLD {
            out.push(Output::Update(Update::Problem {
                code: Code::FAILED,
                message,
                conversation,
            }));
        }
    }

    /// An error that answers a send without naming it: no outcome.
    fn send_unanswered(
        &mut self,
        id: MessageId,
        error: &server::Error,
        message: &str,
        out: &mut Vec<Output>,
    ) {
        if error.code.action() == Action::GiveUp {
            let ticket = self.next_ticket();
            if let Some(op) = self.outbox.unreadable(id, error.code, message, ticket) {
                self.ops.push(op);
                return;
            }
        }
        self.send_later(id, error, message, out);
    }

    fn history_refused(
        &mut self,
        id: ConversationId,
        error: &server::Error,
        message: String,
        out: &mut Vec<Output>,
    ) {
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        if room.asking.is_none_or(|a| a.r#ref != error.r#ref) {
            return;
        }
        room.answered(false);
        if error.code.action() == Action::GiveUp {
            room.denied = true;
            room.older_wanted = false;
            out.push(Output::Update(Update::Problem {
                code: error.code,
                message,
                conversation: Some(id),
            }));
            self.redrawn.insert(id);
        } else {
            let failed = room.failing.with(error.code);
            self.keeps_failing(failed, message, Some(id), out);
            self.pause_room(id, error.retry_ms);
        }
    }
}
