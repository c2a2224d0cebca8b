//! What waits for the socket: counted, merged where it can be, and bounded.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Server, server};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::limits::Limits;
use parlour_protocol::seq::{Head, Mark, Seq};

use super::{Connection, Output};

/// Users who type that wait to be told, over all conversations. Beyond it they are dropped: it
/// fades by itself.
const TYPING: usize = 64;
/// Conversations that receipts wait of. Beyond it those of others are dropped: a receipt is told
/// again with the conversation's line, upon `sync` and `focus`, and one's own mark when it is
/// stated again.
const RECEIPTS: usize = 1_024;

#[derive(Debug, Default)]
pub(super) struct Outbound {
    frames: u64,
    bytes: u64,
    since_ms: u64,
    heads: BTreeMap<ConversationId, Head>,
    presence: BTreeMap<UserId, server::UserPresence>,
    typing: BTreeMap<ConversationId, Vec<UserId>>,
    receipts: BTreeMap<ConversationId, Receipt>,
    behind: Option<u64>,
    /// Receipts and typing that were dropped, ever.
    pub(super) dropped: u64,
}

/// The newest marks of a conversation that wait.
#[derive(Debug, Default)]
struct Receipt {
    own: Option<Mark>,
    /// Of a direct conversation: so one at most.
    members: BTreeMap<UserId, Mark>,
}

impl Outbound {
    pub(super) fn written(&mut self, frames: u64, bytes: u64, now_ms: u64) {
        self.frames = self.frames.saturating_sub(frames);
        self.bytes = self.bytes.saturating_sub(bytes);
        self.since_ms = now_ms;
    }

    /// It is so late now: a socket that has nothing to take is not stuck.
    pub(super) fn at(&mut self, now_ms: u64) {
        if self.frames == 0 {
            self.since_ms = now_ms;
        }
    }

    /// Whether the socket took nothing for so long, though something waits.
    pub(super) fn stuck(&self, now_ms: u64, for_ms: u64) -> bool {
        now_ms >= self.since_ms.saturating_add(for_ms)
    }

    pub(super) fn is_half_full(&self, limits: &Limits) -> bool {
        self.frames * 2 > limits.outbound_frames || self.bytes * 2 > limits.outbound_bytes
    }

    /// Whether a whole page fits.
    pub(super) fn takes_page(&self, limits: &Limits) -> bool {
        self.frames == 0 || self.bytes.saturating_add(limits.page_bytes) <= limits.outbound_bytes
    }

    fn takes(&self, bytes: u64, limits: &Limits) -> bool {
        self.frames == 0
            || (self.frames < limits.outbound_frames
                && self.bytes.saturating_add(bytes) <= limits.outbound_bytes)
    }

    pub(super) fn head(&mut self, conversation: ConversationId, head: Head) {
        let waiting = self.heads.entry(conversation).or_default();
        *waiting = (*waiting).max(head);
    }

    /// The event itself went out: its head need not be told.
    pub(super) fn forget_head(&mut self, conversation: ConversationId, seq: Seq) {
        if self.heads.get(&conversation).is_some_and(|h| h.seq <= seq) {
            self.heads.remove(&conversation);
        }
    }

    /// The newest state of a user is what counts.
    pub(super) fn presence(&mut self, users: Vec<server::UserPresence>) {
        self.presence.extend(users.into_iter().map(|u| (u.user, u)));
    }

    pub(super) fn typing(&mut self, user: UserId, conversation: ConversationId) {
        if self.typing.values().map(Vec::len).sum::<usize>() >= TYPING {
            self.dropped += 1;
            return;
        }
        let users = self.typing.entry(conversation).or_default();
        if !users.contains(&user) {
            users.push(user);
        }
    }

    /// Others are watched now: what waits of those before is of no interest.
    pub(super) fn forget_presence(&mut self) {
        self.presence.clear();
    }

    pub(super) fn own_receipt(&mut self, conversation: ConversationId, mark: Mark) {
        if let Some(receipt) = self.receipt_of(conversation) {
            receipt.own = Some(receipt.own.map_or(mark, |own| own.join(mark)));
        }
    }

    pub(super) fn receipt(&mut self, conversation: ConversationId, of: UserId, mark: Mark) {
        if let Some(receipt) = self.receipt_of(conversation) {
            let known = receipt.members.entry(of).or_default();
            *known = known.join(mark);
        }
    }

    fn receipt_of(&mut self, conversation: ConversationId) -> Option<&mut Receipt> {
        if self.receipts.len() >= RECEIPTS && !self.receipts.contains_key(&conversation) {
            self.dropped += 1;
            return None;
        }
        Some(self.receipts.entry(conversation).or_default())
    }

    /// One word is enough, and the soonest counts.
    pub(super) fn behind(&mut self, after_ms: u64) {
        self.behind = Some(self.behind.map_or(after_ms, |waits| waits.min(after_ms)));
    }
}

impl Connection {
    pub(super) fn send(&mut self, frame: &Server, out: &mut Vec<Output>) {
        self.send_bytes(frame.encode(self.config.codec).into(), out);
    }

    pub(super) fn send_bytes(&mut self, bytes: Arc<[u8]>, out: &mut Vec<Output>) {
        let len = bytes.len() as u64;
        if !self.outbound.takes(len, &self.config.limits) {
            return self.close(Code::SLOW_READER, out);
        }
        self.outbound.frames += 1;
        self.outbound.bytes += len;
        out.push(Output::Send(bytes));
    }

    /// Sends what waits merged, while the queue is not half full.
    pub(super) fn flush(&mut self, out: &mut Vec<Output>) {
        let limits = self.config.limits;
        if !self.outbound.is_half_full(&limits)
            && let Some(after_ms) = self.outbound.behind.take()
        {
            self.send(&Server::Behind(server::Behind { after_ms }), out);
        }
        // Heads wait for the lines of a catch-up: those may say the same.
        while self.catch_up.is_none()
            && !self.outbound.heads.is_empty()
            && !self.outbound.is_half_full(&limits)
        {
            let mut heads = Vec::new();
            while heads.len() < 200
                && let Some((conversation, head)) = self.outbound.heads.pop_first()
            {
                heads.push(server::Moved { conversation, head });
            }
            self.send(&Server::Heads(server::Heads { heads }), out);
        }
        while !self.outbound.is_half_full(&limits)
            && let Some((conversation, receipt)) = self.outbound.receipts.pop_first()
        {
            let members = receipt
                .members
                .into_iter()
                .map(|(user, mark)| server::MemberMark { user, mark })
                .collect();
            let receipt = server::Receipt {
                conversation,
                own: receipt.own,
                members,
                counts: None,
            };
            self.send(&Server::Receipt(receipt), out);
        }
        if self.outbound.is_half_full(&limits) {
            return;
        }
        if !self.outbound.presence.is_empty() {
            let users = core::mem::take(&mut self.outbound.presence)
                .into_values()
                .collect();
            self.send(&Server::Presence(server::Presence { users }), out);
        }
        while !self.outbound.is_half_full(&limits)
            && let Some((conversation, users)) = self.outbound.typing.pop_first()
        {
            self.send(
                &Server::Typing(server::Typing {
                    conversation,
                    users,
                }),
                out,
            );
        }
    }
}
