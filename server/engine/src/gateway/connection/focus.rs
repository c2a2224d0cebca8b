//! The conversation on the screen: its line, its members' marks as receipts, and who types.
//!
//! Promises: a focus ends with its user's membership, whichever way that is learned: by the event,
//! though it came before the answer to `focus` or is held back; or, if the relay lost that, by the
//! head that is raised behind it, upon which the inbox is read. Counts are of who is in it now.

use std::collections::BTreeMap;

use parlour_protocol::error::Code;
use parlour_protocol::frame::{Ref, Server, client, server};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::row::Event;
use parlour_protocol::seq::{Head, Mark, Seq};

use super::catching_up::page;
use super::requests::Pending;
use super::{Connection, Output};
use crate::gateway::catch_up::{about, line};
use crate::gateway::need::{Entry, Need};

/// Group counts are told at most once in this while, in milliseconds.
const COUNTS_MS: u64 = 1_000;
/// The inbox is read for the focus at most once in this while.
const LOOK_MS: u64 = 1_000;
/// How soon marks or the inbox are read again after a failure, at first and at most; it doubles
/// between.
const AGAIN_MS: u64 = 500;
const AGAIN_MS_MAX: u64 = 30_000;

/// The conversation on the screen.
#[derive(Debug)]
pub(super) struct Focus {
    pub(super) conversation: ConversationId,
    members: bool,
    shape: Shape,
    /// Where its user joined: an end before that is not the end of this membership.
    joined: Seq,
    /// The last place whose event was looked at, or from before the inbox was read.
    as_of: Seq,
    marks: BTreeMap<UserId, Mark>,
    others: u32,
    changed: Vec<UserId>,
    /// Counts are to be told though no mark changed.
    recount: bool,
    snapshot: bool,
    next_ms: u64,
    marks_again: Again,
    entry_again: Again,
    /// When the inbox was last read again.
    looked_ms: Option<u64>,
}

/// A focus whose conversation could not be read.
#[derive(Debug)]
pub(super) struct Unfocused {
    conversation: ConversationId,
    members: bool,
    again: Again,
}

/// Something to be read again.
#[derive(Debug, Default)]
struct Again {
    at_ms: Option<u64>,
    pause_ms: u64,
}

impl Again {
    fn failed(&mut self, now_ms: u64) {
        self.pause_ms = self
            .pause_ms
            .saturating_mul(2)
            .clamp(AGAIN_MS, AGAIN_MS_MAX);
        self.at_ms = Some(now_ms.saturating_add(self.pause_ms));
    }

    /// Whether it is due; it is not any more then.
    fn take(&mut self, now_ms: u64) -> bool {
        self.at_ms.take_if(|at_ms| now_ms >= *at_ms).is_some()
    }
}

impl Connection {
    pub(super) fn focus_on(
        &mut self,
        client::Focus {
            r#ref,
            conversation,
            members,
        }: client::Focus,
        out: &mut Vec<Output>,
    ) {
        self.unfocused = None;
        // What was asked for an earlier one comes too late.
        self.pending.retain(|_, p| !matches!(p, Pending::Focus(..)));
        if self.focus.as_ref().map(|f| f.conversation) != conversation && self.focus.is_some() {
            // What it looked at is not on the screen any more, whatever comes of the next.
            self.focus_off(out);
        }
        if let Some(conversation) = conversation {
            let need = Need::Entry { conversation };
            self.ask(Pending::Focus(r#ref, conversation, members), need, out);
        }
    }

    /// What is being read for the focus may be older than what is known by now.
    fn focus_unasked(&mut self) {
        let reads = |p: &Pending| matches!(p, Pending::Marks(_) | Pending::InFocus(_));
        self.pending.retain(|_, p| !reads(p));
    }

    /// The conversation could not be read, and whoever looks at it is not told so.
    pub(super) fn focus_unread(
        &mut self,
        conversation: ConversationId,
        members: bool,
        now_ms: u64,
    ) {
        let mut again = self
            .unfocused
            .take()
            .map_or_else(Again::default, |u| u.again);
        again.failed(now_ms);
        self.unfocused = Some(Unfocused {
            conversation,
            members,
            again,
        });
    }

    /// Reads it again, when that is due. Answers when that is next.
    pub(super) fn focus_again(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        let unfocused = self.unfocused.as_mut()?;
        let (conversation, members) = (unfocused.conversation, unfocused.members);
        if !unfocused.again.take(now_ms) {
            return unfocused.again.at_ms;
        }
        let need = Need::Entry { conversation };
        self.ask(Pending::Focus(0, conversation, members), need, out);
        None
    }

    fn focus_off(&mut self, out: &mut Vec<Output>) {
        self.focus_unasked();
        self.focus = None;
        out.push(Output::Focus(None));
    }

    /// Whether the reading of an inbox shows a membership that is not known to have ended since.
    fn is_in(&self, entry: &Entry) -> bool {
        let out = self.places.get(entry.standing.conversation).out;
        entry.is_member() && entry.member.is_none_or(|m| m.joined > out)
    }

    pub(super) fn focused(
        &mut self,
        r#ref: Ref,
        conversation: ConversationId,
        members: bool,
        entry: Option<&Entry>,
        out: &mut Vec<Output>,
    ) {
        self.unfocused = None;
        let Some(entry) = entry else {
            let mut error = server::Error::new(r#ref, Code::NOT_FOUND);
            error.conversation = Some(conversation);
            self.send(&Server::Error(error), out);
            return self.focus_off(out);
        };
        let user = self.user();
        let shape = entry.standing.shape;
        self.places.at(conversation).about = Some((shape, entry.peer(user)));
        let mut answer = page(r#ref);
        answer.lines = vec![line(entry)];
        answer.about = vec![about(entry, user)];
        for line in &answer.lines {
            self.told(line.conversation, line.head);
        }
        self.send(&Server::Page(answer), out);
        if !self.is_in(entry) {
            return self.focus_off(out);
        }
        self.focus_unasked();
        self.focus = Some(Focus {
            conversation,
            members,
            shape,
            joined: entry.member.map_or(Seq::ZERO, |m| m.joined),
            as_of: entry.standing.head.seq,
            marks: BTreeMap::new(),
            others: entry.standing.members.saturating_sub(1),
            changed: Vec::new(),
            recount: false,
            snapshot: false,
            next_ms: 0,
            marks_again: Again::default(),
            entry_again: Again::default(),
            looked_ms: None,
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

    fn focus_of(&mut self, conversation: ConversationId) -> Option<&mut Focus> {
        self.focus
            .as_mut()
            .filter(|f| f.conversation == conversation)
    }

    pub(super) fn marks_read(&mut self, conversation: ConversationId, marks: Vec<(UserId, Mark)>) {
        let user = self.user();
        if let Some(focus) = self.focus_of(conversation) {
            for (of, mark) in marks.into_iter().filter(|(of, _)| *of != user) {
                let known = focus.marks.entry(of).or_default();
                *known = known.join(mark);
            }
            focus.snapshot = true;
            focus.changed = focus.marks.keys().copied().collect();
        }
    }

    pub(super) fn marks_unread(&mut self, conversation: ConversationId, now_ms: u64) {
        if let Some(focus) = self.focus_of(conversation) {
            focus.marks_again.failed(now_ms);
        }
    }

    /// A member's mark was stored.
    pub(super) fn focus_marked(&mut self, of: UserId, conversation: ConversationId, mark: Mark) {
        let Some(focus) = self
            .focus_of(conversation)
            .filter(|f| f.shape == Shape::Group)
        else {
            return;
        };
        let known = focus.marks.entry(of).or_default();
        let joined = known.join(mark);
        if joined != *known {
            *known = joined;
            if !focus.changed.contains(&of) {
                focus.changed.push(of);
            }
        }
    }

    /// An event came, of whatever conversation; these users went out by it.
    pub(super) fn focus_changed(&mut self, row: &Event, gone: &[UserId], out: &mut Vec<Output>) {
        let user = self.user();
        let Some(focus) = self.focus_of(row.conversation) else {
            return;
        };
        if gone.contains(&user) && row.seq > focus.joined {
            return self.focus_off(out);
        }
        // Told again by a successor, it says nothing of how things stand.
        if row.seq <= focus.as_of {
            return;
        }
        focus.as_of = row.seq;
        let others = row.carried.members.saturating_sub(1);
        if others != focus.others {
            focus.others = others;
            focus.recount = true;
        }
        for of in gone {
            focus.recount |= focus.marks.remove(of).is_some();
            focus.changed.retain(|user| user != of);
        }
    }

    /// A head was raised: if the event was not seen, it may have been one's removal.
    pub(super) fn focus_moved(&mut self, conversation: ConversationId, head: Head, now_ms: u64) {
        if self
            .focus_of(conversation)
            .is_some_and(|f| head.seq > f.as_of)
        {
            self.focus_unsure(now_ms);
        }
    }

    /// Something may have been missed.
    pub(super) fn focus_unsure(&mut self, now_ms: u64) {
        if let Some(focus) = self.focus.as_mut().filter(|f| f.shape != Shape::Direct) {
            // Not at once behind the last reading: many heads of a busy conversation are one question.
            let at_ms = focus
                .looked_ms
                .map_or(now_ms, |at| now_ms.max(at.saturating_add(LOOK_MS)));
            focus.entry_again.at_ms.get_or_insert(at_ms);
        }
    }

    /// The inbox was read again for the conversation in focus.
    pub(super) fn in_focus(
        &mut self,
        conversation: ConversationId,
        entry: Option<&Entry>,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        if self.focus_of(conversation).is_none() {
            return;
        }
        let as_of = self.focus.as_ref().map_or(Seq::ZERO, |f| f.as_of);
        if entry.is_some_and(|e| e.standing.head.seq < as_of) {
            // From before what was seen meanwhile: an end in it may have been followed by a return.
            return self.in_focus_unread(conversation, now_ms);
        }
        let Some(entry) = entry.filter(|e| self.is_in(e)) else {
            return self.focus_off(out);
        };
        let (head, members) = (entry.standing.head, entry.standing.members);
        if let Some(focus) = self.focus_of(conversation) {
            focus.entry_again.pause_ms = 0;
            if head.seq > focus.as_of {
                focus.as_of = head.seq;
                focus.others = members.saturating_sub(1);
                focus.recount = true;
            }
        }
    }

    pub(super) fn in_focus_unread(&mut self, conversation: ConversationId, now_ms: u64) {
        if let Some(focus) = self.focus_of(conversation) {
            focus.entry_again.failed(now_ms);
        }
    }

    /// Reads again what the focus needs, when that is due. Answers when that is next.
    pub(super) fn focus_on_time(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        let focus = self.focus.as_mut()?;
        let conversation = focus.conversation;
        let (marks, entry) = (
            focus.marks_again.take(now_ms),
            focus.entry_again.take(now_ms),
        );
        if entry {
            focus.looked_ms = Some(now_ms);
        }
        let next = [focus.marks_again.at_ms, focus.entry_again.at_ms];
        if marks {
            let need = Need::Marks { conversation };
            self.ask(Pending::Marks(conversation), need, out);
        }
        if entry {
            let need = Need::Entry { conversation };
            self.ask(Pending::InFocus(conversation), need, out);
        }
        next.into_iter().flatten().min()
    }

    /// Tells receipts of the conversation in focus when they are due. Answers when that is next.
    pub(super) fn receipts_on(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        let half_full = self.outbound.is_half_full(&self.config.limits);
        let focus = self.focus.as_mut()?;
        // What waits for the socket merges here, and goes out when that has taken enough.
        if (focus.changed.is_empty() && !focus.recount) || !focus.snapshot || half_full {
            return None;
        }
        if now_ms < focus.next_ms {
            return Some(focus.next_ms);
        }
        focus.next_ms = now_ms.saturating_add(COUNTS_MS);
        focus.recount = false;
        let changed = core::mem::take(&mut focus.changed);
        let conversation = focus.conversation;
        let mut receipt = server::Receipt {
            conversation,
            own: None,
            members: Vec::new(),
            counts: None,
        };
        if focus.members || focus.shape == Shape::Direct {
            receipt.members = changed
                .iter()
                .filter_map(|user| {
                    let mark = *focus.marks.get(user)?;
                    Some(server::MemberMark { user: *user, mark })
                })
                .collect();
        }
        if focus.shape == Shape::Group {
            let seq = self.places.get(conversation).told().seq;
            let marks = &focus.marks;
            let count = |at: fn(&Mark) -> Seq| {
                u32::try_from(marks.values().filter(|m| at(m) >= seq).count()).unwrap_or(u32::MAX)
            };
            receipt.counts = Some(server::Counts {
                seq,
                delivered: count(|m| m.delivered().seq),
                read: count(|m| m.read.seq),
                of: focus.others,
            });
        }
        self.send(&Server::Receipt(receipt), out);
        None
    }
}
