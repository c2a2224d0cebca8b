//! One socket's machine.
//!
//! Promises: the first frame is `hello`, and nothing else is looked at before its token was
//! verified and the session registered; every request is answered, or its connection ends; live
//! events of a conversation rise; what does not fit waits merged, or the reader is disconnected.
//!
//! Overflow, in this order: beyond half of the outbound queue events become `heads`, of which the
//! newest per conversation waits; receipts and presence merge, the newest mark and state of each
//! user; typing is dropped; an answer that does not fit, or a socket that took nothing for the idle
//! time, ends the connection (4501).

mod catching_up;
mod focus;
mod giving;
mod outbound;
mod places;
mod receipts;
mod requests;
mod sending;
mod watching;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Ref, Server, client, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::limits::Limits;
use parlour_protocol::node::Signal;
use parlour_protocol::record::Record;

use crate::gateway::admit::{Identity, Refusal};
use crate::gateway::given::Given;
use crate::gateway::need::{Have, Need};
use crate::gateway::rates::Meter;
use catching_up::CatchUp;
use focus::{Focus, Unfocused};
use outbound::Outbound;
use places::Places;
use receipts::Marking;
use requests::Pending;
use sending::Waiting;
use watching::Watching;

/// Frames that may wait for `welcome`, and their bytes: whoever sends more is closed. A socket that
/// is not read between hello and welcome ([`Connection::takes_frames`]) never gets there.
const EARLY: usize = 16;
const EARLY_BYTES: usize = 16_384;

/// Names one thing that the runtime was asked for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ask(pub u64);

/// How a connection is held.
#[derive(Clone, Debug)]
pub struct Config {
    /// The connection.
    pub session: SessionId,
    /// The store's life.
    pub store: StoreId,
    /// How frames become bytes.
    pub codec: Codec,
    /// What the client is held to.
    pub limits: Limits,
    /// The number of the rules of acceptance stamped into records.
    pub rules: u16,
    /// Marks are made durable at most once in this while.
    pub marks_ms: u64,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// A frame came.
    Frame(Box<Client>),
    /// Bytes came that are no frame: of an unknown type, or malformed.
    Unreadable {
        /// Its `ref`, if that could be read ([`Codec::reference`]); else 0.
        r#ref: Ref,
        /// What is wrong with it.
        error: parlour_protocol::codec::Error,
    },
    /// The peer broke a rule of the wire: oversized, not UTF-8, against RFC 6455.
    Breach(Code),
    /// Whether the token is good.
    Verified(Result<Identity, Code>),
    /// The session is registered: it may read its inbox now.
    Registered,
    /// What was asked for.
    Got {
        /// Of [`Output::Ask`].
        ask: Ask,
        /// It; or a code of the retry range.
        have: Result<Have, Code>,
    },
    /// A record is in the log, or was refused before it got there, or nobody knows.
    Appended {
        /// Of [`Output::Append`].
        ask: Ask,
        /// `Err(None)` is unknown: the client retries.
        done: Result<(), Option<Code>>,
    },
    /// Something for this connection.
    Given(Given),
    /// The socket took so much.
    Written {
        /// Frames.
        frames: u64,
        /// Bytes.
        bytes: u64,
    },
    /// The node goes away: reconnect after this while.
    Drain {
        /// Jittered by the caller.
        after_ms: u64,
    },
    /// The socket is gone.
    Gone,
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub enum Output {
    /// Write a frame.
    Send(Arc<[u8]>),
    /// Close with this code, after what was written.
    Close(Code),
    /// See whether a token is good, in the same time whether it is or not.
    Verify {
        /// The token.
        token: client::Token,
        /// The device that it should be of, if stated.
        device: Option<DeviceId>,
    },
    /// Register the session at the node; answered by [`Input::Registered`].
    Register {
        /// The user.
        user: UserId,
        /// The device.
        device: DeviceId,
    },
    /// Read or write; answered by [`Input::Got`].
    Ask {
        /// Carried back.
        ask: Ask,
        /// What.
        need: Need,
    },
    /// Append a record to its conversation's partition; answered by [`Input::Appended`].
    Append {
        /// Carried back.
        ask: Ask,
        /// The conversation, for its partition.
        conversation: ConversationId,
        /// The record.
        record: Box<Record>,
    },
    /// Tell users' sessions, wherever they are; at most once.
    Tell(Signal),
    /// The conversation on the screen changed.
    Focus(Option<ConversationId>),
    /// The users whose presence it sees changed.
    Watch(Vec<UserId>),
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
}

/// What came before `welcome`, to be looked at behind it.
#[derive(Debug)]
enum Early {
    Frame(Box<Client>),
    Unreadable(Ref, parlour_protocol::codec::Error),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Greeting,
    Verifying,
    Registering,
    Live,
    Closed,
}

/// One socket's machine. Give it [`Input`]s, do its [`Output`]s in order.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    phase: Phase,
    identity: Option<Identity>,
    opened_ms: u64,
    heard_ms: u64,
    meter: Meter,
    early: VecDeque<Early>,
    early_bytes: usize,
    asks: u64,
    pending: BTreeMap<Ask, Pending>,
    waiting: Waiting,
    refused: VecDeque<(ConversationId, MessageId, Refusal)>,
    reused: VecDeque<(ConversationId, MessageId)>,
    histories: VecDeque<client::History>,
    places: Places,
    catch_up: Option<CatchUp>,
    marking: Marking,
    focus: Option<Focus>,
    unfocused: Option<Unfocused>,
    watching: Watching,
    typed_ms: Option<u64>,
    outbound: Outbound,
    draining: bool,
}

impl Connection {
    /// A connection whose upgrade was just answered.
    #[must_use]
    pub fn new(config: Config, now_ms: u64) -> Self {
        Self {
            phase: Phase::Greeting,
            identity: None,
            opened_ms: now_ms,
            heard_ms: now_ms,
            meter: Meter::new(&config.limits, now_ms),
            early: VecDeque::new(),
            early_bytes: 0,
            asks: 0,
            pending: BTreeMap::new(),
            waiting: Waiting::default(),
            refused: VecDeque::new(),
            reused: VecDeque::new(),
            histories: VecDeque::new(),
            places: Places::default(),
            catch_up: None,
            marking: Marking::default(),
            focus: None,
            unfocused: None,
            watching: Watching::default(),
            typed_ms: None,
            outbound: Outbound::default(),
            draining: false,
            config,
        }
    }

    /// Who it is, once that is known.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// The largest frame that may come now.
    #[must_use]
    pub fn frame_bytes_max(&self) -> u64 {
        match self.phase {
            Phase::Live => self.config.limits.client_frame_bytes,
            _ => self.config.limits.hello_bytes,
        }
    }

    /// Whether a frame may come now. Between `hello` and `welcome` none need be read: what the peer
    /// sends meanwhile waits on its side, and costs nothing here before its token was verified.
    #[must_use]
    pub fn takes_frames(&self) -> bool {
        matches!(self.phase, Phase::Greeting | Phase::Live)
    }

    /// Takes from this meter from now on, which its device's other connections and HTTP take from
    /// as well. Before `welcome`; without, it has one of its own.
    pub fn share(&mut self, meter: Meter) {
        self.meter = meter;
    }

    /// Receipts and typing that did not fit what may wait, ever. They are told again with the
    /// next line, or fade.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.outbound.dropped
    }

    /// Takes an input, and says what is to be done, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        if self.phase == Phase::Closed {
            return;
        }
        self.outbound.at(now_ms);
        match input {
            Input::Frame(frame) => {
                self.heard_ms = now_ms;
                self.frame(*frame, now_ms, out);
            }
            Input::Unreadable { r#ref, error } => {
                self.heard_ms = now_ms;
                self.unreadable(r#ref, error, now_ms, out);
            }
            Input::Breach(code) => self.close(code, out),
            Input::Verified(result) => self.verified(result, out),
            Input::Registered => self.registered(now_ms, out),
            Input::Got { ask, have } => self.got(ask, have, now_ms, out),
            Input::Appended { ask, done } => self.appended(ask, done, out),
            Input::Given(given) => self.given(given, now_ms, out),
            Input::Written { frames, bytes } => self.outbound.written(frames, bytes, now_ms),
            Input::Drain { after_ms } => {
                self.draining = true;
                self.send(&Server::GoingAway(server::GoingAway { after_ms }), out);
            }
            Input::Gone => self.phase = Phase::Closed,
            Input::Tick => {}
        }
        self.go_on(now_ms, out);
    }

    fn go_on(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let limits = self.config.limits;
        let at_ms = match self.phase {
            Phase::Closed => return,
            Phase::Greeting => {
                let at_ms = self.opened_ms.saturating_add(limits.hello_ms);
                if now_ms >= at_ms {
                    return self.close(Code::HELLO_TIMEOUT, out);
                }
                at_ms
            }
            _ => {
                let at_ms = self.heard_ms.saturating_add(limits.idle_ms);
                if now_ms >= at_ms {
                    return self.close(Code::IDLE, out);
                }
                if self.outbound.stuck(now_ms, limits.idle_ms) {
                    return self.close(Code::SLOW_READER, out);
                }
                at_ms
            }
        };
        let mut wake_ms = at_ms;
        if self.phase == Phase::Live {
            self.catch_up_on(out);
            self.next_history(out);
            let next = [
                self.mark_on(now_ms, out),
                self.focus_on_time(now_ms, out),
                self.focus_again(now_ms, out),
                self.receipts_on(now_ms, out),
                self.rights_on(now_ms, out),
            ];
            for at_ms in next.into_iter().flatten() {
                wake_ms = wake_ms.min(at_ms);
            }
            self.flush(out);
        }
        if self.phase != Phase::Closed {
            out.push(Output::WakeAt { at_ms: wake_ms });
        }
    }

    fn close(&mut self, code: Code, out: &mut Vec<Output>) {
        if self.phase != Phase::Closed {
            self.phase = Phase::Closed;
            out.push(Output::Close(code));
        }
    }

    fn ask(&mut self, pending: Pending, need: Need, out: &mut Vec<Output>) {
        self.asks += 1;
        let ask = Ask(self.asks);
        self.pending.insert(ask, pending);
        out.push(Output::Ask { ask, need });
    }

    fn user(&self) -> UserId {
        self.identity.as_ref().map_or(UserId::NIL, |i| i.user)
    }

    fn unreadable(
        &mut self,
        r#ref: Ref,
        error: parlour_protocol::codec::Error,
        now_ms: u64,
        out: &mut Vec<Output>,
    ) {
        match self.phase {
            Phase::Greeting => {
                // It may have been meant for one.
                self.send(&Server::Error(unread(r#ref, &error)), out);
                return self.close(Code::HELLO_FIRST, out);
            }
            Phase::Live => {}
            Phase::Closed => return,
            Phase::Verifying | Phase::Registering => {
                let bytes = error.to_string().len();
                return self.early(Early::Unreadable(r#ref, error), bytes, out);
            }
        }
        if let Err(wait_ms) = self.meter.request(now_ms) {
            let mut error = server::Error::new(r#ref, Code::RATE_LIMITED);
            error.retry_ms = Some(wait_ms);
            return self.send(&Server::Error(error), out);
        }
        self.send(&Server::Error(unread(r#ref, &error)), out);
    }

    fn verified(&mut self, result: Result<Identity, Code>, out: &mut Vec<Output>) {
        if self.phase != Phase::Verifying {
            return;
        }
        match result {
            Ok(identity) => {
                let (user, device) = (identity.user, identity.device);
                self.identity = Some(identity);
                self.phase = Phase::Registering;
                out.push(Output::Register { user, device });
            }
            // A part that cannot be reached is no bad token: come again.
            Err(code) if code.0 < 4_000 => self.close(Code::INTERNAL, out),
            Err(code) => self.close(code, out),
        }
    }

    fn registered(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let (Phase::Registering, Some(identity)) = (self.phase, &self.identity) else {
            return;
        };
        self.phase = Phase::Live;
        let welcome = server::Welcome {
            session: self.config.session,
            user: identity.user,
            device: identity.device,
            store: self.config.store,
            time_ms: now_ms,
            limits: self.config.limits,
            features: Vec::new(),
        };
        self.send(&Server::Welcome(welcome), out);
        for early in core::mem::take(&mut self.early) {
            match early {
                Early::Frame(frame) => self.frame(*frame, now_ms, out),
                Early::Unreadable(r#ref, error) => self.unreadable(r#ref, error, now_ms, out),
            }
        }
    }

    /// Keeps what came before `welcome`, within bounds.
    fn early(&mut self, early: Early, bytes: usize, out: &mut Vec<Output>) {
        self.early_bytes += bytes;
        self.early.push_back(early);
        if self.early.len() > EARLY || self.early_bytes > EARLY_BYTES {
            self.early.clear();
            self.close(Code::PROTOCOL, out);
        }
    }

    fn frame(&mut self, frame: Client, now_ms: u64, out: &mut Vec<Output>) {
        match (self.phase, frame) {
            (Phase::Greeting, Client::Hello(hello)) => {
                self.phase = Phase::Verifying;
                out.push(Output::Verify {
                    token: hello.token,
                    device: hello.device,
                });
            }
            (Phase::Greeting, _) => self.close(Code::HELLO_FIRST, out),
            (Phase::Live, frame) => self.request(frame, now_ms, out),
            (Phase::Closed, _) => {}
            (_, frame) => {
                let bytes = self.config.codec.size(&frame);
                self.early(Early::Frame(Box::new(frame)), bytes, out);
            }
        }
    }
}

/// What is told of bytes that are no frame.
fn unread(r#ref: Ref, error: &parlour_protocol::codec::Error) -> server::Error {
    let code = match error {
        parlour_protocol::codec::Error::UnknownType(_) => Code::UNKNOWN_FRAME,
        _ => Code::BAD_FRAME,
    };
    server::Error::new(r#ref, code).why(error.to_string())
}

/// What is told of a request that could not be done now. What cannot be reached is tried again soon;
/// what failed inside the node, with the growing pauses of the client's own.
fn failure(r#ref: Ref, code: Code) -> server::Error {
    let mut error = server::Error::new(r#ref, code);
    error.retry_ms = (code != Code::FAILED).then_some(500);
    error
}
