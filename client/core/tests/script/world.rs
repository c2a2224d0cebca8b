//! The inputs of a script, and a store that is a mirror.

use std::collections::BTreeMap;

use parlour_client_core::saved::{Op, Restored, Ticket};
use parlour_client_core::view::Reach;
use parlour_client_core::{Client, Command, Input, Output, Request, Settings, draft};
use parlour_protocol::body::Body;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::Token;
use parlour_protocol::frame::{Client as Frame, Server, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::record::{Create, Mentions, Named};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::print::Names;

pub(crate) struct World {
    client: Client,
    settings: Settings,
    seed: u8,
    pub(crate) now: u64,
    pub(crate) names: Names,
    store: Restored,
    /// Batches told and not confirmed.
    batches: Vec<(Ticket, Vec<Op>)>,
    hold: bool,
    sync: u64,
    asked: BTreeMap<ConversationId, u64>,
    sent: BTreeMap<MessageId, u64>,
    quiet_ops: bool,
}

pub(crate) fn user(name: &str) -> UserId {
    UserId::derived("user", &[name.as_bytes()])
}

/// `#name` is a group; a bare name the direct conversation with that user.
pub(crate) fn conversation(name: &str) -> ConversationId {
    match name.strip_prefix('#') {
        Some(_) => ConversationId::derived("room", &[name.as_bytes()]),
        None => ConversationId::direct(user("ada"), user(name)),
    }
}

fn head(text: &str) -> Head {
    let (seq, n) = text.split_once('/').unwrap_or((text, text));
    Head {
        seq: Seq(seq.parse().unwrap()),
        n: n.parse().unwrap(),
    }
}

fn seqs(text: &str) -> (Seq, Seq) {
    let (a, b) = text.split_once("..").unwrap();
    (Seq(a.parse().unwrap()), Seq(b.parse().unwrap()))
}

/// Words of a line; what is in quotes is one.
fn words(line: &str) -> Vec<String> {
    let mut out = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => out.push(String::new()),
            c => out.last_mut().unwrap().push(c),
        }
    }
    out.retain(|w| !w.is_empty());
    out
}

struct Args {
    plain: Vec<String>,
    named: BTreeMap<String, String>,
}

impl Args {
    fn of(line: &str) -> Self {
        let (mut plain, mut named) = (Vec::new(), BTreeMap::new());
        for word in words(line) {
            match word.split_once('=') {
                Some((k, v)) if k.chars().all(|c| c.is_alphanumeric() || c == '_') => {
                    named.insert(k.to_owned(), v.to_owned());
                }
                _ => plain.push(word),
            }
        }
        Self { plain, named }
    }
    fn get(&self, name: &str) -> Option<&str> {
        self.named.get(name).map(String::as_str)
    }
    fn seq(&self, name: &str) -> Option<Seq> {
        self.get(name).map(|s| Seq(s.parse().unwrap()))
    }
    fn has(&self, word: &str) -> bool {
        self.plain.iter().any(|w| w == word)
    }
}

impl World {
    pub(crate) fn new() -> Self {
        let mut settings = Settings::new(
            user("ada"),
            DeviceId::derived("device", &[b"ada"]),
            Token("secret".into()),
        );
        settings.page_events = 10;
        settings.held_max = 50;
        settings.outbox_max = 5;
        Self {
            client: Client::new(settings.clone(), [1; 32]),
            settings,
            seed: 1,
            now: 1_000_000,
            names: Names::default(),
            store: Restored::default(),
            batches: Vec::new(),
            hold: false,
            sync: 0,
            asked: BTreeMap::new(),
            sent: BTreeMap::new(),
            quiet_ops: true,
        }
    }

    pub(crate) fn step(&mut self, line: &str) -> Vec<String> {
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let args = Args::of(rest);
        let mut out = Vec::new();
        let now = self.now;
        match verb {
            "everything" => {
                self.settings.fetch = parlour_client_core::Fetch::Everything;
                self.client = Client::new(self.settings.clone(), [1; 32]);
            }
            "say" => match rest {
                "stores" => self.quiet_ops = false,
                "no stores" => self.quiet_ops = true,
                "slow disk" => self.hold = true,
                "quick disk" => self.hold = false,
                other => panic!("say {other}?"),
            },
            "start" => self.client.handle(now, Input::Start, &mut out),
            "stop" => self.client.handle(now, Input::Stop, &mut out),
            "connected" => self.client.handle(now, Input::Connected, &mut out),
            "disconnected" => {
                let code = args.plain.first().map(|c| c.parse().unwrap());
                let input = Input::Disconnected {
                    code,
                    why: "the cable".into(),
                };
                self.client.handle(now, input, &mut out);
            }
            "wait" => return self.wait(rest.parse().unwrap()),
            "stored" => {
                let number = args.plain.first().map(|n| n.parse().unwrap());
                let rest = self.batches.len().min(number.unwrap_or(usize::MAX));
                let later = self.batches.split_off(rest);
                let batches = std::mem::replace(&mut self.batches, later);
                for (ticket, ops) in batches {
                    self.apply(ops);
                    self.client.handle(now, Input::Persisted(ticket), &mut out);
                }
            }
            "restart" => {
                // What was not confirmed never reached the disk.
                self.batches.clear();
                self.seed += 1;
                self.client = Client::new(self.settings.clone(), [self.seed; 32]);
                let restored = Box::new(self.store.clone());
                self.client.handle(now, Input::Restored(restored), &mut out);
            }
            "<" => {
                let frame = self.frame(rest);
                self.client
                    .handle(now, Input::Frame(Box::new(frame)), &mut out);
            }
            ">" => return self.request(rest),
            "show" => {
                let t = self.client.timeline(conversation(&args.plain[0]), None, 20);
                return self.names.timeline(&t);
            }
            "list" => {
                return self
                    .client
                    .conversations()
                    .iter()
                    .map(|s| self.names.summary(s, now))
                    .collect();
            }
            "places" => {
                let all = self.client.places();
                let places = all.get(&conversation(&args.plain[0])).unwrap();
                let came = places.came.iter().map(|(from, to)| format!("{from}..{to}"));
                return vec![format!(
                    "{} up to {}",
                    came.collect::<Vec<_>>().join(" "),
                    places.head
                )];
            }
            "held" => {
                let held = self.client.held(conversation(&args.plain[0]));
                return held
                    .iter()
                    .map(|s| format!("{}..{} as of {}", s.from, s.to, s.as_of))
                    .collect();
            }
            "reach" => {
                let n = args.plain[1].parse().unwrap();
                return vec![match self.client.reach(conversation(&args.plain[0]), n) {
                    Reach::Here(seq) => format!("here {seq}"),
                    Reach::Further => "further".to_owned(),
                    Reach::Lost(first) => format!("lost; the first is {first:?}"),
                    Reach::Nowhere => "nowhere".to_owned(),
                }];
            }
            "pinned" => {
                let pinned = self.client.pinned(conversation(&args.plain[0]));
                return pinned.iter().map(|e| e.seq.to_string()).collect();
            }
            "set" => {
                let own = ConversationId::own(user("ada"));
                let all = self.client.set(own, &[kind::BLOCK, kind::MUTE]);
                return all
                    .into_iter()
                    .map(|((kind, key), (seq, value))| {
                        let seq = if seq == Seq::MAX {
                            "on its way".to_owned()
                        } else {
                            seq.to_string()
                        };
                        format!("{kind} {key} {value}: {seq}")
                    })
                    .collect();
            }
            "unknown?" => return vec![self.client.unknown().to_string()],
            "quiet?" => return vec![self.client.quiet().to_string()],
            verb => {
                let command = self.command(verb, &args);
                self.client.handle(now, Input::Command(command), &mut out);
            }
        }
        self.say(out)
    }

    fn wait(&mut self, ms: u64) -> Vec<String> {
        let until = self.now + ms;
        let mut said = Vec::new();
        while let Some(at) = self.client.wake_at().filter(|at| *at <= until) {
            assert!(at > self.now || said.len() < 1000, "time stands still");
            self.now = self.now.max(at);
            let mut out = Vec::new();
            self.client.handle(self.now, Input::Tick, &mut out);
            said.extend(self.say(out));
        }
        self.now = until;
        said
    }

    fn command(&mut self, verb: &str, args: &Args) -> Command {
        let first = args.plain.first().cloned().unwrap_or_default();
        match verb {
            "read" => Command::Read {
                conversation: conversation(&first),
                upto: Seq(args.plain[1].parse().unwrap()),
            },
            "focus" => Command::Focus {
                conversation: (first != "nothing").then(|| conversation(&first)),
                members: args.has("members"),
            },
            "older" => Command::Older(conversation(&first)),
            "typing" => Command::Typing(conversation(&first)),
            "watch" => Command::Watch(args.plain.iter().map(|n| user(n)).collect()),
            "dismiss" => Command::Dismiss(self.names.message(&first)),
            other => panic!("what is `{other}`?"),
        }
    }

    fn request(&mut self, line: &str) -> Vec<String> {
        let args = Args::of(line);
        let first = args.plain.get(1).cloned().unwrap_or_default();
        let text = args.plain.get(2).cloned().unwrap_or_default();
        let target = args.seq("target").unwrap_or_default();
        let request = match args.plain[0].as_str() {
            "send" if first.starts_with('#') => {
                Request::Send(Box::new(draft::text(conversation(&first), text)))
            }
            "send" => Request::Send(Box::new(draft::text_to(user(&first), text))),
            "edit" => Request::Edit {
                conversation: conversation(&first),
                target,
                body: Body::text(text),
                mentions: Mentions::default(),
            },
            "delete" => Request::Delete {
                conversation: conversation(&first),
                target,
            },
            "react" => Request::React {
                conversation: conversation(&first),
                target,
                key: text,
                on: args.get("on") != Some("false"),
            },
            "pin" => Request::Send(Box::new(draft::pin(
                conversation(&first),
                target,
                args.get("on") != Some("false"),
            ))),
            "own" => Request::Send(Box::new(draft::own(
                user("ada"),
                &first,
                text,
                args.get("on") != Some("false"),
            ))),
            "create" => Request::Create {
                shape: Shape::Group,
                history: Default::default(),
                name: Some(text),
                topic: None,
                members: vec![],
                conversation: Some(conversation(&first)),
            },
            "give_up" => Request::GiveUp(self.names.message(&first)),
            "again" => Request::Again(self.names.message(&first)),
            other => panic!("what is `> {other}`?"),
        };
        let mut out = Vec::new();
        let done = self.client.request(self.now, request, &mut out);
        let mut said = match done {
            Ok(accepted) => vec![format!("accepted {}", self.names.id(accepted.id))],
            Err(refused) => vec![format!("not taken: {refused}")],
        };
        said.extend(self.say(out));
        said
    }

    /// Does what the core says, and writes it down.
    fn say(&mut self, out: Vec<Output>) -> Vec<String> {
        let mut said = Vec::new();
        let mut queue = std::collections::VecDeque::from(out);
        while let Some(output) = queue.pop_front() {
            match output {
                Output::Connect => said.push("connect".to_owned()),
                Output::Close => said.push("close".to_owned()),
                Output::Send(frame) => {
                    match frame.as_ref() {
                        Frame::Sync(s) => self.sync = s.r#ref,
                        Frame::History(h) => {
                            self.asked.insert(h.conversation, h.r#ref);
                        }
                        Frame::Send(s) => {
                            self.sent.insert(s.id, s.r#ref);
                        }
                        _ => {}
                    }
                    said.push(format!("> {}", self.names.frame(&frame)));
                }
                Output::Persist { ticket, ops } => {
                    if !self.quiet_ops {
                        said.extend(ops.iter().map(|op| format!("store {}", self.names.op(op))));
                    }
                    if self.hold {
                        self.batches.push((ticket, ops));
                    } else {
                        self.apply(ops);
                        let mut more = Vec::new();
                        self.client
                            .handle(self.now, Input::Persisted(ticket), &mut more);
                        queue.extend(more);
                    }
                }
                Output::Update(update) => {
                    said.extend(self.names.update(&update, self.now));
                }
            }
        }
        said
    }

    fn apply(&mut self, ops: Vec<Op>) {
        let s = &mut self.store;
        for op in ops {
            match op {
                Op::Begin(store) => {
                    *s = Restored {
                        store: Some(store),
                        outbox: std::mem::take(&mut s.outbox),
                        mail: std::mem::take(&mut s.mail),
                        ..Restored::default()
                    };
                }
                Op::Outbox(row) => {
                    s.outbox.retain(|r| r.id != row.id);
                    // As a real store does it: over its encoding.
                    let text = serde_json::to_string(row.as_ref()).unwrap();
                    s.outbox.push(serde_json::from_str(&text).unwrap());
                }
                Op::OutboxGone(id) => s.outbox.retain(|r| r.id != id),
                Op::Line(line) => {
                    s.lines.retain(|l| l.conversation != line.conversation);
                    s.lines.push(line);
                }
                Op::About(about) => {
                    s.about.retain(|a| a.conversation != about.conversation);
                    s.about.push(*about);
                }
                Op::Held(id, held) => {
                    s.held.retain(|(c, _)| *c != id);
                    let text = serde_json::to_string(&held).unwrap();
                    s.held.push((id, serde_json::from_str(&text).unwrap()));
                }
                Op::Event(event) => {
                    let place = (event.conversation, event.seq);
                    s.events.retain(|e| (e.conversation, e.seq) != place);
                    s.events.push(event.as_ref().clone());
                }
                Op::EventsGone(id, from, to) => {
                    s.events
                        .retain(|e| e.conversation != id || e.seq < from || e.seq > to);
                }
                Op::Mail(from, k) => {
                    s.mail.retain(|(d, _)| *d != from);
                    s.mail.push((from, k));
                }
            }
        }
    }

    fn frame(&mut self, line: &str) -> Server {
        let args = Args::of(line);
        let room = args.plain.get(1).cloned().unwrap_or_default();
        let third = args.plain.get(2).cloned().unwrap_or_default();
        match args.plain[0].as_str() {
            "welcome" => Server::Welcome(server::Welcome {
                session: SessionId::NIL,
                user: user("ada"),
                device: self.settings.device,
                store: StoreId::derived("store", &[room.as_bytes()]),
                time_ms: 0,
                limits: Limits::default(),
                features: vec![],
            }),
            "ready" => Server::Page(server::Page {
                ready: true,
                ..self.page(self.sync)
            }),
            "line" => {
                let mut page = self.page(self.sync);
                self.line(&mut page, &room, &args);
                Server::Page(page)
            }
            "event" => {
                let mut event = self.event(&room, &third, &args.plain[3..], &args);
                if let Some(prev) = args.seq("prev") {
                    event.prev = prev;
                }
                Server::Event(event)
            }
            "page" | "changes" => self.stretch(&room, &third, line, &args),
            "sent" => {
                let id = self.names.message(&third);
                Server::Sent(server::Sent {
                    r#ref: self.sent.get(&id).copied().unwrap_or(0),
                    id,
                    conversation: conversation(&room),
                    seq: head(&args.plain[3]).seq,
                    n: head(&args.plain[3]).n,
                    time_ms: 0,
                })
            }
            "heads" => Server::Heads(server::Heads {
                heads: vec![server::Moved {
                    conversation: conversation(&room),
                    head: head(&third),
                }],
            }),
            "receipt" => {
                let mark = |text: &str| {
                    let (d, r) = text.split_once(',').unwrap();
                    Mark {
                        delivered: head(d),
                        read: head(r),
                    }
                };
                Server::Receipt(server::Receipt {
                    conversation: conversation(&room),
                    own: args.get("own").map(mark),
                    members: args
                        .named
                        .iter()
                        .filter(|(k, _)| **k != "own" && **k != "counts")
                        .map(|(k, v)| server::MemberMark {
                            user: user(k),
                            mark: mark(v),
                        })
                        .collect(),
                    // At a place: so many hold it, so many have read it, of so many.
                    counts: args.get("counts").map(|text| {
                        let n: Vec<u32> = text.split('/').map(|n| n.parse().unwrap()).collect();
                        server::Counts {
                            seq: Seq(n[0].into()),
                            delivered: n[1],
                            read: n[2],
                            of: n[3],
                        }
                    }),
                })
            }
            "typing" => Server::Typing(server::Typing {
                conversation: conversation(&room),
                users: vec![user(&third)],
            }),
            "something_new" => Server::Unknown,
            "pong" => Server::Pong(server::Pong {
                r#ref: 0,
                time_ms: 0,
            }),
            "behind" => Server::Behind(server::Behind {
                after_ms: room.parse().unwrap(),
            }),
            "going_away" => Server::GoingAway(server::GoingAway {
                after_ms: room.parse().unwrap(),
            }),
            "error" => {
                let code = Code(room.parse().unwrap());
                let mut error = server::Error::new(0, code);
                if let Some(id) = args.get("id") {
                    error.id = Some(self.names.message(id));
                }
                if let Some(id) = args.get("answers") {
                    let id = self.names.message(id);
                    error.r#ref = self.sent.get(&id).copied().unwrap();
                }
                if args.plain.get(2).is_some_and(|what| what == "sync") {
                    error.r#ref = self.sync;
                }
                if let Some(room) = args.get("history") {
                    error.r#ref = self.asked[&conversation(room)];
                }
                error.retry_ms = args.get("retry_ms").map(|ms| ms.parse().unwrap());
                Server::Error(error)
            }
            other => panic!("what is `< {other}`?"),
        }
    }

    fn page(&self, r#ref: u64) -> server::Page {
        server::Page {
            r#ref,
            lines: vec![],
            about: vec![],
            stretch: None,
            more: false,
            ready: false,
        }
    }

    fn line(&self, page: &mut server::Page, room: &str, args: &Args) {
        let at = |name: &str| args.get(name).map(head).unwrap_or_default();
        let mark = |d: &str, r: &str| Mark {
            delivered: at(d),
            read: at(r),
        };
        let standing = args.seq("removed").map_or(
            Standing::Member(args.seq("member").unwrap_or(Seq(1))),
            Standing::Removed,
        );
        let direct = !room.starts_with('#');
        page.lines.push(Line {
            conversation: conversation(room),
            head: at("head"),
            own: mark("delivered", "read"),
            other: direct.then(|| mark("other_delivered", "other_read")),
            standing,
        });
        page.about.push(server::About {
            conversation: conversation(room),
            shape: if direct { Shape::Direct } else { Shape::Group },
            history: Default::default(),
            members: 2,
            name: (!direct).then(|| room.to_owned()),
            topic: None,
            peer: direct.then(|| user(room)),
            role: Default::default(),
            joined_n: args.get("joined").map_or(0, |n| n.parse().unwrap()),
            mentions: args.get("mentions").map_or(0, |n| n.parse().unwrap()),
        });
    }

    /// `SEQ[/N] USER "text"`, with `kind=`, `target=`, `key=`, `on=`, `id=`, `mention=` and so on.
    fn event(&mut self, room: &str, at: &str, rest: &[String], args: &Args) -> server::Event {
        let Head { seq, n } = head(at);
        let name = rest.first().map_or("ben", String::as_str);
        let kind = args.get("kind").unwrap_or("message");
        let class = kind::find(kind).map_or(Class::Content, |k| k.class);
        let named = |text: &str| Named {
            user: user(text),
            role: Default::default(),
        };
        server::Event {
            conversation: conversation(room),
            seq,
            n,
            prev: seq.prev(),
            time_ms: seq.0 * 1000,
            id: args.get("id").map_or_else(
                || MessageId::derived("theirs", &[room.as_bytes(), &seq.0.to_be_bytes()]),
                |id| self.names.message(id),
            ),
            sender: user(name),
            device: DeviceId::derived("device", &[name.as_bytes()]),
            class,
            kind: kind.to_owned(),
            target: args.seq("target"),
            key: args.get("key").map(str::to_owned),
            value: args.get("value").map(str::to_owned),
            on: args.get("on") != Some("false"),
            base: None,
            named: args.get("names").map(named).into_iter().collect(),
            create: (kind == kind::CREATE).then(|| Create {
                shape: Shape::Group,
                history: Default::default(),
            }),
            reply_to: None,
            thread: None,
            mentions: Mentions {
                users: args.get("mention").map(user).into_iter().collect(),
                everyone: false,
            },
            quiet: args.has("quiet"),
            origin: None,
            expires_after_s: None,
            body: rest.get(1).map(Body::text),
            edited: None,
            deleted: None,
            reactions: vec![],
            reactions_more: 0,
            pinned: None,
        }
    }

    /// `page #room FROM..TO as_of=S [more] [withheld=A..B] : SEQ USER "text" … : …`
    fn stretch(&mut self, room: &str, range: &str, line: &str, args: &Args) -> Server {
        let (from, to) = seqs(range);
        let mut events = Vec::new();
        for part in line.split(" : ").skip(1) {
            let a = Args::of(part);
            let (at, rest) = a.plain.split_first().unwrap();
            let mut event = self.event(room, at, rest, &a);
            if let Some(seq) = a.seq("edited") {
                event.edited = Some(server::Edited { seq, time_ms: 0 });
            }
            if let Some(seq) = a.seq("deleted") {
                event.body = None;
                event.deleted = Some(server::Deleted {
                    seq,
                    by: event.sender,
                });
            }
            events.push(event);
        }
        let withheld = args
            .get("withheld")
            .map(seqs)
            .map(|(from, to)| server::Withheld {
                from,
                to,
                why: server::Why::NotMember,
            });
        let id = conversation(room);
        let mut page = self.page(self.asked.get(&id).copied().unwrap_or(0));
        page.stretch = Some(server::Stretch {
            conversation: id,
            from,
            to,
            events,
            as_of: args.seq("as_of").unwrap_or(to),
            withheld: withheld.into_iter().collect(),
            more: args.has("more"),
            changes: line.starts_with("changes"),
        });
        Server::Page(page)
    }
}
