//! Who is told of whom (decision 24): by interest, batched, within a stated budget.
//!
//! The budget is so many states told per second and node. Over it, in this order: batches come
//! every 5 s instead of every second; of several states of a user only the last is told (it always
//! is); what is still over waits for the next batch. Nothing is queued twice, so what waits is
//! bounded by what is watched.

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::frame::server::{State, UserPresence};
use parlour_protocol::id::{SessionId, UserId};

/// How much longer batches are apart when the budget is used up.
const SLOWER: u64 = 5;

/// Who watches whom, and what they are to be told.
#[derive(Debug, Default)]
pub struct Watchers {
    watched: BTreeMap<SessionId, BTreeSet<UserId>>,
    watchers: BTreeMap<UserId, BTreeSet<SessionId>>,
    states: BTreeMap<UserId, UserPresence>,
    waiting: BTreeMap<SessionId, BTreeSet<UserId>>,
    next_ms: u64,
    /// States that did not fit a batch's budget, ever.
    pub delayed: u64,
}

impl Watchers {
    /// A session watches these users now, instead of those before.
    pub fn watch(&mut self, session: SessionId, users: &[UserId]) {
        self.gone(session);
        for user in users {
            self.watchers.entry(*user).or_default().insert(session);
        }
        self.watched
            .insert(session, users.iter().copied().collect());
        // What is not known is told as unknown only once it was asked for and did not come.
        self.waiting.insert(session, BTreeSet::new());
    }

    /// A session is gone.
    pub fn gone(&mut self, session: SessionId) {
        self.waiting.remove(&session);
        for user in self.watched.remove(&session).unwrap_or_default() {
            if let Some(of) = self.watchers.get_mut(&user) {
                of.remove(&session);
                if of.is_empty() {
                    self.watchers.remove(&user);
                    self.states.remove(&user);
                }
            }
        }
    }

    /// Of these users, those whom anyone here watches.
    #[must_use]
    pub fn of_interest(&self, users: &[UserId]) -> Vec<UserId> {
        users
            .iter()
            .filter(|u| self.watchers.contains_key(u))
            .copied()
            .collect()
    }

    /// Everyone who is watched here.
    #[must_use]
    pub fn all(&self) -> Vec<UserId> {
        self.watchers.keys().copied().collect()
    }

    /// What a user's state is.
    pub fn state(&mut self, user: UserId, online: bool, last_seen_ms: Option<u64>) {
        let Some(sessions) = self.watchers.get(&user) else {
            return;
        };
        let state = if online {
            State::Online
        } else {
            State::Offline
        };
        let new = UserPresence {
            user,
            state,
            last_seen_ms: last_seen_ms.filter(|_| !online),
        };
        let changed = self.states.get(&user) != Some(&new);
        self.states.insert(user, new);
        for session in sessions {
            let told = self.waiting.entry(*session).or_default();
            if changed {
                told.insert(user);
            }
        }
    }

    /// A snapshot for one session: everything known of whom it watches.
    pub fn snapshot(&mut self, session: SessionId) -> Vec<UserPresence> {
        let users = self.watched.get(&session).cloned().unwrap_or_default();
        if let Some(waiting) = self.waiting.get_mut(&session) {
            waiting.clear();
        }
        users
            .iter()
            .filter_map(|user| self.states.get(user).cloned())
            .collect()
    }

    /// Batches that are due, within the budget. Also answers when the next are.
    pub fn due(
        &mut self,
        now_ms: u64,
        batch_ms: u64,
        budget_per_s: u64,
    ) -> (Vec<(SessionId, Vec<UserPresence>)>, Option<u64>) {
        let waits = self.waiting.values().any(|w| !w.is_empty());
        if !waits {
            return (Vec::new(), None);
        }
        if now_ms < self.next_ms {
            return (Vec::new(), Some(self.next_ms));
        }
        let mut left = budget_per_s.saturating_mul(batch_ms) / 1_000;
        let mut batches = Vec::new();
        for (session, users) in &mut self.waiting {
            let mut batch = Vec::new();
            while left > 0
                && let Some(user) = users.pop_first()
            {
                left -= 1;
                batch.extend(self.states.get(&user).cloned());
            }
            if !batch.is_empty() {
                batches.push((*session, batch));
            }
        }
        let still = self.waiting.values().map(|w| w.len() as u64).sum::<u64>();
        self.delayed += still;
        let pause_ms = if still > 0 {
            batch_ms.saturating_mul(SLOWER)
        } else {
            batch_ms
        };
        self.next_ms = now_ms.saturating_add(pause_ms);
        (batches, (still > 0).then_some(self.next_ms))
    }
}
