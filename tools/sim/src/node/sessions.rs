//! The machine of a node's sessions: what it is fed, and what comes of what it puts out.

use parlour_engine::gateway::Input as ToConnection;
use parlour_engine::session::{self, Input, Output};
use parlour_protocol::kind::Shape;
use parlour_protocol::node::NodeId;

use super::close;
use crate::calls::Fate;
use crate::script::Call;
use crate::world::{Event, ToNode, World};

pub(super) fn session_input(world: &mut World, at: usize, input: Input) {
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
            if let Some(after) = node.alarm.set(now_ms, Some(at_ms)) {
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
                    Output::ReadChannels { .. } if world.coming_and_going => slow * 7,
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
