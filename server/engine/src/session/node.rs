//! One node's machine: its sessions, its lease, and whom a signal is for.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use parlour_protocol::kind::HistoryRule;
use parlour_protocol::node::{Incarnation, Location, NodeId, Signal};
use parlour_protocol::row::{Event, Interval};
use parlour_protocol::seq::Head;

use crate::gateway::given::{Given, Prepared};
use crate::session::channels::{Channels, Waiting};
use crate::session::presence::Watchers;

/// How a node goes about it. Times in milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// The node.
    pub node: NodeId,
    /// How long its lease lasts.
    pub ttl_ms: u64,
    /// How often it is renewed.
    pub renew_ms: u64,
    /// How often the list of revocations is read (decision 28).
    pub revocations_ms: u64,
    /// How often presence and channel heads are told.
    pub batch_ms: u64,
    /// Presence states told per second.
    pub presence_per_s: u64,
    /// Sessions registered again per second under a new incarnation.
    pub register_per_s: u64,
    /// Over how long sessions that are behind are spread.
    pub behind_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeId(0),
            ttl_ms: 15_000,
            renew_ms: 4_000,
            revocations_ms: 2_000,
            batch_ms: 1_000,
            presence_per_s: 50_000,
            register_per_s: 2_000,
            behind_ms: 3_000,
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The node begins.
    Start,
    /// Whether the lease is held.
    Leased {
        /// False: it was lost meanwhile.
        ok: bool,
    },
    /// The session store could not be asked for the lease.
    LeaseFailed,
    /// A connection said hello.
    Joined {
        /// The connection.
        session: SessionId,
        /// Its user.
        user: UserId,
        /// Its device.
        device: DeviceId,
    },
    /// A session is registered, or could not be.
    Registered {
        /// Which.
        session: SessionId,
        /// Whether it is.
        ok: bool,
    },
    /// A user's memberships in channels.
    Channels {
        /// Whose.
        user: UserId,
        /// Each channel with the memberships and its rule.
        channels: Vec<(ConversationId, Vec<Interval>, HistoryRule)>,
    },
    /// A connection is gone.
    Left {
        /// Which.
        session: SessionId,
    },
    /// What a session has on its screen.
    Focus {
        /// Which.
        session: SessionId,
        /// The conversation.
        conversation: Option<ConversationId>,
    },
    /// Whom a session sees, of those whom it may see.
    Watch {
        /// Which.
        session: SessionId,
        /// The users.
        users: Vec<UserId>,
    },
    /// Signals for this node.
    Signals(Vec<Signal>),
    /// Presence of users changed.
    Moved(Vec<UserId>),
    /// The stream of changes broke: they are read anew.
    Broken,
    /// What was read of presence.
    Presence(Vec<(UserId, bool, Option<u64>)>),
    /// Revocations after the number asked for.
    Revocations(Vec<(u64, DeviceId)>),
    /// A read of channels could not be made; it is made again.
    ChannelsFailed {
        /// Whose.
        user: UserId,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Begin or renew the lease. Answered by [`Input::Leased`] or [`Input::LeaseFailed`].
    Lease {
        /// Under which number.
        incarnation: Incarnation,
        /// For how long.
        ttl_ms: u64,
    },
    /// Register a session. Answered by [`Input::Registered`].
    Register(Location),
    /// Take a session away.
    Unregister(Location),
    /// Say whether the node watches a channel. Done before whatever comes after it.
    Interest {
        /// Which.
        channel: ConversationId,
        /// Whether.
        on: bool,
        /// Under which lease.
        incarnation: Incarnation,
    },
    /// Read a user's memberships in channels. Answered by [`Input::Channels`].
    ReadChannels {
        /// Whose.
        user: UserId,
    },
    /// Read presence. Answered by [`Input::Presence`]; if it fails, the next change tries again.
    ReadPresence(Vec<UserId>),
    /// Read revocations. Answered by [`Input::Revocations`].
    ReadRevoked {
        /// After which number.
        after: u64,
    },
    /// The connection may be welcomed: whoever looks for it finds it now.
    Ready {
        /// Which.
        session: SessionId,
    },
    /// Hand something to a connection. It is never dropped: a connection that cannot take it is
    /// closed by its own bound.
    Give {
        /// Which.
        session: SessionId,
        /// What.
        given: Given,
    },
    /// Close a connection.
    Close {
        /// Which.
        session: SessionId,
        /// Why.
        code: Code,
    },
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
}

/// What a node counts, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sessions held.
    pub sessions: u64,
    /// Leases lost.
    pub leases_lost: u64,
    /// Sessions told that they are behind.
    pub behind: u64,
    /// Presence states that waited beyond their batch.
    pub presence_delayed: u64,
}

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
    asking_lease: bool,
    revoked: u64,
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
            asking_lease: false,
            revoked: 0,
            revocations_at_ms: 0,
            sessions: BTreeMap::new(),
            by_user: BTreeMap::new(),
            by_device: BTreeMap::new(),
            by_focus: BTreeMap::new(),
            channels: Channels::default(),
            known: BTreeSet::new(),
            heads: Waiting::default(),
            watchers: Watchers::default(),
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
                self.asking_lease = false;
                self.held_until_ms = now_ms.saturating_add(self.config.ttl_ms);
                self.renew_at_ms = now_ms.saturating_add(self.config.renew_ms);
            }
            Input::Leased { ok: false } => {
                self.asking_lease = false;
                self.lease_lost(now_ms, random, out);
            }
            Input::LeaseFailed => {
                self.asking_lease = false;
                self.renew_at_ms = now_ms.saturating_add(500);
            }
            Input::Joined {
                session,
                user,
                device,
            } => self.joined(session, user, device, out),
            Input::Registered { session, ok } => self.registered(session, ok, now_ms, out),
            Input::Channels { user, channels } => self.channels_read(user, channels, out),
            Input::ChannelsFailed { user } => {
                if self.by_user.contains_key(&user) {
                    out.push(Output::ReadChannels { user });
                }
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
            Input::Revocations(listed) => {
                for (number, device) in listed {
                    self.revoked = self.revoked.max(number);
                    self.revoke(device, out);
                }
            }
        }
        self.go_on(now_ms, random, out);
    }

    fn go_on(&mut self, now_ms: u64, random: u64, out: &mut Vec<Output>) {
        let lapsed = self.held_until_ms > 0 && now_ms >= self.held_until_ms;
        if lapsed && !self.asking_lease {
            // Others may have stopped looking here: a new number, and everyone registers again.
            self.lease_lost(now_ms, random, out);
        }
        if !self.asking_lease && now_ms >= self.renew_at_ms {
            self.asking_lease = true;
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
        if !self.asking_lease {
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

    fn lease_lost(&mut self, now_ms: u64, random: u64, out: &mut Vec<Output>) {
        self.counts.leases_lost += 1;
        self.incarnation = Incarnation(self.incarnation.0.saturating_add(1));
        self.held_until_ms = 0;
        self.renew_at_ms = now_ms;
        self.again = self.sessions.keys().copied().collect();
        self.again_at_ms = now_ms;
        for channel in self.channels.all() {
            let incarnation = self.incarnation;
            out.push(Output::Interest {
                channel,
                on: true,
                incarnation,
            });
        }
        self.all_behind(random, out);
    }

    fn all_behind(&mut self, random: u64, out: &mut Vec<Output>) {
        let ready = self
            .sessions
            .iter()
            .filter(|(_, s)| s.ready)
            .map(|(id, _)| *id);
        for session in ready {
            self.counts.behind += 1;
            let spread =
                random.wrapping_add(u64::from(session.low32()).wrapping_mul(2_654_435_761));
            let after_ms = spread % self.config.behind_ms.max(1);
            out.push(Output::Give {
                session,
                given: Given::Behind { after_ms },
            });
        }
    }

    fn register_again(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if self.again.is_empty() || now_ms < self.again_at_ms || self.held_until_ms == 0 {
            return;
        }
        // A tenth of a second's worth at a time.
        let some = usize::try_from(self.config.register_per_s / 10)
            .unwrap_or(1)
            .max(1);
        self.again_at_ms = now_ms.saturating_add(100);
        for _ in 0..some {
            let Some(session) = self.again.pop() else {
                break;
            };
            self.register(session, out);
        }
    }

    fn location(&self, session: SessionId) -> Option<Location> {
        let s = self.sessions.get(&session)?;
        Some(Location {
            user: s.user,
            device: s.device,
            session,
            node: self.config.node,
            incarnation: self.incarnation,
        })
    }

    fn joined(
        &mut self,
        session: SessionId,
        user: UserId,
        device: DeviceId,
        out: &mut Vec<Output>,
    ) {
        // The newer connection of a device stays.
        for older in self.by_device.get(&device).cloned().unwrap_or_default() {
            out.push(Output::Close {
                session: older,
                code: Code::REPLACED,
            });
            self.left(older, out);
        }
        let first = !self.by_user.contains_key(&user);
        self.sessions.insert(
            session,
            Session {
                user,
                device,
                focus: None,
                registered: false,
                ready: false,
            },
        );
        self.by_user.entry(user).or_default().insert(session);
        self.by_device.entry(device).or_default().insert(session);
        self.register(session, out);
        if first {
            out.push(Output::ReadChannels { user });
        }
    }

    fn registered(&mut self, session: SessionId, ok: bool, now_ms: u64, out: &mut Vec<Output>) {
        let asked = self.registering.remove(&session);
        let Some(s) = self.sessions.get_mut(&session) else {
            // It went meanwhile; what was registered late is taken away again.
            out.extend(asked.map(Output::Unregister));
            return;
        };
        // Under a lease that was lost since, nobody finds it.
        let holds = asked.is_none_or(|location| location.incarnation == self.incarnation);
        if !ok || !holds {
            self.again.push(session);
            self.again_at_ms = if ok {
                now_ms
            } else {
                now_ms.saturating_add(200)
            };
            return;
        }
        s.registered = true;
        self.ready(session, out);
    }

    /// Registers a session, one call at a time: of two under way the older might come last.
    fn register(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if self.registering.contains_key(&session) {
            return;
        }
        if let Some(location) = self.location(session) {
            self.registering.insert(session, location);
            out.push(Output::Register(location));
        }
    }

    fn channels_read(
        &mut self,
        user: UserId,
        channels: Vec<(ConversationId, Vec<Interval>, HistoryRule)>,
        out: &mut Vec<Output>,
    ) {
        if !self.by_user.contains_key(&user) {
            return;
        }
        let before = self.channels.of(user);
        for (channel, intervals, history) in channels {
            if self.channels.learn(channel, user, intervals, history) {
                let incarnation = self.incarnation;
                out.push(Output::Interest {
                    channel,
                    on: true,
                    incarnation,
                });
            }
        }
        if self.known.contains(&user) && self.channels.of(user) != before {
            // What came before the node watched it was told to nobody here.
            for session in self.by_user.get(&user).cloned().unwrap_or_default() {
                self.counts.behind += 1;
                let given = Given::Behind { after_ms: 0 };
                out.push(Output::Give { session, given });
            }
        }
        self.known.insert(user);
        for session in self.by_user.get(&user).cloned().unwrap_or_default() {
            self.ready(session, out);
        }
    }

    /// A session is welcomed once whoever looks for it, or for its channels, finds it: only then
    /// does it read its inbox (decision 16).
    fn ready(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if let Some(s) = self.sessions.get_mut(&session)
            && s.registered
            && !s.ready
            && self.known.contains(&s.user)
        {
            s.ready = true;
            out.push(Output::Ready { session });
        }
    }

    fn left(&mut self, session: SessionId, out: &mut Vec<Output>) {
        let location = self.location(session);
        let Some(s) = self.sessions.remove(&session) else {
            return;
        };
        self.watchers.gone(session);
        remove(&mut self.by_device, s.device, session);
        if let Some(focus) = s.focus {
            remove(&mut self.by_focus, focus, session);
        }
        if remove(&mut self.by_user, s.user, session) {
            self.known.remove(&s.user);
            for channel in self.channels.forget(s.user) {
                let incarnation = self.incarnation;
                out.push(Output::Interest {
                    channel,
                    on: false,
                    incarnation,
                });
            }
        }
        if !self.registering.contains_key(&session) {
            out.extend(location.map(Output::Unregister));
        }
    }

    fn focus(&mut self, session: SessionId, conversation: Option<ConversationId>) {
        let Some(s) = self.sessions.get_mut(&session) else {
            return;
        };
        let before = core::mem::replace(&mut s.focus, conversation);
        if let Some(before) = before {
            remove(&mut self.by_focus, before, session);
        }
        if let Some(now) = conversation {
            self.by_focus.entry(now).or_default().insert(session);
        }
    }

    fn revoke(&mut self, device: DeviceId, out: &mut Vec<Output>) {
        for session in self.by_device.get(&device).cloned().unwrap_or_default() {
            out.push(Output::Give {
                session,
                given: Given::Revoked,
            });
            self.left(session, out);
        }
    }

    fn signal(&mut self, signal: Signal, now_ms: u64, random: u64, out: &mut Vec<Output>) {
        match signal {
            Signal::Event { event, to } if to.is_empty() => self.channel_event(event, now_ms, out),
            Signal::Event { event, to } => self.event(event, &to, out),
            Signal::Answer {
                device,
                conversation,
                id,
                answer,
            } => {
                let given = Given::Answer {
                    conversation,
                    id,
                    answer,
                };
                self.give(self.by_device.get(&device), &given, out);
            }
            Signal::Raised {
                conversation,
                head,
                to,
                named,
            } => {
                let to = if named {
                    // They read their channels, and then sync: an event may have passed between.
                    for user in to.iter().filter(|u| self.by_user.contains_key(u)) {
                        out.push(Output::ReadChannels { user: *user });
                    }
                    Vec::new()
                } else if to.is_empty() {
                    self.channels.readers(conversation, head.seq)
                } else {
                    to
                };
                let given = Given::Raised { conversation, head };
                for user in to {
                    self.give(self.by_user.get(&user), &given, out);
                }
            }
            Signal::Behind => self.all_behind(random, out),
            Signal::Marked {
                user,
                conversation,
                mark,
                to,
            } => {
                let given = Given::Marked {
                    user,
                    conversation,
                    mark,
                };
                self.to_users_or_focus(conversation, user, &to, &given, out);
            }
            Signal::Typing {
                user,
                conversation,
                to,
            } => {
                let given = Given::Typing { user, conversation };
                self.to_users_or_focus(conversation, user, &to, &given, out);
            }
            Signal::Mail { device, mail } => {
                self.give(self.by_device.get(&device), &Given::Mail(mail), out);
            }
            Signal::Revoked { devices } => {
                for device in devices {
                    self.revoke(device, out);
                }
            }
        }
    }

    fn give(&self, sessions: Option<&BTreeSet<SessionId>>, given: &Given, out: &mut Vec<Output>) {
        for session in sessions.into_iter().flatten() {
            out.push(Output::Give {
                session: *session,
                given: given.clone(),
            });
        }
    }

    fn to_users_or_focus(
        &self,
        conversation: ConversationId,
        from: UserId,
        to: &[UserId],
        given: &Given,
        out: &mut Vec<Output>,
    ) {
        if to.is_empty() {
            for session in self.by_focus.get(&conversation).into_iter().flatten() {
                // One's own sessions are told by name.
                if self.sessions.get(session).is_some_and(|s| s.user != from) {
                    out.push(Output::Give {
                        session: *session,
                        given: given.clone(),
                    });
                }
            }
        }
        for user in to {
            self.give(self.by_user.get(user), given, out);
        }
    }

    fn event(&mut self, event: Event, to: &[UserId], out: &mut Vec<Output>) {
        let prepared = Arc::new(Prepared::new(event));
        for user in to {
            self.give(self.by_user.get(user), &Given::Event(prepared.clone()), out);
            // A user who was named by a channel's membership event has an interest in it now.
            if prepared.event.carried.shape == parlour_protocol::kind::Shape::Channel
                && self.by_user.contains_key(user)
            {
                out.push(Output::ReadChannels { user: *user });
            }
        }
    }

    fn channel_event(&mut self, event: Event, now_ms: u64, out: &mut Vec<Output>) {
        let by_user = &self.by_user;
        let verdict = self
            .channels
            .event(&event, |user| by_user.contains_key(&user));
        let channel = event.conversation;
        let head = Head {
            seq: event.seq,
            n: event.carried.n,
        };
        for user in &verdict.unsure {
            out.push(Output::ReadChannels { user: *user });
        }
        if !verdict.unsure.is_empty() {
            // Whoever could not be judged learns by the head that it moved.
            self.heads.add(channel, head, now_ms);
        }
        let prepared = Arc::new(Prepared::new(event));
        let mut waits = false;
        for user in verdict.users {
            for session in self.by_user.get(&user).into_iter().flatten() {
                let focused = self
                    .sessions
                    .get(session)
                    .is_some_and(|s| s.focus == Some(channel));
                if focused || verdict.quiet {
                    let given = Given::Event(prepared.clone());
                    out.push(Output::Give {
                        session: *session,
                        given,
                    });
                } else {
                    waits = true;
                }
            }
        }
        if waits {
            self.heads.add(channel, head, now_ms);
        }
    }

    fn tell_heads(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        for (channel, head) in self.heads.take() {
            if self.channels.is_unsure(channel) {
                // Those who cannot be judged yet are told once they can be.
                self.heads.add(channel, head, now_ms);
            }
            let given = Given::Raised {
                conversation: channel,
                head,
            };
            for user in self.channels.readers(channel, head.seq) {
                self.give(self.by_user.get(&user), &given, out);
            }
        }
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
