//! Push's loop: one task for each partition, which decides wakes some seconds after each event,
//! behind a durable cursor of its own (decision 20).
//!
//! A decider that is full takes nothing more, and so holds the router back: no event is passed over.

use std::collections::{HashSet, VecDeque};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use lru::LruCache;
use parlour_engine::log::accept::setting_key;
use parlour_engine::push::{Config, Decider, DeviceFacts, Input, Output, UserFacts};
use parlour_engine::router::Input as ToRouter;
use parlour_ports::Error;
use parlour_ports::history::Cursor;
use parlour_ports::wake::{Clear, Wake, Woken};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind;
use parlour_protocol::position::{Partition, Position, Progress};
use parlour_protocol::seq::Seq;
use tokio::sync::{broadcast, mpsc};

use crate::alarm::Alarm;
use crate::node::Node;
use crate::ports::Ports;
use crate::router::{Handle, News};
use crate::{clock, drain::Fatal, telemetry};

/// Batches of the router that wait. Beyond it the router waits.
const NEWS: usize = 64;
/// Reads that wait. Beyond it the oldest are dropped, and counted.
const READS: usize = 1_024;
/// Users looked up at once.
const AT_ONCE: usize = 32;
/// For how long what is known of a user's devices and mutes is believed: a wake is decided some
/// seconds late anyway.
const BELIEVED: Duration = Duration::from_secs(10);
/// Users that are remembered; the least recently asked for is forgotten first.
const USERS: NonZeroUsize = NonZeroUsize::new(50_000).unwrap();
/// Devices whose last word is remembered; likewise.
const DEVICES: NonZeroUsize = NonZeroUsize::new(100_000).unwrap();
/// How long to wait before a write that failed is made again.
const AGAIN: Duration = Duration::from_millis(500);
/// A wake that is to be tried again is, so often at most.
const WAKE_TRIES: u32 = 5;

/// When something last came from each device, on this node.
pub struct Heard(Mutex<LruCache<DeviceId, Arc<AtomicU64>>>);

impl Default for Heard {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(DEVICES)))
    }
}

impl Heard {
    /// Where a connection of this device notes when something came.
    #[must_use]
    pub fn of(&self, device: DeviceId) -> Arc<AtomicU64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_or_insert(device, Arc::default).clone()
    }

    /// When something last came from it: milliseconds since 1970, if anything did.
    pub fn at(&self, device: DeviceId) -> Option<u64> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&device)
            .map(|at| at.load(Ordering::Relaxed))
            .filter(|at| *at > 0)
    }
}

/// What users have read, told to whoever may have woken them for it. Best effort: what is lost
/// leaves a notice that is looked at in vain.
pub struct Reads(broadcast::Sender<Read>);

/// A user has read a conversation up to a place.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// Who.
    pub user: UserId,
    /// Where.
    pub conversation: ConversationId,
    /// How far.
    pub seq: Seq,
}

impl Default for Reads {
    fn default() -> Self {
        Self(broadcast::Sender::new(READS))
    }
}

impl Reads {
    /// Tells it to the partitions of this node; one on another node hears nothing of it yet.
    pub fn tell(&self, read: Read) {
        // Without a partition here nobody listens.
        let _ = self.0.send(read);
    }
}

/// From the router to push.
#[must_use]
pub fn channel() -> (mpsc::Sender<News>, mpsc::Receiver<News>) {
    mpsc::channel(NEWS)
}

/// Starts a partition's loop.
pub fn start(node: &Arc<Node>, partition: Partition, news: mpsc::Receiver<News>, router: Handle) {
    let config = Config {
        wake_after_ms: node.config.push.delay_ms,
        ..Config::default()
    };
    let this = Loop {
        node: node.clone(),
        partition,
        machine: Decider::new(config),
        calls: FuturesUnordered::new(),
        known: Arc::new(Mutex::new(LruCache::new(USERS))),
        hashes: VecDeque::new(),
        advancing: None,
        alarm: Alarm::default(),
        router,
        waiting: 0,
    };
    node.drain.stage("push", this.run(news));
}

#[derive(Clone)]
struct Known {
    at: Instant,
    devices: Arc<[DeviceId]>,
    /// Their settings of mutes and blocks that are on, by key.
    off: Arc<HashSet<String>>,
}

type Users = Arc<Mutex<LruCache<UserId, Known>>>;

struct Loop {
    node: Arc<Node>,
    partition: Partition,
    machine: Decider,
    calls: FuturesUnordered<BoxFuture<'static, Result<Input, Fatal>>>,
    known: Users,
    /// Ends of the router's batches, with the hash of each last record: where the cursor may stand.
    hashes: VecDeque<(Position, Bytes)>,
    advancing: Option<Position>,
    alarm: Alarm,
    router: Handle,
    /// Positions that wait, as the metric has them.
    waiting: usize,
}

impl Loop {
    async fn run(mut self, mut news: mpsc::Receiver<News>) {
        let stopped = self.node.drain.stopped();
        let mut reads = self.node.reads.0.subscribe();
        loop {
            let full = self.machine.is_full();
            let mut given_ms = None;
            let input = tokio::select! {
                Some(done) = self.calls.next() => match done {
                    Ok(input) => input,
                    Err(fatal) => return self.node.drain.fail(fatal),
                },
                Some(batch) = news.recv(), if !full => {
                    self.hashes.push_back((batch.up_to, batch.hash));
                    given_ms = Some(batch.given_ms);
                    Input::Placed { events: batch.events, up_to: batch.up_to }
                }
                read = reads.recv() => match read {
                    Ok(Read { user, conversation, seq }) => {
                        if Partition::of(conversation, self.node.ports.log.partitions())
                            != self.partition
                        {
                            continue;
                        }
                        Input::Read { user, conversation, seq }
                    }
                    Err(broadcast::error::RecvError::Lagged(n)) => {
                        metrics::counter!(telemetry::READS_DROPPED).increment(n);
                        continue;
                    }
                    // The node, which tells them, lives as long as this.
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = self.alarm.ring() => Input::Tick,
                // What is not decided yet is decided by the next life: the cursor says from where.
                () = stopped.cancelled() => return,
            };
            if let Input::Advanced { ok } = &input {
                let position = self.advancing.take();
                if let (true, Some(position)) = (*ok, position) {
                    self.router.give(ToRouter::PushAt { position }).await;
                }
            }
            let mut out = Vec::new();
            // The clock may have gone back since the router read it.
            let now_ms = clock::now_ms();
            let now_ms = given_ms.map_or(now_ms, |given| given.min(now_ms));
            self.machine.handle(now_ms, input, &mut out);
            for output in out {
                self.execute(output);
            }
            let waiting = self.machine.waiting();
            metrics::gauge!(telemetry::PUSH_LAG).increment(waiting as f64 - self.waiting as f64);
            self.waiting = waiting;
        }
    }

    fn execute(&mut self, output: Output) {
        match output {
            Output::Ask {
                ask,
                conversation,
                channel,
                sender,
                users,
            } => {
                let (node, known) = (self.node.clone(), self.known.clone());
                let of = Of {
                    conversation,
                    channel,
                    sender,
                };
                self.call(async move {
                    match facts(&node, &known, of, users).await {
                        Ok(users) => Ok(Input::Facts { ask, users }),
                        Err(error) => failed(&error).map(|()| Input::Failed { ask }),
                    }
                });
            }
            Output::Clear {
                user,
                device,
                conversation,
                seq,
            } => {
                let (ports, stopped) = (self.node.ports.clone(), self.node.drain.stopped());
                let clear = Clear {
                    user,
                    device,
                    conversation,
                    seq,
                };
                self.node.drain.stage("clear", async move {
                    tokio::select! {
                        () = ports.wake.clear(clear) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            }
            Output::Wake {
                user,
                device,
                conversation,
                seq,
                mention,
            } => {
                let (ports, stopped) = (self.node.ports.clone(), self.node.drain.stopped());
                let wake = Wake {
                    user,
                    device,
                    conversation,
                    seq,
                    mention,
                };
                // It takes as long as a provider takes, and decides nothing here.
                self.node.drain.stage("wake", async move {
                    tokio::select! {
                        () = deliver(&ports, wake) => {}
                        () = stopped.cancelled() => {}
                    }
                });
            }
            Output::Advance { position } => self.advance(position),
            Output::WakeAt { at_ms } => self.alarm.set_earlier(at_ms),
        }
    }

    /// Raises the cursor to the last end of a batch that is not behind this position.
    fn advance(&mut self, position: Position) {
        let mut end = None;
        while let Some((at, _)) = self.hashes.front()
            && !position.before(*at)
        {
            end = self.hashes.pop_front();
        }
        let Some((position, record_hash)) = end else {
            // It lies amid a batch, whose end comes next.
            return self.call(async { Ok(Input::Advanced { ok: true }) });
        };
        self.advancing = Some(position);
        let ports = self.node.ports.clone();
        self.call(async move {
            // Repeated here: the end of the batch is known here alone.
            loop {
                let progress = Progress {
                    position,
                    record_hash: record_hash.clone(),
                };
                match ports.history.advance(Cursor::Push, progress).await {
                    Ok(()) => return Ok(Input::Advanced { ok: true }),
                    Err(error) => failed(&error)?,
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
    }

    fn call(&self, run: impl Future<Output = Result<Input, Fatal>> + Send + 'static) {
        self.calls.push(run.boxed());
    }
}

/// Counts a failure; one that no repeating helps is fatal.
fn failed(error: &Error) -> Result<(), Fatal> {
    metrics::counter!(telemetry::PORT_FAILED, "port" => "push").increment(1);
    tracing::warn!(%error, "push tries again");
    match error {
        Error::Broken { .. } => Err(Fatal::Broken(error.to_string())),
        _ => Ok(()),
    }
}

/// The event that is decided.
#[derive(Clone, Copy)]
struct Of {
    conversation: ConversationId,
    channel: bool,
    sender: UserId,
}

/// What is known of users. Those that could not be read are left out, unless that is all of them.
async fn facts(
    node: &Node,
    known: &Users,
    event: Of,
    users: Vec<UserId>,
) -> Result<Vec<UserFacts>, Error> {
    let Of { conversation, .. } = event;
    let roster = &node.ports.roster;
    let marks = roster.marks(conversation, users.clone()).await?;
    let key = |kind: &str, of: String| setting_key(kind, Some(&of));
    let mute = &key(kind::MUTE, conversation.to_string());
    let block = &key(kind::BLOCK, event.sender.to_string());
    let (mut found, mut unread) = (Vec::with_capacity(users.len()), None);
    let mut each = stream::iter(users)
        .map(|user| async move {
            let known = of(&node.ports, known, user).await?;
            // Of others, everyone who is told is in it.
            let member = !event.channel
                || roster
                    .entry(user, conversation)
                    .await?
                    .and_then(|entry| entry.member)
                    .is_some_and(|member| member.until.is_none());
            Ok::<_, Error>((user, known, member))
        })
        .buffered(AT_ONCE);
    while let Some(one) = each.next().await {
        let (user, known, member) = match one {
            Ok(one) => one,
            Err(error @ Error::Broken { .. }) => return Err(error),
            Err(error) => {
                unread = Some(error);
                continue;
            }
        };
        let read = marks
            .iter()
            .find(|(of, _)| *of == user)
            .map_or(Seq::ZERO, |(_, mark)| mark.read.seq);
        found.push(UserFacts {
            user,
            devices: known
                .devices
                .iter()
                .map(|device| DeviceFacts {
                    device: *device,
                    heard_ms: node.heard.at(*device),
                })
                .collect(),
            read,
            muted: known.off.contains(mute.as_str()),
            member,
            blocked: known.off.contains(block.as_str()),
        });
    }
    match unread {
        Some(error) if found.is_empty() => Err(error),
        Some(error) => {
            metrics::counter!(telemetry::PORT_FAILED, "port" => "push").increment(1);
            tracing::warn!(%error, "push asks again for whom it could not read");
            Ok(found)
        }
        None => Ok(found),
    }
}

async fn of(ports: &Ports, known: &Users, user: UserId) -> Result<Known, Error> {
    {
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&user)
            && known.at.elapsed() < BELIEVED
        {
            return Ok(known.clone());
        }
    }
    let devices = ports.accounts.devices(user).await?;
    let settings = ports.history.settings(ConversationId::own(user)).await?;
    let fresh = Known {
        at: Instant::now(),
        devices: devices.into_iter().map(|d| d.device).collect(),
        off: Arc::new(
            settings
                .into_iter()
                .filter(|s| s.key.starts_with(kind::MUTE) || s.key.starts_with(kind::BLOCK))
                .filter(|s| s.value.as_deref().is_some_and(|v| !matches!(v, "" | "off")))
                .map(|s| s.key)
                .collect(),
        ),
    };
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    known.put(user, fresh.clone());
    Ok(fresh)
}

/// Best effort: what cannot be delivered in a few tries is told by the next wake.
async fn deliver(ports: &Ports, wake: Wake) {
    for _ in 0..WAKE_TRIES {
        let woken = ports.wake.wake(wake).await;
        let outcome = match woken {
            Woken::Done => "done",
            Woken::Retired => "retired",
            Woken::Later { .. } => "later",
        };
        metrics::counter!(telemetry::WAKES, "outcome" => outcome).increment(1);
        match woken {
            Woken::Done | Woken::Retired => return,
            Woken::Later { after_ms } => {
                tokio::time::sleep(Duration::from_millis(after_ms)).await;
            }
        }
    }
}
