//! Push by transcripts: what the runtime reports in, what it is to do out.
//!
//! Inputs: `placed LINE; LINE` (in order, as in the log's scripts), `tick MS`, `facts N FACT …`,
//! `failed N`, `read USER CONV SEQ`, `advanced [no]`. A fact is `USER[:WORD,…]` with the words
//! `heard=MS`, `read=SEQ`, `muted`, `outside`, `blocked`, `devices=N`.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;
#[allow(dead_code, unreachable_pub)]
#[path = "support/world.rs"]
mod world;

use parlour_engine::log::sequencer::Sequencer;
use parlour_engine::push::{Config, Decider, DeviceFacts, Input, Output, UserFacts};
use parlour_engine::router::Placed;
use parlour_protocol::seq::Seq;
use script::{record, transcripts, user, user_name};
use world::{World, at, device, device_name, number, user_names, value};

struct Run {
    decider: Decider,
    sequencer: Sequencer,
    world: World,
    written: u64,
    now_ms: u64,
}

fn facts(text: &str) -> UserFacts {
    let (name, words) = text.split_once(':').unwrap_or((text, ""));
    let words: Vec<&str> = words.split(',').collect();
    let count = value(&words, "devices").map_or(1, number);
    UserFacts {
        user: user(name),
        devices: (1..=count)
            .map(|n| DeviceFacts {
                device: device(&format!("{name}/{n}")),
                heard_ms: value(&words, "heard").map(number),
            })
            .collect(),
        read: Seq(value(&words, "read").map_or(0, number)),
        muted: words.contains(&"muted"),
        member: !words.contains(&"outside"),
        blocked: words.contains(&"blocked"),
    }
}

impl Run {
    fn placed(&mut self, lines: &str) -> Input {
        let mut events = Vec::new();
        let mut up_to = at(self.written);
        for line in lines.split("; ") {
            up_to = at(self.written);
            self.written += 1;
            self.world.name(line);
            let (decided, judged) = self.sequencer.decide(&[(up_to, record(line))]);
            judged.expect("known rules");
            events.extend(decided.into_iter().filter_map(|d| {
                Some(Placed {
                    position: d.position,
                    event: d.event?,
                    audience: d.audience,
                })
            }));
        }
        Input::Placed { events, up_to }
    }

    fn input(&mut self, line: &str) -> Input {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match (verb, &words[..]) {
            ("placed", _) => self.placed(rest),
            ("tick", [ms]) => {
                self.now_ms = number(ms);
                Input::Tick
            }
            ("facts", [ask, of @ ..]) => Input::Facts {
                ask: number(ask),
                users: of.iter().map(|f| facts(f)).collect(),
            },
            ("failed", [ask]) => Input::Failed { ask: number(ask) },
            ("read", [who, place, seq]) => Input::Read {
                user: user(who),
                conversation: script::conversation(who, place),
                seq: Seq(number(seq)),
            },
            ("advanced", how) => Input::Advanced { ok: how.is_empty() },
            other => panic!("no word {other:?}"),
        }
    }

    fn show(&self, output: Output) -> Option<String> {
        Some(match output {
            Output::Ask {
                ask,
                conversation,
                channel,
                sender,
                users,
            } => format!(
                "ask {ask}: {} of {}{}, said by {}",
                user_names(&users),
                self.world.conversation_name(conversation),
                if channel { ", a channel" } else { "" },
                user_name(sender),
            ),
            Output::Wake {
                device,
                conversation,
                seq,
                mention,
                ..
            } => format!(
                "wake {} for {seq:?} of {}{}",
                device_name(device),
                self.world.conversation_name(conversation),
                if mention { ", mentioned" } else { "" },
            ),
            Output::Clear {
                device,
                conversation,
                seq,
                ..
            } => format!(
                "clear {} of {} up to {seq:?}",
                device_name(device),
                self.world.conversation_name(conversation),
            ),
            Output::Advance { position } => format!("advance to {}", position.offset.0),
            Output::WakeAt { .. } => return None,
        })
    }
}

fn run(config: Config, lines: &[&str]) -> Vec<String> {
    let mut run = Run {
        decider: Decider::new(config),
        sequencer: Sequencer::new(10),
        world: World::of("bob"),
        written: 0,
        now_ms: 0,
    };
    lines
        .iter()
        .map(|line| {
            let input = run.input(line);
            let mut out = Vec::new();
            run.decider.handle(run.now_ms, input, &mut out);
            out.into_iter()
                .filter_map(|o| run.show(o))
                .map(|text| format!("  {text}\n"))
                .collect()
        })
        .collect()
}

#[test]
fn wakes() {
    transcripts("push", |lines| run(Config::default(), lines));
}

#[test]
fn little_room() {
    let config = Config {
        waiting_max: 2,
        woken_max: 1,
        ..Config::default()
    };
    transcripts("push/small", |lines| run(config, lines));
}
