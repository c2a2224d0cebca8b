//! Gateway nodes: each runs the machine of its sessions and one machine for each connection.

mod tell;

use std::collections::BTreeMap;

use parlour_engine::gateway::admit::Identity;
use parlour_engine::gateway::connection::{Ask, Config};
use parlour_engine::gateway::need::{self, Have, Need};
use parlour_engine::gateway::{Connection, Input as ToConnection, Output as FromConnection};
use parlour_engine::session::{self, Input, Output};
use parlour_ports::accounts::Holder;
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::kind::{self, Shape, setting};
use parlour_protocol::limits::Limits;
use parlour_protocol::node::{Incarnation, NodeId};
use parlour_protocol::position::Partition;
use parlour_protocol::seq::Seq;

use self::tell::tell;
use crate::calls::{Fate, fate};
use crate::script::Call;
use crate::world::{Event, LEASE_MS, PARTITIONS, ToClient, ToNode, World};

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
    tick_ms: Option<u64>,
}

struct Held {
    machine: Connection,
    link: u64,
    client: usize,
    tick_ms: Option<u64>,
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
            tick_ms: None,
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
    node.tick_ms = None;
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
                // Planned before an earlier one was. By seed it comes all the same, for the worlds
                // of kept seeds to stay what they are; over a script's hours they would breed.
                if world.script.is_some() && node.tick_ms.is_some_and(|t| t > now_ms) {
                    return;
                }
                node.tick_ms = None;
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
                held.tick_ms = None;
                connection_input(world, at, session, ToConnection::Tick);
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
        tick_ms: None,
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

fn connection_input(world: &mut World, at: usize, session: SessionId, input: ToConnection) {
    let now_ms = world.now_ms;
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    let clock = shifted(now_ms, node.clock_ms);
    let Some(held) = node.connections.get_mut(&session) else {
        return;
    };
    let mut out = Vec::new();
    held.machine.handle(clock, input, &mut out);
    for output in out {
        from_connection(world, at, session, output);
    }
}

fn from_connection(world: &mut World, at: usize, session: SessionId, output: FromConnection) {
    let now_ms = world.now_ms;
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    let (life, clock_ms) = (node.life, node.clock_ms);
    let Some(held) = node.connections.get_mut(&session) else {
        return;
    };
    let (link, client) = (held.link, held.client);
    match output {
        FromConnection::Send(bytes) => {
            let stuck = held.stuck_until_ms.saturating_sub(now_ms);
            let len = bytes.len() as u64;
            // Once: what is sent behind it waits for the same end, and is not held up anew.
            let after = world.arrival(link, true).max(stuck);
            if let Some(last) = world.arrivals.get_mut(&(link, true)) {
                *last = now_ms + after;
            }
            if world.links.contains(&link) {
                let client_life = world.clients.get(client).map_or(0, |c| c.life);
                let frame = ToClient::Frame(link, bytes);
                world.at(after, Event::Client(client, client_life, frame));
            }
            let written = ToConnection::Written {
                frames: 1,
                bytes: len,
            };
            let written = ToNode::Connection(session, Box::new(written));
            world.at(after.min(stuck + 3), Event::Node(at, life, written));
        }
        FromConnection::Close(code) => close(world, at, session, code),
        FromConnection::Verify { token, .. } => {
            let result = match world.accounts.verify(hash_of(&token.0)) {
                Holder::Device(row) => Ok(Identity {
                    user: row.user,
                    device: row.device,
                    scopes: row.scopes,
                }),
                Holder::Revoked => Err(Code::REVOKED),
                Holder::Nobody => Err(Code::BAD_TOKEN),
            };
            let input = ToConnection::Verified(result);
            let after = world.dice.between(0, 5);
            let to = ToNode::Connection(session, Box::new(input));
            world.at(after, Event::Node(at, life, to));
        }
        FromConnection::Register { user, device } => {
            session_input(
                world,
                at,
                Input::Joined {
                    session,
                    user,
                    device,
                },
            );
        }
        FromConnection::Ask { ask, need } => {
            let call = Call::Need {
                client,
                need: &need,
            };
            let (fate, hold) = match world.turn(&call) {
                Some(turn) => turn,
                None => (fate(&mut world.dice, world.breaking), None),
            };
            match fate {
                Fate::Fine {
                    effect_ms,
                    answer_ms,
                } => {
                    let call = Event::NodeCall(at, life, session, ask, Box::new(need), answer_ms);
                    world.effect(hold, effect_ms, call);
                }
                Fate::Refused { answer_ms } | Fate::Vanished { answer_ms } => {
                    refuse(world, at, life, session, ask, answer_ms);
                }
                Fate::Lost { answer_ms, .. } => {
                    if let Need::StoreMarks { marks } = &need {
                        let user = world.clients.get(client).map(|c| c.user);
                        for (conversation, mark) in marks {
                            world
                                .roster
                                .mark(user.unwrap_or_default(), *conversation, *mark);
                        }
                    }
                    refuse(world, at, life, session, ask, answer_ms);
                }
            }
        }
        FromConnection::Append {
            ask,
            conversation,
            record,
        } => {
            let partition = Partition::of(conversation, PARTITIONS);
            let answer = |done| {
                let input = ToConnection::Appended { ask, done };
                ToNode::Connection(session, Box::new(input))
            };
            // On one machine the log is a queue in the same process: an append is there at once.
            let call = Call::Append {
                client,
                record: &record,
            };
            let (fate, hold) = match world.turn(&call) {
                Some(turn) => turn,
                None if world.cluster => (fate(&mut world.dice, world.breaking), None),
                None => {
                    let at_once = Fate::Fine {
                        effect_ms: 0,
                        answer_ms: 0,
                    };
                    (at_once, None)
                }
            };
            let generation = (!world.cluster).then(|| world.generation());
            match fate {
                Fate::Fine {
                    effect_ms,
                    answer_ms,
                } => {
                    world.late += 1;
                    let record = Event::Record(partition, record, generation);
                    world.effect(hold, effect_ms, record);
                    let answer = Event::Node(at, life, answer(Ok(())));
                    world.effect(hold, effect_ms + answer_ms, answer);
                }
                Fate::Refused { answer_ms } => {
                    let done = Err(Some(Code::UNAVAILABLE));
                    world.at(answer_ms, Event::Node(at, life, answer(done)));
                }
                Fate::Vanished { answer_ms } => {
                    world.at(answer_ms, Event::Node(at, life, answer(Err(None))));
                }
                Fate::Lost {
                    effect_ms,
                    answer_ms,
                    ..
                } => {
                    world.late += 1;
                    let record = Event::Record(partition, record, generation);
                    world.effect(hold, effect_ms, record);
                    world.at(answer_ms, Event::Node(at, life, answer(Err(None))));
                }
            }
        }
        FromConnection::Tell(signal) => tell(world, signal),
        FromConnection::Focus(conversation) => {
            session_input(
                world,
                at,
                Input::Focus {
                    session,
                    conversation,
                },
            );
        }
        FromConnection::Watch(users) => {
            session_input(world, at, Input::Watch { session, users });
        }
        FromConnection::WakeAt { at_ms } => {
            let at_ms = shifted(at_ms, -clock_ms);
            if held.tick_ms.is_none_or(|t| at_ms < t || t <= now_ms) {
                held.tick_ms = Some(at_ms);
                let after = at_ms.saturating_sub(now_ms).max(1);
                world.at(after, Event::Node(at, life, ToNode::Tick(session)));
            }
        }
    }
}

fn refuse(world: &mut World, at: usize, life: u32, session: SessionId, ask: Ask, after_ms: u64) {
    let input = ToConnection::Got {
        ask,
        have: Err(Code::UNAVAILABLE),
    };
    let to = ToNode::Connection(session, Box::new(input));
    world.at(after_ms, Event::Node(at, life, to));
}

fn entry(world: &World, user: UserId, conversation: ConversationId) -> Option<need::Entry> {
    let entry = world.roster.entry(user, conversation)?;
    let mut standing = entry.standing;
    if !world.cluster {
        // One machine joins heads with their events.
        standing.head = world.history.head(conversation);
    }
    Some(need::Entry {
        standing,
        mark: entry.mark,
        other: entry.other,
        member: entry.member,
        removed: entry.removed,
        mentions: entry.mentions,
    })
}

/// A call of a connection takes effect now.
pub fn effect(
    world: &mut World,
    at: usize,
    life: u32,
    session: SessionId,
    ask: Ask,
    need: &Need,
    answer_ms: u64,
) {
    let Some(client) = world
        .nodes
        .get(at)
        .filter(|n| n.life == life)
        .and_then(|n| n.connections.get(&session))
        .map(|held| held.client)
    else {
        return;
    };
    let Some(user) = world.clients.get(client).map(|c| c.user) else {
        return;
    };
    let have = match need {
        Need::Admit {
            conversation, peer, ..
        } => {
            let open = world.history.settings(*conversation).iter().any(|s| {
                s.key == format!("{}:{}", kind::SETTING, setting::JOIN)
                    && s.value.as_deref() == Some(setting::OPEN)
            });
            let known = |peer: UserId| world.clients.iter().any(|c| c.user == peer);
            Have::Admit(Box::new(need::Admit {
                entry: entry(world, user, *conversation),
                open,
                peer_exists: peer.is_none_or(known),
                blocked: false,
                newer_lists: Vec::new(),
                nobody: Vec::new(),
            }))
        }
        Need::Inbox { after } => {
            let page = world.roster.inbox(user, *after, 3);
            Have::Inbox(
                page.iter()
                    .filter_map(|e| entry(world, user, e.standing.conversation))
                    .collect(),
            )
        }
        Need::Entry { conversation } => {
            Have::Entry(entry(world, user, *conversation).map(Box::new))
        }
        Need::History {
            conversation,
            after,
            before,
            newest,
            limit,
            changes_since,
        } => {
            let c = *conversation;
            let Some(entry) = entry(world, user, c) else {
                return got(
                    world,
                    at,
                    life,
                    session,
                    ask,
                    Have::History(None),
                    answer_ms,
                );
            };
            let mut more = false;
            // The head row, read before the events: raised in order behind whole batches, so that
            // of a batch that is there in part nothing is taken as known.
            let as_of = entry.standing.head.min(world.history.head(c));
            let before = (*before).min(as_of.seq.next());
            let range = match changes_since {
                None => parlour_ports::history::Range {
                    as_of,
                    ..world.history.range(c, *after, before, *newest, *limit)
                },
                Some(since) => {
                    let targets = world.history.changed(c, *since, *after, before, *limit);
                    more = targets.len() >= *limit;
                    let mut all = parlour_ports::history::Range {
                        as_of,
                        ..Default::default()
                    };
                    for target in targets {
                        let one = world
                            .history
                            .range(c, target.prev(), target.next(), false, 1);
                        all.events.extend(one.events);
                        all.changes.extend(one.changes);
                        all.erased.extend(one.erased);
                    }
                    all
                }
            };
            Have::History(Some(Box::new(need::History {
                entry,
                intervals: world.history.intervals(c, user),
                as_of: range.as_of,
                events: range.events,
                changes: range.changes,
                erased: range.erased,
                more,
            })))
        }
        Need::Marks { conversation } => {
            let members = world.roster.members(*conversation, None, 1_000);
            let users: Vec<UserId> = members.into_iter().map(|(u, _, _)| u).collect();
            Have::Marks(world.roster.marks(*conversation, &users))
        }
        Need::StoreMarks { marks } => Have::Stored(
            marks
                .iter()
                .map(|(c, mark)| (*c, world.roster.mark(user, *c, *mark)))
                .collect(),
        ),
        Need::Mail { .. } => Have::Mail(Vec::new()),
        Need::PutMail { .. } | Need::AckMail { .. } => Have::Done,
        Need::Rights { users } => Have::Rights(users.clone()),
    };
    got(world, at, life, session, ask, have, answer_ms);
}

fn got(
    world: &mut World,
    at: usize,
    life: u32,
    session: SessionId,
    ask: Ask,
    have: Have,
    answer_ms: u64,
) {
    let input = ToConnection::Got {
        ask,
        have: Ok(have),
    };
    world.at(
        answer_ms,
        Event::Node(at, life, ToNode::Connection(session, Box::new(input))),
    );
}

fn session_input(world: &mut World, at: usize, input: Input) {
    let now_ms = world.now_ms;
    let random = world.dice.roll();
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    let mut out = Vec::new();
    node.machine.handle(now_ms, input, random, &mut out);
    for output in out {
        from_session(world, at, output);
    }
}

fn from_session(world: &mut World, at: usize, output: Output) {
    let now_ms = world.now_ms;
    let Some(node) = world.nodes.get_mut(at) else {
        return;
    };
    let life = node.life;
    match output {
        Output::Give { session, given } => {
            let input = ToNode::Connection(session, Box::new(ToConnection::Given(given)));
            world.at(0, Event::Node(at, life, input));
        }
        Output::Ready { session } => {
            let input = ToNode::Connection(session, Box::new(ToConnection::Registered));
            world.at(0, Event::Node(at, life, input));
        }
        Output::Close { session, code } => {
            // The connection machine is told by its end.
            close(world, at, session, code);
        }
        Output::Interest {
            channel,
            on,
            incarnation,
        } => {
            world
                .sessions
                .interest(NodeId(at as u64), incarnation, channel, on);
        }
        Output::WakeAt { at_ms } => {
            if node.tick_ms.is_none_or(|t| at_ms < t || t <= now_ms) {
                node.tick_ms = Some(at_ms);
                let after = at_ms.saturating_sub(now_ms).max(1);
                let tick = ToNode::Session(Box::new(Input::Tick));
                world.at(after, Event::Node(at, life, tick));
            }
        }
        call => {
            let turn = world.turn(&Call::Node {
                node: at,
                output: &call,
            });
            let (effect_ms, answer_ms) = if world.cluster {
                // A store that is slow now and then, on either way.
                let slow = if world.breaking { 8 } else { 0 };
                // Memberships are many rows: their reading is slow more often.
                let slow = match call {
                    Output::ReadChannels { .. } => slow * 4,
                    _ => slow,
                };
                let way = |dice: &mut crate::dice::Dice| {
                    let most = if dice.percent(slow) { 1_500 } else { 20 };
                    dice.between(0, most)
                };
                (way(&mut world.dice), way(&mut world.dice))
            } else {
                (0, 0)
            };
            match turn {
                None => world.at(
                    effect_ms,
                    Event::SessionCall(at, life, Box::new(call), answer_ms),
                ),
                Some((
                    Fate::Fine {
                        effect_ms,
                        answer_ms,
                    },
                    hold,
                )) => world.effect(
                    hold,
                    effect_ms,
                    Event::SessionCall(at, life, Box::new(call), answer_ms),
                ),
                // Nothing comes of it, and the machine hears so where it can.
                Some(_) => {
                    let failed = match call {
                        Output::Lease { .. } => Input::LeaseFailed,
                        Output::Register(location) => Input::Registered {
                            session: location.session,
                            ok: false,
                        },
                        Output::ReadChannels { user } => Input::ChannelsFailed { user },
                        _ => return,
                    };
                    world.at(1, Event::Node(at, life, ToNode::Session(Box::new(failed))));
                }
            }
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

/// A call of a node's machine takes effect now.
pub fn session_effect(world: &mut World, at: usize, life: u32, output: Output, answer_ms: u64) {
    let now_ms = world.now_ms;
    if world.nodes.get(at).is_none_or(|n| n.life != life) {
        return;
    }
    let up = world.sessions_up;
    let answer = match output {
        Output::Lease {
            incarnation,
            ttl_ms,
        } if up => {
            let ok = world
                .sessions
                .lease(NodeId(at as u64), incarnation, now_ms, ttl_ms);
            world.tell(|| format!("node {at} lease {incarnation:?} {ok}"));
            Input::Leased { ok }
        }
        Output::Lease { .. } => Input::LeaseFailed,
        Output::Register(location) => {
            if up {
                world.sessions.register(location);
            }
            world.tell(|| format!("node {at} registers {location:?} {up}"));
            Input::Registered {
                session: location.session,
                ok: up,
            }
        }
        Output::Unregister(location) => {
            world.sessions.unregister(location, now_ms);
            world.tell(|| format!("node {at} unregisters {location:?}"));
            return;
        }
        Output::ReadChannels { user } => {
            let inbox = world.roster.inbox(user, None, 1_000);
            let channels = inbox
                .iter()
                .filter(|e| e.standing.shape == Shape::Channel)
                .map(|e| {
                    let c = e.standing.conversation;
                    session::InChannel {
                        channel: c,
                        as_of: e.standing.head.seq,
                        history: e.standing.history,
                        intervals: world.history.intervals(c, user),
                    }
                })
                .collect();
            Input::Channels { user, channels }
        }
        Output::ReadPresence(users) => Input::Presence(world.sessions.presence(&users, now_ms)),
        Output::ReadRevoked { after } => {
            Input::Revocations(world.accounts.revoked(after, usize::MAX))
        }
        _ => return,
    };
    world.at(
        answer_ms,
        Event::Node(at, life, ToNode::Session(Box::new(answer))),
    );
}

/// The newest place of a conversation that anyone was answered with, for marks.
#[must_use]
pub fn newest(world: &World, conversation: ConversationId) -> Seq {
    world.history.head(conversation).seq
}
