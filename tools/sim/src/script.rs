//! Worlds by script: no dice, no work, no faults, but what a script says of the calls to come.
//!
//! Promises: what a script orders happens exactly so, once, or [`World::settle`] breaches: an order
//! whose moment never came, and a call still held, fail the script. Never a rule of its own: an
//! order picks among the fates that a port's promise allows, and when each comes.

mod scene;

use std::collections::BTreeMap;

use parlour_engine::gateway::need::Need;
use parlour_engine::router::{Output as FromRouter, Remedy};
use parlour_engine::session::Output as FromNode;
use parlour_protocol::node::Signal;
use parlour_protocol::position::Partition;
use parlour_protocol::record::Record;

use crate::calls::Fate;
use crate::dice::Dice;
use crate::judge::Outcome;
use crate::world::{Event, SETTLE_MS, World};

pub use scene::{Backup, partition_of};

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
    Late,
}

/// Names an order of a script.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrderId(usize);

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
    held: Vec<(OrderId, Event)>,
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
    ) -> OrderId {
        self.order(what, turn, false, Box::new(of))
    }

    /// Every call of this kind has this turn until [`World::lift`].
    pub fn every(
        &mut self,
        what: &'static str,
        turn: Turn,
        of: impl Fn(&Call<'_>) -> bool + 'static,
    ) -> OrderId {
        self.order(what, turn, true, Box::new(of))
    }

    fn order(
        &mut self,
        what: &'static str,
        turn: Turn,
        standing: bool,
        of: Box<dyn Fn(&Call<'_>) -> bool>,
    ) -> OrderId {
        let orders = &mut self.script.get_or_insert_default().orders;
        orders.push(Order {
            what,
            of,
            turn,
            standing,
            met: 0,
        });
        OrderId(orders.len() - 1)
    }

    /// How many calls an order met so far.
    #[must_use]
    pub fn met(&self, order: OrderId) -> usize {
        let orders = self.script.as_ref().map(|s| &s.orders);
        orders.and_then(|o| o.get(order.0)).map_or(0, |o| o.met)
    }

    /// A standing order holds no longer.
    pub fn lift(&mut self, order: OrderId) {
        let orders = self.script.as_mut().map(|s| &mut s.orders);
        if let Some(order) = orders.and_then(|o| o.get_mut(order.0)) {
            order.standing = false;
        }
    }

    /// What an order held happens now.
    pub fn release(&mut self, order: OrderId) {
        self.lift(order);
        let Some(script) = &mut self.script else {
            return;
        };
        let held = core::mem::take(&mut script.held);
        let (now, rest) = held.into_iter().partition(|(of, _)| *of == order);
        script.held = rest;
        self.tell(|| "SCRIPT releases what it held".to_owned());
        for (_, event) in now {
            self.at(0, event);
        }
    }

    /// The turn of a call, if a script has ordered one.
    pub(crate) fn turn(&mut self, call: &Call<'_>) -> Option<(Fate, Option<OrderId>)> {
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
                (fate, Some(OrderId(at)))
            }
            Turn::Late => {
                let fate = Fate::Lost {
                    effect_ms: 0,
                    whole: true,
                    answer_ms: 1,
                };
                (fate, Some(OrderId(at)))
            }
        })
    }

    /// What a call comes to happens after a while, or when it is released.
    pub(crate) fn effect(&mut self, hold: Option<OrderId>, after_ms: u64, event: Event) {
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
}
