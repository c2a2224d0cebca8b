//! What the node hands over: events that rise, heads, answers, and what merges while it waits.

use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::frame::Server;
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::Answer;
use parlour_protocol::seq::Head;

use super::sending::Wait;
use super::{Connection, Output, Phase};
use crate::gateway::admit::Identity;
use crate::gateway::given::{Given, Prepared};

impl Connection {
    pub(super) fn given(&mut self, given: Given, now_ms: u64, out: &mut Vec<Output>) {
        if self.phase != Phase::Live && !planted(Mutant::TooEarly) {
            return self.given_early(given, out);
        }
        match given {
            Given::Event(prepared) => self.event(&prepared, now_ms, out),
            Given::Answer {
                conversation,
                id,
                answer,
            } => self.answer(conversation, id, answer, out),
            Given::Raised { conversation, head } => {
                self.focus_moved(conversation, head, now_ms);
                self.raised(conversation, head);
            }
            Given::Behind { after_ms } => {
                self.focus_unsure(now_ms);
                self.outbound.behind(after_ms);
            }
            Given::Marked {
                user,
                conversation,
                mark,
            } => self.marked(user, conversation, mark),
            Given::Typing { user, conversation } => self.typing(user, conversation),
            Given::Mail(mail) => {
                match &mut self.catch_up {
                    None => self.mail(mail, out),
                    // It may lie before what was read already.
                    Some(catch_up) => catch_up.more_mail = true,
                }
            }
            Given::Presence(users) => self.presence(users),
            Given::Revoked => self.close(Code::REVOKED, out),
        }
    }

    /// Nothing goes out before `welcome`. What the catch-up behind it reads anyway is dropped; of
    /// events the heads wait, for an inbox may not hold them yet.
    fn given_early(&mut self, given: Given, out: &mut Vec<Output>) {
        match given {
            Given::Event(prepared) => {
                let row = &prepared.event;
                let head = Head {
                    seq: row.seq,
                    n: row.carried.n,
                };
                if self.identity.as_ref().is_some_and(Identity::reads) {
                    self.raised(row.conversation, head);
                }
            }
            Given::Raised { conversation, head } => self.raised(conversation, head),
            Given::Revoked => self.close(Code::REVOKED, out),
            // Sends are tried again, marks and mail are read, presence and typing pass.
            Given::Answer { .. }
            | Given::Behind { .. }
            | Given::Marked { .. }
            | Given::Typing { .. }
            | Given::Mail(_)
            | Given::Presence(_) => {}
        }
    }

    fn event(&mut self, prepared: &Arc<Prepared>, now_ms: u64, out: &mut Vec<Output>) {
        let row = &prepared.event;
        let head = Head {
            seq: row.seq,
            n: row.carried.n,
        };
        if !self.identity.as_ref().is_some_and(Identity::reads) {
            return;
        }
        // Whatever holds the event itself back, what it changes holds from here on.
        self.changed_by(prepared, now_ms, out);
        let given = self.places.get(row.conversation).given();
        if row.seq <= given.seq && !planted(Mutant::GivenTwice) {
            return;
        }
        let held_back = self.catch_up.is_some() || self.outbound.is_half_full(&self.config.limits);
        if held_back && planted(Mutant::OverflowSilent) {
            self.places.tell(row.conversation, head);
            return;
        }
        if held_back || !self.places.has_room(row.conversation) {
            // What it is behind in it learns by line or head, and fetches.
            return self.raised(row.conversation, head);
        }
        self.places.give(row.conversation, head);
        self.outbound.forget_head(row.conversation, row.seq);
        let bytes = prepared.bytes(self.config.codec);
        self.send_bytes(bytes, out);
    }

    /// What a membership event changes for this connection: the focus, and whom it may see.
    fn changed_by(&mut self, prepared: &Prepared, now_ms: u64, out: &mut Vec<Output>) {
        let row = &prepared.event;
        if row.carried.shape == Shape::Direct {
            return;
        }
        let Server::Event(event) = prepared.frame() else {
            return;
        };
        let mut gone = Vec::new();
        if event.class == Class::Membership {
            match event.kind.as_str() {
                kind::LEAVE => gone.push(event.sender),
                kind::REMOVE => gone.extend(event.named.iter().map(|n| n.user)),
                _ => {}
            }
            // A channel shared gives no right to presence.
            if row.carried.shape == Shape::Group {
                self.judge_rights_soon(now_ms);
            }
        }
        if gone.contains(&self.user()) {
            let place = self.places.at(row.conversation);
            place.out = place.out.max(row.seq);
        }
        self.focus_changed(row, &gone, out);
    }

    pub(super) fn raised(&mut self, conversation: ConversationId, head: Head) {
        if self.places.tell(conversation, head) {
            self.outbound.head(conversation, head);
        }
    }

    fn answer(
        &mut self,
        conversation: ConversationId,
        id: MessageId,
        answer: Answer,
        out: &mut Vec<Output>,
    ) {
        let key = (conversation, id);
        // It is that of every request with this id, whichever of them it was made for: an outcome,
        // or a word to try again, which nobody is the worse for.
        let mut waiting = self.waiting.all(key);
        if waiting.is_empty() {
            if !self.tells_unasked(key, &answer) {
                return;
            }
            waiting.push(Wait::default());
        }
        for wait in waiting {
            let frame = self.ended(key, wait, answer);
            self.send(&frame, out);
        }
    }
}
