//! The router by transcripts: what the runtime reports in, what it is to do out.
//!
//! Inputs: `assigned`, `progress` / `progress OFFSET`, `bounds FIRST..END`, `records LINE; LINE`,
//! `facts` (from the rows stored so far), `stored N`, `applied N`, `located N user@node …`,
//! `raised N`, `advanced N`, `failed N`, `gone NODE`, `tick MS`.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;

use parlour_engine::router::{Bounds, Call, Config, Found, Input, Output, Partition};
use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::{DeviceId, SessionId};
use parlour_protocol::node::{Incarnation, Location, NodeId, Signal};
use parlour_protocol::position::{self, Generation, Offset, Position, Progress};
use parlour_protocol::record::Record;
use parlour_protocol::row::Row;
use script::{answer, transcripts, user, user_name};
use store::Store;

const P: position::Partition = position::Partition(0);

fn at(offset: u64) -> Position {
    Position {
        generation: Generation(1),
        partition: P,
        offset: Offset(offset),
    }
}

struct World {
    router: Partition,
    store: Store,
    now_ms: u64,
    written: u64,
    records: Vec<Record>,
    stores: Vec<(Call, Vec<Row>)>,
    asked: Option<(Call, Position, Vec<parlour_protocol::fact::Question>)>,
    reading: Option<Call>,
    progress: Option<Call>,
    bounds: Option<Call>,
}

fn users(of: &[parlour_protocol::UserId]) -> String {
    of.iter()
        .map(|u| user_name(*u))
        .collect::<Vec<_>>()
        .join(",")
}

fn signal(s: &Signal) -> String {
    match s {
        Signal::Answer { answer: a, .. } => answer(*a),
        Signal::Event { event, to } => format!("event {:?} to {}", event.seq, users(to)),
        Signal::Raised { head, to, .. } => format!("head {:?} to {}", head.seq, users(to)),
        Signal::Behind => "behind".into(),
        other => format!("{other:?}"),
    }
}

impl World {
    fn new(joined: bool) -> Self {
        let config = Config {
            joined,
            batch_max: 4,
            in_flight_max: 2,
            ..Config::default()
        };
        Self {
            router: Partition::new(P, config),
            store: Store::default(),
            now_ms: 0,
            written: 0,
            records: Vec::new(),
            stores: Vec::new(),
            asked: None,
            reading: None,
            progress: None,
            bounds: None,
        }
    }

    fn input(&mut self, line: &str) -> Input {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let call = || {
            Call(
                rest.split(' ')
                    .next()
                    .and_then(|n| n.parse().ok())
                    .expect("a call"),
            )
        };
        match verb {
            "assigned" => Input::Assigned,
            "progress" => {
                let cursor = rest
                    .split_whitespace()
                    .map(|offset| {
                        let offset: u64 = offset.parse().expect("an offset");
                        let hash = self
                            .records
                            .get(offset as usize)
                            .map_or(Bytes::from(vec![9; 32]), Record::hash);
                        (
                            Generation(1),
                            Progress {
                                position: at(offset),
                                record_hash: hash,
                            },
                        )
                    })
                    .collect();
                Input::Progress {
                    call: self.progress.take().expect("asked"),
                    cursors: vec![cursor],
                }
            }
            "bounds" => {
                let (first, end) = rest.split_once("..").expect("FIRST..END");
                let offset = |s: &str| Offset(s.parse().expect("an offset"));
                Input::Bounds {
                    call: self.bounds.take().expect("asked"),
                    bounds: vec![Bounds {
                        generation: Generation(1),
                        first: offset(first),
                        end: offset(end),
                        sealed: false,
                    }],
                }
            }
            "records" => {
                let records: Vec<_> = rest
                    .split(';')
                    .map(|l| {
                        let record = script::record(l.trim());
                        self.records.push(record.clone());
                        self.written += 1;
                        (at(self.written - 1), record)
                    })
                    .collect();
                Input::Records {
                    call: self.reading.take().expect("a read"),
                    records,
                }
            }
            "facts" => {
                let (call, as_of, questions) = self.asked.take().expect("asked");
                Input::Facts {
                    call,
                    facts: self.store.facts(as_of, &questions),
                }
            }
            "stored" => {
                let call = call();
                let at = self
                    .stores
                    .iter()
                    .position(|(c, _)| *c == call)
                    .expect("a store");
                let (_, rows) = self.stores.remove(at);
                self.store.append(&rows);
                Input::Stored { call }
            }
            "applied" => Input::Applied { call: call() },
            "raised" => Input::Raised { call: call() },
            "advanced" => Input::Advanced { call: call() },
            "failed" => Input::Failed { call: call() },
            "gone" => Input::NodeGone {
                node: NodeId(call().0),
            },
            "tick" => {
                self.now_ms = call().0;
                Input::Tick
            }
            "located" => {
                let mut found = Found::default();
                for word in rest.split(' ').skip(1) {
                    let (who, node) = word.split_once('@').expect("user@node");
                    let node = NodeId(node.parse().expect("a node"));
                    if who == "every" {
                        found.everywhere.get_or_insert_default().push(node);
                        continue;
                    }
                    found.locations.push(Location {
                        user: user(who),
                        device: DeviceId::NIL,
                        session: SessionId::NIL,
                        node,
                        incarnation: Incarnation(1),
                    });
                }
                Input::Located {
                    call: call(),
                    found,
                }
            }
            other => panic!("no input {other}"),
        }
    }

    fn show(&mut self, output: Output) -> String {
        match output {
            Output::ReadProgress { call } => {
                self.progress = Some(call);
                format!("{}: read progress", call.0)
            }
            Output::ReadBounds { call } => {
                self.bounds = Some(call);
                format!("{}: read bounds", call.0)
            }
            Output::Read { call, from, .. } => {
                self.reading = Some(call);
                format!("{}: read from {}", call.0, from.offset.0)
            }
            Output::Ask {
                call,
                as_of,
                questions,
            } => {
                let text = format!(
                    "{}: ask {} as of {}",
                    call.0,
                    questions.len(),
                    as_of.offset.0
                );
                self.asked = Some((call, as_of, questions));
                text
            }
            Output::Store { call, rows } => {
                let events: Vec<_> = rows
                    .iter()
                    .filter_map(|r| match r {
                        Row::Event(e) => Some(format!("{:?}", e.seq)),
                        _ => None,
                    })
                    .collect();
                let text = format!(
                    "{}: store {} rows, events {}",
                    call.0,
                    rows.len(),
                    events.join(" ")
                );
                if !self.stores.iter().any(|(c, _)| *c == call) {
                    self.stores.push((call, rows));
                }
                text
            }
            Output::Locate {
                call,
                users: of,
                channels,
            } => {
                format!(
                    "{}: locate {} and {} channels",
                    call.0,
                    users(&of),
                    channels.len()
                )
            }
            Output::Tell { node, signals } => {
                let signals: Vec<_> = signals.iter().map(signal).collect();
                format!("tell node {}: {}", node.0, signals.join("; "))
            }
            Output::Apply { call, changes } => {
                format!("{}: apply {} changes", call.0, changes.len())
            }
            Output::Raise {
                call,
                node,
                signals,
            } => {
                let signals: Vec<_> = signals.iter().map(signal).collect();
                format!(
                    "{}: raise at node {}: {}",
                    call.0,
                    node.0,
                    signals.join("; ")
                )
            }
            Output::Advance { call, progress } => {
                format!("{}: advance to {}", call.0, progress.position.offset.0)
            }
            Output::Done { up_to } => format!("done up to {}", up_to.offset.0),
            Output::Placed { events, up_to } => {
                format!("push gets {} events up to {}", events.len(), up_to.offset.0)
            }
            Output::WakeAt { at_ms } => format!("wake at {at_ms}"),
            Output::Stop { remedy } => format!("STOP: {remedy}"),
            Output::Release { rules } => format!("RELEASE: rules {rules}"),
        }
    }
}

fn run(joined: bool, lines: &[&str]) -> Vec<String> {
    let mut world = World::new(joined);
    lines
        .iter()
        .map(|line| {
            let input = world.input(line);
            let mut out = Vec::new();
            world.router.handle(world.now_ms, input, &mut out);
            out.into_iter()
                .map(|o| format!("  {}\n", world.show(o)))
                .collect()
        })
        .collect()
}

#[test]
fn a_cluster() {
    transcripts("router/cluster", |lines| run(false, lines));
}

#[test]
fn one_machine() {
    transcripts("router/joined", |lines| run(true, lines));
}
