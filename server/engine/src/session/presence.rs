//! Who is told of whom (decision 24): by interest, batched, within a stated budget.
//!
//! The budget is so many states told per second and node, and all of it is used while more waits. Of
//! several states of a user only the last is told. What is over waits for the next batch, which
//! begins with the session, and of that session with the user, at whom the last one ended: everyone
//! has their turn. Nothing is queued twice, so what waits is bounded by what is watched.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use parlour_protocol::frame::server::{State, UserPresence};
use parlour_protocol::id::{SessionId, UserId};

/// What waits to be told to one session.
#[derive(Debug, Default)]
struct Waiting {
    users: BTreeSet<UserId>,
    /// The user told last: those behind come next.
    last: Option<UserId>,
}

impl Waiting {
    fn next(&mut self) -> Option<UserId> {
        let behind = self.last.and_then(|last| {
            let range = (Bound::Excluded(last), Bound::Unbounded);
            self.users.range(range).next().copied()
        });
        let user = behind.or_else(|| self.users.first().copied())?;
        self.users.remove(&user);
        self.last = Some(user);
        Some(user)
    }
}

/// Who watches whom, and what they are to be told.
#[derive(Debug, Default)]
pub struct Watchers {
    watched: BTreeMap<SessionId, BTreeSet<UserId>>,
    watchers: BTreeMap<UserId, BTreeSet<SessionId>>,
    states: BTreeMap<UserId, UserPresence>,
    waiting: BTreeMap<SessionId, Waiting>,
    /// Whose turn it is.
    turn: Option<SessionId>,
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
        self.waiting.insert(session, Waiting::default());
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
                told.users.insert(user);
            }
        }
    }

    /// A snapshot for one session: everything known of whom it watches.
    pub fn snapshot(&mut self, session: SessionId) -> Vec<UserPresence> {
        let users = self.watched.get(&session).cloned().unwrap_or_default();
        if let Some(waiting) = self.waiting.get_mut(&session) {
            waiting.users.clear();
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
        if self.waiting.values().all(|w| w.users.is_empty()) {
            return (Vec::new(), None);
        }
        if now_ms < self.next_ms {
            return (Vec::new(), Some(self.next_ms));
        }
        let mut left = (budget_per_s.saturating_mul(batch_ms) / 1_000).max(1);
        let mut batches = Vec::new();
        let from = self.turn.map_or(Bound::Unbounded, Bound::Included);
        let to = self.turn.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.waiting.range((from, Bound::Unbounded));
        let mut order: Vec<SessionId> = behind.map(|(session, _)| *session).collect();
        if self.turn.is_some() {
            let before = self.waiting.range((Bound::Unbounded, to));
            order.extend(before.map(|(session, _)| *session));
        }
        self.turn = None;
        for session in order {
            let Some(waiting) = self.waiting.get_mut(&session) else {
                continue;
            };
            let mut batch = Vec::new();
            while left > 0
                && let Some(user) = waiting.next()
            {
                left -= 1;
                batch.extend(self.states.get(&user).cloned());
            }
            if !batch.is_empty() {
                batches.push((session, batch));
            }
            if left == 0 && !waiting.users.is_empty() {
                self.turn.get_or_insert(session);
            }
        }
        let still = self
            .waiting
            .values()
            .map(|w| w.users.len() as u64)
            .sum::<u64>();
        self.delayed += still;
        self.next_ms = now_ms.saturating_add(batch_ms);
        (batches, (still > 0).then_some(self.next_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u8) -> UserId {
        UserId::from_bytes([n; 16])
    }

    fn session(n: u8) -> SessionId {
        SessionId::from_bytes([n; 16])
    }

    /// How often each session and each user was told in a minute over budget, and in all.
    fn minute(budget_per_s: u64) -> (BTreeMap<SessionId, usize>, BTreeMap<UserId, usize>, usize) {
        let mut w = Watchers::default();
        let users: Vec<UserId> = (0..100).map(user).collect();
        for n in 1..=3 {
            w.watch(session(n), &users);
        }
        let (mut by_session, mut by_user, mut all) = (BTreeMap::new(), BTreeMap::new(), 0);
        for second in 0..60 {
            for user in &users {
                w.state(*user, second % 2 == 0, None);
            }
            let (batches, next) = w.due(second * 1_000, 1_000, budget_per_s);
            assert_eq!(next.is_some(), budget_per_s < 300);
            for (session, told) in batches {
                all += told.len();
                *by_session.entry(session).or_default() += told.len();
                for one in told {
                    *by_user.entry(one.user).or_default() += 1;
                }
            }
        }
        (by_session, by_user, all)
    }

    #[test]
    fn over_budget_all_of_it_is_used_and_everyone_has_their_turn() {
        let (by_session, by_user, all) = minute(130);
        assert_eq!(all, 60 * 130);
        let told = by_session.values().copied();
        assert_eq!(by_session.len(), 3);
        assert!(told.clone().max() <= told.min().map(|least| least + 100));
        let told = by_user.values().copied();
        assert_eq!(by_user.len(), 100);
        assert!(told.clone().max() <= told.min().map(|least| least + 30));
    }

    #[test]
    fn within_budget_everyone_is_told_at_once() {
        let (_, _, all) = minute(300);
        assert_eq!(all, 60 * 300);
    }
}
