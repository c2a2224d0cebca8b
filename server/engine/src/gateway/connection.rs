//! One socket's machine.
//!
//! Promises: the first frame is `hello`, and nothing else is looked at before its token was
//! verified and the session registered; every request is answered, or its connection ends; live
//! events of a conversation rise; what does not fit waits merged, or the reader is disconnected.
//!
//! Overflow, in this order: beyond half of the outbound queue events become `heads`, of which the
//! newest per conversation waits; receipts, presence and typing merge or are dropped; an answer
//! that does not fit, or a socket that took nothing for the idle time, ends the connection (4501).

mod catching_up;
mod outbound;
mod receipts;
mod requests;
mod sending;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Ref, Server, client, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::{Answer, Signal};
use parlour_protocol::record::Record;
use parlour_protocol::seq::Head;

use crate::gateway::admit::{Identity, Refusal};
use crate::gateway::given::{Given, Prepared};
use crate::gateway::need::{Have, Need};
use crate::gateway::rates::Rate;
use catching_up::CatchUp;
use outbound::Outbound;
use receipts::{Focus, Marking};
use requests::Pending;

/// Conversations that a connection remembers places of. Beyond it the longest unused is
/// forgotten, which costs a place told twice.
const KNOWN: usize = 4_096;
/// Frames that may wait for `welcome`.
const EARLY: usize = 16;

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
    Unreadable(parlour_protocol::codec::Error),
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

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phase {
    Greeting,
    Verifying,
    Registering,
    Live,
    Closed,
}

/// What is known of a conversation on this connection.
#[derive(Clone, Debug, Default)]
struct Known {
    /// The newest event given.
    given: Head,
    /// The newest place told, by event, line or head.
    told: Head,
    /// How it is shaped, and who the other user is, once that was read.
    about: Option<(Shape, Option<UserId>)>,
    used: u64,
}

/// One socket's machine. Give it [`Input`]s, do its [`Output`]s in order.
#[derive(Debug)]
pub struct Connection {
    config: Config,
    phase: Phase,
    identity: Option<Identity>,
    opened_ms: u64,
    heard_ms: u64,
    sends: Rate,
    requests: Rate,
    early: VecDeque<Client>,
    asks: u64,
    pending: BTreeMap<Ask, Pending>,
    waiting: BTreeMap<(ConversationId, MessageId), Ref>,
    refused: VecDeque<(ConversationId, MessageId, Refusal)>,
    histories: VecDeque<client::History>,
    known: BTreeMap<ConversationId, Known>,
    uses: u64,
    catch_up: Option<CatchUp>,
    marking: Marking,
    focus: Option<Focus>,
    typed_ms: u64,
    outbound: Outbound,
    draining: bool,
}

impl Connection {
    /// A connection whose upgrade was just answered.
    #[must_use]
    pub fn new(config: Config, now_ms: u64) -> Self {
        let l = config.limits;
        Self {
            phase: Phase::Greeting,
            identity: None,
            opened_ms: now_ms,
            heard_ms: now_ms,
            sends: Rate::new(l.sends_burst, l.sends_per_min, now_ms),
            requests: Rate::new(l.requests_burst, l.requests_per_min, now_ms),
            early: VecDeque::new(),
            asks: 0,
            pending: BTreeMap::new(),
            waiting: BTreeMap::new(),
            refused: VecDeque::new(),
            histories: VecDeque::new(),
            known: BTreeMap::new(),
            uses: 0,
            catch_up: None,
            marking: Marking::default(),
            focus: None,
            typed_ms: 0,
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
            Phase::Greeting => self.config.limits.hello_bytes,
            _ => self.config.limits.client_frame_bytes,
        }
    }

    /// Takes an input, and says what is to be done, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        if self.phase == Phase::Closed {
            return;
        }
        match input {
            Input::Frame(frame) => {
                self.heard_ms = now_ms;
                self.frame(*frame, now_ms, out);
            }
            Input::Unreadable(error) => {
                self.heard_ms = now_ms;
                self.unreadable(&error, out);
            }
            Input::Breach(code) => self.close(code, out),
            Input::Verified(result) => self.verified(result, out),
            Input::Registered => self.registered(now_ms, out),
            Input::Got { ask, have } => self.got(ask, have, now_ms, out),
            Input::Appended { ask, done } => self.appended(ask, done, out),
            Input::Given(given) => self.given(given, out),
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
            if let Some(at) = self.mark_on(now_ms, out) {
                wake_ms = wake_ms.min(at);
            }
            if let Some(at) = self.receipts_on(now_ms, out) {
                wake_ms = wake_ms.min(at);
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

    fn unreadable(&mut self, error: &parlour_protocol::codec::Error, out: &mut Vec<Output>) {
        if self.phase == Phase::Greeting {
            return self.close(Code::HELLO_FIRST, out);
        }
        let code = match error {
            parlour_protocol::codec::Error::UnknownType(_) => Code::UNKNOWN_FRAME,
            _ => Code::BAD_FRAME,
        };
        self.send(
            &Server::Error(server::Error::new(0, code).why(error.to_string())),
            out,
        );
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
        for frame in core::mem::take(&mut self.early) {
            self.frame(frame, now_ms, out);
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
                if self.early.len() >= EARLY {
                    self.close(Code::PROTOCOL, out);
                } else {
                    self.early.push_back(frame);
                }
            }
        }
    }

    fn known(&mut self, conversation: ConversationId) -> &mut Known {
        self.uses += 1;
        if self.known.len() >= KNOWN && !self.known.contains_key(&conversation) {
            let oldest = self
                .known
                .iter()
                .min_by_key(|(_, k)| k.used)
                .map(|(c, _)| *c);
            if let Some(oldest) = oldest {
                self.known.remove(&oldest);
            }
        }
        let uses = self.uses;
        let known = self.known.entry(conversation).or_default();
        known.used = uses;
        known
    }

    fn given(&mut self, given: Given, out: &mut Vec<Output>) {
        if self.phase != Phase::Live && !planted(Mutant::TooEarly) {
            return self.given_early(given, out);
        }
        match given {
            Given::Event(prepared) => self.event(&prepared, out),
            Given::Answer {
                conversation,
                id,
                answer,
            } => {
                self.answer(conversation, id, answer, out);
            }
            Given::Raised { conversation, head } => self.raised(conversation, head),
            Given::Behind { after_ms } => {
                self.send(&Server::Behind(server::Behind { after_ms }), out);
            }
            Given::Marked {
                user,
                conversation,
                mark,
            } => {
                self.marked(user, conversation, mark, out);
            }
            Given::Typing { user, conversation } => self.typing(user, conversation),
            Given::Mail(mail) => {
                match &mut self.catch_up {
                    None => self.mail(mail, out),
                    // It may lie before what was read already.
                    Some(catch_up) => catch_up.more_mail = true,
                }
            }
            Given::Presence(users) => self.outbound.presence(users),
            Given::Revoked => self.close(Code::REVOKED, out),
        }
    }

    /// Nothing goes out before `welcome`. What the catch-up behind it reads anyway is dropped; of
    /// events the heads wait, for an inbox may not hold them yet.
    fn given_early(&mut self, given: Given, out: &mut Vec<Output>) {
        match given {
            Given::Event(prepared) => {
                let row = &prepared.event;
                let head = Head {
                    seq: row.seq,
                    n: row.carried.n,
                };
                if self.identity.as_ref().is_some_and(Identity::reads) {
                    self.raised(row.conversation, head);
                }
            }
            Given::Raised { conversation, head } => self.raised(conversation, head),
            Given::Revoked => self.close(Code::REVOKED, out),
            // Sends are tried again, marks and mail are read, presence and typing pass.
            Given::Answer { .. }
            | Given::Behind { .. }
            | Given::Marked { .. }
            | Given::Typing { .. }
            | Given::Mail(_)
            | Given::Presence(_) => {}
        }
    }

    fn event(&mut self, prepared: &Arc<Prepared>, out: &mut Vec<Output>) {
        if prepared.event.carried.shape != Shape::Direct
            && self
                .focus
                .as_ref()
                .is_some_and(|f| f.conversation == prepared.event.conversation)
            && self.is_out_by(prepared)
        {
            self.focus = None;
            out.push(Output::Focus(None));
        }
        let row = &prepared.event;
        let head = Head {
            seq: row.seq,
            n: row.carried.n,
        };
        let reads = self.identity.as_ref().is_some_and(Identity::reads);
        let held_back = self.catch_up.is_some() || self.outbound.is_half_full(&self.config.limits);
        let known = self.known(row.conversation);
        if !reads || (row.seq <= known.given.seq && !planted(Mutant::GivenTwice)) {
            return;
        }
        if held_back && planted(Mutant::OverflowSilent) {
            known.told = known.told.max(head);
            return;
        }
        if held_back {
            // What it is behind in it learns by line or head, and fetches.
            return self.raised(row.conversation, head);
        }
        known.given = head;
        known.told = known.told.max(head);
        self.outbound.forget_head(row.conversation, row.seq);
        let bytes = prepared.bytes(self.config.codec);
        self.send_bytes(bytes, out);
    }

    /// Whether an event ends one's own membership.
    fn is_out_by(&self, prepared: &Prepared) -> bool {
        let Server::Event(event) = prepared.frame() else {
            return false;
        };
        let user = self.user();
        event.class == Class::Membership
            && ((event.kind == kind::LEAVE && event.sender == user)
                || (event.kind == kind::REMOVE && event.named.iter().any(|n| n.user == user)))
    }

    fn raised(&mut self, conversation: ConversationId, head: Head) {
        let known = self.known(conversation);
        if head > known.told {
            known.told = head;
            self.outbound.head(conversation, head);
        }
    }

    fn answer(
        &mut self,
        conversation: ConversationId,
        id: MessageId,
        answer: Answer,
        out: &mut Vec<Output>,
    ) {
        let r#ref = self.waiting.remove(&(conversation, id)).unwrap_or(0);
        match answer {
            Answer::Placed { seq, n, time_ms } => {
                let sent = server::Sent {
                    r#ref,
                    id,
                    conversation,
                    seq,
                    n,
                    time_ms,
                };
                self.send(&Server::Sent(sent), out);
            }
            Answer::Refused { code } => {
                let error = server::Error::new(r#ref, code).of(conversation, id);
                self.send(&Server::Error(error), out);
            }
        }
    }
}
