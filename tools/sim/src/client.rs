//! Clients: each runs the core over a link, and keeps what the core says in a store that may lose
//! what was not confirmed.

mod careless;
mod disk;
mod recorded;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_checker::frames::hash_body;
use parlour_checker::{Intent, Op};
use parlour_client_core::saved::{Asked, Op as StoreOp, Ticket};
use parlour_client_core::{
    Accepted, Client as Core, Ended, Fetch, Input, Link, Output, Request, Settings,
};
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Server;
use parlour_protocol::frame::client::Token;
use parlour_protocol::id::{DeviceId, MessageId, SessionId, UserId};

use self::careless::{Reused, hears, reuse};
use self::disk::Disk;
use self::recorded::{marks, note, own_accord};
use crate::alarm::Alarm;
use crate::wire::Heard;
use crate::world::{Event, ToClient, ToNode, World};

pub use self::recorded::timelines;

/// One device of one user.
pub struct Client {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Raised at every crash of its process.
    pub life: u32,
    /// Whether its owner has it switched off.
    pub off: bool,
    /// Whether it was revoked: it is held to nothing any more.
    pub revoked: bool,
    core: Option<Core>,
    disk: Disk,
    writing: VecDeque<(Ticket, Vec<StoreOp>)>,
    link: Option<(u64, usize)>,
    opening: Option<u64>,
    connection: Option<SessionId>,
    alarm: Alarm,
    /// What was called: asked for by its user, or sent of its own accord.
    pub invoked: BTreeSet<MessageId>,
    ended: BTreeMap<MessageId, Ended>,
    heard: Heard,
    reused: Reused,
    /// Which events its program asks for.
    pub fetch: Fetch,
}

impl Client {
    /// A device whose program was never started.
    #[must_use]
    pub fn new(user: UserId, device: DeviceId) -> Self {
        Self {
            user,
            device,
            life: 0,
            off: false,
            revoked: false,
            core: None,
            disk: Disk::default(),
            writing: VecDeque::new(),
            link: None,
            opening: None,
            connection: None,
            alarm: Alarm::default(),
            invoked: BTreeSet::new(),
            ended: BTreeMap::new(),
            heard: Heard::default(),
            reused: Reused::default(),
            fetch: Fetch::Everything,
        }
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.revoked || self.core.as_ref().is_some_and(Core::quiet)
    }

    /// Whether it is online, and has caught up with everything.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        !self.revoked
            && self
                .core
                .as_ref()
                .is_some_and(|c| c.quiet() && matches!(c.link(), Link::Live))
    }

    /// How its connection stands.
    #[must_use]
    pub fn link_state(&self) -> Option<Link> {
        self.core.as_ref().map(|c| c.link().clone())
    }

    /// What waits to be sent.
    #[must_use]
    pub fn outbox(&self) -> String {
        let rows = self.core.iter().flat_map(Core::outbox);
        format!(
            "outbox {:?}",
            rows.map(|r| (r.id, r.stage.clone())).collect::<Vec<_>>()
        )
    }

    /// Its core, while its program runs.
    #[must_use]
    pub fn core(&self) -> Option<&Core> {
        self.core.as_ref()
    }

    /// How a request of its user ended, if its program told so.
    #[must_use]
    pub fn ended(&self, id: MessageId) -> Option<&Ended> {
        self.ended.get(&id)
    }

    /// The link that it has, and to which node.
    #[must_use]
    pub fn link(&self) -> Option<(u64, usize)> {
        self.link
    }
}

/// Its program dies: what was not confirmed may be lost.
pub fn crash(world: &mut World, at: usize) {
    drop_link(world, at);
    let keep = world.dice.below(3);
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    if client.core.is_none() {
        return;
    }
    client.life += 1;
    client.off = false;
    client.core = None;
    client.alarm = Alarm::default();
    client.opening = None;
    // Of the batches in flight, some first ones may have made it to the disk.
    let writing = core::mem::take(&mut client.writing);
    for (_, ops) in writing.into_iter().take(usize::try_from(keep).unwrap_or(0)) {
        for op in ops {
            client.disk.apply(op);
        }
    }
    let life = client.life;
    world.tell(|| format!("client {at} dies"));
    let down_ms = if world.dice.percent(10) {
        // Hours, as they go here.
        world.dice.between(5_000, 15_000)
    } else {
        world.dice.between(50, 2_000)
    };
    world.at(down_ms, Event::Client(at, life, ToClient::Begin));
}

/// Both ends learn that a link broke, each in its own time.
pub fn cut(world: &mut World, at: usize) {
    let Some((link, node)) = world.clients.get(at).and_then(Client::link) else {
        return;
    };
    world.links.remove(&link);
    let life = world.clients.get(at).map_or(0, |c| c.life);
    // Half-open: one end may believe in it for long.
    let here = if world.dice.percent(20) {
        world.dice.between(500, 8_000)
    } else {
        5
    };
    let there = if world.dice.percent(20) {
        world.dice.between(500, 20_000)
    } else {
        5
    };
    world.at(here, Event::Client(at, life, ToClient::Down(link, None)));
    let node_life = world.nodes.get(node).map_or(0, |n| n.life);
    world.at(there, Event::Node(node, node_life, ToNode::Down(link)));
    world.tell(|| format!("link {link} of client {at} is cut"));
}

fn drop_link(world: &mut World, at: usize) {
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    let device = client.device;
    let connection = client.connection.take();
    if let Some((link, node)) = client.link.take() {
        world.links.remove(&link);
        let life = world.nodes.get(node).map_or(0, |n| n.life);
        let after = world.dice.between(0, 30);
        world.at(after, Event::Node(node, life, ToNode::Down(link)));
    }
    if let Some(connection) = connection {
        world.record(&Op::Disconnect { device, connection });
    }
}

/// Something reaches a client.
pub fn happen(world: &mut World, at: usize, life: u32, to: ToClient) {
    let now_ms = world.now_ms;
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    if client.life != life {
        return;
    }
    match to {
        ToClient::Begin => begin(world, at),
        ToClient::Resume => {
            client.off = false;
            input(world, at, Input::Start);
        }
        ToClient::Die => crash(world, at),
        ToClient::Reuse(conversation, id) => reuse(world, at, conversation, id),
        ToClient::Tick => match client.alarm.tick(now_ms) {
            (true, _) => input(world, at, Input::Tick),
            (false, Some(after)) => {
                world.at(after, Event::Client(at, life, ToClient::Tick));
            }
            (false, None) => {}
        },
        ToClient::Persisted(ticket) => {
            while client.writing.front().is_some_and(|(t, _)| *t <= ticket) {
                if let Some((_, ops)) = client.writing.pop_front() {
                    for op in ops {
                        client.disk.apply(op);
                    }
                }
            }
            input(world, at, Input::Persisted(ticket));
        }
        ToClient::Up(link) => {
            if client.opening == Some(link) {
                client.opening = None;
                input(world, at, Input::Connected);
            }
        }
        ToClient::Down(link, code) => {
            let ours = client.link.is_some_and(|(l, _)| l == link);
            let opening = client.opening == Some(link);
            if ours || opening {
                client.opening = None;
                drop_link(world, at);
                let why = "the link broke".to_owned();
                input(world, at, Input::Disconnected { code, why });
            }
        }
        ToClient::Frame(link, bytes) => {
            if client.link.is_none_or(|(l, _)| l != link) {
                return;
            }
            match Server::decode(Codec::MessagePack, &bytes) {
                Ok(frame) => {
                    if let Some(wrong) = client.heard.frame(link, &frame) {
                        world.breach(wrong);
                    }
                    receive(world, at, frame);
                }
                Err(error) => world.breach(format!("a frame that cannot be read: {error}")),
            }
        }
    }
}

fn begin(world: &mut World, at: usize) {
    let seed = world.dice.bytes();
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    let token = Token(at.to_string());
    let mut settings = Settings::new(client.user, client.device, token);
    settings.fetch = client.fetch;
    settings.answer_ms = 4_000;
    settings.backoff_ms_min = 50;
    settings.backoff_ms_max = 2_000;
    settings.connect_ms = 3_000;
    settings.page_events = 20;
    settings.marks_ms = 300;
    settings.held_max = 100_000;
    let mut core = Core::new(settings, seed);
    let mut out = Vec::new();
    let restored = Box::new(client.disk.restored());
    core.handle(world.now_ms, Input::Restored(restored), &mut out);
    client.core = Some(core);
    world.tell(|| format!("client {at} begins"));
    act(world, at, out);
    let off = world.clients.get(at).is_some_and(|c| c.off);
    if !off {
        input(world, at, Input::Start);
    }
}

fn receive(world: &mut World, at: usize, frame: Server) {
    if let Server::Welcome(welcome) = &frame {
        let connection = welcome.session;
        if let Some(client) = world.clients.get_mut(at) {
            client.connection = Some(connection);
            let (device, user) = (client.device, client.user);
            world.record(&Op::Connect {
                device,
                user,
                connection,
            });
        }
    }
    if world.trace.is_some() {
        world.tell(|| format!("client {at} < {frame:?}"));
    }
    if !hears(world, at, &frame) {
        input(world, at, Input::Frame(Box::new(frame)));
    }
}

/// Feeds a client's core, and does what it says.
pub fn input(world: &mut World, at: usize, input: Input) {
    let now_ms = world.now_ms;
    let Some(core) = world.clients.get_mut(at).and_then(|c| c.core.as_mut()) else {
        return;
    };
    let mut out = Vec::new();
    core.handle(now_ms, input, &mut out);
    act(world, at, out);
}

/// Its user asks for something.
pub fn request(world: &mut World, at: usize, request: Request) -> Option<Accepted> {
    let now_ms = world.now_ms;
    let client = world.clients.get_mut(at)?;
    let (device, user) = (client.device, client.user);
    let core = client.core.as_mut()?;
    let cancels = matches!(request, Request::GiveUp(_));
    let mut out = Vec::new();
    let accepted = core.request(now_ms, request, &mut out).ok()?;
    let row = core.outbox().find(|row| row.id == accepted.id);
    let hash = row.and_then(|row| match &row.asked {
        Asked::Send(send) => Some(hash_body(&send.body)),
        _ => None,
    });
    world.figures.messages += 1;
    let intent = if cancels {
        Intent::Cancel
    } else {
        Intent::Send
    };
    let op = Op::Invoke {
        device,
        user,
        conversation: accepted.conversation,
        id: accepted.id,
        hash: if cancels { None } else { hash },
        intent,
    };
    world.record(&op);
    world.called.insert(accepted.conversation);
    if let Some(client) = world.clients.get_mut(at) {
        client.invoked.insert(accepted.id);
    }
    act(world, at, out);
    Some(accepted)
}

fn act(world: &mut World, at: usize, out: Vec<Output>) {
    for output in out {
        one(world, at, output);
    }
    let now_ms = world.now_ms;
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    let wake_ms = client.core.as_ref().and_then(Core::wake_at);
    if let Some(after) = client.alarm.set(now_ms, wake_ms) {
        let life = client.life;
        world.at(after, Event::Client(at, life, ToClient::Tick));
    }
}

fn one(world: &mut World, at: usize, output: Output) {
    match output {
        Output::Connect => connect(world, at),
        Output::Close => drop_link(world, at),
        Output::Send(frame) => {
            marks(world, at, &frame);
            own_accord(world, at, &frame);
            if world.trace.is_some() {
                world.tell(|| format!("client {at} > {frame:?}"));
            }
            if let Some((link, node)) = world.clients.get(at).and_then(Client::link)
                && world.links.contains(&link)
            {
                let after = world.arrival(link, false);
                let life = world.nodes.get(node).map_or(0, |n| n.life);
                world.at(after, Event::Node(node, life, ToNode::Frame(link, frame)));
            }
        }
        Output::Persist { ticket, ops } => {
            if world.trace.is_some() {
                let rows: Vec<String> = ops
                    .iter()
                    .filter(|op| op.durable())
                    .map(|op| format!("{op:?}").chars().take(400).collect())
                    .collect();
                world.tell(|| format!("client {at} keeps {ticket:?} {rows:?}"));
            }
            let slow = world.breaking && world.dice.percent(5);
            let after = if slow {
                world.dice.between(20, 400)
            } else {
                world.dice.between(0, 3)
            };
            if let Some(client) = world.clients.get_mut(at) {
                client.writing.push_back((ticket, ops));
                let life = client.life;
                world.at(after, Event::Client(at, life, ToClient::Persisted(ticket)));
            }
        }
        Output::Update(update) => note(world, at, update),
    }
}

fn connect(world: &mut World, at: usize) {
    let now_ms = world.now_ms;
    let link = world.id();
    let count = world.nodes.len() as u64;
    let any = usize::try_from(world.dice.below(count)).unwrap_or(0);
    let node = world.script.as_ref().map_or(any, |s| s.door(at));
    let up = world
        .nodes
        .get(node)
        .is_some_and(|n| now_ms >= n.down_until_ms);
    let refused = !up || (world.breaking && world.dice.percent(5));
    let after = world.dice.between(1, 20);
    let Some(client) = world.clients.get_mut(at) else {
        return;
    };
    let life = client.life;
    if refused {
        client.opening = Some(link);
        world.at(after, Event::Client(at, life, ToClient::Down(link, None)));
        return;
    }
    client.link = Some((link, node));
    client.opening = Some(link);
    world.links.insert(link);
    let node_life = world.nodes.get(node).map_or(0, |n| n.life);
    world.at(0, Event::Node(node, node_life, ToNode::Open(link, at)));
    world.at(after, Event::Client(at, life, ToClient::Up(link)));
}
