//! The router's loop: one task for each partition, which does what the partition's machine says.
//!
//! It wakes on what was asked for and came, never on a timer of its own; what the log holds by
//! then is one batch. Never here: what must come before what. That is
//! [`parlour_engine::router`]'s.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use parlour_engine::router::{self as engine, Bounds, Call, Found, Input, Output, Placed};
use parlour_ports::Error;
use parlour_ports::history::Cursor;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::position::{Partition, Position};
use parlour_protocol::record::Record;
use tokio::sync::mpsc;

use crate::alarm::Alarm;
use crate::clock;
use crate::node::Node;
use crate::ports::Ports;
use crate::{drain::Fatal, telemetry};

/// Inputs from other tasks that wait for a partition's loop. Beyond it the sender waits.
const COMMANDS: usize = 64;

/// What push is told.
pub struct News {
    /// Durable events, in order.
    pub events: Vec<Placed>,
    /// Up to where they are all.
    pub up_to: Position,
    /// The hash of the record there: what a cursor keeps beside its position.
    pub hash: Bytes,
    /// When they were given to devices: whatever comes from one later may be its answer.
    pub given_ms: u64,
}

/// Speaks to a partition's loop.
#[derive(Clone)]
pub struct Handle(mpsc::Sender<Input>);

impl Handle {
    /// Gives the machine an input. It waits while the loop is busy; a loop that ended takes none.
    pub async fn give(&self, input: Input) {
        // A partition that stopped has no use for it.
        let _ = self.0.send(input).await;
    }
}

/// Starts a partition's loop.
pub fn start(node: &Arc<Node>, partition: Partition, push: Option<mpsc::Sender<News>>) -> Handle {
    let (commands, receiver) = mpsc::channel(COMMANDS);
    let this = Loop {
        node: node.clone(),
        ports: node.ports.clone(),
        machine: engine::Partition::new(
            partition,
            engine::Config {
                joined: node.ports.joined,
                batch_max: usize::try_from(node.config.router.batch_records).unwrap_or(512),
                ..engine::Config::default()
            },
        ),
        partition,
        calls: FuturesUnordered::new(),
        alarm: Alarm::default(),
        push,
        out: Vec::new(),
        now_ms: 0,
        read: VecDeque::new(),
        ended: false,
    };
    node.drain.stage("router", this.run(receiver));
    Handle(commands)
}

struct Loop {
    node: Arc<Node>,
    ports: Ports,
    machine: engine::Partition,
    partition: Partition,
    calls: FuturesUnordered<BoxFuture<'static, Result<Input, Fatal>>>,
    alarm: Alarm,
    push: Option<mpsc::Sender<News>>,
    out: Vec<Output>,
    /// The time of the last input.
    now_ms: u64,
    /// Records that were read and are not placed yet, for push.
    read: VecDeque<(Position, Record)>,
    ended: bool,
}

impl Loop {
    async fn run(mut self, mut commands: mpsc::Receiver<Input>) {
        let stopped = self.node.drain.stopped();
        self.give(Input::Assigned).await;
        while !self.ended {
            // Going away, what was taken from the log is still delivered: it is not far.
            if stopped.is_cancelled() && self.machine.waiting() == 0 {
                return;
            }
            let input = tokio::select! {
                Some(done) = self.calls.next() => match done {
                    Ok(input) => input,
                    Err(fatal) => {
                        self.node.drain.fail(fatal);
                        return;
                    }
                },
                Some(input) = commands.recv() => input,
                () = self.alarm.ring() => Input::Tick,
                () = stopped.cancelled(), if !stopped.is_cancelled() => continue,
            };
            self.give(input).await;
        }
    }

    async fn give(&mut self, input: Input) {
        if let (Input::Records { records, .. }, true) = (&input, self.push.is_some()) {
            self.read.extend(records.iter().cloned());
        }
        let mut out = std::mem::take(&mut self.out);
        self.now_ms = clock::now_ms();
        self.machine.handle(self.now_ms, input, &mut out);
        for output in out.drain(..) {
            self.execute(output).await;
        }
        self.out = out;
    }

    async fn execute(&mut self, output: Output) {
        let ports = self.ports.clone();
        let partition = self.partition;
        match output {
            Output::ReadProgress { call } => {
                let push = self.push.is_some();
                self.call("history", call, async move {
                    let mut cursors =
                        vec![ports.history.progress(Cursor::Router, partition).await?];
                    if push {
                        cursors.push(ports.history.progress(Cursor::Push, partition).await?);
                    }
                    Ok(Input::Progress { call, cursors })
                });
            }
            Output::ReadBounds { call } => self.call("log", call, async move {
                let bounds = ports.log.bounds(partition).await?;
                let bounds = bounds.into_iter().map(|b| Bounds {
                    generation: b.generation,
                    first: b.first,
                    end: b.end,
                    sealed: b.sealed,
                });
                Ok(Input::Bounds {
                    call,
                    bounds: bounds.collect(),
                })
            }),
            Output::Read { call, from, max } => self.call("log", call, async move {
                let records = ports.log.read(from, max).await?;
                metrics::counter!(telemetry::ROUTER_RECORDS).increment(records.len() as u64);
                metrics::histogram!(telemetry::ROUTER_BATCH).record(records.len() as f64);
                Ok(Input::Records { call, records })
            }),
            Output::Ask {
                call,
                as_of,
                questions,
            } => self.call("history", call, async move {
                let facts = ports.history.facts(as_of, questions).await?;
                Ok(Input::Facts { call, facts })
            }),
            Output::Store { call, rows } => self.call("history", call, {
                let node = self.node.clone();
                async move {
                    metrics::histogram!(telemetry::STORE_ROWS).record(rows.len() as f64);
                    let began = Instant::now();
                    let stored = ports.history.append(partition, rows).await;
                    node.set_full(matches!(stored, Err(Error::Full { .. })));
                    stored?;
                    metrics::histogram!(telemetry::STORE_SECONDS)
                        .record(began.elapsed().as_secs_f64());
                    Ok(Input::Stored { call })
                }
            }),
            Output::Locate {
                call,
                users,
                channels,
            } => self.call("sessions", call, async move {
                let found = locate(&ports, users, channels).await?;
                Ok(Input::Located { call, found })
            }),
            Output::Tell { node, signals } => ports.relay.send(node, signals),
            Output::Apply { call, changes } => self.call("roster", call, async move {
                ports.roster.apply(changes).await?;
                Ok(Input::Applied { call })
            }),
            Output::Raise {
                call,
                node,
                signals,
            } => self.call("relay", call, async move {
                ports.relay.raise(node, signals).await?;
                Ok(Input::Raised { call })
            }),
            Output::Advance { call, progress } => self.call("history", call, async move {
                ports.history.advance(Cursor::Router, progress).await?;
                Ok(Input::Advanced { call })
            }),
            Output::Done { up_to } => {
                // A hint: what it would have said is said again with the next.
                if let Err(error) = ports.log.done(up_to).await {
                    tracing::debug!(%error, "the log did not take a hint");
                }
            }
            Output::Placed { events, up_to } => {
                let hash = self.hash(up_to);
                if let (Some(push), Some(hash)) = (&self.push, hash) {
                    // A push stage that is behind holds the router back: it must see everything.
                    let news = News {
                        events,
                        up_to,
                        hash,
                        given_ms: self.now_ms,
                    };
                    let _ = push.send(news).await;
                }
            }
            Output::WakeAt { at_ms } => self.alarm.set_earlier(at_ms),
            Output::Stop { remedy } => {
                tracing::error!(partition = partition.0, %remedy, "a partition stopped");
                self.node.partition_stopped(partition, remedy.to_string());
                self.ended = true;
            }
            Output::Release { rules } => {
                tracing::warn!(
                    partition = partition.0,
                    rules,
                    "a partition was handed back: a node of a newer version must judge it"
                );
                self.node.partition_stopped(
                    partition,
                    format!("waits for a node that knows rules of acceptance number {rules}"),
                );
                self.ended = true;
            }
        }
    }

    /// The hash of the record at a place; those before it are forgotten.
    fn hash(&mut self, at: Position) -> Option<Bytes> {
        while let Some((position, record)) = self.read.pop_front() {
            if position == at {
                return Some(record.hash());
            }
        }
        None
    }

    /// Runs a call; one that failed is told so, and the machine repeats it.
    fn call(
        &self,
        port: &'static str,
        call: Call,
        run: impl Future<Output = Result<Input, Error>> + Send + 'static,
    ) {
        let partition = self.partition;
        self.calls.push(
            async move {
                match run.await {
                    Ok(input) => Ok(input),
                    Err(error @ Error::Broken { .. }) => Err(Fatal::Broken(error.to_string())),
                    Err(error) => {
                        metrics::counter!(telemetry::PORT_FAILED, "port" => port).increment(1);
                        tracing::warn!(partition = partition.0, %error, "the router tries again");
                        Ok(Input::Failed { call })
                    }
                }
            }
            .boxed(),
        );
    }
}

/// Finds sessions and watchers in the session store itself; every known node if it cannot be asked.
async fn locate(
    ports: &Ports,
    users: Vec<parlour_protocol::UserId>,
    channels: Vec<parlour_protocol::ConversationId>,
) -> Result<Found, Error> {
    let found = async {
        let locations = if users.is_empty() {
            Vec::new()
        } else {
            ports.sessions.locate(users).await?
        };
        let mut watchers = Vec::with_capacity(channels.len());
        for channel in channels {
            watchers.push((channel, ports.sessions.watchers(channel).await?));
        }
        Ok::<_, Error>(Found {
            locations,
            watchers,
            everywhere: None,
        })
    };
    match found.await {
        Err(error) if !matches!(error, Error::Broken { .. }) => {
            metrics::counter!(telemetry::PORT_FAILED, "port" => "sessions").increment(1);
            tracing::warn!(%error, "sessions cannot be located: every known node is told");
            Ok(Found {
                everywhere: Some(ports.sessions.nodes().await?),
                ..Found::default()
            })
        }
        other => other,
    }
}
