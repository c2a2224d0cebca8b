//! Gateway nodes: each runs the machine of its sessions and one machine for each connection.

mod answer;
mod connection;
mod sessions;
mod tell;

use std::collections::BTreeMap;

use parlour_engine::gateway::connection::Config;
use parlour_engine::gateway::{Connection, Input as ToConnection};
use parlour_engine::session::{self, Input};
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, SessionId};
use parlour_protocol::limits::Limits;
use parlour_protocol::node::{Incarnation, NodeId};
use parlour_protocol::seq::Seq;

use self::connection::connection_input;
use self::sessions::session_input;
use crate::alarm::Alarm;
use crate::world::{Event, LEASE_MS, ToClient, ToNode, World};

pub use self::answer::effect;
pub use self::sessions::session_effect;

/// One gateway node's process.
pub struct Node {
    /// Which.
    pub at: usize,
    /// Raised at every crash.
    pub life: u32,
    /// Until when it does not run.
    pub down_until_ms: u64,
    /// Until when it is stopped, with everything that it knows.
    pub paused_until_ms: u64,
    /// How far its clock is off, in milliseconds.
    pub clock_ms: i64,
    machine: session::Node,
    connections: BTreeMap<SessionId, Held>,
    by_link: BTreeMap<u64, SessionId>,
    alarm: Alarm,
}

struct Held {
    machine: Connection,
    link: u64,
    client: usize,
    alarm: Alarm,
    /// The reader takes nothing until then.
    stuck_until_ms: u64,
}

fn machine(at: usize, life: u32) -> session::Node {
    let config = session::Config {
        node: NodeId(at as u64),
        ttl_ms: LEASE_MS,
        renew_ms: 800,
        revocations_ms: 2_000,
        batch_ms: 500,
        presence_per_s: 100,
        register_per_s: 100,
        behind_ms: 500,
    };
    session::Node::new(config, Incarnation(u64::from(life) * 1_000 + 1))
}

impl Node {
    /// A node that has not begun.
    #[must_use]
    pub fn new(at: usize) -> Self {
        Self {
            at,
            life: 0,
            down_until_ms: 0,
            paused_until_ms: 0,
            clock_ms: 0,
            machine: machine(at, 0),
            connections: BTreeMap::new(),
            by_link: BTreeMap::new(),
            alarm: Alarm::default(),
        }
    }

    /// Whether its process runs and is not stopped.
    #[must_use]
    pub fn is_up(&self, now_ms: u64) -> bool {
        now_ms >= self.down_until_ms && now_ms >= self.paused_until_ms
    }
}

/// A node dies; its sockets break, and it begins again after a while.
pub fn crash(world: &mut World, at: usize, down_ms: u64) {
    let now_ms = world.now_ms;
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    node.life += 1;
    node.down_until_ms = now_ms + down_ms;
    node.paused_until_ms = 0;
    node.machine = machine(at, node.life);
    node.alarm = Alarm::default();
    node.by_link.clear();
    let held = core::mem::take(&mut node.connections);
    let life = node.life;
    for (_, held) in held {
        world.links.remove(&held.link);
        let after = world.dice.between(0, 50);
        let to = ToClient::Down(held.link, None);
        let client_life = world.clients.get(held.client).map_or(0, |c| c.life);
        world.at(after, Event::Client(held.client, client_life, to));
    }
    world.at(down_ms, Event::Node(at, life, ToNode::Begin));
    world.tell(|| format!("node {at} dies for {down_ms} ms"));
}

/// Something reaches a node.
pub fn happen(world: &mut World, at: usize, life: u32, to: ToNode) {
    let now_ms = world.now_ms;
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    if node.life != life {
        return;
    }
    if node.paused_until_ms > now_ms {
        let after = node.paused_until_ms - now_ms;
        world.at(after, Event::Node(at, life, to));
        return;
    }
    match to {
        ToNode::Begin => session_input(world, at, Input::Start),
        ToNode::Session(input) => {
            if matches!(*input, Input::Tick) {
                let (wakes, after) = node.alarm.tick(now_ms);
                if let Some(after) = after {
                    world.at(after, Event::Node(at, life, ToNode::Session(input)));
                    return;
                }
                if !wakes {
                    return;
                }
            }
            session_input(world, at, *input);
        }
        ToNode::Open(link, client) => open(world, at, link, client),
        ToNode::Frame(link, frame) => {
            if let Some(session) = node.by_link.get(&link).copied() {
                connection_input(world, at, session, ToConnection::Frame(frame));
            }
        }
        ToNode::Down(link) => {
            if let Some(session) = node.by_link.get(&link).copied() {
                gone(world, at, session);
            }
        }
        ToNode::Connection(session, input) => connection_input(world, at, session, *input),
        ToNode::Tick(session) => {
            if let Some(held) = node.connections.get_mut(&session) {
                match held.alarm.tick(now_ms) {
                    (true, _) => connection_input(world, at, session, ToConnection::Tick),
                    (false, Some(after)) => {
                        world.at(after, Event::Node(at, life, ToNode::Tick(session)));
                    }
                    (false, None) => {}
                }
            }
        }
    }
}

fn open(world: &mut World, at: usize, link: u64, client: usize) {
    let id = world.id();
    let session = SessionId::v7(world.now_ms, [0; 10]);
    let mut bytes = *session.as_bytes();
    bytes[8..].copy_from_slice(&id.to_be_bytes());
    let session = SessionId::from_bytes(bytes);
    let store = world.store;
    let now_ms = world.now_ms;
    let limits = Limits {
        sends_burst: 1_000,
        sends_per_min: 60_000,
        outbound_frames: 40,
        outbound_bytes: 65_536,
        page_bytes: 8_192,
        page_events: 40,
        ..Limits::default()
    };
    let config = Config {
        session,
        store,
        codec: Codec::MessagePack,
        limits,
        rules: 1,
        marks_ms: 100,
    };
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    let clock = shifted(now_ms, node.clock_ms);
    let machine = Connection::new(config, clock);
    let held = Held {
        machine,
        link,
        client,
        alarm: Alarm::default(),
        stuck_until_ms: 0,
    };
    node.connections.insert(session, held);
    node.by_link.insert(link, session);
    connection_input(world, at, session, ToConnection::Tick);
}

fn shifted(now_ms: u64, by_ms: i64) -> u64 {
    now_ms.saturating_add_signed(by_ms)
}

fn gone(world: &mut World, at: usize, session: SessionId) {
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    if let Some(held) = node.connections.remove(&session) {
        node.by_link.remove(&held.link);
        session_input(world, at, Input::Left { session });
    }
}

/// A node closes a connection: the client hears of it once it has read what came before.
fn close(world: &mut World, at: usize, session: SessionId, code: Code) {
    let Some(held) = world
        .nodes
        .get(at)
        .and_then(|n| n.connections.get(&session))
    else {
        return;
    };
    let (link, client) = (held.link, held.client);
    let after = world.arrival(link, true);
    let life = world.clients.get(client).map_or(0, |c| c.life);
    let down = ToClient::Down(link, Some(code.0));
    world.at(after, Event::Client(client, life, down));
    world.tell(|| format!("node {at} closes link {link} of client {client}: {code}"));
    gone(world, at, session);
}

/// The reader of some connection takes nothing for a while.
pub fn stick(world: &mut World, at: usize, for_ms: u64) {
    let until = world.now_ms + for_ms;
    let pick = world.dice.roll();
    if let Some(node) = world.nodes.get_mut(at) {
        let count = node.connections.len() as u64;
        let which = usize::try_from(pick % count.max(1)).unwrap_or(0);
        if let Some(held) = node.connections.values_mut().nth(which) {
            held.stuck_until_ms = until;
        }
    }
}

/// What a token's row is found by.
#[must_use]
pub fn hash_of(token: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.iter_mut().zip(token.bytes()).for_each(|(h, b)| *h = b);
    hash
}

/// The newest place of a conversation that anyone was answered with, for marks.
#[must_use]
pub fn newest(world: &World, conversation: ConversationId) -> Seq {
    world.history.head(conversation).seq
}
