//! Whose presence a connection sees: whom it watches, of those whom it may see (decision 24).
//!
//! The right is judged when it says whom it watches, soon after a membership that it sees changed,
//! and every few minutes: of a block nobody tells the one who is blocked. One who may be seen no
//! more is told as offline.

use std::collections::BTreeSet;

use parlour_protocol::frame::server::{State, UserPresence};
use parlour_protocol::id::UserId;

use super::requests::Pending;
use super::{Connection, Output};
use crate::gateway::need::Need;

/// How often rights are judged again, in milliseconds.
const AGAIN_MS: u64 = 300_000;
/// How soon after a membership changed; several changes are judged at once.
const SOON_MS: u64 = 1_000;
/// How soon after a reading that failed, at first and at most; it doubles between.
const FAILED_MS: u64 = 1_000;
const FAILED_MS_MAX: u64 = 60_000;

#[derive(Debug, Default)]
pub(super) struct Watching {
    users: Vec<UserId>,
    /// Whom it may see; none before that was judged.
    may: Option<BTreeSet<UserId>>,
    /// When rights are judged next; none while they are.
    at_ms: Option<u64>,
    failed_ms: u64,
    /// A membership changed while rights were being judged.
    again: bool,
}

impl Connection {
    pub(super) fn watch(&mut self, users: Vec<UserId>, out: &mut Vec<Output>) {
        self.pending.retain(|_, p| !matches!(p, Pending::Rights));
        self.watching = Watching::default();
        self.outbound.forget_presence();
        if users.is_empty() {
            return out.push(Output::Watch(users));
        }
        self.watching.users.clone_from(&users);
        self.ask(Pending::Rights, Need::Rights { users }, out);
    }

    pub(super) fn rights(&mut self, may: Vec<UserId>, now_ms: u64, out: &mut Vec<Output>) {
        let watching = &mut self.watching;
        let soon = core::mem::take(&mut watching.again);
        let pause_ms = if soon { SOON_MS } else { AGAIN_MS };
        watching.at_ms = Some(now_ms.saturating_add(pause_ms));
        watching.failed_ms = 0;
        let now: BTreeSet<UserId> = may.iter().copied().collect();
        if watching.may.as_ref() == Some(&now) {
            return;
        }
        let before = watching.may.replace(now);
        let lost: Vec<UserPresence> = before
            .into_iter()
            .flatten()
            .filter(|user| !may.contains(user))
            .map(|user| UserPresence {
                user,
                state: State::Offline,
                last_seen_ms: None,
            })
            .collect();
        self.outbound.presence(lost);
        out.push(Output::Watch(may));
    }

    pub(super) fn rights_failed(&mut self, now_ms: u64) {
        let watching = &mut self.watching;
        watching.failed_ms = watching
            .failed_ms
            .saturating_mul(2)
            .clamp(FAILED_MS, FAILED_MS_MAX);
        watching.at_ms = Some(now_ms.saturating_add(watching.failed_ms));
    }

    /// A membership changed that may have given or taken a right.
    pub(super) fn judge_rights_soon(&mut self, now_ms: u64) {
        let watching = &mut self.watching;
        match &mut watching.at_ms {
            Some(at_ms) => *at_ms = (*at_ms).min(now_ms.saturating_add(SOON_MS)),
            None => watching.again = !watching.users.is_empty(),
        }
    }

    /// Judges rights again when that is due. Answers when that is next.
    pub(super) fn rights_on(&mut self, now_ms: u64, out: &mut Vec<Output>) -> Option<u64> {
        let at_ms = self.watching.at_ms?;
        if now_ms < at_ms {
            return Some(at_ms);
        }
        self.watching.at_ms = None;
        let users = self.watching.users.clone();
        self.ask(Pending::Rights, Need::Rights { users }, out);
        None
    }

    /// The node watches for whom it was last told: one who may not be seen since is left out.
    pub(super) fn presence(&mut self, mut users: Vec<UserPresence>) {
        let may = self.watching.may.as_ref();
        users.retain(|u| may.is_some_and(|may| may.contains(&u.user)));
        self.outbound.presence(users);
    }
}
