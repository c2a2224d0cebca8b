//! The in-memory reference of sessions. Time is an argument: leases expire by it.
//!
//! [`State`] is synchronous and deterministic; [`Memory`] is the same behind the trait, over a clock
//! that whoever makes it gives it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::node::{Incarnation, Location, NodeId};
use tokio::sync::broadcast;

use crate::Error;
use crate::sessions::{Moved, Sessions};

/// Where devices are. Synchronous and deterministic; everything in it may be lost.
#[derive(Clone, Debug, Default)]
pub struct State {
    leases: BTreeMap<NodeId, (Incarnation, u64)>,
    sessions: BTreeMap<(UserId, SessionId), Location>,
    interests: BTreeMap<ConversationId, BTreeMap<NodeId, Incarnation>>,
    seen_ms: BTreeMap<UserId, u64>,
}

impl State {
    /// See [`crate::sessions::Sessions::lease`].
    pub fn lease(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        now_ms: u64,
        ttl_ms: u64,
    ) -> bool {
        let until_ms = now_ms.saturating_add(ttl_ms);
        match self.leases.get_mut(&node) {
            Some((held, until)) if *held == incarnation && now_ms < *until => {
                *until = until_ms;
                true
            }
            // It lapsed, or was emptied and taken by another life: only a new number begins anew.
            Some((held, _)) if *held >= incarnation => false,
            _ => {
                self.leases.insert(node, (incarnation, until_ms));
                true
            }
        }
    }

    fn holds(&self, node: NodeId, incarnation: Incarnation, now_ms: u64) -> bool {
        self.leases
            .get(&node)
            .is_some_and(|(held, until)| *held == incarnation && now_ms < *until)
    }

    /// See [`crate::sessions::Sessions::register`].
    pub fn register(&mut self, location: Location) {
        self.sessions
            .insert((location.user, location.session), location);
    }

    /// See [`crate::sessions::Sessions::unregister`].
    pub fn unregister(&mut self, location: Location, now_ms: u64) {
        let key = (location.user, location.session);
        if self
            .sessions
            .get(&key)
            .is_some_and(|l| l.node == location.node)
        {
            self.sessions.remove(&key);
        }
        let seen = self.seen_ms.entry(location.user).or_default();
        *seen = (*seen).max(now_ms);
    }

    /// See [`crate::sessions::Sessions::locate`].
    #[must_use]
    pub fn locate(&self, users: &[UserId], now_ms: u64) -> Vec<Location> {
        let mut out = Vec::new();
        for user in users {
            let of = self.sessions.range((*user, SessionId::NIL)..);
            let of = of.take_while(|((u, _), _)| u == user).map(|(_, l)| *l);
            out.extend(of.filter(|l| self.holds(l.node, l.incarnation, now_ms)));
        }
        out
    }

    /// See [`crate::sessions::Sessions::interest`].
    pub fn interest(
        &mut self,
        node: NodeId,
        incarnation: Incarnation,
        channel: ConversationId,
        on: bool,
    ) {
        let nodes = self.interests.entry(channel).or_default();
        if on {
            nodes.insert(node, incarnation);
        } else {
            nodes.remove(&node);
        }
    }

    /// See [`crate::sessions::Sessions::watchers`].
    #[must_use]
    pub fn watchers(&self, channel: ConversationId, now_ms: u64) -> Vec<NodeId> {
        self.interests
            .get(&channel)
            .into_iter()
            .flatten()
            .filter(|(node, incarnation)| self.holds(**node, **incarnation, now_ms))
            .map(|(node, _)| *node)
            .collect()
    }

    /// See [`crate::sessions::Sessions::nodes`].
    #[must_use]
    pub fn nodes(&self, now_ms: u64) -> Vec<NodeId> {
        let held = self.leases.iter().filter(|(_, (_, until))| now_ms < *until);
        held.map(|(node, _)| *node).collect()
    }

    /// Whether each user is here, and when they last were.
    #[must_use]
    pub fn presence(&self, users: &[UserId], now_ms: u64) -> Vec<(UserId, bool, Option<u64>)> {
        users
            .iter()
            .map(|user| {
                let online = !self.locate(&[*user], now_ms).is_empty();
                (*user, online, self.seen_ms.get(user).copied())
            })
            .collect()
    }

    /// Loses everything, as a flushed session store does. Leases too.
    pub fn flush(&mut self) {
        // A node that renews finds out: the number that it had is not begun again.
        let spent = self
            .leases
            .iter()
            .map(|(node, (held, _))| (*node, (*held, 0)))
            .collect();
        *self = Self {
            leases: spent,
            ..Self::default()
        };
    }
}

/// Changes that wait for a slow listener; past it the listener is told that it fell behind.
const CHANGES: usize = 1_024;

/// The reference behind the trait.
pub struct Memory {
    state: Mutex<State>,
    changes: broadcast::Sender<Moved>,
    now_ms: Box<dyn Fn() -> u64 + Send + Sync>,
}

impl Memory {
    /// An empty one, whose leases expire by this clock.
    #[must_use]
    pub fn new(now_ms: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self {
            state: Mutex::default(),
            changes: broadcast::channel(CHANGES).0,
            now_ms: Box::new(now_ms),
        }
    }

    /// Loses everything, and says that the stream broke.
    pub fn flush(&self) {
        self.state().flush();
        self.tell(Moved::Broken);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody listening is no fault.
    fn tell(&self, moved: Moved) {
        let _ = self.changes.send(moved);
    }

    /// Changes where a user's sessions are, and tells of it.
    fn alter(&self, user: UserId, f: impl FnOnce(&mut State)) {
        let now_ms = (self.now_ms)();
        let (before, online) = {
            let mut state = self.state();
            let is_here = |state: &State| !state.locate(&[user], now_ms).is_empty();
            let before = is_here(&state);
            f(&mut state);
            (before, is_here(&state))
        };
        self.tell(Moved::Route(user));
        if before != online {
            self.tell(Moved::Presence { user, online });
        }
    }
}

impl std::fmt::Debug for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Memory").finish_non_exhaustive()
    }
}

#[async_trait]
impl Sessions for Memory {
    async fn lease(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        ttl_ms: u64,
    ) -> Result<bool, Error> {
        let now_ms = (self.now_ms)();
        Ok(self.state().lease(node, incarnation, now_ms, ttl_ms))
    }
    async fn register(&self, location: Location) -> Result<(), Error> {
        self.alter(location.user, |state| state.register(location));
        Ok(())
    }
    async fn unregister(&self, location: Location, now_ms: u64) -> Result<(), Error> {
        self.alter(location.user, |state| state.unregister(location, now_ms));
        Ok(())
    }
    async fn locate(&self, users: Vec<UserId>) -> Result<Vec<Location>, Error> {
        let now_ms = (self.now_ms)();
        Ok(self.state().locate(&users, now_ms))
    }
    async fn interest(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        channel: ConversationId,
        on: bool,
    ) -> Result<(), Error> {
        self.state().interest(node, incarnation, channel, on);
        Ok(())
    }
    async fn watchers(&self, channel: ConversationId) -> Result<Vec<NodeId>, Error> {
        let now_ms = (self.now_ms)();
        Ok(self.state().watchers(channel, now_ms))
    }
    async fn nodes(&self) -> Result<Vec<NodeId>, Error> {
        let now_ms = (self.now_ms)();
        Ok(self.state().nodes(now_ms))
    }
    async fn presence(
        &self,
        users: Vec<UserId>,
    ) -> Result<Vec<(UserId, bool, Option<u64>)>, Error> {
        let now_ms = (self.now_ms)();
        Ok(self.state().presence(&users, now_ms))
    }
    fn changes(&self) -> broadcast::Receiver<Moved> {
        self.changes.subscribe()
    }
}
