//! Where devices are, in this process's memory: one node, whose lease never lapses.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_ports::Error;
use parlour_ports::sessions::{Moved, Sessions};
use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::node::{Incarnation, Location, NodeId};
use tokio::sync::broadcast;

/// Changes that wait for a slow listener; past it the listener is told that the stream broke.
const CHANGES: usize = 4_096;

#[derive(Default)]
struct State {
    sessions: BTreeMap<UserId, BTreeMap<SessionId, Location>>,
    seen_ms: BTreeMap<UserId, u64>,
    watchers: BTreeMap<ConversationId, BTreeSet<NodeId>>,
    nodes: BTreeMap<NodeId, Incarnation>,
}

/// Sessions in memory.
pub(crate) struct Memory {
    state: Mutex<State>,
    changes: broadcast::Sender<Moved>,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            state: Mutex::default(),
            changes: broadcast::channel(CHANGES).0,
        }
    }
}

impl Memory {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody listening is no fault.
    fn tell(&self, moved: Moved) {
        let _ = self.changes.send(moved);
    }
}

#[async_trait]
impl Sessions for Memory {
    async fn lease(
        &self,
        node: NodeId,
        incarnation: Incarnation,
        _ttl_ms: u64,
    ) -> Result<bool, Error> {
        let mut state = self.state();
        let held = state.nodes.entry(node).or_insert(incarnation);
        if *held > incarnation {
            return Ok(false);
        }
        *held = incarnation;
        Ok(true)
    }

    async fn register(&self, location: Location) -> Result<(), Error> {
        let first = {
            let mut state = self.state();
            let of = state.sessions.entry(location.user).or_default();
            let first = of.is_empty();
            of.insert(location.session, location);
            first
        };
        self.tell(Moved::Route(location.user));
        if first {
            self.tell(Moved::Presence {
                user: location.user,
                online: true,
            });
        }
        Ok(())
    }

    async fn unregister(&self, location: Location, now_ms: u64) -> Result<(), Error> {
        let last = {
            let mut state = self.state();
            let seen = state.seen_ms.entry(location.user).or_default();
            *seen = (*seen).max(now_ms);
            match state.sessions.get_mut(&location.user) {
                None => false,
                Some(of) => {
                    of.remove(&location.session);
                    let last = of.is_empty();
                    if last {
                        state.sessions.remove(&location.user);
                    }
                    last
                }
            }
        };
        self.tell(Moved::Route(location.user));
        if last {
            self.tell(Moved::Presence {
                user: location.user,
                online: false,
            });
        }
        Ok(())
    }

    async fn locate(&self, users: Vec<UserId>) -> Result<Vec<Location>, Error> {
        let state = self.state();
        Ok(users
            .iter()
            .filter_map(|user| state.sessions.get(user))
            .flat_map(|of| of.values().copied())
            .collect())
    }

    async fn interest(
        &self,
        node: NodeId,
        _: Incarnation,
        channel: ConversationId,
        on: bool,
    ) -> Result<(), Error> {
        let mut state = self.state();
        let nodes = state.watchers.entry(channel).or_default();
        if on {
            nodes.insert(node);
        } else {
            nodes.remove(&node);
            if nodes.is_empty() {
                state.watchers.remove(&channel);
            }
        }
        Ok(())
    }

    async fn watchers(&self, channel: ConversationId) -> Result<Vec<NodeId>, Error> {
        let state = self.state();
        Ok(state
            .watchers
            .get(&channel)
            .into_iter()
            .flatten()
            .copied()
            .collect())
    }

    async fn nodes(&self) -> Result<Vec<NodeId>, Error> {
        Ok(self.state().nodes.keys().copied().collect())
    }

    async fn presence(
        &self,
        users: Vec<UserId>,
    ) -> Result<Vec<(UserId, bool, Option<u64>)>, Error> {
        let state = self.state();
        Ok(users
            .into_iter()
            .map(|user| {
                let online = state.sessions.contains_key(&user);
                (user, online, state.seen_ms.get(&user).copied())
            })
            .collect())
    }

    fn changes(&self) -> broadcast::Receiver<Moved> {
        self.changes.subscribe()
    }
}
