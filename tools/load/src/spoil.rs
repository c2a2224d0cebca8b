//! Breaks the record of a run in one place by hand, to see that the judge finds it.
//!
//! Promises: the clients and the server know nothing of it; only what the judge is told is wrong.

use parlour_checker::{Op, Via};
use parlour_sdk::protocol::{ConversationId, DeviceId, Seq};

/// How to break it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Spoil {
    /// One device did not get one message (a lost one).
    Lost,
    /// One device that read back at the end did not get one message (a lost one).
    Unread,
    /// A message was answered with two places (a duplicated one).
    Duplicated,
    /// One device got two messages in the wrong order (a reordered one).
    Reordered,
    /// A message that nobody sent was received (a phantom).
    Phantom,
}

/// How often what could be spoiled passes untouched first: the middle of a run, not its beginning.
const PASSED: u32 = 40;

/// Spoils once.
pub(crate) struct Spoiler {
    how: Spoil,
    passed: u32,
    stage: Stage,
    did: String,
}

enum Stage {
    Waiting,
    /// Keeps this place from this device, however it comes.
    Keeping(DeviceId, ConversationId, Seq),
    /// Held back until the same device gets another on the same connection.
    Holding(Box<Op>),
    Done,
}

impl Spoiler {
    /// One that has not begun.
    pub(crate) fn new(how: Spoil) -> Self {
        Self {
            how,
            passed: 0,
            stage: Stage::Waiting,
            did: "nothing: there was too little to spoil".to_owned(),
        }
    }

    /// What it did, for people.
    pub(crate) fn did(&self) -> String {
        self.did.clone()
    }

    /// What the judge is told instead of this.
    pub(crate) fn pass(&mut self, op: &Op) -> Vec<Op> {
        match &self.stage {
            Stage::Done => vec![op.clone()],
            Stage::Waiting => self.begin(op),
            Stage::Keeping(device, conversation, seq) => match op {
                Op::Receive {
                    device: d,
                    conversation: c,
                    event,
                    ..
                } if (d, c, event.seq) == (device, conversation, *seq) => Vec::new(),
                _ => vec![op.clone()],
            },
            Stage::Holding(held) => {
                if next_on_its_connection(held, op) {
                    let both = vec![op.clone(), (**held).clone()];
                    self.stage = Stage::Done;
                    both
                } else if ends_its_connection(held, op) {
                    // Another one, then.
                    let both = vec![(**held).clone(), op.clone()];
                    self.stage = Stage::Waiting;
                    both
                } else {
                    vec![op.clone()]
                }
            }
        }
    }

    fn begin(&mut self, op: &Op) -> Vec<Op> {
        if !self.suits(op) {
            return vec![op.clone()];
        }
        // Of readings there may be few: the first will do.
        if self.passed < PASSED && self.how != Spoil::Unread {
            self.passed += 1;
            return vec![op.clone()];
        }
        match op {
            Op::Receive {
                device,
                conversation,
                event,
                ..
            } if self.how == Spoil::Lost => {
                self.did = format!("device {device} is taken not to have got {}", event.seq);
                self.stage = Stage::Keeping(*device, *conversation, event.seq);
                Vec::new()
            }
            Op::Receive { device, event, .. } => {
                self.did = format!("device {device} is taken to have got {} late", event.seq);
                self.stage = Stage::Holding(Box::new(op.clone()));
                Vec::new()
            }
            Op::ReadBack(reading) => {
                let mut reading = reading.clone();
                let at = reading.events.len() / 2;
                let event = reading.events.remove(at);
                self.did = format!(
                    "device {} is taken not to have read {} back",
                    reading.device, event.seq
                );
                self.stage = Stage::Done;
                vec![Op::ReadBack(reading)]
            }
            Op::Ok {
                device,
                conversation,
                id,
                seq,
                n,
            } => {
                self.did = format!("{id} is taken to have been answered twice");
                self.stage = Stage::Done;
                let again = Op::Ok {
                    device: *device,
                    conversation: *conversation,
                    id: *id,
                    seq: seq.next(),
                    n: *n,
                };
                vec![op.clone(), again]
            }
            Op::Invoke { id, .. } => {
                self.did = format!("{id} is taken not to have been sent");
                self.stage = Stage::Done;
                Vec::new()
            }
            _ => vec![op.clone()],
        }
    }

    /// Whether this is what it is about to spoil.
    fn suits(&self, op: &Op) -> bool {
        match (self.how, op) {
            (Spoil::Lost, Op::Receive { event, .. }) => !event.quiet,
            (Spoil::Reordered, Op::Receive { event, via, .. }) => *via == Via::Live && !event.quiet,
            (Spoil::Unread, Op::ReadBack(reading)) => !reading.events.is_empty(),
            (Spoil::Duplicated, Op::Ok { .. }) | (Spoil::Phantom, Op::Invoke { .. }) => true,
            _ => false,
        }
    }
}

fn next_on_its_connection(held: &Op, op: &Op) -> bool {
    match (held, op) {
        (
            Op::Receive {
                connection: a,
                conversation: x,
                ..
            },
            Op::Receive {
                connection: b,
                conversation: y,
                event,
                via: Via::Live,
                ..
            },
        ) => a == b && x == y && !event.quiet,
        _ => false,
    }
}

fn ends_its_connection(held: &Op, op: &Op) -> bool {
    match (held, op) {
        (Op::Receive { connection, .. }, Op::Disconnect { connection: c, .. }) => connection == c,
        (
            Op::Receive { device, .. },
            Op::Whole { device: d, .. } | Op::Timeline { device: d, .. },
        ) => device == d,
        _ => false,
    }
}
