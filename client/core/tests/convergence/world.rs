//! Devices with their disks and sockets, and what may befall them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_client_core::saved::{Op, Restored, Ticket};
use parlour_client_core::{
    Client, Command, Ended, Fetch, Input, Output, Request, Settings, Update, draft,
};
use parlour_protocol::body::Body;
use parlour_protocol::frame::client::Token;
use parlour_protocol::frame::{Client as Frame, Server};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, UserId};
use parlour_protocol::record::Mentions;
use parlour_protocol::seq::Seq;

use crate::model::Model;

pub(crate) const CLIENTS: usize = 3;

pub(crate) fn room() -> ConversationId {
    ConversationId::derived("room", &[b"one"])
}

pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
    pub(crate) fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) settings: Settings,
    pub(crate) store: Restored,
    pub(crate) unwritten: VecDeque<(Ticket, Vec<Op>)>,
    pub(crate) up: bool,
    pub(crate) connecting: bool,
    /// Frames on their way down and up.
    pub(crate) down: VecDeque<Server>,
    pub(crate) upward: VecDeque<Frame>,
    pub(crate) requests: Vec<MessageId>,
    pub(crate) ended: BTreeMap<MessageId, Ended>,
    /// Places told of, over all its lives.
    pub(crate) told: BTreeSet<Seq>,
    pub(crate) lives: u8,
}

pub(crate) struct World {
    pub(crate) dice: Dice,
    pub(crate) now: u64,
    pub(crate) model: Model,
    pub(crate) devices: Vec<Device>,
    pub(crate) faults: bool,
    pub(crate) frames: usize,
}

impl World {
    pub(crate) fn new(seed: u64, fetch: Fetch) -> Self {
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
                settings.held_max = if dice.one_in(2) {
                    10_000
                } else {
                    8 + dice.roll(40) as usize
                };
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
                    told: BTreeSet::new(),
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

    pub(crate) fn feed(&mut self, i: usize, input: Input) {
        let mut out = Vec::new();
        self.devices[i].client.handle(self.now, input, &mut out);
        self.act(i, out);
    }

    pub(crate) fn act(&mut self, i: usize, out: Vec<Output>) {
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
                Output::Update(Update::Event { event, .. }) => {
                    d.told.insert(event.seq);
                }
                Output::Update(_) => {}
            }
        }
    }

    /// One thing happens somewhere.
    pub(crate) fn step(&mut self) {
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

    pub(crate) fn hang_up(&mut self, i: usize) {
        self.feed(
            i,
            Input::Disconnected {
                code: None,
                why: "the net".into(),
            },
        );
    }

    pub(crate) fn tick(&mut self) {
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
    pub(crate) fn write(&mut self, i: usize) {
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
    pub(crate) fn restart(&mut self, i: usize) {
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
    pub(crate) fn want(&mut self, i: usize) {
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

    pub(crate) fn reply(&mut self, i: usize, frame: Server) {
        self.devices[i].down.push_back(frame);
    }
}
