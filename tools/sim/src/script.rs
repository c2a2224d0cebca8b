//! Worlds by script: no dice, no work, no faults, but what a script says of the calls to come.
//!
//! Promises: what a script orders happens exactly so, once, or [`World::settle`] breaches: an order
//! whose moment never came, and a call still held, fail the script. Never a rule of its own: an
//! order picks among the fates that a port's promise allows, and when each comes.

use parlour_checker::frames::hash_body;
use parlour_checker::{Checker, Intent, Op};
use parlour_client_core::saved::Asked;
use parlour_client_core::{Command, Input, Request, draft};
use parlour_engine::gateway::need::Need;
use parlour_engine::router::{Output as FromRouter, Remedy};
use parlour_engine::session::Output as FromNode;
use parlour_ports::{history, roster};
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::id::{ConversationId, MessageId, StoreId};
use parlour_protocol::kind::{HistoryRule, Role, Shape};
use parlour_protocol::node::Signal;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::{Header, Named, Record};
use parlour_protocol::row::Outcome as Ending;
use parlour_protocol::seq::Seq;

use std::collections::BTreeMap;

use crate::calls::Fate;
use crate::client;
use crate::dice::Dice;
use crate::judge::Outcome;
use crate::world::{Event, PARTITIONS, SETTLE_MS, ToClient, World};

/// A call to a port, at the moment when it is made.
pub enum Call<'a> {
    /// A gateway appends a record for a client.
    Append {
        /// The client.
        client: usize,
        /// What is appended.
        record: &'a Record,
    },
    /// A gateway looks something up, or stores marks, for a client.
    Need {
        /// The client.
        client: usize,
        /// What for.
        need: &'a Need,
    },
    /// A router asks, stores, applies, locates, raises or advances.
    Router {
        /// Which.
        router: usize,
        /// The call.
        output: &'a FromRouter,
    },
    /// A node asks for its lease, registers, or reads a list.
    Node {
        /// Which.
        node: usize,
        /// The call.
        output: &'a FromNode,
    },
    /// Signals on their way to a node, at most once.
    Relay {
        /// Which.
        node: usize,
        /// What it is told.
        signals: &'a [Signal],
    },
}

/// What comes of a call that a script spoke of.
#[derive(Clone, Copy, Debug)]
pub enum Turn {
    /// It goes like this.
    Goes(Fate),
    /// It is under way until [`World::release`]: then it takes effect and is answered.
    Held,
    /// It is answered by a failure after a millisecond, and takes effect at [`World::release`].
    LateAt,
}

/// Names an order of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hold(usize);

struct Order {
    what: &'static str,
    of: Box<dyn Fn(&Call<'_>) -> bool>,
    turn: Turn,
    /// It holds for every such call until it is lifted, rather than for the next alone.
    standing: bool,
    met: usize,
}

/// What a script said, and what came of it.
#[derive(Default)]
pub struct Script {
    orders: Vec<Order>,
    held: Vec<(Hold, Event)>,
    doors: BTreeMap<usize, usize>,
    /// Partitions that stopped, each with its remedy.
    pub stopped: Vec<(Partition, Remedy)>,
}

impl Script {
    /// The node that a client connects to.
    #[must_use]
    pub fn door(&self, client: usize) -> usize {
        self.doors.get(&client).copied().unwrap_or(0)
    }
}

/// A copy of the store, to be restored later.
#[derive(Clone)]
pub struct Backup {
    history: history::memory::State,
    roster: roster::memory::State,
}

impl World {
    /// A still world: a cluster of two nodes and two routers, or one process; so many users with
    /// so many devices each. Every call is fine after a millisecond, links take no time, clients
    /// connect to node 0, the log keeps its records, and nothing happens but what is asked for.
    #[must_use]
    pub fn scripted(cluster: bool, users: u64, devices: u64) -> Self {
        let mut world = Self::empty(0, Dice::still(), cluster, true);
        world.breaking = false;
        world.working = false;
        world.script = Some(Script::default());
        world.machines();
        for user in 0..users {
            for device in 0..devices {
                world.person(user, device);
            }
        }
        world.run_for(2_000);
        world
    }

    /// The next call of this kind has this turn.
    pub fn next(
        &mut self,
        what: &'static str,
        turn: Turn,
        of: impl Fn(&Call<'_>) -> bool + 'static,
    ) -> Hold {
        self.order(what, turn, false, Box::new(of))
    }

    /// Every call of this kind has this turn until [`World::lift`].
    pub fn every(
        &mut self,
        what: &'static str,
        turn: Turn,
        of: impl Fn(&Call<'_>) -> bool + 'static,
    ) -> Hold {
        self.order(what, turn, true, Box::new(of))
    }

    fn order(
        &mut self,
        what: &'static str,
        turn: Turn,
        standing: bool,
        of: Box<dyn Fn(&Call<'_>) -> bool>,
    ) -> Hold {
        let orders = &mut self.script.get_or_insert_default().orders;
        orders.push(Order {
            what,
            of,
            turn,
            standing,
            met: 0,
        });
        Hold(orders.len() - 1)
    }

    /// How many calls an order met so far.
    #[must_use]
    pub fn met(&self, hold: Hold) -> usize {
        let orders = self.script.as_ref().map(|s| &s.orders);
        orders.and_then(|o| o.get(hold.0)).map_or(0, |o| o.met)
    }

    /// A standing order holds no longer.
    pub fn lift(&mut self, hold: Hold) {
        let orders = self.script.as_mut().map(|s| &mut s.orders);
        if let Some(order) = orders.and_then(|o| o.get_mut(hold.0)) {
            order.standing = false;
        }
    }

    /// What an order held happens now.
    pub fn release(&mut self, hold: Hold) {
        self.lift(hold);
        let Some(script) = &mut self.script else {
            return;
        };
        let held = core::mem::take(&mut script.held);
        let (now, rest) = held.into_iter().partition(|(of, _)| *of == hold);
        script.held = rest;
        self.tell(|| "SCRIPT releases what it held".to_owned());
        for (_, event) in now {
            self.at(0, event);
        }
    }

    /// The turn of a call, if a script has ordered one.
    pub(crate) fn turn(&mut self, call: &Call<'_>) -> Option<(Fate, Option<Hold>)> {
        let orders = &mut self.script.as_mut()?.orders;
        let (at, order) = orders
            .iter_mut()
            .enumerate()
            .find(|(_, o)| (o.standing || o.met == 0) && (o.of)(call))?;
        order.met += 1;
        let (what, turn) = (order.what, order.turn);
        self.tell(|| format!("SCRIPT {what}: {turn:?}"));
        Some(match turn {
            Turn::Goes(fate) => (fate, None),
            Turn::Held => {
                let fate = Fate::Fine {
                    effect_ms: 0,
                    answer_ms: 1,
                };
                (fate, Some(Hold(at)))
            }
            Turn::LateAt => {
                let fate = Fate::Lost {
                    effect_ms: 0,
                    whole: true,
                    answer_ms: 1,
                };
                (fate, Some(Hold(at)))
            }
        })
    }

    /// What a call comes to happens after a while, or when it is released.
    pub(crate) fn effect(&mut self, hold: Option<Hold>, after_ms: u64, event: Event) {
        match (hold, &mut self.script) {
            (Some(hold), Some(script)) => script.held.push((hold, event)),
            _ => self.at(after_ms, event),
        }
    }

    /// A partition stopped: a breach, unless a script is there to look at the remedy.
    pub(crate) fn stopped(&mut self, partition: Partition, remedy: Remedy) {
        self.tell(|| format!("partition {} stopped: {remedy}", partition.0));
        match &mut self.script {
            Some(script) => script.stopped.push((partition, remedy)),
            None => self.breach(format!("partition {} stopped: {remedy}", partition.0)),
        }
    }

    /// Time passes.
    pub fn run_for(&mut self, ms: u64) {
        let until_ms = self.now_ms + ms;
        while self.step(until_ms) {}
        self.now_ms = until_ms;
    }

    /// Time passes until something is so, and not a step further; a breach if it never is.
    pub fn until(&mut self, what: &str, so: impl Fn(&Self) -> bool) {
        let until_ms = self.now_ms + 60_000;
        while !so(self) {
            if !self.step(until_ms) {
                return self.breach(format!("script: it never came to this: {what}"));
            }
        }
    }

    /// What must be so here: that the moment is the one meant, or what came of it. A breach if not.
    pub fn claim(&mut self, what: &str, so: bool) {
        if !so {
            self.breach(format!("script: not so: {what}"));
        }
    }

    fn step(&mut self, until_ms: u64) -> bool {
        match self.queue.first_key_value() {
            Some(((at_ms, _), _)) if *at_ms <= until_ms => {}
            _ => return false,
        }
        if let Some(((at_ms, _), event)) = self.queue.pop_first() {
            self.now_ms = self.now_ms.max(at_ms);
            self.figures.events += 1;
            self.happen(event);
        }
        true
    }

    /// Comes to rest.
    pub fn rest(&mut self) {
        let until_ms = self.now_ms + SETTLE_MS;
        let mut since_ms = self.now_ms;
        while self.now_ms <= since_ms + 10_000 {
            if !self.is_quiet() {
                since_ms = self.now_ms;
            }
            if !self.step(until_ms) {
                let who = self.restless();
                return self.breach(format!("eventual: not settled after {SETTLE_MS} ms: {who}"));
            }
        }
    }

    /// Comes to rest, and is judged.
    #[must_use]
    pub fn settle(mut self) -> Outcome {
        self.rest();
        if let Some(script) = self.script.take() {
            for order in script.orders.iter().filter(|o| o.met == 0) {
                self.breach(format!("script: its moment never came: {}", order.what));
            }
            for (hold, _) in &script.held {
                let what = script.orders.get(hold.0).map_or("", |o| o.what);
                self.breach(format!("script: still held at the end: {what}"));
            }
        }
        crate::judge::judge(self)
    }

    /// A client connects to this node from now on.
    pub fn goes_to(&mut self, client: usize, node: usize) {
        let script = self.script.get_or_insert_default();
        script.doors.insert(client, node);
    }

    /// One more device of a user logs in, at node 0 and by its clock; which client it is.
    pub fn newcomer(&mut self, user: u64, device: u64) -> usize {
        self.person(user, device);
        self.run_for(1_000);
        self.clients.len() - 1
    }

    /// A client's owner switches it off, at once.
    pub fn switch_off(&mut self, at: usize) {
        if let Some(client) = self.clients.get_mut(at) {
            client.off = true;
        }
        client::input(self, at, Input::Stop);
    }

    /// And on again.
    pub fn switch_on(&mut self, at: usize) {
        if let Some(life) = self.clients.get(at).map(|c| c.life) {
            self.at(0, Event::Client(at, life, ToClient::Resume));
        }
    }

    /// A client makes a group of itself and the users of these clients. Comes back when it is
    /// there and everyone has it.
    pub fn group(&mut self, at: usize, with: &[usize]) -> ConversationId {
        let members = with.iter().filter_map(|c| self.clients.get(*c));
        let create = Request::Create {
            shape: Shape::Group,
            history: HistoryRule::All,
            name: None,
            topic: None,
            members: members
                .map(|c| Named {
                    user: c.user,
                    role: Role::Member,
                })
                .collect(),
            conversation: None,
        };
        let room = client::request(self, at, create).map(|a| a.conversation);
        self.run_for(3_000);
        room.unwrap_or_default()
    }

    /// A client's user asks for something; its id.
    pub fn ask(&mut self, at: usize, request: Request) -> MessageId {
        match client::request(self, at, request) {
            Some(accepted) => accepted.id,
            None => {
                self.breach(format!("script: client {at} did not take a request"));
                MessageId::NIL
            }
        }
    }

    /// A client says something.
    pub fn say(&mut self, at: usize, room: ConversationId, text: &str) -> MessageId {
        self.ask(at, Request::Send(Box::new(draft::text(room, text))))
    }

    /// A client pages back: one page more before what it shows.
    pub fn page_back(&mut self, at: usize, room: ConversationId) {
        client::input(self, at, Input::Command(Command::Older(room)));
    }

    /// The outcome of a client's send, as the store has it.
    #[must_use]
    pub fn outcome(&self, at: usize, room: ConversationId, id: MessageId) -> Option<Ending> {
        let question = Question::Outcome {
            conversation: room,
            sender: self.clients.get(at)?.user,
            id,
        };
        let end = Position {
            generation: Generation(u64::MAX),
            ..Position::default()
        };
        match self.history.fact(end, &question) {
            Fact::Outcome(outcome) => outcome,
            _ => None,
        }
    }

    /// The place of a client's send, if it has one in the store.
    #[must_use]
    pub fn place(&self, at: usize, room: ConversationId, id: MessageId) -> Option<Seq> {
        match self.outcome(at, room, id)? {
            Ending::Placed { seq, .. } => Some(seq),
            Ending::Refused { .. } => None,
        }
    }

    /// How many records the log ever took of a send.
    #[must_use]
    pub fn records(&self, room: ConversationId, id: MessageId) -> usize {
        self.kept
            .all(partition_of(room))
            .filter_map(|(_, r)| Header::from_bytes(&r.header).ok())
            .filter(|h| h.id == id && h.conversation == room)
            .count()
    }

    /// Whether a client holds the event of a place.
    #[must_use]
    pub fn holds(&self, at: usize, room: ConversationId, seq: Seq) -> bool {
        let core = self.clients.get(at).and_then(|c| c.core());
        core.is_some_and(|c| c.event(room, seq).is_some())
    }

    /// Whoever runs the conversation's partition dies with everything it knew, and another router
    /// is given it.
    pub fn router_dies(&mut self, room: ConversationId) {
        let partition = partition_of(room);
        let owner = self.owners.get(&partition).copied().unwrap_or(0);
        let to = (owner + 1) % self.routers.len().max(1);
        let owned = match self.routers.get_mut(owner) {
            Some(router) => {
                let owned = router.owns();
                router.crash();
                owned
            }
            None => Vec::new(),
        };
        for partition in owned {
            self.at(10, Event::Assign(partition, to));
        }
    }

    /// Every router stops, as an operator has them do.
    pub fn stop_routers(&mut self) {
        self.routers.iter_mut().for_each(|r| r.crash());
    }

    /// Every partition is given to a router anew.
    pub fn start_routers(&mut self) {
        let routers = self.routers.len().max(1);
        for partition in 0..PARTITIONS {
            let to = usize::from(partition) % routers;
            self.at(0, Event::Assign(Partition(partition), to));
        }
    }

    /// The newest generation is sealed, and the next begins behind it.
    pub fn seal_log(&mut self) {
        let next = Generation(self.generation() + 1);
        for log in [&mut self.log, &mut self.kept] {
            log.seal();
            log.begin(next);
        }
    }

    /// A damaged log: a partition's last records are gone. What was appended to the newest
    /// generation since is told apart no more.
    pub fn truncate_log(&mut self, partition: Partition, records: u64) {
        let end = self.log_end(partition);
        self.log.truncate(Position {
            generation: Generation(self.generation()),
            partition,
            offset: Offset(end.0.saturating_sub(records)),
        });
    }

    /// The log is given up as lost, and a new generation begun.
    pub fn give_log_up(&mut self) {
        let next = Generation(self.generation() + 1);
        self.log.begin(next);
        self.log.lose();
        self.kept.begin(next);
    }

    /// Where a partition of the newest generation ends.
    #[must_use]
    pub fn log_end(&self, partition: Partition) -> Offset {
        let newest = self.generation();
        let bounds = self.log.bounds(partition);
        let bound = bounds.iter().find(|b| b.generation.0 == newest);
        bound.map_or(Offset(0), |b| b.end)
    }

    /// A copy of the store as it is.
    #[must_use]
    pub fn backup(&self) -> Backup {
        Backup {
            history: self.history.clone(),
            roster: self.roster.clone(),
        }
    }

    /// The process dies, and begins again over a store restored from a copy. What was is judged by
    /// itself; what comes begins with what the copy holds and what outboxes hold.
    pub fn restore(&mut self, backup: Backup, store: StoreId, down_ms: u64) {
        crate::faults::process_dies(self, down_ms);
        self.run_for(down_ms / 2);
        crate::judge::look(self);
        let before = core::mem::replace(&mut self.checker, Checker::new(5));
        for breach in before.finish().breaches {
            self.breach(breach.to_string());
        }
        self.store = store;
        self.history = backup.history;
        self.roster = backup.roster;
        let mut calls = Vec::new();
        for conversation in self.history.conversations() {
            let all = self
                .history
                .range(conversation, Seq::ZERO, Seq::MAX, false, usize::MAX);
            let headers = all.events.iter();
            for h in headers.filter_map(|e| Header::from_bytes(&e.header).ok()) {
                calls.push(Op::Invoke {
                    device: h.device,
                    user: h.sender,
                    conversation,
                    id: h.id,
                    hash: None,
                    intent: Intent::Setup,
                });
            }
            for client in &self.clients {
                for (user, mark) in self.roster.marks(conversation, &[client.user]) {
                    calls.push(Op::MarkSet {
                        device: client.device,
                        user,
                        conversation,
                        delivered: mark.delivered().seq,
                        read: mark.read.seq,
                    });
                }
            }
        }
        for client in &self.clients {
            for row in client.core().into_iter().flat_map(|c| c.outbox()) {
                calls.push(Op::Invoke {
                    device: client.device,
                    user: client.user,
                    conversation: row.conversation,
                    id: row.id,
                    hash: match &row.asked {
                        Asked::Send(send) => Some(hash_body(&send.body)),
                        _ => None,
                    },
                    intent: Intent::Send,
                });
            }
        }
        calls.iter().for_each(|op| self.record(op));
    }
}

/// The partition of a conversation.
#[must_use]
pub fn partition_of(room: ConversationId) -> Partition {
    Partition::of(room, PARTITIONS)
}
