//! The words of a node's scripts.
//!
//! Before it begins: `config NAME=N …`, `world LINE; LINE` (what the real sequencer makes of lines as
//! in the log's scripts). Then, in time (`tick MS`):
//! `start`, `leased [no]`, `lease failed`, `joined sN USER/D`, `registered sN [no]`, `left sN`,
//! `channels USER [CONV@SEQ …]` (memberships as they stood at that place; without: none),
//! `channels USER failed`, `focus sN [CONV]`, `watch sN USERS`, `presence USER=on|off …`,
//! `moved USERS`, `broken`, `revocations N:USER/D …`.
//! Signals: `event CONV SEQ [to=USERS]`, `raised CONV SEQ [to=USERS] [named]`, `behind`,
//! `placed ID in CONV SEQ for USER/D`, `marked USER CONV MARK [to=USERS]`, `typing USER CONV
//! [to=USERS]`, `mail USER/D`, `revoked USER/D`.
//! `joined` and `channels` may be `quick sN USER/D [CONV@SEQ …]`: joined, registered, read twice.

use parlour_engine::gateway::Given;
use parlour_engine::session::{Config, InChannel, Input, Node, Output};
use parlour_protocol::kind::HistoryRule;
use parlour_protocol::node::{Answer, Incarnation, Mail, Signal};
use parlour_protocol::seq::{Head, Seq};

use crate::script::{answer, user, user_name};
use crate::world::{
    World, device, device_name, mark, mark_text, number, session, session_name, user_names, users,
    value,
};

pub struct Run {
    world: World,
    config: Config,
    now_ms: u64,
    node: Option<Node>,
    wakes: bool,
}

impl Default for Run {
    fn default() -> Self {
        Self {
            world: World::of("bob"),
            config: Config::default(),
            now_ms: 0,
            node: None,
            wakes: false,
        }
    }
}

impl Run {
    pub fn line(&mut self, line: &str) -> String {
        let words: Vec<&str> = line.split_whitespace().collect();
        let rest = line.split_once(' ').map_or("", |(_, rest)| rest);
        match words[..] {
            ["config", ref pairs @ ..] => {
                for pair in pairs {
                    let (name, n) = pair.split_once('=').expect("NAME=N");
                    let n = number(n);
                    match name {
                        "ttl_ms" => self.config.ttl_ms = n,
                        "renew_ms" => self.config.renew_ms = n,
                        "revocations_ms" => self.config.revocations_ms = n,
                        "batch_ms" => self.config.batch_ms = n,
                        "presence_per_s" => self.config.presence_per_s = n,
                        "register_per_s" => self.config.register_per_s = n,
                        "behind_ms" => self.config.behind_ms = n,
                        other => panic!("no setting {other}"),
                    }
                }
                return String::new();
            }
            ["world", ..] => {
                self.world.write(rest);
                return String::new();
            }
            ["show", "wakes"] => {
                self.wakes = true;
                return String::new();
            }
            ["quick", of, who, ref channels @ ..] => {
                let name = who.split('/').next().expect("a user");
                let channels = format!("channels {name} {}", channels.join(" "));
                let lines = [
                    format!("joined {of} {who}"),
                    format!("registered {of}"),
                    channels.clone(),
                    channels,
                ];
                return lines.iter().map(|line| self.line(line)).collect();
            }
            _ => {}
        }
        let input = self.input(&words);
        let mut out = Vec::new();
        let config = self.config;
        let now_ms = self.now_ms;
        self.node
            .get_or_insert_with(|| Node::new(config, Incarnation(1)))
            .handle(now_ms, input, 0, &mut out);
        let shown = out.into_iter().filter_map(|o| self.show(o));
        shown.map(|text| format!("  {text}\n")).collect()
    }

    fn input(&mut self, words: &[&str]) -> Input {
        let to = value(words, "to").map(users).unwrap_or_default();
        match *words {
            ["start"] => Input::Start,
            ["tick", ms] => {
                self.now_ms = number(ms);
                Input::Tick
            }
            ["leased", ref how @ ..] => Input::Leased { ok: how.is_empty() },
            ["lease", "failed"] => Input::LeaseFailed,
            ["joined", s, who] => Input::Joined {
                session: session(s),
                user: user(who.split('/').next().expect("a user")),
                device: device(who),
            },
            ["registered", s, ref how @ ..] => Input::Registered {
                session: session(s),
                ok: how.is_empty(),
            },
            ["left", s] => Input::Left {
                session: session(s),
            },
            ["channels", who, "failed"] => Input::ChannelsFailed { user: user(who) },
            ["channels", who, ref places @ ..] => Input::Channels {
                user: user(who),
                channels: places.iter().map(|p| self.in_channel(who, p)).collect(),
            },
            ["focus", s, ref place @ ..] => Input::Focus {
                session: session(s),
                conversation: place.first().map(|p| self.world.conversation(p)),
            },
            ["watch", s, list] => Input::Watch {
                session: session(s),
                users: users(list),
            },
            ["presence", ref pairs @ ..] => Input::Presence(
                pairs
                    .iter()
                    .map(|p| p.split_once('=').expect("USER=on"))
                    .map(|(of, state)| (user(of), state == "on", None))
                    .collect(),
            ),
            ["moved", list] => Input::Moved(users(list)),
            ["broken"] => Input::Broken,
            ["revocations", ref list @ ..] => Input::Revocations(
                list.iter()
                    .map(|r| r.split_once(':').expect("N:USER/D"))
                    .map(|(n, of)| (number(n), device(of)))
                    .collect(),
            ),
            ["event", place, seq, ..] => Input::Signals(vec![Signal::Event {
                event: self.world.event(place, seq),
                to,
            }]),
            ["raised", place, seq, ..] => Input::Signals(vec![Signal::Raised {
                conversation: self.world.conversation(place),
                head: Head {
                    seq: Seq(number(seq)),
                    n: number(seq),
                },
                to,
                named: words.contains(&"named"),
            }]),
            ["behind"] => Input::Signals(vec![Signal::Behind]),
            ["placed", id, "in", place, seq, "for", who] => Input::Signals(vec![Signal::Answer {
                device: device(who),
                conversation: self.world.conversation(place),
                id: self.world.message(id),
                answer: Answer::Placed {
                    seq: Seq(number(seq)),
                    n: number(seq),
                    time_ms: 0,
                    digest: None,
                },
            }]),
            ["marked", who, place, m, ..] => Input::Signals(vec![Signal::Marked {
                user: user(who),
                conversation: self.world.conversation(place),
                mark: mark(m),
                to,
            }]),
            ["typing", who, place, ..] => Input::Signals(vec![Signal::Typing {
                user: user(who),
                conversation: self.world.conversation(place),
                to,
            }]),
            ["mail", who] => Input::Signals(vec![Signal::Mail {
                device: device(who),
                mail: Mail {
                    from_user: user("ann"),
                    from: device("ann/1"),
                    k: 1,
                    bytes: vec![1].into(),
                },
            }]),
            ["revoked", who] => Input::Signals(vec![Signal::Revoked {
                devices: vec![device(who)],
            }]),
            ref other => panic!("no word {other:?}"),
        }
    }

    fn in_channel(&mut self, who: &str, place: &str) -> InChannel {
        let (place, seq) = place.split_once('@').expect("CONV@SEQ");
        let channel = self.world.conversation(place);
        let as_of = Seq(number(seq));
        let last = self.world.events(channel, Seq::ZERO, Seq::MAX).pop();
        InChannel {
            channel,
            as_of,
            history: last.map_or(HistoryRule::All, |e| e.carried.history),
            intervals: self.world.intervals(channel, user(who), as_of),
        }
    }

    fn show(&self, output: Output) -> Option<String> {
        let name = |c| self.world.conversation_name(c);
        Some(match output {
            Output::Lease { incarnation, .. } => format!("lease under number {}", incarnation.0),
            Output::Register(l) => format!(
                "register {} of {} under number {}",
                session_name(l.session),
                device_name(l.device),
                l.incarnation.0,
            ),
            Output::Unregister(l) => format!(
                "unregister {} under number {}",
                session_name(l.session),
                l.incarnation.0,
            ),
            Output::Interest {
                channel,
                on,
                incarnation,
            } => format!(
                "interest in {} {} under number {}",
                name(channel),
                if on { "on" } else { "off" },
                incarnation.0,
            ),
            Output::ReadChannels { user } => format!("read channels of {}", user_name(user)),
            Output::ReadPresence(of) => format!("read presence of {}", user_names(&of)),
            Output::ReadRevoked { after } => format!("read revocations after {after}"),
            Output::Ready { session } => format!("{} is ready", session_name(session)),
            Output::Give { session, given } => {
                format!("give {}: {}", session_name(session), self.given(&given))
            }
            Output::Close { session, code } => format!("close {}: {code}", session_name(session)),
            Output::WakeAt { at_ms } => return self.wakes.then(|| format!("wake at {at_ms}")),
        })
    }

    fn given(&self, given: &Given) -> String {
        let name = |c| self.world.conversation_name(c);
        match given {
            Given::Event(p) => format!("event {:?} in {}", p.event.seq, name(p.event.conversation)),
            Given::Answer {
                conversation,
                id,
                answer: a,
            } => format!(
                "{} in {} {}",
                self.world.message_name(*id),
                name(*conversation),
                answer(*a)
            ),
            Given::Raised { conversation, head } => {
                format!("head {:?} of {}", head.seq, name(*conversation))
            }
            Given::Behind { after_ms } => format!("behind, sync in {after_ms}"),
            Given::Marked {
                user,
                conversation,
                mark,
            } => format!(
                "{} marked {} at {}",
                user_name(*user),
                name(*conversation),
                mark_text(*mark)
            ),
            Given::Typing { user, conversation } => {
                format!("{} types in {}", user_name(*user), name(*conversation))
            }
            Given::Mail(m) => format!("mail {} {}", device_name(m.from), m.k),
            Given::Presence(of) => {
                let of: Vec<String> = of
                    .iter()
                    .map(|u| format!("{}={:?}", user_name(u.user), u.state).to_lowercase())
                    .collect();
                format!("presence {}", of.join(" "))
            }
            Given::Revoked => "revoked".to_owned(),
        }
    }
}
