//! One node's machine: its lease, what wakes it, and what it is told; its sessions, channels and signals
//! are in the files beside.

mod registering;
mod telling;
mod watching;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::{Incarnation, Location};

use crate::gateway::given::Given;
use crate::session::channels::{Channels, Waiting};
use crate::session::presence::Watchers;
use crate::session::step::{Config, Counts, Input, Output};

/// How soon a lease that was refused is asked for again, in milliseconds.
const LEASE_AGAIN_MS: u64 = 50;

#[derive(Debug)]
struct Session {
    user: UserId,
    device: DeviceId,
    focus: Option<ConversationId>,
    registered: bool,
    ready: bool,
}

/// One node's machine. Give it [`Input`]s, do its [`Output`]s.
#[derive(Debug)]
pub struct Node {
    config: Config,
    incarnation: Incarnation,
    held_until_ms: u64,
    renew_at_ms: u64,
    /// Since when the lease is being asked for.
    asking_lease: Option<u64>,
    revoked: u64,
    /// The last devices revoked: one of them may be between its hello and here.
    revoked_devices: VecDeque<DeviceId>,
    revocations_at_ms: u64,
    sessions: BTreeMap<SessionId, Session>,
    by_user: BTreeMap<UserId, BTreeSet<SessionId>>,
    by_device: BTreeMap<DeviceId, BTreeSet<SessionId>>,
    by_focus: BTreeMap<ConversationId, BTreeSet<SessionId>>,
    channels: Channels,
    /// Users whose channels were read.
    known: BTreeSet<UserId>,
    heads: Waiting,
    watchers: Watchers,
    /// Users whose channels are being read, and whether they must be read again.
    reading: BTreeMap<UserId, bool>,
    /// Sessions that are being registered, and as what.
    registering: BTreeMap<SessionId, Location>,
    again: Vec<SessionId>,
    again_at_ms: u64,
    counts: Counts,
}

impl Node {
    /// A node that has no lease yet. `incarnation` must be above any that it had before; a time
    /// serves, as it decides nothing else.
    #[must_use]
    pub fn new(config: Config, incarnation: Incarnation) -> Self {
        Self {
            config,
            incarnation,
            held_until_ms: 0,
            renew_at_ms: 0,
            asking_lease: None,
            revoked: 0,
            revoked_devices: VecDeque::new(),
            revocations_at_ms: 0,
            sessions: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_device: BTreeMap::new(),
            by_focus: BTreeMap::new(),
            channels: Channels::default(),
            known: BTreeSet::new(),
            heads: Waiting::default(),
            watchers: Watchers::default(),
            reading: BTreeMap::new(),
            registering: BTreeMap::new(),
            again: Vec::new(),
            again_at_ms: 0,
            counts: Counts::default(),
        }
    }

    /// What it counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts {
            sessions: self.sessions.len() as u64,
            presence_delayed: self.watchers.delayed,
            ..self.counts
        }
    }

    /// Whether its lease is held.
    #[must_use]
    pub fn leased(&self, now_ms: u64) -> bool {
        now_ms < self.held_until_ms
    }

    /// Takes an input, and says what is to be done, in order. `random` spreads what would come
    /// all at once.
    pub fn handle(&mut self, now_ms: u64, input: Input, random: u64, out: &mut Vec<Output>) {
        match input {
            Input::Start | Input::Tick => {}
            Input::Leased { ok: true } => {
                // Counted from the question: the store counts from some time behind that, so it
                // ends here before it ends there.
                let asked_ms = self.asking_lease.take().unwrap_or(now_ms);
                let first = self.held_until_ms == 0;
                self.held_until_ms = asked_ms.saturating_add(self.config.ttl_ms);
                self.renew_at_ms = asked_ms.saturating_add(self.config.renew_ms);
                if first {
                    // Behind the lease: a store that forgets what it holds forgets both, or the
                    // lease alone, and either shows.
                    for channel in self.channels.all() {
                        self.interest(channel, true, out);
                    }
                }
            }
            Input::Leased { ok: false } => {
                self.asking_lease = None;
                self.lease_lost(now_ms);
            }
            Input::LeaseFailed => {
                self.asking_lease = None;
                self.renew_at_ms = now_ms.saturating_add(500);
            }
            Input::Joined {
                session,
                user,
                device,
            } => self.joined(session, user, device, out),
            Input::Registered { session, ok } => self.registered(session, ok, now_ms, random, out),
            Input::Channels { user, channels } => self.channels_read(user, channels, out),
            Input::ChannelsFailed { user } => {
                self.reading.remove(&user);
                self.read_channels(user, out);
            }
            Input::Left { session } => self.left(session, out),
            Input::Focus {
                session,
                conversation,
            } => self.focus(session, conversation),
            Input::Watch { session, users } => {
                if self.sessions.contains_key(&session) {
                    self.watchers.watch(session, &users);
                    // What is known already is told at once; the rest when it was read.
                    let known = self.watchers.snapshot(session);
                    if !known.is_empty() {
                        out.push(Output::Give {
                            session,
                            given: Given::Presence(known),
                        });
                    }
                    if !users.is_empty() {
                        out.push(Output::ReadPresence(users));
                    }
                }
            }
            Input::Signals(signals) => {
                for signal in signals {
                    self.signal(signal, now_ms, random, out);
                }
            }
            Input::Moved(users) => {
                let users = self.watchers.of_interest(&users);
                if !users.is_empty() {
                    out.push(Output::ReadPresence(users));
                }
            }
            Input::Broken => {
                let users = self.watchers.all();
                if !users.is_empty() {
                    out.push(Output::ReadPresence(users));
                }
            }
            Input::Presence(users) => {
                for (user, online, seen_ms) in users {
                    self.watchers.state(user, online, seen_ms);
                }
            }
            Input::Revocations(_) if planted(Mutant::RevocationUnread) => {}
            Input::Revocations(listed) => {
                for (number, device) in listed {
                    self.revoked = self.revoked.max(number);
                    self.revoke(device, out);
                }
            }
        }
        self.go_on(now_ms, out);
    }

    fn go_on(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let lapsed = self.held_until_ms > 0 && now_ms >= self.held_until_ms;
        if lapsed && self.asking_lease.is_none() {
            // Others may have stopped looking here: a new number, and everyone registers again.
            self.lease_lost(now_ms);
        }
        if self.asking_lease.is_none() && now_ms >= self.renew_at_ms {
            self.asking_lease = Some(now_ms);
            let (incarnation, ttl_ms) = (self.incarnation, self.config.ttl_ms);
            out.push(Output::Lease {
                incarnation,
                ttl_ms,
            });
        }
        if now_ms >= self.revocations_at_ms {
            self.revocations_at_ms = now_ms.saturating_add(self.config.revocations_ms);
            out.push(Output::ReadRevoked {
                after: self.revoked,
            });
        }
        self.register_again(now_ms, out);
        let mut wake_ms = self.revocations_at_ms;
        if self.asking_lease.is_none() {
            wake_ms = wake_ms.min(self.renew_at_ms);
        }
        if !self.again.is_empty() {
            wake_ms = wake_ms.min(self.again_at_ms);
        }
        if let Some(due_ms) = self.heads.due_ms(self.config.batch_ms) {
            if now_ms >= due_ms {
                self.tell_heads(now_ms, out);
            } else {
                wake_ms = wake_ms.min(due_ms);
            }
        }
        let (batches, next_ms) =
            self.watchers
                .due(now_ms, self.config.batch_ms, self.config.presence_per_s);
        for (session, users) in batches {
            out.push(Output::Give {
                session,
                given: Given::Presence(users),
            });
        }
        if let Some(at_ms) = next_ms {
            wake_ms = wake_ms.min(at_ms);
        }
        out.push(Output::WakeAt { at_ms: wake_ms });
    }

    fn lease_lost(&mut self, now_ms: u64) {
        self.counts.leases_lost += 1;
        self.incarnation = Incarnation(self.incarnation.0.saturating_add(1));
        self.held_until_ms = 0;
        // Asked again at once, but never in a circle.
        self.renew_at_ms = now_ms.saturating_add(LEASE_AGAIN_MS);
        if !planted(Mutant::LeaseNotRenewed) {
            self.again = self.sessions.keys().copied().collect();
        }
        self.again_at_ms = now_ms;
    }
}

/// Takes a session out of an index. True: it was the last.
fn remove<K: Ord>(
    index: &mut BTreeMap<K, BTreeSet<SessionId>>,
    key: K,
    session: SessionId,
) -> bool {
    let Some(of) = index.get_mut(&key) else {
        return false;
    };
    of.remove(&session);
    let last = of.is_empty();
    if last {
        index.remove(&key);
    }
    last
}
