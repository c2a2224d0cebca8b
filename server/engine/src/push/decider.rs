//! Decides wakes some seconds after each event.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::position::Position;
use parlour_protocol::record::Header;
use parlour_protocol::seq::Seq;

use crate::log::sequencer::Audience;
use crate::router::Placed;

/// How wakes are decided.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// How long after an event. Later than a lease can outlive its node, so that a session that
    /// is only believed to be there has been found out.
    pub wake_after_ms: u64,
    /// Events that wait, at most; past it the router is held back ([`Decider::is_full`]).
    pub waiting_max: usize,
    /// Questions that wait for their answer, at most.
    pub open_max: usize,
    /// The cursor is made durable at most once in this while.
    pub advance_ms: u64,
    /// Users who were woken for a conversation and have not read it that are remembered, so that a
    /// read clears what their devices show. Beyond it the oldest are forgotten: what they show
    /// stays until it is looked at.
    pub woken_max: usize,
    /// How soon what could not be found out is asked for again.
    pub again_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            wake_after_ms: 20_000,
            waiting_max: 50_000,
            open_max: 64,
            advance_ms: 1_000,
            woken_max: 50_000,
            again_ms: 500,
        }
    }
}

/// A device as the decision needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceFacts {
    /// The device.
    pub device: DeviceId,
    /// When something last came from it on any node; none: not known, or never.
    pub heard_ms: Option<u64>,
}

/// A user as the decision needs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserFacts {
    /// The user.
    pub user: UserId,
    /// Their devices.
    pub devices: Vec<DeviceFacts>,
    /// How far they have read the conversation.
    pub read: Seq,
    /// Whether they muted it: then only a mention wakes.
    pub muted: bool,
    /// Whether they are in it. Only who is is woken: a mention calls nobody into a channel.
    pub member: bool,
    /// Whether they blocked the sender: then nothing of theirs wakes, a mention neither.
    pub blocked: bool,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// Durable events, in order, and up to where they are all.
    Placed {
        /// The events.
        events: Vec<Placed>,
        /// The last position that they come from.
        up_to: Position,
    },
    /// What was asked for.
    Facts {
        /// Of [`Output::Ask`].
        ask: u64,
        /// The users. Those of whom nothing could be found out are left out, and asked for again.
        users: Vec<UserFacts>,
    },
    /// A user has read a conversation up to a place. Best effort: it is known anyway to whoever
    /// is asked later.
    Read {
        /// Who.
        user: UserId,
        /// Where.
        conversation: ConversationId,
        /// How far.
        seq: Seq,
    },
    /// It could not be had; it is asked for again.
    Failed {
        /// Of [`Output::Ask`].
        ask: u64,
    },
    /// The cursor is durable, or could not be made so.
    Advanced {
        /// Whether it is.
        ok: bool,
    },
    /// Time passed.
    Tick,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Find out about users.
    Ask {
        /// Carried back.
        ask: u64,
        /// Where.
        conversation: ConversationId,
        /// Whether that is a channel, of which users need not be members.
        channel: bool,
        /// Whose event it is.
        sender: UserId,
        /// Whom.
        users: Vec<UserId>,
    },
    /// Wake a device. The collapse id is the conversation: of several wakes one is shown.
    Wake {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Where something came.
        conversation: ConversationId,
        /// Its place.
        seq: Seq,
        /// Whether the user is mentioned.
        mention: bool,
    },
    /// Take away what a device was woken to show of a conversation: its user has read it.
    Clear {
        /// Whose.
        user: UserId,
        /// Which.
        device: DeviceId,
        /// Of which conversation.
        conversation: ConversationId,
        /// Up to this place.
        seq: Seq,
    },
    /// Make the cursor durable.
    Advance {
        /// The last position decided.
        position: Position,
    },
    /// Give [`Input::Tick`] then.
    WakeAt {
        /// Milliseconds, as `now_ms`.
        at_ms: u64,
    },
}

#[derive(Debug)]
struct Waiting {
    position: Position,
    came_ms: u64,
    /// None: nothing to decide, the position alone.
    event: Option<Event>,
    state: State,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum State {
    Waits,
    Asked(u64),
    Done,
}

#[derive(Debug)]
struct Event {
    conversation: ConversationId,
    channel: bool,
    sender: UserId,
    seq: Seq,
    /// Users who are not decided yet.
    users: Vec<UserId>,
    mentioned: Vec<UserId>,
    everyone: bool,
}

/// A question that is under way, and what was read meanwhile: the answer may not know of it.
#[derive(Debug)]
struct Open {
    conversation: ConversationId,
    read: BTreeMap<UserId, Seq>,
}

/// Who was woken for what and has not read it since, oldest first.
#[derive(Debug, Default)]
struct Woken {
    by: BTreeMap<(UserId, ConversationId), (u64, Seq, BTreeSet<DeviceId>)>,
    order: BTreeMap<u64, (UserId, ConversationId)>,
    count: u64,
}

impl Woken {
    fn add(&mut self, key: (UserId, ConversationId), device: DeviceId, seq: Seq, most: usize) {
        self.count += 1;
        let order = self.count;
        let (at, newest, devices) = self.by.entry(key).or_default();
        self.order.remove(at);
        *at = order;
        *newest = (*newest).max(seq);
        devices.insert(device);
        self.order.insert(order, key);
        while self.order.len() > most
            && let Some((_, oldest)) = self.order.pop_first()
        {
            self.by.remove(&oldest);
        }
    }

    /// Devices that show what was read. One that was woken for a later place shows that still.
    fn read(&mut self, key: (UserId, ConversationId), seq: Seq) -> BTreeSet<DeviceId> {
        match self.by.get(&key) {
            Some((_, newest, _)) if *newest <= seq => {}
            _ => return BTreeSet::new(),
        }
        let Some((at, _, devices)) = self.by.remove(&key) else {
            return BTreeSet::new();
        };
        self.order.remove(&at);
        devices
    }
}

/// Decides wakes for one partition. Give it [`Input`]s, do its [`Output`]s.
#[derive(Debug)]
pub struct Decider {
    config: Config,
    waiting: VecDeque<Waiting>,
    asks: u64,
    open: BTreeMap<u64, Open>,
    woken: Woken,
    again_ms: Option<u64>,
    decided: Option<Position>,
    durable: Option<Position>,
    advancing: bool,
    advance_at_ms: u64,
}

impl Decider {
    /// A decider that has nothing to decide.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            waiting: VecDeque::new(),
            asks: 0,
            open: BTreeMap::new(),
            woken: Woken::default(),
            again_ms: None,
            decided: None,
            durable: None,
            advancing: false,
            advance_at_ms: 0,
        }
    }

    /// Whether it takes no more for now: the router must wait.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.waiting.len() >= self.config.waiting_max
    }

    /// Positions that wait to be decided.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Takes an input, and says what is to be done, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        match input {
            Input::Placed { events, up_to } => {
                for placed in events {
                    let event = wakes(&placed);
                    let state = if event.is_some() {
                        State::Waits
                    } else {
                        State::Done
                    };
                    let position = placed.position;
                    self.waiting.push_back(Waiting {
                        position,
                        came_ms: now_ms,
                        event,
                        state,
                    });
                }
                let event = None;
                let state = State::Done;
                self.waiting.push_back(Waiting {
                    position: up_to,
                    came_ms: now_ms,
                    event,
                    state,
                });
            }
            Input::Facts { ask, users } => self.decide(ask, users, now_ms, out),
            Input::Read {
                user,
                conversation,
                seq,
            } => self.read(user, conversation, seq, out),
            Input::Failed { ask } => {
                self.open.remove(&ask);
                for w in &mut self.waiting {
                    if w.state == State::Asked(ask) {
                        w.state = State::Waits;
                    }
                }
                self.again_ms = Some(now_ms.saturating_add(self.config.again_ms));
            }
            Input::Advanced { ok } => {
                self.advancing = false;
                if !ok {
                    self.durable = None;
                }
            }
            Input::Tick => {}
        }
        self.go_on(now_ms, out);
    }

    fn decide(&mut self, ask: u64, users: Vec<UserFacts>, now_ms: u64, out: &mut Vec<Output>) {
        let Some(open) = self.open.remove(&ask) else {
            return;
        };
        let Some(w) = self
            .waiting
            .iter_mut()
            .find(|w| w.state == State::Asked(ask))
        else {
            return;
        };
        w.state = State::Done;
        let Some(event) = &mut w.event else { return };
        for facts in users {
            let known = event.users.len();
            event.users.retain(|user| *user != facts.user);
            if event.users.len() == known {
                // Not asked for, or answered twice.
                continue;
            }
            let mention = event.everyone || event.mentioned.contains(&facts.user);
            let read = open.read.get(&facts.user).copied().unwrap_or(Seq::ZERO);
            if facts.read.max(read) >= event.seq
                || (facts.muted && !mention)
                || !facts.member
                || facts.blocked
            {
                continue;
            }
            for device in &facts.devices {
                // A live client answers what it was given; so one that was heard since has it.
                if device.heard_ms.is_some_and(|at| at > w.came_ms) {
                    continue;
                }
                let key = (facts.user, event.conversation);
                self.woken
                    .add(key, device.device, event.seq, self.config.woken_max);
                out.push(Output::Wake {
                    user: facts.user,
                    device: device.device,
                    conversation: event.conversation,
                    seq: event.seq,
                    mention,
                });
            }
        }
        if !event.users.is_empty() {
            // Of these nothing is known: they are passed over by nobody.
            w.state = State::Waits;
            self.again_ms = Some(now_ms.saturating_add(self.config.again_ms));
        }
    }

    fn read(
        &mut self,
        user: UserId,
        conversation: ConversationId,
        seq: Seq,
        out: &mut Vec<Output>,
    ) {
        for open in self.open.values_mut() {
            if open.conversation == conversation {
                let read = open.read.entry(user).or_default();
                *read = (*read).max(seq);
            }
        }
        for device in self.woken.read((user, conversation), seq) {
            out.push(Output::Clear {
                user,
                device,
                conversation,
                seq,
            });
        }
    }

    fn go_on(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let mut wake_ms = None;
        let again = self.again_ms.is_none_or(|at| now_ms >= at);
        if again {
            self.again_ms = None;
        } else {
            wake_ms = self.again_ms;
        }
        for w in self.waiting.iter_mut().filter(|w| w.state == State::Waits) {
            let due_ms = w.came_ms.saturating_add(self.config.wake_after_ms);
            if now_ms < due_ms {
                wake_ms = Some(wake_ms.map_or(due_ms, |at: u64| at.min(due_ms)));
                break;
            }
            if !again || self.open.len() >= self.config.open_max {
                break;
            }
            if let Some(event) = &w.event {
                self.asks += 1;
                let open = Open {
                    conversation: event.conversation,
                    read: BTreeMap::new(),
                };
                self.open.insert(self.asks, open);
                w.state = State::Asked(self.asks);
                out.push(Output::Ask {
                    ask: self.asks,
                    conversation: event.conversation,
                    channel: event.channel,
                    sender: event.sender,
                    users: event.users.clone(),
                });
            }
        }
        while self.waiting.front().is_some_and(|w| w.state == State::Done) {
            self.decided = self.waiting.pop_front().map(|w| w.position);
        }
        if let Some(position) = self.decided
            && self.durable != Some(position)
            && !self.advancing
        {
            if now_ms >= self.advance_at_ms {
                self.advancing = true;
                self.durable = Some(position);
                self.advance_at_ms = now_ms.saturating_add(self.config.advance_ms);
                out.push(Output::Advance { position });
            } else {
                let at_ms = self.advance_at_ms;
                wake_ms = Some(wake_ms.map_or(at_ms, |at| at.min(at_ms)));
            }
        }
        if let Some(at_ms) = wake_ms {
            out.push(Output::WakeAt { at_ms });
        }
    }
}

/// Whom an event may wake: what was said, and being brought in. In a channel, only who is
/// mentioned: nothing is done per member there.
fn wakes(placed: &Placed) -> Option<Event> {
    let h = Header::from_bytes(&placed.event.header).ok()?;
    let content = h.class == Class::Content;
    if !content && h.kind != kind::ADD {
        return None;
    }
    let mut users = match &placed.audience {
        Audience::None => return None,
        Audience::Users(users) => users.clone(),
        Audience::Channel => h.mentions.users.clone(),
    };
    if !content {
        users.retain(|u| h.named.iter().any(|n| n.user == *u));
    }
    users.retain(|u| *u != h.sender);
    if users.is_empty() {
        return None;
    }
    Some(Event {
        conversation: placed.event.conversation,
        channel: matches!(placed.audience, Audience::Channel),
        sender: h.sender,
        seq: placed.event.seq,
        users,
        everyone: h.mentions.everyone && placed.event.carried.shape != Shape::Channel,
        mentioned: h.mentions.users,
    })
}
