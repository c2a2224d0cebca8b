//! Requests of a live connection, and the answers to what was asked for them.

use parlour_protocol::check;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Ref, Server, server};
use parlour_protocol::id::ConversationId;
use parlour_protocol::node::Signal;
use parlour_protocol::record::Record;
use parlour_protocol::seq::Seq;

use super::catching_up::page;
use super::sending::Appending;
use super::{Ask, Connection, Output, failure};
use crate::gateway::admit::{Identity, Submission};
use crate::gateway::fold::{self, Asked};
use crate::gateway::need::{Have, History, Need};

/// The least time between two `typing` of one connection that are passed on, in milliseconds.
const TYPING_MS: u64 = 1_000;

/// What an answer is for.
#[derive(Debug)]
pub(super) enum Pending {
    Admit(Box<Submission>),
    Mailed(Appending, Box<Record>),
    Appending(Appending),
    Inbox,
    Mail,
    AckMail(Ref),
    History(Ref, ConversationId, Asked),
    Place(Ref, ConversationId, Seq, bool),
    StoreMarks,
    Focus(Ref, ConversationId, bool),
    InFocus(ConversationId),
    Marks(ConversationId),
    Typing(Ref, ConversationId),
    Rights,
}

impl Connection {
    pub(super) fn request(&mut self, frame: Client, now_ms: u64, out: &mut Vec<Output>) {
        let r#ref = reference(&frame);
        if let Client::Ping(ping) = frame {
            let pong = server::Pong {
                r#ref: ping.r#ref,
                time_ms: now_ms,
            };
            return self.send(&Server::Pong(pong), out);
        }
        let sends = matches!(
            frame,
            Client::Send(_)
                | Client::Edit(_)
                | Client::Delete(_)
                | Client::React(_)
                | Client::Cancel(_)
        );
        let taken = if sends {
            self.meter.send(now_ms)
        } else {
            self.meter.request(now_ms)
        };
        if let Err(wait_ms) = taken {
            let mut error = server::Error::new(r#ref, Code::RATE_LIMITED);
            error.retry_ms = Some(wait_ms);
            return self.send(&Server::Error(named(error, &frame, self.user())), out);
        }
        if self.pending.len() + self.waiting.len() + self.histories.len()
            >= usize::try_from(self.config.limits.requests_open).unwrap_or(usize::MAX)
        {
            let mut error = server::Error::new(r#ref, Code::OVERLOADED);
            error.retry_ms = Some(200);
            return self.send(&Server::Error(named(error, &frame, self.user())), out);
        }
        if sends {
            return self.submit(frame, out);
        }
        if !self.identity.as_ref().is_some_and(Identity::reads) {
            return self.send(&Server::Error(server::Error::new(r#ref, Code::SCOPE)), out);
        }
        if let Err(refused) = check::check(&frame, self.user(), &self.config.limits) {
            return self.send(&Server::Error(refused.answer(r#ref)), out);
        }
        match frame {
            Client::Hello(_) => {
                let error = server::Error::new(r#ref, Code::BAD_REQUEST)
                    .why("`hello` comes once, as the first frame of a connection");
                self.send(&Server::Error(error), out);
            }
            Client::Sync(sync) => self.sync(sync, out),
            Client::Delivered(marks) => self.mark(marks, false, out),
            Client::Read(marks) => self.mark(marks, true, out),
            Client::MailAck(ack) => {
                let from = ack.from.into_iter().collect();
                self.ask(Pending::AckMail(ack.r#ref), Need::AckMail { from }, out);
            }
            Client::Typing(typing) => {
                let next_ms = self.typed_ms.map(|at| at.saturating_add(TYPING_MS));
                if next_ms.is_none_or(|at| now_ms >= at) {
                    self.typed_ms = Some(now_ms);
                    let conversation = typing.conversation;
                    self.ask(
                        Pending::Typing(r#ref, conversation),
                        Need::Entry { conversation },
                        out,
                    );
                }
            }
            Client::Focus(focus) => self.focus_on(focus, out),
            Client::Watch(watch) => self.watch(watch.users, out),
            Client::History(history) => self.histories.push_back(history),
            Client::Ping(_)
            | Client::Send(_)
            | Client::Edit(_)
            | Client::Delete(_)
            | Client::React(_)
            | Client::Cancel(_) => {}
        }
    }

    /// One page at a time, and only when it fits: so that a fast asker is no slow reader.
    pub(super) fn next_history(&mut self, out: &mut Vec<Output>) {
        if self.histories.is_empty()
            || !self.outbound.takes_page(&self.config.limits)
            || self
                .pending
                .values()
                .any(|p| matches!(p, Pending::History(..)))
        {
            return;
        }
        let Some(h) = self.histories.pop_front() else {
            return;
        };
        let asked = fold::asked(&h);
        let most = self.config.limits.page_events.max(1);
        let limit = u64::from(h.limit.unwrap_or(50)).clamp(1, most);
        let need = Need::History {
            conversation: h.conversation,
            after: asked.after,
            before: asked.before,
            newest: asked.newest,
            limit: usize::try_from(limit).unwrap_or(1),
            changes_since: h.changes_since,
        };
        self.ask(Pending::History(h.r#ref, h.conversation, asked), need, out);
    }

    pub(super) fn got(
        &mut self,
        ask: Ask,
        have: Result<Have, Code>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        let Some(pending) = self.pending.remove(&ask) else {
            return;
        };
        match (pending, have) {
            (Pending::Admit(submission), Ok(Have::Admit(admit))) => {
                self.admitted(&submission, &admit, now_ms, out);
            }
            (Pending::Mailed(appending, record), Ok(_)) => self.append(appending, record, out),
            (Pending::Inbox, Ok(Have::Inbox(entries))) => self.inbox(entries, out),
            (Pending::Mail, Ok(Have::Mail(mail))) => self.mail_read(mail, out),
            (Pending::History(r#ref, conversation, asked), Ok(Have::History(history))) => {
                self.history(r#ref, conversation, asked, history, out);
            }
            (Pending::Place(r#ref, conversation, seq, read), Ok(Have::History(history))) => {
                self.place_found(r#ref, (conversation, seq), read, history.as_deref(), out);
            }
            (Pending::StoreMarks, Ok(Have::Stored(marks))) => self.marks_stored(marks, now_ms, out),
            (Pending::Focus(r#ref, conversation, members), Ok(Have::Entry(entry))) => {
                self.focused(r#ref, conversation, members, entry.as_deref(), out);
            }
            (Pending::InFocus(conversation), Ok(Have::Entry(entry))) => {
                self.in_focus(conversation, entry.as_deref(), now_ms, out);
            }
            (Pending::Marks(conversation), Ok(Have::Marks(marks))) => {
                self.marks_read(conversation, marks);
            }
            (Pending::Typing(_, conversation), Ok(Have::Entry(Some(entry))))
                if entry.is_member() =>
            {
                let user = self.user();
                let to = entry.peer(user).into_iter().collect();
                out.push(Output::Tell(Signal::Typing {
                    user,
                    conversation,
                    to,
                }));
            }
            (Pending::Typing(r#ref, conversation), Ok(Have::Entry(entry))) if r#ref != 0 => {
                let code = entry.map_or(Code::NOT_FOUND, |_| Code::NOT_MEMBER);
                let mut error = server::Error::new(r#ref, code);
                error.conversation = Some(conversation);
                self.send(&Server::Error(error), out);
            }
            (Pending::Rights, Ok(Have::Rights(users))) => self.rights(users, now_ms, out),
            (pending, Err(code)) => self.failed(pending, code, now_ms, out),
            _ => {}
        }
    }

    fn failed(&mut self, pending: Pending, code: Code, now_ms: u64, out: &mut Vec<Output>) {
        if let Pending::Typing(..) = pending {
            // The next one is no repetition.
            self.typed_ms = None;
        }
        let (r#ref, conversation, id) = match &pending {
            Pending::Admit(s) => (s.send.r#ref, s.conversation(self.user()), Some(s.send.id)),
            Pending::Mailed(appending, _) => {
                self.waiting.remove(appending);
                let (conversation, id) = appending.key;
                (appending.r#ref, Some(conversation), Some(id))
            }
            Pending::Inbox | Pending::Mail => return self.catch_up_failed(code, out),
            Pending::Focus(0, conversation, members) => {
                return self.focus_unread(*conversation, *members, now_ms);
            }
            // Who gave no reference needs no answer: these are stated again.
            Pending::Typing(0, _) | Pending::Place(0, ..) | Pending::AckMail(0) => return,
            Pending::AckMail(r#ref) => (*r#ref, None, None),
            Pending::History(r#ref, conversation, _)
            | Pending::Focus(r#ref, conversation, _)
            | Pending::Typing(r#ref, conversation)
            | Pending::Place(r#ref, conversation, ..) => (*r#ref, Some(*conversation), None),
            Pending::StoreMarks => return self.marks_failed(now_ms),
            Pending::Marks(conversation) => return self.marks_unread(*conversation, now_ms),
            Pending::InFocus(conversation) => return self.in_focus_unread(*conversation, now_ms),
            Pending::Rights => return self.rights_failed(now_ms),
            // Those are answered by `Appended`.
            Pending::Appending(_) => return,
        };
        let mut error = failure(r#ref, code);
        (error.conversation, error.id) = (conversation, id);
        self.send(&Server::Error(error), out);
    }

    fn history(
        &mut self,
        r#ref: Ref,
        conversation: ConversationId,
        asked: Asked,
        history: Option<Box<History>>,
        out: &mut Vec<Output>,
    ) {
        let Some(history) = history else {
            let mut error = server::Error::new(r#ref, Code::NOT_FOUND);
            error.conversation = Some(conversation);
            return self.send(&Server::Error(error), out);
        };
        let bytes = usize::try_from(self.config.limits.page_bytes).unwrap_or(usize::MAX);
        let stretch = fold::stretch(conversation, asked, &history, self.config.codec, bytes);
        let mut answer = page(r#ref);
        answer.stretch = Some(stretch);
        self.send(&Server::Page(answer), out);
    }

    pub(super) fn typing(&mut self, user: parlour_protocol::UserId, conversation: ConversationId) {
        let own = self.user();
        let is_seen = conversation == ConversationId::direct(own, user)
            || self
                .focus
                .as_ref()
                .is_some_and(|f| f.conversation == conversation);
        if user != own && is_seen {
            self.outbound.typing(user, conversation);
        }
    }
}

fn reference(frame: &Client) -> Ref {
    match frame {
        Client::Sync(f) => f.r#ref,
        Client::Send(f) => f.r#ref,
        Client::Edit(f) => f.r#ref,
        Client::Delete(f) => f.r#ref,
        Client::React(f) => f.r#ref,
        Client::Cancel(f) => f.r#ref,
        Client::History(f) => f.r#ref,
        Client::Ping(f) => f.r#ref,
        Client::Delivered(f) | Client::Read(f) => f.r#ref,
        Client::MailAck(f) => f.r#ref,
        Client::Typing(f) => f.r#ref,
        Client::Focus(f) => f.r#ref,
        Client::Watch(f) => f.r#ref,
        Client::Hello(_) => 0,
    }
}

/// The error, naming the send that the frame was.
fn named(error: server::Error, frame: &Client, user: parlour_protocol::UserId) -> server::Error {
    let (conversation, id) = match frame {
        Client::Send(f) => (
            f.conversation
                .or_else(|| f.to.map(|to| ConversationId::direct(user, to))),
            f.id,
        ),
        Client::Edit(f) => (Some(f.conversation), f.id),
        Client::Delete(f) => (Some(f.conversation), f.id),
        Client::React(f) => (Some(f.conversation), f.id),
        Client::Cancel(f) => (
            f.conversation
                .or_else(|| f.to.map(|to| ConversationId::direct(user, to))),
            f.id,
        ),
        _ => return error,
    };
    match conversation {
        Some(conversation) => error.of(conversation, id),
        None => error,
    }
}
