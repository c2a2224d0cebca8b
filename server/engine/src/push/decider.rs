//! Decides wakes some seconds after each event.

use std::collections::{BTreeMap, VecDeque};

use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::position::Position;
use parlour_protocol::record::Header;
use parlour_protocol::seq::Seq;

use crate::log::sequencer::Audience;
use crate::push::step::{Config, Input, Output, UserFacts};
use crate::push::woken::Woken;
use crate::router::Placed;

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
