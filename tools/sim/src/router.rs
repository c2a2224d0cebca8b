//! Routers: each runs the machines of the partitions that it believes to own.

use std::collections::BTreeMap;

use parlour_engine::router::{Bounds, Config, Found, Input, Output, Partition as Machine};
use parlour_ports::history::Cursor;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::position::{Partition, Position};

use crate::alarm::Alarm;
use crate::calls::{Fate, fate};
use crate::script::{Call, OrderId};
use crate::world::{Event, ToNode, World};

/// One router's process.
pub struct Router {
    /// Raised at every crash: what was meant for an earlier life is dropped.
    pub life: u32,
    /// Whether it runs; a stopped one takes nothing until it goes on.
    pub paused_until_ms: u64,
    machines: BTreeMap<Partition, Owned>,
}

struct Owned {
    machine: Machine,
    term: u64,
    /// A read that waits for records.
    parked: Option<(parlour_engine::router::Call, Position, usize)>,
    alarm: Alarm,
}

impl Router {
    /// A router that owns nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            life: 0,
            paused_until_ms: 0,
            machines: BTreeMap::new(),
        }
    }

    /// Whether nothing waits to be delivered.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.machines.values().all(|o| o.machine.waiting() == 0)
    }

    /// It dies, with everything it knew.
    pub fn crash(&mut self) {
        self.life += 1;
        self.machines.clear();
        self.paused_until_ms = 0;
    }

    /// The partitions that it believes to own.
    #[must_use]
    pub fn owns(&self) -> Vec<Partition> {
        self.machines.keys().copied().collect()
    }
}

impl Default for Router {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives a partition to a router. Whoever had it may go on for a while: a zombie.
pub fn assign(world: &mut World, partition: Partition, to: usize) {
    let term = world.id();
    // On one machine a partition is begun once in a life of the process.
    let running = world
        .nodes
        .first()
        .is_some_and(|n| n.down_until_ms <= world.now_ms);
    let owned = world
        .routers
        .iter()
        .any(|r| r.machines.contains_key(&partition));
    if !world.cluster && (owned || !running) {
        return;
    }
    for at in 0..world.routers.len() {
        let Some(router) = world.routers.get(at) else {
            continue;
        };
        if at != to
            && let Some(owned) = router.machines.get(&partition)
        {
            let after = if world.breaking {
                world.dice.between(0, 6_000)
            } else {
                0
            };
            let term = owned.term;
            world.at(after, Event::Revoke(at, partition, term));
        }
    }
    world.owners.insert(partition, to);
    world.tell(|| format!("partition {} is given to router {to}", partition.0));
    let config = Config {
        joined: !world.cluster,
        batch_max: 8,
        in_flight_max: 3,
        raise_after_ms: 300,
        heads_max: 50,
        remembered: 2,
    };
    let Some(router) = world.routers.get_mut(to) else {
        return;
    };
    let machine = Machine::new(partition, config);
    router.machines.insert(
        partition,
        Owned {
            machine,
            term,
            parked: None,
            alarm: Alarm::default(),
        },
    );
    let life = life_of(term);
    input(world, to, life, partition, Input::Assigned);
}

fn life_of(term: u64) -> u32 {
    u32::try_from(term).unwrap_or(u32::MAX)
}

/// A router learns that a partition is not its own any more.
pub fn revoke(world: &mut World, at: usize, partition: Partition, term: u64) {
    if let Some(router) = world.routers.get_mut(at)
        && router
            .machines
            .get(&partition)
            .is_some_and(|o| o.term == term)
    {
        router.machines.remove(&partition);
        world.tell(|| format!("router {at} lets partition {} go", partition.0));
    }
}

/// Feeds a machine, and executes what it says.
pub fn input(world: &mut World, at: usize, life: u32, partition: Partition, input: Input) {
    let now_ms = world.now_ms;
    let Some(router) = world.routers.get_mut(at) else {
        return;
    };
    // What was meant for an earlier machine of the partition is nothing to this one.
    if router
        .machines
        .get(&partition)
        .is_none_or(|o| life_of(o.term) != life)
    {
        return;
    }
    if router.paused_until_ms > now_ms {
        let after = router.paused_until_ms - now_ms;
        world.at(after, Event::Router(at, life, partition, input));
        return;
    }
    let Some(owned) = router.machines.get_mut(&partition) else {
        return;
    };
    if matches!(input, Input::Tick) {
        let (wakes, after) = owned.alarm.tick(now_ms);
        if let Some(after) = after {
            world.at(after, Event::Router(at, life, partition, input));
            return;
        }
        if !wakes {
            return;
        }
    }
    let mut out = Vec::new();
    owned.machine.handle(now_ms, input, &mut out);
    for output in out {
        execute(world, at, life, partition, output);
    }
}

fn execute(world: &mut World, at: usize, life: u32, partition: Partition, output: Output) {
    match output {
        Output::Tell { node, signals } => {
            let node = usize::try_from(node.0).unwrap_or(usize::MAX);
            world.relay(node, signals);
        }
        Output::Done { up_to } => {
            let retained = world.cluster && (world.dice.percent(70) || world.dice.is_still());
            if !retained {
                world.log.expire(up_to.next());
            }
        }
        Output::Placed { .. } => {}
        Output::WakeAt { at_ms } => {
            let now_ms = world.now_ms;
            let Some(owned) = world
                .routers
                .get_mut(at)
                .and_then(|r| r.machines.get_mut(&partition))
            else {
                return;
            };
            if let Some(after) = owned.alarm.set_earlier(now_ms, at_ms) {
                world.at(after, Event::Router(at, life, partition, Input::Tick));
            }
        }
        Output::Stop { remedy } => {
            world.stopped(partition, remedy);
        }
        Output::Release { rules } => world.breach(format!("unknown rules {rules}")),
        Output::Read { .. } => effect(world, at, life, partition, output, 0),
        call => {
            let turn = world.turn(&Call::Router {
                router: at,
                output: &call,
            });
            if let Some((fate, hold)) = turn {
                return dispatch(world, at, life, partition, call, fate, hold);
            }
            let fate = match &call {
                // Between nodes more is lost, and it shows late.
                Output::Raise { .. } if world.breaking && world.dice.percent(15) => {
                    Fate::Vanished {
                        answer_ms: world.dice.between(100, 2_500),
                    }
                }
                // The roster is written in many places, and is slow now and then.
                Output::Apply { .. } if world.breaking && world.dice.percent(8) => Fate::Fine {
                    effect_ms: world.dice.between(20, 2_000),
                    answer_ms: world.dice.between(0, 50),
                },
                _ => fate(&mut world.dice, world.breaking),
            };
            dispatch(world, at, life, partition, call, fate, None);
        }
    }
}

fn dispatch(
    world: &mut World,
    at: usize,
    life: u32,
    partition: Partition,
    output: Output,
    fate: Fate,
    hold: Option<OrderId>,
) {
    let Some(call) = call_of(&output) else { return };
    let failed = |after| {
        (
            after,
            Event::Router(at, life, partition, Input::Failed { call }),
        )
    };
    match fate {
        Fate::Fine {
            effect_ms,
            answer_ms,
        } => {
            let output = Box::new(output);
            world.effect(
                hold,
                effect_ms,
                Event::RouterCall(at, life, partition, output, answer_ms),
            );
        }
        Fate::Refused { answer_ms } | Fate::Vanished { answer_ms } => {
            let (after, event) = failed(answer_ms);
            world.at(after, event);
        }
        Fate::Lost {
            effect_ms,
            whole,
            answer_ms,
        } => {
            match output {
                Output::Store { mut rows, .. } => {
                    if !world.cluster {
                        // One machine commits a batch whole or not at all, and at once.
                        if whole {
                            world.write(&rows);
                        }
                        rows.clear();
                    } else if !whole {
                        // Any part, in any order.
                        let mut part = Vec::new();
                        for row in rows {
                            if world.dice.percent(50) {
                                let place = world.dice.below(part.len() as u64 + 1);
                                part.insert(usize::try_from(place).unwrap_or(0), row);
                            }
                        }
                        rows = part;
                    }
                    world.late += 1;
                    world.effect(hold, effect_ms, Event::Rows(rows));
                }
                Output::Apply { changes, .. } => {
                    world.late += 1;
                    world.effect(hold, effect_ms, Event::Changes(changes));
                }
                Output::Raise { node, signals, .. } => {
                    // The node has it, and its word is lost.
                    let node = usize::try_from(node.0).unwrap_or(usize::MAX);
                    world.relay(node, signals);
                }
                Output::Advance { progress, .. } if effect_ms < 1_000 => {
                    world.history.advance(Cursor::Router, progress);
                }
                _ => {}
            }
            let (after, event) = failed(answer_ms);
            world.at(after, event);
        }
    }
}

fn call_of(output: &Output) -> Option<parlour_engine::router::Call> {
    match output {
        Output::ReadProgress { call }
        | Output::ReadBounds { call }
        | Output::Read { call, .. }
        | Output::Ask { call, .. }
        | Output::Store { call, .. }
        | Output::Locate { call, .. }
        | Output::Apply { call, .. }
        | Output::Raise { call, .. }
        | Output::Advance { call, .. } => Some(*call),
        _ => None,
    }
}

/// A call takes effect now, and is answered after a while.
pub fn effect(
    world: &mut World,
    at: usize,
    life: u32,
    partition: Partition,
    output: Output,
    answer_ms: u64,
) {
    let alive = world
        .routers
        .get(at)
        .and_then(|r| r.machines.get(&partition))
        .is_some_and(|o| life_of(o.term) == life);
    let answer = match output {
        Output::ReadProgress { call } => Input::Progress {
            call,
            cursors: vec![world.history.progress(Cursor::Router, partition)],
        },
        Output::ReadBounds { call } => {
            let bounds = world.log.bounds(partition).into_iter().map(|b| Bounds {
                generation: b.generation,
                first: b.first,
                end: b.end,
                sealed: b.sealed,
            });
            Input::Bounds {
                call,
                bounds: bounds.collect(),
            }
        }
        Output::Read { call, from, max } => match world.log.read(from, max) {
            Ok(records) if records.is_empty() => {
                if let Some(owned) = world
                    .routers
                    .get_mut(at)
                    .and_then(|r| r.machines.get_mut(&partition))
                    .filter(|o| life_of(o.term) == life)
                {
                    owned.parked = Some((call, from, max));
                }
                return;
            }
            Ok(records) => Input::Records { call, records },
            // It reads what its successor had forgotten: its process ends, and begins again.
            Err(_) => {
                if alive {
                    world.tell(|| format!("router {at} reads {from}, which is gone"));
                    world.routers[at].machines.remove(&partition);
                    // Unless it is a zombie, the partition is its own when it is back.
                    if world.owners.get(&partition) == Some(&at) {
                        world.at(100, Event::Assign(partition, at));
                    }
                }
                return;
            }
        },
        Output::Ask {
            call,
            as_of,
            questions,
        } => {
            let as_of = if planted(Mutant::AsOfIgnored) {
                Position {
                    generation: parlour_protocol::position::Generation(u64::MAX),
                    ..as_of
                }
            } else {
                as_of
            };
            let facts = questions
                .iter()
                .map(|q| world.history.fact(as_of, q))
                .collect();
            Input::Facts { call, facts }
        }
        Output::Store { call, rows } => {
            // What a dead router sent is on its way all the same, between processes.
            if planted(Mutant::AnsweredBeforeSync) && !world.cluster {
                // It is there in a while, if the process lives so long.
                let life = world.generation();
                world.at(300, Event::Unsynced(life, rows));
            } else if alive || world.cluster {
                world.write(&rows);
            }
            Input::Stored { call }
        }
        Output::Locate {
            call,
            users,
            channels,
        } => {
            let everywhere = (!world.sessions_up).then(|| {
                (0..world.nodes.len())
                    .map(|n| parlour_protocol::node::NodeId(n as u64))
                    .collect()
            });
            let now_ms = world.now_ms;
            let found = Found {
                locations: if world.sessions_up {
                    world.sessions.locate(&users, now_ms)
                } else {
                    Vec::new()
                },
                watchers: channels
                    .iter()
                    .map(|c| (*c, world.sessions.watchers(*c, now_ms)))
                    .collect(),
                everywhere,
            };
            Input::Located { call, found }
        }
        Output::Apply { call, changes } => {
            changes.iter().for_each(|change| world.roster.apply(change));
            Input::Applied { call }
        }
        Output::Raise {
            call,
            node,
            signals,
        } => {
            let now_ms = world.now_ms;
            let held = world.sessions.nodes(now_ms).contains(&node);
            let to = usize::try_from(node.0).unwrap_or(usize::MAX);
            let up = world.nodes.get(to).is_some_and(|n| n.is_up(now_ms)) && !world.is_cut(to);
            if up {
                let life = world.nodes.get(to).map_or(0, |n| n.life);
                let signals = parlour_engine::session::Input::Signals(signals);
                world.at(0, Event::Node(to, life, ToNode::Session(Box::new(signals))));
                Input::Raised { call }
            } else if held {
                Input::Failed { call }
            } else {
                // Its lease is gone: whoever was there is somewhere else now, and syncs.
                Input::NodeGone { node }
            }
        }
        Output::Advance { call, progress } => {
            world.history.advance(Cursor::Router, progress);
            Input::Advanced { call }
        }
        _ => return,
    };
    let just_written = matches!(answer, Input::Stored { .. } | Input::Advanced { .. });
    world.at(answer_ms, Event::Router(at, life, partition, answer));
    // The worst moments to die: rows or progress are durable, and nobody was told so.
    if just_written && world.cluster && world.breaking && alive && world.dice.below(600) == 0 {
        world.figures.faults += 1;
        world.tell(|| format!("router {at} dies between a write and its answer"));
        crate::faults::router_dies(world, at);
    }
}

/// Records came: whoever waited for them reads.
pub fn wake_readers(world: &mut World, partition: Partition) {
    for at in 0..world.routers.len() {
        let Some(router) = world.routers.get_mut(at) else {
            continue;
        };
        let Some(owned) = router.machines.get_mut(&partition) else {
            continue;
        };
        let life = life_of(owned.term);
        if let Some((call, from, max)) = owned.parked.take() {
            let after = world.dice.between(0, 3);
            let read = Box::new(Output::Read { call, from, max });
            world.at(after, Event::RouterCall(at, life, partition, read, 0));
        }
    }
}
