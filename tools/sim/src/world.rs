//! The world: its parts, its queue, and the loop.

mod event;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use parlour_checker::{Checker, Op};
use parlour_ports::{accounts, history, log, roster, sessions};
use parlour_protocol::http::Scope;
use parlour_protocol::id::{ConversationId, DeviceId, StoreId, UserId};
use parlour_protocol::position::{Generation, Partition};
use parlour_protocol::record::Record;
use parlour_protocol::row::Row;

pub use self::event::{Event, ToClient, ToNode};
use crate::client::Client;
use crate::dice::Dice;
use crate::judge::Outcome;
use crate::node::Node;
use crate::router::Router;
use crate::script::Script;

/// Partitions of the log.
pub const PARTITIONS: u16 = 3;
/// How long a node's lease lasts, in milliseconds.
pub const LEASE_MS: u64 = 3_000;
/// How long users work, in milliseconds of the world.
const WORK_MS: u64 = 30_000;
/// How long things may take to settle once nothing breaks any more.
pub(crate) const SETTLE_MS: u64 = 240_000;
/// Where the world's clock begins, so that no time is zero.
pub const BEGIN_MS: u64 = 1_700_000_000_000;

/// Figures of a run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    /// Events of the queue.
    pub events: u64,
    /// Requests made by clients.
    pub messages: u64,
    /// Things that were broken.
    pub faults: u64,
}

/// Everything.
pub struct World {
    /// The seed.
    pub seed: u64,
    /// Now, in milliseconds.
    pub now_ms: u64,
    /// What falls.
    pub dice: Dice,
    /// Several nodes and routers over shared stores, rather than one process.
    pub cluster: bool,
    /// Whether people come and go all the time, mostly in channels. Worlds that are each bent one way
    /// show more than worlds that are all alike (Groce et al., Swarm Testing, 2012).
    pub coming_and_going: bool,
    /// From when on nobody comes or goes, and no fault breaks anyone's line: what a node has wrong by
    /// then, it has wrong for long. Never, in most worlds, and on one machine.
    pub calm_ms: u64,
    /// Whether things still break.
    pub breaking: bool,
    /// Whether users still work.
    pub working: bool,
    /// The store's life.
    pub store: StoreId,
    /// The log.
    pub log: log::memory::State,
    /// Every record that was ever in it, for materialising it again.
    pub kept: log::memory::State,
    /// History.
    pub history: history::memory::State,
    /// How things stand.
    pub roster: roster::memory::State,
    /// Where devices are.
    pub sessions: sessions::memory::State,
    /// Whether the session store answers.
    pub sessions_up: bool,
    /// Devices, their tokens, and the list of those that were revoked.
    pub accounts: accounts::memory::State,
    /// Gateway nodes.
    pub nodes: Vec<Node>,
    /// Routers.
    pub routers: Vec<Router>,
    /// Nodes that no router reaches, each until when.
    pub relay_cut: BTreeMap<usize, u64>,
    /// Whose each partition is; others that run it are zombies.
    pub owners: BTreeMap<Partition, usize>,
    /// Clients.
    pub clients: Vec<Client>,
    /// Conversations that users know of.
    pub rooms: Vec<(ConversationId, bool)>,
    /// Rows that will reach the store late; all of them do before the end.
    pub late: u64,
    /// Conversations that anyone called.
    pub called: BTreeSet<ConversationId>,
    /// What is judged.
    pub checker: Checker,
    /// What went wrong beyond the record.
    pub breaches: Vec<String>,
    /// Figures.
    pub figures: Figures,
    /// The story, if it is told.
    pub trace: Option<Vec<String>>,
    /// What a script says of the calls to come; a world by seed has none.
    pub script: Option<Script>,
    pub(crate) queue: BTreeMap<(u64, u64), Event>,
    ties: u64,
    ids: u64,
    /// Links whose two ends hear each other.
    pub links: BTreeSet<u64>,
    /// When the last message of a link and direction arrives: they stay in order.
    pub arrivals: BTreeMap<(u64, bool), u64>,
}

impl World {
    /// A world of a seed, before anything happened.
    #[must_use]
    pub fn new(seed: u64, trace: bool) -> Self {
        let mut dice = Dice::new(seed);
        let cluster = dice.percent(65);
        let coming_and_going = dice.percent(30);
        let mut world = Self::empty(seed, dice, cluster, trace);
        world.coming_and_going = coming_and_going;
        if coming_and_going && cluster && world.dice.percent(50) {
            world.calm_ms = BEGIN_MS + world.dice.between(5_000, WORK_MS - 3_000);
        }
        world.machines();
        let users = world.dice.between(3, 4);
        for user in 0..users {
            let devices = world.dice.between(1, 2);
            for device in 0..devices {
                world.person(user, device);
            }
        }
        world.at(200, Event::Work);
        crate::faults::plan(&mut world, WORK_MS);
        world
    }

    /// A world without anyone and anything in it.
    pub(crate) fn empty(seed: u64, dice: Dice, cluster: bool, trace: bool) -> Self {
        let log = log::memory::State::new(PARTITIONS, Generation(1));
        Self {
            seed,
            now_ms: BEGIN_MS,
            cluster,
            coming_and_going: false,
            calm_ms: u64::MAX,
            breaking: true,
            working: true,
            store: StoreId::from_bytes([7; 16]),
            kept: log.clone(),
            log,
            history: history::memory::State::default(),
            roster: roster::memory::State::default(),
            sessions: sessions::memory::State::default(),
            sessions_up: true,
            accounts: accounts::memory::State::default(),
            nodes: Vec::new(),
            routers: Vec::new(),
            relay_cut: BTreeMap::new(),
            owners: BTreeMap::new(),
            clients: Vec::new(),
            rooms: Vec::new(),
            late: 0,
            called: BTreeSet::new(),
            checker: Checker::new(5),
            breaches: Vec::new(),
            figures: Figures::default(),
            trace: trace.then(Vec::new),
            script: None,
            queue: BTreeMap::new(),
            ties: 0,
            ids: 0,
            links: BTreeSet::new(),
            arrivals: BTreeMap::new(),
            dice,
        }
    }

    /// Its nodes and routers begin.
    pub(crate) fn machines(&mut self) {
        let (nodes, routers) = if self.cluster { (2, 2) } else { (1, 1) };
        for at in 0..nodes {
            self.nodes.push(Node::new(at));
            self.at(0, Event::Node(at, 0, ToNode::Begin));
        }
        for _ in 0..routers {
            self.routers.push(Router::new());
        }
        for partition in 0..PARTITIONS {
            let router = usize::from(partition) % routers;
            self.at(0, Event::Assign(Partition(partition), router));
        }
    }

    /// A device of a user logs in at the first node, and its program begins soon.
    pub(crate) fn person(&mut self, user: u64, device: u64) {
        let at = self.clients.len();
        let first = u8::try_from(user).unwrap_or(0) + 1;
        let user = UserId::from_bytes([first; 16]);
        let mut bytes = [first; 16];
        bytes[15] = u8::try_from(device).unwrap_or(0) + 1;
        bytes[0] = 0xd0;
        let device = DeviceId::from_bytes(bytes);
        let clock_ms = self.nodes.first().map_or(0, |n| n.clock_ms);
        let row = accounts::Device {
            device,
            user,
            name: String::new(),
            token_hash: crate::node::hash_of(&at.to_string()),
            scopes: vec![Scope::Full],
            created_ms: self.now_ms.saturating_add_signed(clock_ms),
        };
        self.accounts.add_device(row, usize::MAX);
        self.clients.push(Client::new(user, device));
        let delay_ms = self.dice.between(0, 50);
        self.at(delay_ms, Event::Client(at, 0, ToClient::Begin));
    }

    /// Something happens after a while.
    pub fn at(&mut self, after_ms: u64, event: Event) {
        self.ties += 1;
        self.queue
            .insert((self.now_ms + after_ms, self.ties), event);
    }

    /// A number that nothing else has.
    pub fn id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// Tells the story, if it is told.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        let at_ms = self.now_ms - BEGIN_MS;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{at_ms:>7} {}", line()));
        }
    }

    /// Records something for the judge.
    pub fn record(&mut self, op: &Op) {
        self.checker.feed(op);
        if self.trace.is_some() {
            self.tell(|| format!("record {op:?}"));
        }
    }

    /// A breach that the record does not show.
    pub fn breach(&mut self, text: String) {
        self.tell(|| format!("BREACH {text}"));
        if self.breaches.len() < 20 {
            self.breaches.push(text);
        }
    }

    /// Lives until everything has settled, and judges.
    #[must_use]
    pub fn live(mut self) -> Outcome {
        let work_until = BEGIN_MS + WORK_MS;
        let mut settle_until = u64::MAX;
        let mut quiet_since = None;
        while let Some(((at_ms, _), event)) = self.queue.pop_first() {
            self.now_ms = self.now_ms.max(at_ms);
            self.figures.events += 1;
            if self.working && self.now_ms >= work_until {
                self.working = false;
                self.breaking = false;
                settle_until = self.now_ms + SETTLE_MS;
                crate::faults::mend(&mut self);
            }
            self.happen(event);
            if !self.working {
                if self.now_ms > settle_until {
                    let who = self.restless();
                    self.breach(format!("eventual: not settled after {SETTLE_MS} ms: {who}"));
                    break;
                }
                if self.is_quiet() {
                    let since = *quiet_since.get_or_insert(self.now_ms);
                    // Marks, heads and heartbeats have their second too.
                    if self.now_ms > since + 10_000 {
                        break;
                    }
                } else {
                    quiet_since = None;
                }
            }
            if self.figures.events > 3_000_000 {
                self.breach("eventual: the world does not come to rest".to_owned());
                break;
            }
        }
        crate::judge::judge(self)
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.late == 0
            && self.clients.iter().all(Client::is_quiet)
            && self.routers.iter().all(Router::is_idle)
    }

    pub(crate) fn restless(&self) -> String {
        let clients: Vec<String> = self
            .clients
            .iter()
            .enumerate()
            .filter(|(_, c)| !c.is_quiet())
            .map(|(at, c)| format!("client {at} ({:?}, {})", c.link_state(), c.outbox()))
            .collect();
        let busy = self.routers.iter().filter(|r| !r.is_idle()).count();
        format!(
            "{}; {busy} routers busy; {} late",
            clients.join(", "),
            self.late
        )
    }

    pub(crate) fn happen(&mut self, event: Event) {
        match event {
            Event::Client(at, life, to) => crate::client::happen(self, at, life, to),
            Event::Node(at, life, to) => crate::node::happen(self, at, life, to),
            Event::Router(at, life, partition, input) => {
                crate::router::input(self, at, life, partition, input);
            }
            Event::Rows(rows) => {
                self.late = self.late.saturating_sub(1);
                self.write(&rows);
            }
            Event::Unsynced(life, rows) => {
                if life == self.generation() {
                    self.write(&rows);
                }
            }
            Event::Changes(changes) => {
                self.late = self.late.saturating_sub(1);
                changes.iter().for_each(|change| self.roster.apply(change));
            }
            Event::Record(partition, record, generation) => {
                self.late = self.late.saturating_sub(1);
                // A log that died takes nothing any more.
                if generation.is_none_or(|g| g == self.generation()) {
                    self.append(partition, *record);
                }
            }
            Event::RouterCall(at, life, partition, output, answer_ms) => {
                crate::router::effect(self, at, life, partition, *output, answer_ms);
            }
            Event::NodeCall(at, life, session, ask, need, answer_ms) => {
                crate::node::effect(self, at, life, session, ask, &need, answer_ms);
            }
            Event::SessionCall(at, life, output, answer_ms) => {
                crate::node::session_effect(self, at, life, *output, answer_ms);
            }
            Event::Assign(partition, router) => crate::router::assign(self, partition, router),
            Event::Revoke(router, partition, term) => {
                crate::router::revoke(self, router, partition, term);
            }
            Event::Fault(fault) => crate::faults::happen(self, fault),
            Event::Work => crate::work::step(self),
        }
    }

    /// The newest generation of the log.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.log
            .bounds(Partition(0))
            .iter()
            .map(|b| b.generation.0)
            .max()
            .unwrap_or(0)
    }

    /// Rows reach the store. On one machine how things stand is in the same commit.
    pub fn write(&mut self, rows: &[Row]) {
        for row in rows {
            if let Row::Event(event) = row {
                let (c, seq, at) = (event.conversation, event.seq, event.position);
                self.tell(|| format!("row {c} {seq:?} by {at}"));
            }
        }
        rows.iter().for_each(|row| self.history.write(row));
        if !self.cluster {
            for change in parlour_protocol::roster::changes(rows) {
                self.roster.apply(&change);
            }
        }
    }

    /// A record reaches the log, and whoever waits for it.
    pub fn append(&mut self, partition: Partition, record: Record) {
        self.kept.append(partition, record.clone());
        let position = self.log.append(partition, record);
        self.tell(|| format!("log {position}"));
        crate::router::wake_readers(self, partition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn worlds_are_of_every_sort() {
        let worlds: Vec<World> = (1..=200).map(|seed| World::new(seed, false)).collect();
        let count = |sort: fn(&World) -> bool| worlds.iter().filter(|w| sort(w)).count();
        for (sort, what) in [
            ((|w| w.cluster) as fn(&World) -> bool, "clusters"),
            (|w| !w.cluster, "one machine"),
            (|w| w.coming_and_going, "coming and going"),
            (|w| w.calm_ms != u64::MAX, "calm at the end"),
            (
                |w| {
                    w.clients.len()
                        > w.clients
                            .iter()
                            .map(|c| c.user)
                            .collect::<BTreeSet<_>>()
                            .len()
                },
                "a second device",
            ),
        ] {
            assert!(count(sort) >= 10, "{what}: {}", count(sort));
        }
    }
}
