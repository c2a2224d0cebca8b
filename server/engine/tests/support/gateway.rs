//! The words of a connection's scripts. The connection is bob's, over JSON.
//!
//! Before it begins: `limits NAME=N …`, `world LINE; LINE` (what the real sequencer makes of lines
//! as in the log's scripts). Then, in time (`tick MS`):
//! `hello`, `verified [SCOPE]`, `unverified CODE`, `registered`; `welcome` is all of these.
//! Frames: `sync [has=CONV,…]`, `send ID in CONV [once] [after=ID] [says=TEXT] [long=BYTES] [kind=KIND] [members=USERS]`, `cancel ID in CONV`, `focus [CONV]
//! [members]`, `watch USERS`, `read|delivered CONV=SEQ …`, `typing CONV`, `mail_ack USER K`, `history CONV …`, `ping`,
//! each with `ref=N`; `raw TEXT` as it is, `bytes HEX` over MessagePack, `xN WORDS` for N times.
//! Answers to `ask N`: `got N …` (see `support/have.rs`), `failed N CODE`, `appended N [unknown|CODE]`.
//! From the node: `given event CONV SEQ`, `given raised CONV SEQ`, `given marked USER CONV MARK`,
//! `given placed ID in CONV SEQ [says=TEXT]`, `given refused ID in CONV CODE`, `given behind MS`, `given typing USER CONV`, `given mail USER K`,
//! `given presence USER=on|off …`, `given revoked`. `many N` is event 1 of G
//! in so many conversations. `written [N]`, `drain MS`, `breach CODE`, `gone`.

mod have;
mod show;

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_engine::gateway::admit::Identity;
use parlour_engine::gateway::connection::{Ask, Config, Connection};
use parlour_engine::gateway::need::Need;
use parlour_engine::gateway::{Given, Input, Output, Prepared};
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Client;
use parlour_protocol::http::Scope;
use parlour_protocol::id::StoreId;
use parlour_protocol::limits::Limits;
use serde_json::{Value, json};

use crate::script::user;
use crate::world::{World, device, number, session, users, value};
use have::code_of;

const ME: &str = "bob";

pub struct Run {
    world: World,
    limits: Limits,
    codec: Codec,
    now_ms: u64,
    connection: Option<Connection>,
    asked: BTreeMap<u64, Need>,
    /// Frames that the socket has not taken.
    waiting: Vec<u64>,
    wakes: bool,
    note: Option<&'static str>,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            world: World::of(ME),
            limits: Limits::default(),
            codec: Codec::Json,
            now_ms: 0,
            connection: None,
            asked: BTreeMap::new(),
            waiting: Vec::new(),
            wakes: false,
            note: None,
        }
    }
}

impl Run {
    /// What comes of a line, each thing in a line of its own.
    pub fn line(&mut self, line: &str) -> String {
        let mut shown = String::new();
        if let Some((times, rest)) = line.strip_prefix('x').and_then(|l| l.split_once(' '))
            && let Ok(times) = times.parse::<u64>()
        {
            // What comes of the last time; and of those before, a summary.
            let mut last = String::new();
            let mut lines = 0;
            for i in 1..=times {
                last = self.one(&rest.replace("{i}", &i.to_string()));
                lines += last.lines().count();
            }
            shown.push_str(&format!("  ({lines} outputs, the last:)\n"));
            shown.push_str(&last);
            return shown;
        }
        self.one(line)
    }

    fn one(&mut self, line: &str) -> String {
        if line == "welcome" {
            let lines = ["hello", "verified", "registered", "written"];
            return lines.iter().map(|line| self.one(line)).collect();
        }
        let words: Vec<&str> = line.split_whitespace().collect();
        let inputs = self.inputs(line, &words);
        let mut shown = String::new();
        if let Some(note) = self.note.take() {
            shown.push_str(&format!("  {note}\n"));
        }
        for input in inputs {
            let mut out = Vec::new();
            let now_ms = self.now_ms;
            self.connection().handle(now_ms, input, &mut out);
            for output in out {
                if let Some(text) = self.output(output) {
                    shown.push_str(&format!("  {text}\n"));
                }
            }
        }
        let lines = shown.lines().count();
        if lines > 100 {
            let last = shown.lines().next_back().unwrap_or_default();
            return format!("  ({lines} outputs, the last:)\n{last}\n");
        }
        shown
    }

    fn connection(&mut self) -> &mut Connection {
        let config = Config {
            session: session("s1"),
            store: StoreId::from_bytes([8; 16]),
            codec: self.codec,
            limits: self.limits,
            rules: 1,
            marks_ms: 100,
        };
        self.connection
            .get_or_insert_with(|| Connection::new(config, 0))
    }

    fn output(&mut self, output: Output) -> Option<String> {
        match &output {
            Output::Send(bytes) => self.waiting.push(bytes.len() as u64),
            Output::Ask { ask, need } => {
                self.asked.insert(ask.0, need.clone());
            }
            Output::WakeAt { at_ms } => return self.wakes.then(|| format!("wake at {at_ms}")),
            _ => {}
        }
        Some(show::output(&self.world, self.codec, &output))
    }

    fn inputs(&mut self, line: &str, words: &[&str]) -> Vec<Input> {
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
        match words {
            ["limits", pairs @ ..] => {
                let mut limits = serde_json::to_value(self.limits).expect("limits");
                for pair in pairs {
                    let (name, value) = pair.split_once('=').expect("NAME=N");
                    limits[name] = json!(number(value));
                }
                self.limits = serde_json::from_value(limits).expect("limits");
                Vec::new()
            }
            ["codec", "msgpack"] => {
                self.codec = Codec::MessagePack;
                Vec::new()
            }
            ["show", "wakes"] => {
                self.wakes = true;
                Vec::new()
            }
            ["world", ..] => {
                self.world.write(rest);
                Vec::new()
            }
            ["tick", ms] => {
                self.now_ms = number(ms);
                vec![Input::Tick]
            }
            ["verified", scopes @ ..] => {
                let scopes = scopes.iter().map(|s| match *s {
                    "read" => Scope::Read,
                    "send" => Scope::Send,
                    other => panic!("no scope {other}"),
                });
                let mut scopes: Vec<Scope> = scopes.collect();
                if scopes.is_empty() {
                    scopes.push(Scope::Full);
                }
                vec![Input::Verified(Ok(Identity {
                    user: user(ME),
                    device: device(ME),
                    scopes,
                }))]
            }
            ["unverified", code] => vec![Input::Verified(Err(code_of(code)))],
            ["registered"] => vec![Input::Registered],
            ["got", ask, words @ ..] => {
                let ask = number(ask);
                let Some(need) = self.asked.remove(&ask) else {
                    self.note = Some("(it was not asked for)");
                    return Vec::new();
                };
                let have = self.have(need, words);
                vec![Input::Got {
                    ask: Ask(ask),
                    have: Ok(have),
                }]
            }
            ["failed", ask, code] => vec![Input::Got {
                ask: Ask(number(ask)),
                have: Err(code_of(code)),
            }],
            ["appended", ask, how @ ..] => vec![Input::Appended {
                ask: Ask(number(ask)),
                done: match how {
                    [] => Ok(()),
                    ["unknown"] => Err(None),
                    [code, ..] => Err(Some(code_of(code))),
                },
            }],
            ["given", words @ ..] => vec![Input::Given(self.given(words))],
            ["written", some @ ..] => {
                let all = self.waiting.len();
                let frames = some.first().map_or(all, |n| number(n) as usize).min(all);
                let bytes: u64 = self.waiting.drain(..frames).sum();
                vec![Input::Written {
                    frames: frames as u64,
                    bytes,
                }]
            }
            ["drain", ms] => vec![Input::Drain {
                after_ms: number(ms),
            }],
            ["breach", code] => vec![Input::Breach(code_of(code))],
            ["gone"] => vec![Input::Gone],
            ["many", count] => (0..number(count))
                .map(|n| {
                    let place = format!("N{n}");
                    let mut event = self.world.event("G", "1");
                    event.conversation = self.world.conversation(&place);
                    Input::Given(Given::Event(Arc::new(Prepared::new(event))))
                })
                .collect(),
            ["raw", ..] => vec![self.bytes(rest.as_bytes())],
            ["bytes", hex @ ..] => {
                let bytes: Vec<u8> = hex
                    .iter()
                    .map(|h| u8::from_str_radix(h, 16).expect("hex"))
                    .collect();
                vec![self.bytes(&bytes)]
            }
            _ => {
                let frame = self.frame(words);
                let frame = serde_json::from_value::<Value>(frame).expect("a value");
                let decoded = Client::decode(Codec::Json, frame.to_string().as_bytes());
                vec![Input::Frame(Box::new(decoded.expect("a frame")))]
            }
        }
    }

    /// As the runtime reads what comes.
    fn bytes(&self, bytes: &[u8]) -> Input {
        match Client::decode(self.codec, bytes) {
            Ok(frame) => Input::Frame(Box::new(frame)),
            Err(error) => Input::Unreadable {
                r#ref: self.codec.reference(bytes).unwrap_or(0),
                error,
            },
        }
    }

    fn frame(&mut self, words: &[&str]) -> Value {
        let kind = words[0];
        let mut frame = json!({"type": kind});
        if let Some(n) = value(words, "ref") {
            frame["ref"] = json!(number(n));
        }
        match words {
            ["hello", ..] => frame["token"] = json!("secret"),
            ["sync", ..] => {
                if let Some(places) = value(words, "has") {
                    let places = places.split(',').filter(|p| !p.is_empty());
                    let lines: Vec<_> = places
                        .map(|place| {
                            let id = self.world.conversation(place);
                            parlour_engine::gateway::catch_up::line(&self.entry(id, &[]))
                        })
                        .collect();
                    frame["digests"] = json!(parlour_protocol::line::digests(&lines));
                }
            }
            ["send" | "cancel", id, "in", place, ..] => {
                frame["id"] = json!(self.world.message(id));
                match place.strip_prefix('@') {
                    Some(peer) => {
                        self.world.conversation(place);
                        frame["to"] = json!(user(peer));
                    }
                    None => frame["conversation"] = json!(self.world.conversation(place)),
                }
                if kind == "send" {
                    frame["retry"] = json!(!words.contains(&"once"));
                    let says = value(words, "says").unwrap_or(id);
                    frame["body"] = json!({"plain": {"text": says}});
                }
                if let Some(list) = value(words, "members") {
                    let named: Vec<_> = users(list)
                        .into_iter()
                        .map(|user| json!({"user": user}))
                        .collect();
                    frame["named"] = json!(named);
                }
                if let Some(bytes) = value(words, "long") {
                    frame["body"]["plain"]["text"] = json!("x".repeat(number(bytes) as usize));
                }
                if let Some(after) = value(words, "after") {
                    frame["after"] = json!(self.world.message(after));
                }
                if let Some(kind) = value(words, "kind") {
                    frame["kind"] = json!(kind);
                }
            }
            ["focus"] | ["watch"] => {
                if kind == "watch" {
                    frame["users"] = json!([]);
                }
            }
            ["focus", place, ..] => {
                frame["conversation"] = json!(self.world.conversation(place));
                frame["members"] = json!(words.contains(&"members"));
            }
            ["watch", list, ..] => frame["users"] = json!(users(list)),
            ["read" | "delivered", pairs @ ..] => {
                let marks: serde_json::Map<String, Value> = pairs
                    .iter()
                    .map(|pair| pair.split_once('=').expect("CONV=SEQ"))
                    .filter(|(place, _)| *place != "ref")
                    .map(|(place, seq)| {
                        let id = self.world.conversation(place).to_string();
                        (id, json!(number(seq)))
                    })
                    .collect();
                frame["marks"] = Value::Object(marks);
            }
            ["mail_ack", of, k, ..] => {
                frame["from"] = json!({device(of).to_string(): number(k)});
            }
            ["typing", place, ..] => {
                frame["conversation"] = json!(self.world.conversation(place));
            }
            ["history", place, ..] => {
                frame["conversation"] = json!(self.world.conversation(place));
                for key in ["before", "after", "limit", "changes_since"] {
                    if let Some(n) = value(words, key) {
                        frame[key] = json!(number(n));
                    }
                }
            }
            ["ping", ..] => {}
            other => panic!("no word {other:?}"),
        }
        frame
    }
}
