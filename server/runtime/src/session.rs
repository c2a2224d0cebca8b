//! The node's loop: its lease, who is here, what comes over the relay, and what that means for
//! each session. One task, which does what the node's machine says.
//!
//! Never here: what a session may see, and when it is behind. That is [`parlour_engine::session`]'s.

mod command;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use parlour_engine::session::{Config, InChannel, Input, Node as Machine, Output};
use parlour_ports::Error;
use parlour_ports::sessions::Moved;
use parlour_protocol::id::{DeviceId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::node::{Incarnation, Location, Signal};
use tokio::sync::{broadcast, mpsc};

pub(crate) use command::Command;
pub use command::Handle;

use crate::alarm::Alarm;
use crate::gateway::mailbox::{Letter, Mailboxes};
use crate::node::Node;
use crate::ports::Ports;
use crate::{clock, drain::Fatal, telemetry};

/// Signals and presence changes that are taken at once.
const BATCH: usize = 256;
/// Conversations read at once.
const INBOX: usize = 500;
/// How long what is under way may take when the node goes away.
const LAST: Duration = Duration::from_secs(1);
/// How long to wait before a read that failed is made again.
const AGAIN: Duration = Duration::from_millis(500);
/// Revocations read at once.
const REVOCATIONS: usize = 1_000;

/// Starts the loop. Once for a node.
pub fn start(node: &Arc<Node>) {
    let (Some(commands), Some(relay)) = (node.sessions.take(), node.ports.relay.receive()) else {
        node.drain.fail(Fatal::Broken(
            "the node's loop was started twice: a fault of the program".to_owned(),
        ));
        return;
    };
    let session = &node.config.session;
    let config = Config {
        node: node.id,
        ttl_ms: session.lease_ms,
        renew_ms: session.renew_ms,
        revocations_ms: session.revocations_ms,
        ..Config::default()
    };
    let this = Loop {
        ports: node.ports.clone(),
        machine: Machine::new(config, Incarnation(clock::now_ms())),
        mailboxes: Mailboxes::default(),
        calls: FuturesUnordered::new(),
        alarm: Alarm::default(),
        dice: u64::from_be_bytes(clock::random()),
        out: Vec::new(),
        revoked_ms: clock::now_ms(),
        node: node.clone(),
    };
    let changes = node.ports.sessions.changes();
    node.drain
        .stage("session", this.run(commands, relay, changes));
}

struct Loop {
    node: Arc<Node>,
    ports: Ports,
    machine: Machine,
    mailboxes: Mailboxes,
    calls: FuturesUnordered<BoxFuture<'static, Input>>,
    alarm: Alarm,
    dice: u64,
    out: Vec<Output>,
    /// When the revocations were last read.
    revoked_ms: u64,
}

impl Loop {
    async fn run(
        mut self,
        mut commands: mpsc::Receiver<Command>,
        mut relay: mpsc::Receiver<Vec<Signal>>,
        mut changes: broadcast::Receiver<Moved>,
    ) {
        let stopped = self.node.drain.stopped();
        let mut upkeep = tokio::time::interval(Duration::from_secs(5));
        upkeep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.handle(Input::Start).await;
        loop {
            tokio::select! {
                Some(command) = commands.recv() => self.command(command).await,
                Some(signals) = relay.recv() => self.signals(signals, &mut relay).await,
                Some(input) = self.calls.next() => self.called(input).await,
                moved = changes.recv() => self.moved(moved, &mut changes).await,
                () = self.alarm.ring() => self.handle(Input::Tick).await,
                _ = upkeep.tick() => self.upkeep(),
                () = stopped.cancelled() => break,
            }
        }
        // Gone by its own will: the others need not wait for the lease to lapse.
        while let Ok(command) = commands.try_recv() {
            self.command(command).await;
        }
        let all = async { while self.calls.next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST, all).await;
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Join {
                session,
                user,
                device,
                mailbox,
            } => {
                self.mailboxes.insert(session, mailbox);
                self.handle(Input::Joined {
                    session,
                    user,
                    device,
                })
                .await;
            }
            Command::Focus {
                session,
                conversation,
            } => {
                self.handle(Input::Focus {
                    session,
                    conversation,
                })
                .await
            }
            Command::Watch { session, users } => self.handle(Input::Watch { session, users }).await,
            Command::Left { session } => {
                self.handle(Input::Left { session }).await;
                self.mailboxes.remove(session);
            }
        }
    }

    async fn signals(&mut self, mut signals: Vec<Signal>, relay: &mut mpsc::Receiver<Vec<Signal>>) {
        // What has come meanwhile is taken along.
        while signals.len() < BATCH
            && let Ok(more) = relay.try_recv()
        {
            signals.extend(more);
        }
        for signal in &signals {
            if let Signal::Revoked { devices } = signal {
                self.node.verifier.forget(devices);
            }
        }
        self.handle(Input::Signals(signals)).await;
    }

    async fn moved(
        &mut self,
        first: Result<Moved, broadcast::error::RecvError>,
        changes: &mut broadcast::Receiver<Moved>,
    ) {
        let mut users = Vec::new();
        let mut next = Some(first);
        while let Some(moved) = next.take() {
            match moved {
                Ok(Moved::Presence { user, .. }) => users.push(user),
                Ok(Moved::Route(_)) => {}
                Ok(Moved::Broken) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.handle(Input::Moved(std::mem::take(&mut users))).await;
                    self.handle(Input::Broken).await;
                }
                Err(broadcast::error::RecvError::Closed) => {
                    // A session store that ended: the process does too.
                    self.node.drain.fail(Fatal::Broken(
                        "the session store's stream of changes ended".to_owned(),
                    ));
                    return;
                }
            }
            if users.len() < BATCH {
                next = match changes.try_recv() {
                    Ok(moved) => Some(Ok(moved)),
                    Err(broadcast::error::TryRecvError::Lagged(n)) => {
                        Some(Err(broadcast::error::RecvError::Lagged(n)))
                    }
                    Err(_) => None,
                };
            }
        }
        if !users.is_empty() {
            self.handle(Input::Moved(users)).await;
        }
    }

    async fn called(&mut self, input: Input) {
        match &input {
            Input::Leased { ok } => self.node.set_leased(*ok),
            Input::LeaseFailed => self.node.set_leased(false),
            Input::Revocations(listed) => {
                self.revoked_ms = clock::now_ms();
                let devices: Vec<DeviceId> = listed.iter().map(|(_, device)| *device).collect();
                self.node.verifier.forget(&devices);
            }
            _ => {}
        }
        self.handle(input).await;
    }

    fn upkeep(&self) {
        let age = clock::now_ms().saturating_sub(self.revoked_ms);
        metrics::gauge!(telemetry::REVOCATIONS_AGE).set(age as f64 / 1_000.0);
        self.node.metrics.upkeep();
    }

    async fn handle(&mut self, input: Input) {
        let mut out = std::mem::take(&mut self.out);
        // For jitter alone: what comes next need not be a secret (a step of Knuth's MMIX).
        self.dice = self
            .dice
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let random = self.dice;
        self.machine
            .handle(clock::now_ms(), input, random, &mut out);
        for output in out.drain(..) {
            self.execute(output).await;
        }
        self.out = out;
    }

    async fn execute(&mut self, output: Output) {
        let ports = self.ports.clone();
        let id = self.node.id;
        match output {
            Output::Lease {
                incarnation,
                ttl_ms,
            } => self.call(async move {
                match ports.sessions.lease(id, incarnation, ttl_ms).await {
                    Ok(ok) => {
                        if !ok {
                            metrics::counter!(telemetry::LEASE_LOST).increment(1);
                        }
                        Input::Leased { ok }
                    }
                    Err(error) => {
                        failed(&error);
                        Input::LeaseFailed
                    }
                }
            }),
            Output::Register(location) => self.call(async move {
                let session = location.session;
                let ok = heard(ports.sessions.register(location).await).is_some();
                Input::Registered { session, ok }
            }),
            Output::Unregister(location) => self.unregister(location),
            Output::Interest {
                channel,
                on,
                incarnation,
            } => {
                // Before whatever comes after it, so it is waited for. One that failed is made
                // again beside the loop, and then everyone looks for what was missed until then.
                let done = ports.sessions.interest(id, incarnation, channel, on).await;
                if heard(done).is_none() {
                    self.call(async move {
                        loop {
                            tokio::time::sleep(AGAIN).await;
                            let done = ports.sessions.interest(id, incarnation, channel, on).await;
                            if heard(done).is_some() {
                                return Input::Signals(vec![Signal::Behind]);
                            }
                        }
                    });
                }
            }
            Output::ReadChannels { user } => self.call(async move {
                match channels(&ports, user).await {
                    Ok(channels) => Input::Channels { user, channels },
                    Err(error) => {
                        failed(&error);
                        tokio::time::sleep(AGAIN).await;
                        Input::ChannelsFailed { user }
                    }
                }
            }),
            Output::ReadPresence(users) => self.call(async move {
                // What could not be read is read with the next change.
                let read = heard(ports.sessions.presence(users).await);
                read.map_or(Input::Tick, Input::Presence)
            }),
            Output::ReadRevoked { after } => self.call(async move {
                let read = heard(ports.accounts.revoked(after, REVOCATIONS).await);
                read.map_or(Input::Tick, Input::Revocations)
            }),
            Output::Ready { session } => self.mailboxes.put(session, Letter::Ready),
            Output::Give { session, given } => self.mailboxes.put(session, Letter::Given(given)),
            Output::Close { session, code } => self.mailboxes.close(session, code),
            Output::WakeAt { at_ms } => self.alarm.set(at_ms),
        }
    }

    fn call(&self, run: impl Future<Output = Input> + Send + 'static) {
        self.calls.push(run.boxed());
    }

    /// A session that is gone is taken away until it is: a lost word would leave its user online
    /// for as long as the lease lives.
    fn unregister(&self, location: Location) {
        let ports = self.ports.clone();
        let now_ms = clock::now_ms();
        self.call(async move {
            while heard(ports.sessions.unregister(location, now_ms).await).is_none() {
                tokio::time::sleep(AGAIN).await;
            }
            Input::Tick
        });
    }
}

fn failed(error: &Error) {
    metrics::counter!(telemetry::PORT_FAILED, "port" => "session").increment(1);
    tracing::warn!(%error, "the node's loop met a port that failed");
}

/// What came, or a word in the log.
fn heard<T>(result: Result<T, Error>) -> Option<T> {
    result.inspect_err(failed).ok()
}

/// The channels that a user is in, with their memberships.
async fn channels(ports: &Ports, user: UserId) -> Result<Vec<InChannel>, Error> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = ports.roster.inbox(user, after, INBOX).await?;
        after = page.last().map(|e| e.standing.conversation);
        let full = page.len() == INBOX;
        for entry in page {
            // Those that have ended too: a node must learn of an end that it missed.
            if entry.standing.shape == Shape::Channel && entry.member.is_some() {
                let channel = entry.standing.conversation;
                // Read behind the head, so they know of everything up to it.
                let intervals = ports.history.intervals(channel, user).await?;
                found.push(InChannel {
                    channel,
                    as_of: entry.standing.head.seq,
                    history: entry.standing.history,
                    intervals,
                });
            }
        }
        if !full {
            return Ok(found);
        }
    }
}
