//! Clients of a small, rightful server over a bad network, by seed: connections break at any
//! moment, live events get lost, answers get lost, disks lag and clients restart. When the faults
//! end, every client holds what the server holds, and every request has ended as the server says.

use std::collections::{BTreeMap, VecDeque};

use parlour_client_core::saved::{Op, Restored, Stage, Ticket};
use parlour_client_core::{
    Client, Command, Ended, Fetch, Input, Output, Request, Settings, Update, draft,
};
use parlour_protocol::body::Body;
use parlour_protocol::error::Code;
use parlour_protocol::frame::client::Token;
use parlour_protocol::frame::{Client as Frame, Server, server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, SessionId, StoreId, UserId};
use parlour_protocol::kind::{self, Class, Shape};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::record::Mentions;
use parlour_protocol::seq::{Head, Mark, Seq};
use proptest::prelude::*;

const CLIENTS: usize = 3;

fn room() -> ConversationId {
    ConversationId::derived("room", &[b"one"])
}

struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
    fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Placed(Seq),
    Refused(Code),
}

#[derive(Default)]
struct Model {
    /// Events as they came, with what they said.
    log: Vec<server::Event>,
    outcomes: BTreeMap<(UserId, MessageId), Outcome>,
    marks: BTreeMap<UserId, Mark>,
}

impl Model {
    fn head(&self) -> Head {
        self.log
            .last()
            .map_or(Head::default(), |e| Head { seq: e.seq, n: e.n })
    }

    /// An event as a page shows it, by the rules of the wire: edits say nothing at their own
    /// place, the highest seq wins, what is deleted is empty and takes no further change.
    fn folded(&self, seq: Seq, as_of: Seq) -> server::Event {
        let mut e = self.log[seq.0 as usize - 1].clone();
        if e.kind == kind::EDIT {
            e.body = None;
        }
        for c in self.log.iter().filter(|c| c.seq <= as_of) {
            if c.class != Class::Change || c.target != Some(seq) || e.deleted.is_some() {
                continue;
            }
            match c.kind.as_str() {
                kind::EDIT => {
                    e.body.clone_from(&c.body);
                    e.mentions = c.mentions.clone();
                    e.edited = Some(server::Edited {
                        seq: c.seq,
                        time_ms: c.time_ms,
                    });
                }
                kind::DELETE => {
                    e.body = None;
                    e.edited = None;
                    e.reactions.clear();
                    e.deleted = Some(server::Deleted {
                        seq: c.seq,
                        by: c.sender,
                    });
                }
                kind::REACTION => {
                    let key = c.key.clone().unwrap();
                    e.reactions.retain(|r| r.user != c.sender || r.key != key);
                    if c.on {
                        e.reactions.push(server::Reaction {
                            seq: c.seq,
                            user: c.sender,
                            key,
                        });
                    }
                }
                _ => unreachable!(),
            }
        }
        e
    }
}

struct Device {
    client: Client,
    settings: Settings,
    store: Restored,
    unwritten: VecDeque<(Ticket, Vec<Op>)>,
    up: bool,
    connecting: bool,
    /// Frames on their way down and up.
    down: VecDeque<Server>,
    upward: VecDeque<Frame>,
    requests: Vec<MessageId>,
    ended: BTreeMap<MessageId, Ended>,
    lives: u8,
}

struct World {
    dice: Dice,
    now: u64,
    model: Model,
    devices: Vec<Device>,
    faults: bool,
    frames: usize,
}

impl World {
    fn new(seed: u64, fetch: Fetch) -> Self {
        let mut dice = Dice(seed);
        let devices = (0..CLIENTS)
            .map(|i| {
                let name = [i as u8];
                let mut settings = Settings::new(
                    UserId::derived("user", &[&name]),
                    DeviceId::derived("device", &[&name]),
                    Token("t".into()),
                );
                settings.fetch = fetch;
                settings.page_events = 1 + dice.roll(8) as u32;
                settings.held_max = 10_000;
                let seed = [i as u8 + 1; 32];
                Device {
                    client: Client::new(settings.clone(), seed),
                    settings,
                    store: Restored::default(),
                    unwritten: VecDeque::new(),
                    up: false,
                    connecting: false,
                    down: VecDeque::new(),
                    upward: VecDeque::new(),
                    requests: Vec::new(),
                    ended: BTreeMap::new(),
                    lives: 1,
                }
            })
            .collect();
        Self {
            dice,
            now: 1_000,
            model: Model::default(),
            devices,
            faults: true,
            frames: 0,
        }
    }

    fn feed(&mut self, i: usize, input: Input) {
        let mut out = Vec::new();
        self.devices[i].client.handle(self.now, input, &mut out);
        self.act(i, out);
    }

    fn act(&mut self, i: usize, out: Vec<Output>) {
        for output in out {
            let d = &mut self.devices[i];
            match output {
                Output::Connect => d.connecting = true,
                Output::Close => {
                    d.up = false;
                    d.connecting = false;
                    d.down.clear();
                    d.upward.clear();
                }
                Output::Send(frame) => {
                    self.frames += 1;
                    assert!(d.up, "a frame without a socket");
                    d.upward.push_back(*frame);
                }
                Output::Persist { ticket, ops } => d.unwritten.push_back((ticket, ops)),
                Output::Update(Update::Ended { id, how, .. }) => {
                    if let Some(before) = d.ended.insert(id, how.clone()) {
                        assert_eq!(before, how, "two outcomes of one request");
                    }
                }
                Output::Update(_) => {}
            }
        }
    }

    /// One thing happens somewhere.
    fn step(&mut self) {
        let i = self.dice.roll(CLIENTS as u64) as usize;
        match self.dice.roll(12) {
            0 | 1 => self.write(i),
            2 | 3 => {
                if let Some(frame) = self.devices[i].down.pop_front() {
                    self.feed(i, Input::Frame(Box::new(frame)));
                }
            }
            4 | 5 => {
                if let Some(frame) = self.devices[i].upward.pop_front() {
                    self.serve(i, frame);
                }
            }
            6 => {
                self.now += self.dice.roll(400);
                self.tick();
            }
            7 if self.devices[i].connecting => {
                self.devices[i].connecting = false;
                if self.faults && self.dice.one_in(4) {
                    self.hang_up(i);
                } else {
                    self.devices[i].up = true;
                    self.feed(i, Input::Connected);
                }
            }
            8 if self.faults && self.dice.one_in(8) && self.devices[i].up => {
                self.devices[i].up = false;
                self.devices[i].down.clear();
                self.devices[i].upward.clear();
                self.hang_up(i);
            }
            9 if self.faults && self.dice.one_in(30) => self.restart(i),
            10 | 11 if self.faults => self.want(i),
            _ => {}
        }
    }

    fn hang_up(&mut self, i: usize) {
        self.feed(
            i,
            Input::Disconnected {
                code: None,
                why: "the net".into(),
            },
        );
    }

    fn tick(&mut self) {
        for i in 0..CLIENTS {
            if self.devices[i]
                .client
                .wake_at()
                .is_some_and(|at| at <= self.now)
            {
                self.feed(i, Input::Tick);
            }
        }
    }

    /// The disk takes one batch.
    fn write(&mut self, i: usize) {
        let Some((ticket, ops)) = self.devices[i].unwritten.pop_front() else {
            return;
        };
        let s = &mut self.devices[i].store;
        for op in ops {
            match op {
                Op::Begin(store) => {
                    *s = Restored {
                        store: Some(store),
                        outbox: std::mem::take(&mut s.outbox),
                        ..Restored::default()
                    };
                }
                Op::Outbox(row) => {
                    s.outbox.retain(|r| r.id != row.id);
                    s.outbox.push(row.as_ref().clone());
                }
                Op::OutboxGone(id) => s.outbox.retain(|r| r.id != id),
                Op::Line(line) => s.lines = vec![line],
                Op::About(about) => s.about = vec![*about],
                Op::Held(id, held) => s.held = vec![(id, *held)],
                Op::Event(event) => {
                    s.events.retain(|e| e.seq != event.seq);
                    s.events.push(event.as_ref().clone());
                }
                Op::EventsGone(_, from, to) => {
                    s.events.retain(|e| e.seq < from || e.seq > to);
                }
                Op::Mail(..) => {}
            }
        }
        self.feed(i, Input::Persisted(ticket));
    }

    /// The process dies; what the disk did not take is gone.
    fn restart(&mut self, i: usize) {
        let d = &mut self.devices[i];
        d.lives += 1;
        d.client = Client::new(d.settings.clone(), [d.lives * 16 + i as u8; 32]);
        d.unwritten.clear();
        d.down.clear();
        d.upward.clear();
        d.up = false;
        d.connecting = false;
        // A request that never reached the disk was never handed to a socket: it is as if it had
        // never been made. Whoever saw its outcome saw it before.
        let kept: Vec<_> = d.store.outbox.iter().map(|r| r.id).collect();
        let ended = &d.ended;
        d.requests
            .retain(|id| kept.contains(id) || ended.contains_key(id));
        let restored = Box::new(d.store.clone());
        self.feed(i, Input::Restored(restored));
        self.feed(i, Input::Start);
    }

    /// Someone does something.
    fn want(&mut self, i: usize) {
        let head = self.model.head().seq;
        let target = Seq(1 + self.dice.roll(head.0.max(1)));
        let request = match self.dice.roll(10) {
            0..=3 => Request::Send(Box::new(draft::text(room(), format!("{}", self.now)))),
            4 | 5 => Request::React {
                conversation: room(),
                target,
                key: ["a", "b"][self.dice.roll(2) as usize].into(),
                on: !self.dice.one_in(3),
            },
            6 => Request::Edit {
                conversation: room(),
                target,
                body: Body::text(format!("edited {}", self.now)),
                mentions: Mentions::default(),
            },
            7 => Request::Delete {
                conversation: room(),
                target,
            },
            8 => {
                let waiting: Vec<_> = self.devices[i].client.outbox().map(|r| r.id).collect();
                if waiting.is_empty() {
                    return;
                }
                let which = self.dice.roll(waiting.len() as u64) as usize;
                Request::GiveUp(waiting[which])
            }
            _ => {
                let command = match self.dice.roll(3) {
                    0 => Command::Read {
                        conversation: room(),
                        upto: target,
                    },
                    1 => Command::Older(room()),
                    _ => Command::Focus {
                        conversation: self.dice.one_in(2).then(room),
                        members: false,
                    },
                };
                self.feed(i, Input::Command(command));
                return;
            }
        };
        let new = !matches!(request, Request::GiveUp(_));
        let mut out = Vec::new();
        let done = self.devices[i].client.request(self.now, request, &mut out);
        self.act(i, out);
        if let (true, Ok(accepted)) = (new, done) {
            self.devices[i].requests.push(accepted.id);
        }
    }

    fn reply(&mut self, i: usize, frame: Server) {
        self.devices[i].down.push_back(frame);
    }

    /// The server takes a frame.
    fn serve(&mut self, i: usize, frame: Frame) {
        let user = self.devices[i].settings.user;
        match frame {
            Frame::Hello(_) => {
                let device = self.devices[i].settings.device;
                self.reply(
                    i,
                    Server::Welcome(server::Welcome {
                        session: SessionId::NIL,
                        user,
                        device,
                        store: StoreId::derived("store", &[b"one"]),
                        time_ms: 0,
                        limits: Limits::default(),
                        features: vec![],
                    }),
                );
            }
            Frame::Sync(sync) => {
                let line = Line {
                    conversation: room(),
                    head: self.model.head(),
                    own: self.model.marks.get(&user).copied().unwrap_or_default(),
                    other: None,
                    standing: Standing::Member(Seq(1)),
                };
                let about = server::About {
                    conversation: room(),
                    shape: Shape::Group,
                    history: Default::default(),
                    members: 3,
                    name: None,
                    topic: None,
                    peer: None,
                    role: Default::default(),
                    joined_n: 0,
                    mentions: 0,
                };
                self.reply(
                    i,
                    Server::Page(server::Page {
                        r#ref: sync.r#ref,
                        lines: vec![line],
                        about: vec![about],
                        stretch: None,
                        more: false,
                        ready: true,
                    }),
                );
            }
            Frame::Send(s) => {
                self.sequence(i, s.r#ref, s.id, s.after, kind::MESSAGE, |e| {
                    e.body = Some(s.body)
                });
            }
            Frame::Edit(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::EDIT, |e| {
                e.target = Some(x.target);
                e.body = Some(x.body);
            }),
            Frame::Delete(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::DELETE, |e| {
                e.target = Some(x.target);
            }),
            Frame::React(x) => self.sequence(i, x.r#ref, x.id, x.after, kind::REACTION, |e| {
                e.target = Some(x.target);
                e.key = Some(x.key);
                e.on = x.on;
            }),
            Frame::Cancel(c) => {
                let key = (user, c.id);
                let known = c
                    .after
                    .is_none_or(|a| self.model.outcomes.contains_key(&(user, a)));
                if !known && !self.model.outcomes.contains_key(&key) {
                    let error = server::Error::new(c.r#ref, Code::AFTER_UNKNOWN);
                    return self.reply(i, Server::Error(error.of(room(), c.id)));
                }
                let outcome = *self
                    .model
                    .outcomes
                    .entry(key)
                    .or_insert(Outcome::Refused(Code::CANCELLED));
                self.answer(i, c.r#ref, c.id, outcome);
            }
            Frame::Delivered(m) | Frame::Read(m) => {
                let head = self.model.head();
                for seq in m.marks.values() {
                    assert!(*seq <= head.seq, "a mark of the future");
                    let at = Head {
                        seq: *seq,
                        n: self.model.log.get(seq.0 as usize - 1).unwrap().n,
                    };
                    let mark = self.model.marks.entry(user).or_default();
                    *mark = mark.join(Mark {
                        delivered: at,
                        read: Head::default(),
                    });
                }
                let own = self.model.marks.get(&user).copied();
                self.reply(
                    i,
                    Server::Receipt(server::Receipt {
                        conversation: room(),
                        own,
                        members: vec![],
                        counts: None,
                    }),
                );
            }
            Frame::History(h) => self.history(i, &h),
            Frame::Ping(p) => self.reply(
                i,
                Server::Pong(server::Pong {
                    r#ref: p.r#ref,
                    time_ms: 0,
                }),
            ),
            _ => {}
        }
    }

    fn answer(&mut self, i: usize, r#ref: u64, id: MessageId, outcome: Outcome) {
        if self.faults && self.dice.one_in(6) {
            return;
        }
        let frame = match outcome {
            Outcome::Placed(seq) => Server::Sent(server::Sent {
                r#ref,
                id,
                conversation: room(),
                seq,
                n: self.model.log[seq.0 as usize - 1].n,
                time_ms: seq.0,
            }),
            Outcome::Refused(code) => Server::Error(server::Error::new(r#ref, code).of(room(), id)),
        };
        self.reply(i, frame);
    }

    fn sequence(
        &mut self,
        i: usize,
        r#ref: u64,
        id: MessageId,
        after: Option<MessageId>,
        kind: &str,
        fill: impl FnOnce(&mut server::Event),
    ) {
        let user = self.devices[i].settings.user;
        if let Some(outcome) = self.model.outcomes.get(&(user, id)) {
            return self.answer(i, r#ref, id, *outcome);
        }
        if self.faults && self.dice.one_in(8) {
            // Lost on the way to the log.
            return;
        }
        let known = after.is_none_or(|a| self.model.outcomes.contains_key(&(user, a)));
        let busy = self.faults && self.dice.one_in(6);
        if !known || busy {
            let code = if known {
                Code::UNAVAILABLE
            } else {
                Code::AFTER_UNKNOWN
            };
            return self.reply(
                i,
                Server::Error(server::Error::new(r#ref, code).of(room(), id)),
            );
        }
        let head = self.model.head();
        let class = kind::find(kind).unwrap().class;
        let mut e = server::Event {
            conversation: room(),
            seq: head.seq.next(),
            n: head.n + u64::from(class == Class::Content),
            prev: head.seq,
            time_ms: head.seq.0 + 1,
            id,
            sender: user,
            device: self.devices[i].settings.device,
            class,
            kind: kind.to_owned(),
            target: None,
            key: None,
            value: None,
            on: true,
            base: None,
            named: vec![],
            create: None,
            reply_to: None,
            thread: None,
            mentions: Mentions::default(),
            quiet: false,
            origin: None,
            expires_after_s: None,
            body: None,
            edited: None,
            deleted: None,
            reactions: vec![],
            pinned: None,
        };
        fill(&mut e);
        let refusal = match e.target.and_then(|t| (t.0 as usize).checked_sub(1)) {
            _ if e.target.is_none() => None,
            Some(t) if t < self.model.log.len() => {
                let target = self.model.folded(Seq(t as u64 + 1), head.seq);
                if target.class != Class::Content {
                    Some(Code::NO_TARGET)
                } else if target.deleted.is_some() {
                    Some(Code::DELETED)
                } else {
                    None
                }
            }
            _ => Some(Code::NO_TARGET),
        };
        if let Some(code) = refusal {
            let outcome = Outcome::Refused(code);
            self.model.outcomes.insert((user, id), outcome);
            return self.answer(i, r#ref, id, outcome);
        }
        self.model
            .outcomes
            .insert((user, id), Outcome::Placed(e.seq));
        self.model.log.push(e.clone());
        for other in 0..CLIENTS {
            if !self.devices[other].up {
                continue;
            }
            // Lost in between, and the head told later; or not at all until the next event.
            if self.faults && self.dice.one_in(5) {
                if !self.dice.one_in(3) {
                    let heads = vec![server::Moved {
                        conversation: room(),
                        head: self.model.head(),
                    }];
                    self.reply(other, Server::Heads(server::Heads { heads }));
                }
            } else {
                self.reply(other, Server::Event(e.clone()));
            }
        }
        self.answer(i, r#ref, id, Outcome::Placed(e.seq));
    }

    fn history(&mut self, i: usize, h: &parlour_protocol::frame::client::History) {
        if self.faults && self.dice.one_in(8) {
            return;
        }
        if self.faults && self.dice.one_in(8) {
            let error = server::Error::new(h.r#ref, Code::UNAVAILABLE);
            return self.reply(i, Server::Error(error));
        }
        let head = self.model.head().seq;
        // What the head row says may lag behind the events.
        let as_of = if self.faults {
            Seq(head.0.saturating_sub(self.dice.roll(3)))
        } else {
            head
        };
        let limit = u64::from(h.limit.unwrap());
        let (from, to, more) = match (h.after, h.before) {
            (Some(a), _) => {
                let end = h.before.map_or(head, |b| b.prev().min(head));
                let to = Seq((a.0 + limit).min(end.0));
                (a.next(), to, to < end)
            }
            (None, before) => {
                let to = before.map_or(head, Seq::prev);
                let from = Seq(to.0.saturating_sub(limit - 1).max(1));
                (from, to, from > Seq(1))
            }
        };
        let mut events: Vec<_> = (from.0..=to.0)
            .map(|s| self.model.folded(Seq(s), as_of))
            .collect();
        if let Some(since) = h.changes_since {
            events.retain(|e| {
                self.model
                    .log
                    .iter()
                    .any(|c| c.seq > since && c.seq <= as_of && c.target == Some(e.seq))
            });
        }
        let stretch = server::Stretch {
            conversation: room(),
            from,
            to,
            events,
            as_of,
            withheld: vec![],
            more,
            changes: h.changes_since.is_some(),
        };
        self.reply(
            i,
            Server::Page(server::Page {
                r#ref: h.r#ref,
                lines: vec![],
                about: vec![],
                stretch: Some(stretch),
                more: false,
                ready: false,
            }),
        );
    }

    /// The faults are over: everything comes to rest within a bound.
    fn settle(&mut self) {
        self.faults = false;
        // Whoever missed an event and its head hears of it by the heads of later.
        for i in 0..CLIENTS {
            if self.devices[i].up {
                let heads = vec![server::Moved {
                    conversation: room(),
                    head: self.model.head(),
                }];
                self.reply(i, Server::Heads(server::Heads { heads }));
            }
        }
        for _ in 0..200_000 {
            self.step();
            let busy = self.devices.iter().any(|d| {
                !d.client.quiet()
                    || !d.down.is_empty()
                    || !d.upward.is_empty()
                    || !d.unwritten.is_empty()
            });
            if !busy {
                return;
            }
        }
        for d in &self.devices {
            eprintln!(
                "{:?} held {:?} head {:?} outbox {:?}",
                d.client.link(),
                d.client.held(room()),
                self.model.head(),
                d.client.outbox().collect::<Vec<_>>()
            );
        }
        panic!("no rest");
    }

    fn check(&self, fetch: Fetch) {
        let head = self.model.head().seq;
        for d in &self.devices {
            let user = d.settings.user;
            // Every request ended as the server says.
            for id in &d.requests {
                let outcome = self.model.outcomes.get(&(user, *id));
                let how = d.ended.get(id);
                match (outcome, how) {
                    (Some(Outcome::Placed(seq)), Some(Ended::Sent { seq: told, .. })) => {
                        assert_eq!(seq, told);
                    }
                    (Some(Outcome::Refused(code)), Some(Ended::Refused { code: told, .. })) => {
                        assert_eq!(code, told);
                    }
                    (Some(Outcome::Refused(_)) | None, Some(Ended::GivenUp)) => {}
                    other => panic!("{id}: {other:?}"),
                }
            }
            for row in d.client.outbox() {
                assert!(matches!(row.stage, Stage::Failed { .. }), "{row:?}");
            }
            // In the order in which they were asked for.
            let places: Vec<Seq> = d
                .requests
                .iter()
                .filter_map(|id| match self.model.outcomes.get(&(user, *id)) {
                    Some(Outcome::Placed(seq)) => Some(*seq),
                    _ => None,
                })
                .collect();
            assert!(places.windows(2).all(|w| w[0] < w[1]), "{places:?}");
            // What is held is what the server has.
            let held = d.client.held(room());
            if head > Seq::ZERO {
                let newest = held.last().unwrap();
                assert_eq!(newest.to, head);
            }
            if fetch == Fetch::Everything && head > Seq::ZERO {
                assert_eq!((held[0].from, held.len()), (Seq(1), 1), "{held:?}");
            }
            for s in held {
                if s.as_of < head {
                    continue;
                }
                for seq in s.from.0..=s.to.0 {
                    let mut is = d.client.event(room(), Seq(seq)).unwrap().as_ref().clone();
                    let mut should = self.model.folded(Seq(seq), head);
                    is.reactions.sort_by_key(|r| r.seq);
                    should.reactions.sort_by_key(|r| r.seq);
                    if is.class == Class::Change {
                        // Who heard an edit by itself knows what it said.
                        is.body = None;
                    }
                    assert_eq!(is, should, "held {held:?}");
                }
            }
            let t = d.client.timeline(room(), None, 100_000);
            let mut seen = std::collections::BTreeSet::new();
            for item in &t.items {
                if let parlour_client_core::view::Item::Placed { event, .. } = item {
                    assert!(seen.insert(event.seq), "shown twice");
                }
            }
        }
        assert!(self.frames < 40_000, "{} frames are too many", self.frames);
    }
}

fn run(seed: u64, steps: usize, fetch: Fetch) {
    let mut world = World::new(seed, fetch);
    for i in 0..CLIENTS {
        world.feed(i, Input::Start);
    }
    for _ in 0..steps {
        world.step();
    }
    world.settle();
    world.check(fetch);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_together(seed: u64, steps in 50usize..2_500) {
        run(seed, steps, Fetch::Everything);
    }

    #[test]
    fn newest_pages_come_together(seed: u64, steps in 50usize..2_500) {
        run(seed, steps, Fetch::Newest);
    }
}
