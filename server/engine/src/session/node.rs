//! One node's machine: its sessions, its lease, and whom a signal is for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, DeviceId, SessionId, UserId};
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::{Incarnation, Location, Signal};
use parlour_protocol::row::Event;
use parlour_protocol::seq::Head;

use crate::gateway::given::{Given, Prepared};
use crate::session::channels::{Channels, Waiting};
use crate::session::presence::Watchers;
use crate::session::step::{Config, Counts, InChannel, Input, Output};

/// How soon a lease that was refused is asked for again, in milliseconds.
const LEASE_AGAIN_MS: u64 = 50;
/// Revoked devices that are remembered; beyond it the oldest are forgotten, whose tokens nobody's
/// cache holds any more.
const REVOKED: usize = 10_000;

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

    /// Says whether the node watches a channel. Without a lease it would say so for nobody: then
    /// it is said with the next one, before anyone is registered.
    fn interest(&self, channel: ConversationId, on: bool, out: &mut Vec<Output>) {
        if self.held_until_ms > 0 {
            let incarnation = self.incarnation;
            out.push(Output::Interest {
                channel,
                on,
                incarnation,
            });
        }
    }

    fn all_behind(&mut self, random: u64, out: &mut Vec<Output>) {
        let ready = self
            .sessions
            .iter()
            .filter(|(_, s)| s.ready)
            .map(|(id, _)| *id);
        for session in ready.collect::<Vec<_>>() {
            self.behind(session, random, out);
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
        if self.revoked_devices.contains(&device) {
            // Revoked between its hello and now: the list has passed it already.
            return out.push(Output::Close {
                session,
                code: Code::REVOKED,
            });
        }
        // The newer connection of a device stays.
        for older in self.by_device.get(&device).cloned().unwrap_or_default() {
            out.push(Output::Close {
                session: older,
                code: Code::REPLACED,
            });
            self.left(older, out);
        }
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
        if planted(Mutant::ReadyUnregistered) {
            self.known.insert(user);
            if let Some(s) = self.sessions.get_mut(&session) {
                s.ready = true;
                out.push(Output::Ready { session });
            }
        }
        self.by_user.entry(user).or_default().insert(session);
        self.by_device.entry(device).or_default().insert(session);
        self.register(session, out);
    }

    fn registered(
        &mut self,
        session: SessionId,
        ok: bool,
        now_ms: u64,
        random: u64,
        out: &mut Vec<Output>,
    ) {
        let asked = self.registering.remove(&session);
        let Some(s) = self.sessions.get(&session) else {
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
        let (user, first, again) = (s.user, !s.registered, s.ready);
        let others = self.by_user.get(&user).into_iter().flatten();
        let found = others
            .filter(|other| **other != session)
            .any(|other| self.sessions.get(other).is_some_and(|o| o.registered));
        if let Some(s) = self.sessions.get_mut(&session) {
            s.registered = true;
        }
        if again && !(first && planted(Mutant::ReadyUnregistered)) {
            // Only now is it found again: what was told meanwhile passed it by, and so did the
            // word that its user came into a channel.
            self.behind(session, random, out);
            self.read_channels(user, out);
        } else if !found {
            // Only now is its user found here: that word passed by whatever was read until now.
            self.known.remove(&user);
            self.read_channels(user, out);
        }
        self.ready(session, out);
    }

    fn behind(&mut self, session: SessionId, random: u64, out: &mut Vec<Output>) {
        self.counts.behind += 1;
        let spread = random.wrapping_add(u64::from(session.low32()).wrapping_mul(2_654_435_761));
        let after_ms = spread % self.config.behind_ms.max(1);
        let given = Given::Behind { after_ms };
        out.push(Output::Give { session, given });
    }

    /// Reads a user's memberships in channels, one call at a time: an answer from before what made
    /// them unsure must not make them sure.
    fn read_channels(&mut self, user: UserId, out: &mut Vec<Output>) {
        if !self.by_user.contains_key(&user) {
            self.reading.remove(&user);
            return;
        }
        match self.reading.get_mut(&user) {
            Some(again) => *again = true,
            None => {
                self.reading.insert(user, false);
                out.push(Output::ReadChannels { user });
            }
        }
    }

    /// Registers a session, one call at a time: of two under way the older might come last. Without
    /// a lease nobody would find it, so it waits for one.
    fn register(&mut self, session: SessionId, out: &mut Vec<Output>) {
        if self.registering.contains_key(&session) {
            return;
        }
        if self.held_until_ms == 0 {
            self.again.push(session);
            return;
        }
        if let Some(location) = self.location(session) {
            self.registering.insert(session, location);
            out.push(Output::Register(location));
        }
    }

    fn channels_read(&mut self, user: UserId, channels: Vec<InChannel>, out: &mut Vec<Output>) {
        if self.reading.remove(&user) == Some(true) && !planted(Mutant::OldReadingTrusted) {
            // Something came while it was read, which this may not show yet.
            return self.read_channels(user, out);
        }
        if !self.by_user.contains_key(&user) {
            return;
        }
        let before = self.channels.of(user);
        let (mut new, mut behind) = (false, false);
        for read in channels {
            let channel = read.channel;
            let learned = self.channels.learn(user, read);
            behind |= learned.behind;
            if learned.new {
                new = true;
                self.interest(channel, true, out);
            }
        }
        if new {
            // What changed before the node was told of the channel shows in a second reading.
            self.read_channels(user, out);
        }
        behind |= self.channels.of(user) != before;
        if self.known.contains(&user) && behind {
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
                self.interest(channel, false, out);
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
        if self.revoked_devices.len() >= REVOKED {
            self.revoked_devices.pop_front();
        }
        self.revoked_devices.push_back(device);
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
                    for user in &to {
                        self.read_channels(*user, out);
                    }
                    Vec::new()
                } else if to.is_empty() {
                    let unsure = self.channels.moved(conversation, head.seq);
                    if !unsure.is_empty() {
                        self.reading.values_mut().for_each(|again| *again = true);
                        self.heads.add(conversation, head, now_ms);
                    }
                    for user in unsure {
                        self.read_channels(user, out);
                    }
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
                self.read_channels(*user, out);
            }
        }
    }

    fn channel_event(&mut self, event: Event, now_ms: u64, out: &mut Vec<Output>) {
        let by_user = &self.by_user;
        let verdict = self
            .channels
            .event(&event, |user| by_user.contains_key(&user));
        let named = crate::router::tell::named(&event);
        for (user, again) in &mut self.reading {
            // What is being read may be from before this, or from before what was missed.
            *again |= verdict.missed || named.contains(user);
        }
        let channel = event.conversation;
        let head = Head {
            seq: event.seq,
            n: event.carried.n,
        };
        for user in &verdict.unsure {
            self.read_channels(*user, out);
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
