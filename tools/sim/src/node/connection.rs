//! One connection's machine on a node: what it is fed, and what comes of what it puts out.

use parlour_engine::gateway::admit::Identity;
use parlour_engine::gateway::need::Need;
use parlour_engine::gateway::{Input as ToConnection, Output as FromConnection};
use parlour_engine::session::Input;
use parlour_ports::accounts::Holder;
use parlour_protocol::error::Code;
use parlour_protocol::id::SessionId;
use parlour_protocol::position::Partition;

use super::answer::refuse;
use super::sessions::session_input;
use super::tell::tell;
use super::{close, hash_of, shifted};
use crate::calls::{Fate, fate};
use crate::script::Call;
use crate::world::{Event, PARTITIONS, ToClient, ToNode, World};

pub(super) fn connection_input(
    world: &mut World,
    at: usize,
    session: SessionId,
    input: ToConnection,
) {
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
            if let Some(after) = held.alarm.set(now_ms, Some(at_ms)) {
                world.at(after, Event::Node(at, life, ToNode::Tick(session)));
            }
        }
    }
}
