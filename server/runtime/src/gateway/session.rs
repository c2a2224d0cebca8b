//! One WebSocket's task: it owns the connection's machine, feeds it what comes, and does what it
//! says, in order. What a socket does not take waits here, counted by the machine.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use hyper::upgrade::Upgraded;
use parlour_engine::gateway::admit::Identity;
use parlour_engine::gateway::connection::{Ask, Config};
use parlour_engine::gateway::{Connection, Given, Input, Output};
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::Client;
use parlour_protocol::id::{ConversationId, MessageId, SessionId};
use parlour_protocol::node::Signal;
use parlour_protocol::record::{Header, RULES, Record};

use super::ask;
use super::mailbox::{Letter, Mailbox, Post};
use super::submit::tell;
use super::wire::{Turn, Wire};
use crate::alarm::Alarm;
use crate::bounds::Place;
use crate::log::append;
use crate::node::Node;
use crate::push::Read;
use crate::session::Command;
use crate::{clock, telemetry};

/// Marks are made durable at most once in this while.
const MARKS_MS: u64 = 250;
/// Frames whose places are timed.
const TIMED: usize = 1_024;

/// Runs a connection until it ends.
pub(crate) async fn run(node: Arc<Node>, io: Upgraded, codec: Codec, place: Arc<Place>) {
    let session = clock::session();
    let config = Config {
        session,
        store: node.ports.history.store(),
        codec,
        limits: node.config.limits,
        rules: RULES,
        marks_ms: MARKS_MS,
    };
    let machine = Connection::new(config, clock::now_ms());
    let most = usize::try_from(machine.frame_bytes_max()).unwrap_or(usize::MAX);
    let (mailbox, post) =
        super::mailbox::open(usize::try_from(node.config.session.mailbox_frames).unwrap_or(256));
    let mut task = Task {
        wire: Wire::new(io, codec, most),
        node,
        codec,
        session,
        machine,
        place,
        most,
        mailbox: Some(mailbox),
        calls: FuturesUnordered::new(),
        appends: VecDeque::new(),
        appending: false,
        alarm: Alarm::default(),
        out: Vec::new(),
        close: None,
        joined: false,
        heard: None,
        sent: BTreeMap::new(),
    };
    task.handle(Input::Tick).await;
    let code = task.run(post).await;
    task.end(code).await;
}

struct Task {
    node: Arc<Node>,
    wire: Wire,
    codec: Codec,
    session: SessionId,
    machine: Connection,
    place: Arc<Place>,
    most: usize,
    mailbox: Option<Mailbox>,
    calls: FuturesUnordered<BoxFuture<'static, Called>>,
    /// Appends are made one after the other: their order is the client's.
    appends: VecDeque<(Ask, ConversationId, Record)>,
    appending: bool,
    alarm: Alarm,
    out: Vec<Output>,
    close: Option<Code>,
    joined: bool,
    /// Where it is noted when something came from the device.
    heard: Option<Arc<AtomicU64>>,
    sent: BTreeMap<(ConversationId, MessageId), Instant>,
}

enum Called {
    Input(Input),
    Appended(Input),
}

impl Task {
    async fn run(&mut self, mut post: Post) -> Option<Code> {
        let draining = self.node.drain.draining();
        let (mut leave, mut leaving) = (Alarm::default(), false);
        let mut revoked = post.closing();
        loop {
            if let Some(code) = self.close {
                return Some(code);
            }
            let input = tokio::select! {
                turn = self.wire.turn() => match turn {
                    Turn::Wrote { frames, bytes } => Input::Written { frames, bytes },
                    Turn::Frame(payload) => {
                        if let Some(heard) = &self.heard {
                            heard.store(clock::now_ms(), Ordering::Relaxed);
                        }
                        match Client::decode(self.codec, &payload) {
                        Ok(frame) => Input::Frame(Box::new(frame)),
                        Err(error) => Input::Unreadable {
                            r#ref: self.codec.reference(&payload).unwrap_or(0),
                            error,
                        },
                        }
                    }
                    Turn::Alive => continue,
                    Turn::Breach(code) => Input::Breach(code),
                    Turn::Gone => return None,
                },
                Some(called) = self.calls.next() => match called {
                    Called::Input(input) => input,
                    Called::Appended(input) => {
                        self.appending = false;
                        self.next_append();
                        input
                    }
                },
                Some(given) = post.next() => match given {
                    Letter::Ready => Input::Registered,
                    Letter::Given(given) => {
                        self.time(&given);
                        Input::Given(given)
                    }
                },
                code = &mut revoked => return Some(code),
                () = self.alarm.ring() => Input::Tick,
                () = draining.cancelled(), if !leaving => {
                    leaving = true;
                    let after_ms = clock::below(self.node.config.drain.jitter_ms_max);
                    leave.set(clock::now_ms().saturating_add(after_ms));
                    Input::Drain { after_ms }
                }
                () = leave.ring() => return Some(Code::GOING_AWAY),
            };
            self.handle(input).await;
        }
    }

    async fn handle(&mut self, input: Input) {
        let mut out = std::mem::take(&mut self.out);
        self.machine.handle(clock::now_ms(), input, &mut out);
        for output in out.drain(..) {
            self.execute(output).await;
        }
        self.out = out;
        let most = usize::try_from(self.machine.frame_bytes_max()).unwrap_or(usize::MAX);
        if most != self.most {
            self.most = most;
            self.wire.set_most(most);
        }
        self.wire.set_reading(self.machine.takes_frames());
    }

    async fn execute(&mut self, output: Output) {
        match output {
            Output::Send(bytes) => self.wire.push(bytes),
            Output::Close(code) => self.close = Some(code),
            Output::Verify { token, device } => {
                let node = self.node.clone();
                self.call(async move {
                    let verified = node.verifier.verify(&token).await.and_then(|found| {
                        if device.is_some_and(|d| d != found.device) {
                            return Err(Code::BAD_TOKEN);
                        }
                        Ok(Identity {
                            user: found.user,
                            device: found.device,
                            scopes: found.scopes,
                        })
                    });
                    Input::Verified(verified)
                });
            }
            Output::Register { user, device } => {
                // It has said who it is.
                self.place.leave();
                self.heard = Some(self.node.heard.of(device));
                self.machine.share(self.node.meters.of(device));
                if let Some(mailbox) = self.mailbox.take() {
                    self.joined = true;
                    metrics::gauge!(telemetry::SESSIONS_OPEN).increment(1.0);
                    self.tell_node(Command::Join {
                        session: self.session,
                        user,
                        device,
                        mailbox,
                    })
                    .await;
                }
            }
            Output::Ask { ask, need } => {
                let node = self.node.clone();
                let Some(identity) = self.machine.identity() else {
                    return;
                };
                let (user, device) = (identity.user, identity.device);
                self.call(async move {
                    let have = ask::get(&node.ports, user, device, need).await;
                    Input::Got { ask, have }
                });
            }
            Output::Append {
                ask,
                conversation,
                record,
            } => {
                if self.sent.len() < TIMED
                    && let Ok(header) = Header::from_bytes(&record.header)
                {
                    self.sent.insert((conversation, header.id), Instant::now());
                }
                self.appends.push_back((ask, conversation, *record));
                self.next_append();
            }
            Output::Tell(signal) => {
                if let Signal::Marked {
                    user,
                    conversation,
                    mark,
                    ..
                } = &signal
                {
                    self.node.reads.tell(Read {
                        user: *user,
                        conversation: *conversation,
                        seq: mark.read.seq,
                    });
                }
                let node = self.node.clone();
                // Best effort, and none of the connection's business how it goes.
                let ports = node.ports.clone();
                self.node
                    .drain
                    .stage("tell", async move { tell(&ports, signal).await });
            }
            Output::Focus(conversation) => {
                let session = self.session;
                self.tell_node(Command::Focus {
                    session,
                    conversation,
                })
                .await;
            }
            Output::Watch(users) => {
                let session = self.session;
                self.tell_node(Command::Watch { session, users }).await;
            }
            Output::WakeAt { at_ms } => self.alarm.set(at_ms),
        }
    }

    fn call(&self, run: impl Future<Output = Input> + Send + 'static) {
        self.calls.push(run.map(Called::Input).boxed());
    }

    fn next_append(&mut self) {
        if self.appending {
            return;
        }
        if let Some((ask, conversation, record)) = self.appends.pop_front() {
            self.appending = true;
            let node = self.node.clone();
            self.calls.push(
                async move {
                    let done = append(&node, conversation, record).await.map(drop);
                    Called::Appended(Input::Appended { ask, done })
                }
                .boxed(),
            );
        }
    }

    fn time(&mut self, given: &Given) {
        if let Given::Answer {
            conversation, id, ..
        } = given
            && let Some(began) = self.sent.remove(&(*conversation, *id))
        {
            metrics::histogram!(telemetry::PLACED_SECONDS).record(began.elapsed().as_secs_f64());
        }
    }

    async fn tell_node(&mut self, command: Command) {
        self.node.sessions.give(command).await;
    }

    async fn end(mut self, code: Option<Code>) {
        let mut out = Vec::new();
        self.machine.handle(clock::now_ms(), Input::Gone, &mut out);
        metrics::counter!(telemetry::MERGED_DROPPED).increment(self.machine.dropped());
        if self.joined {
            metrics::gauge!(telemetry::SESSIONS_OPEN).decrement(1.0);
            let label = code.map_or_else(|| "gone".to_owned(), |c| c.0.to_string());
            metrics::counter!(telemetry::SESSIONS_CLOSED, "code" => label).increment(1);
            let session = self.session;
            self.tell_node(Command::Left { session }).await;
        }
        if let Some(code) = code {
            self.wire.close(code, &code.name()).await;
        }
    }
}
