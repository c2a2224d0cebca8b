//! Heads that wait to be raised: gathered, the newest per conversation, until they are durable
//! and every node that holds a session concerned has acknowledged them (decisions 16 and 17).

use std::collections::{BTreeMap, BTreeSet};

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::{NodeId, Signal};
use parlour_protocol::position::Progress;
use parlour_protocol::roster::{self, Change};
use parlour_protocol::seq::Head;

use crate::log::sequencer::{Audience, Decided};
use crate::router::tell::{Directory, Found, named};

/// One conversation's waiting head.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Waiting {
    head: Head,
    /// Whose inboxes, each with the newest place that they were shown: one who went out meanwhile
    /// is told of nothing behind that. Empty for a channel.
    users: BTreeMap<UserId, Head>,
    /// In a channel, whom its membership events named: their nodes may not watch it yet.
    named: BTreeSet<UserId>,
}

impl Waiting {
    /// Users by the head that they are told.
    fn by_head(&self) -> BTreeMap<Head, Vec<UserId>> {
        let mut by_head: BTreeMap<Head, Vec<UserId>> = BTreeMap::new();
        for (user, head) in &self.users {
            by_head.entry(*head).or_default().push(*user);
        }
        by_head
    }
}

/// What waits to be raised.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    waiting: BTreeMap<ConversationId, Waiting>,
    /// Of a conversation's standings the last says all.
    standings: BTreeMap<ConversationId, Change>,
    changes: Vec<Change>,
    since_ms: Option<u64>,
    done: Option<Progress>,
}

impl Heads {
    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.done.is_none()
    }

    /// Since when something waits.
    #[must_use]
    pub fn since_ms(&self) -> Option<u64> {
        self.since_ms
    }

    /// Adds what a batch raised, and how far it got.
    pub fn add(&mut self, decided: &[Decided], done: Progress, now_ms: u64) {
        self.since_ms.get_or_insert(now_ms);
        for d in decided {
            for change in roster::changes(&d.rows) {
                if let Change::Standing(standing) = &change {
                    self.standings.insert(standing.conversation, change);
                    continue;
                }
                self.changes.push(change);
            }
            if let Some(event) = &d.event {
                let waiting = self.waiting.entry(event.conversation).or_default();
                let head = Head {
                    seq: event.seq,
                    n: event.carried.n,
                };
                waiting.head = waiting.head.max(head);
                match &d.audience {
                    Audience::Users(users) => {
                        waiting.users.extend(users.iter().map(|user| (*user, head)));
                    }
                    Audience::Channel if planted(Mutant::NamedNotTold) => {}
                    Audience::Channel => waiting.named.extend(named(event)),
                    Audience::None => {}
                }
            }
        }
        self.done = Some(done);
    }

    /// Takes what waits into a round.
    #[must_use]
    pub fn take(&mut self) -> Option<Round> {
        let done = self.done.take()?;
        self.since_ms = None;
        let waiting = core::mem::take(&mut self.waiting);
        let mut changes: Vec<Change> = core::mem::take(&mut self.standings).into_values().collect();
        changes.append(&mut self.changes);
        for (conversation, w) in &waiting {
            let raise = |head, users| Change::Raise {
                conversation: *conversation,
                head,
                users,
            };
            if w.users.is_empty() {
                changes.push(raise(w.head, Vec::new()));
            }
            changes.extend(
                w.by_head()
                    .into_iter()
                    .map(|(head, users)| raise(head, users)),
            );
        }
        Some(Round {
            waiting,
            changes,
            done,
        })
    }
}

/// One round of raising: durable first, then told until acknowledged, then progress.
#[derive(Clone, Debug)]
pub struct Round {
    waiting: BTreeMap<ConversationId, Waiting>,
    /// What is made durable.
    pub changes: Vec<Change>,
    /// How far the partition is done after this round.
    pub done: Progress,
}

impl Round {
    /// Whom the round concerns.
    #[must_use]
    pub fn concerned(&self) -> (Vec<UserId>, Vec<ConversationId>) {
        let users: BTreeSet<UserId> = self
            .waiting
            .values()
            .flat_map(|w| w.users.keys().chain(&w.named).copied())
            .collect();
        let channels = self.waiting.iter().filter(|(_, w)| w.users.is_empty());
        (
            users.into_iter().collect(),
            channels.map(|(c, _)| *c).collect(),
        )
    }

    /// What each node is told. Beyond `bound` heads, one word: all its sessions are behind.
    #[must_use]
    pub fn signals(&self, found: &Found, bound: usize) -> BTreeMap<NodeId, Vec<Signal>> {
        let directory = Directory::new(found);
        let mut out: BTreeMap<NodeId, Vec<Signal>> = BTreeMap::new();
        for (conversation, w) in &self.waiting {
            let raised = |head, to| Signal::Raised {
                conversation: *conversation,
                head,
                to,
                named: false,
            };
            let named: Vec<UserId> = w.named.iter().copied().collect();
            for (node, to) in directory.users(&named) {
                out.entry(node).or_default().push(Signal::Raised {
                    conversation: *conversation,
                    head: w.head,
                    to,
                    named: true,
                });
            }
            if w.users.is_empty() {
                for node in directory.watchers(*conversation) {
                    out.entry(node)
                        .or_default()
                        .push(raised(w.head, Vec::new()));
                }
            }
            for (head, users) in w.by_head() {
                for (node, to) in directory.users(&users) {
                    out.entry(node).or_default().push(raised(head, to));
                }
            }
        }
        for signals in out.values_mut() {
            if signals.len() > bound {
                *signals = vec![Signal::Behind];
            }
        }
        out
    }
}
