//! One partition's life on one router: read, ask, decide, store, locate, raise, locate again.

mod delivering;
mod reading;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_protocol::bytes::Bytes;
use parlour_protocol::fact::Question;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::position::{self, Generation, Position, Progress};
use parlour_protocol::record::Record;

use crate::log::sequencer::{Decided, Sequencer};
use crate::router::raise::{Heads, Round};
use crate::router::step::{Call, Input, Output};
use crate::router::tell::Found;
use crate::router::{Bounds, Remedy};

/// How a router goes about it. None of it changes what is decided.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Heads are durable with their events and sessions are in this process: steps 3 and 4 are
    /// one with 1 and 2 (decision 16, last sentence).
    pub joined: bool,
    /// Records decided at once, at most.
    pub batch_max: usize,
    /// Batches that wait for the store, at most.
    pub in_flight_max: usize,
    /// How long heads are gathered before they are raised.
    pub raise_after_ms: u64,
    /// Heads that one node is told at once, at most; beyond that it is told to be behind.
    pub heads_max: usize,
    /// Durable conversations that are remembered.
    pub remembered: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            joined: false,
            batch_max: 512,
            in_flight_max: 4,
            raise_after_ms: 500,
            heads_max: 10_000,
            remembered: 100_000,
        }
    }
}

/// How often progress and bounds that do not fit each other are read again.
const LOOKS: u32 = 3;

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Phase {
    Idle,
    Starting,
    Running,
    Stopped,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Step {
    Storing,
    Stored,
    Applying,
    Locating,
}

#[derive(Debug)]
struct Batch {
    call: Call,
    step: Step,
    found: Option<Found>,
    decided: Vec<Decided>,
    last: Progress,
}

#[derive(Debug)]
struct Raising {
    round: Round,
    step: Call,
    telling: BTreeSet<Call>,
    told: bool,
}

/// Records whose questions are being answered.
type Asking = (Call, Vec<(Position, Record)>, Vec<Question>);

/// One partition's life on one router. Give it [`Input`]s, do its [`Output`]s.
#[derive(Debug)]
pub struct Partition {
    id: position::Partition,
    config: Config,
    phase: Phase,
    sequencer: Sequencer,
    calls: u64,
    open: BTreeMap<Call, (Output, u32)>,
    again: BTreeSet<(u64, Call)>,
    cursors: Option<Vec<Vec<(Generation, Progress)>>>,
    bounds: Option<Vec<Bounds>>,
    looked: u32,
    next: Position,
    compare: Option<Bytes>,
    reading: Option<Call>,
    queue: VecDeque<(Position, Record)>,
    asking: Option<Asking>,
    batches: VecDeque<Batch>,
    heads: Heads,
    raising: Option<Raising>,
    advancing: Option<Call>,
    released: bool,
    durable: Option<Position>,
    /// Where sessions were when their events were told: for a planted bug alone.
    located: Found,
}

impl Partition {
    /// A partition that is not assigned yet.
    #[must_use]
    pub fn new(id: position::Partition, config: Config) -> Self {
        Self {
            id,
            config,
            phase: Phase::Idle,
            sequencer: Sequencer::new(config.remembered),
            calls: 0,
            open: BTreeMap::new(),
            again: BTreeSet::new(),
            cursors: None,
            bounds: None,
            looked: 0,
            next: Position::default(),
            compare: None,
            reading: None,
            queue: VecDeque::new(),
            asking: None,
            batches: VecDeque::new(),
            heads: Heads::default(),
            raising: None,
            advancing: None,
            released: false,
            durable: None,
            located: Found::default(),
        }
    }

    /// The partition.
    #[must_use]
    pub fn id(&self) -> position::Partition {
        self.id
    }

    /// Records taken from the log that are not delivered yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue.len()
            + self.asking.as_ref().map_or(0, |(_, batch, _)| batch.len())
            + self.batches.iter().map(|b| b.decided.len()).sum::<usize>()
    }

    /// Takes an input, and says what is to be done, in order.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        if self.phase == Phase::Stopped {
            return;
        }
        match input {
            Input::Assigned => {
                if self.phase == Phase::Idle {
                    self.phase = Phase::Starting;
                    self.call(out, |call| Output::ReadProgress { call });
                }
            }
            Input::Progress { call, cursors } => {
                if self.close(call) {
                    self.cursors = Some(cursors);
                    // After it, so that a log that merely grew meanwhile is no log cut short.
                    self.call(out, |call| Output::ReadBounds { call });
                }
            }
            Input::Bounds { call, bounds } => {
                if self.close(call) {
                    self.bounds = Some(bounds);
                    self.start(out);
                }
            }
            Input::Records { call, records } => {
                if self.close(call) {
                    self.reading = None;
                    self.take(records, out);
                }
            }
            Input::Facts { call, facts } => {
                if self.close(call)
                    && let Some((_, batch, questions)) =
                        self.asking.take_if(|(asked, _, _)| *asked == call)
                {
                    self.sequencer.learn(&questions, facts);
                    self.decide(batch, out);
                }
            }
            Input::Stored { call } => {
                if self.close(call) {
                    self.stored(call, out);
                }
            }
            Input::Located { call, found } => {
                if self.close(call) {
                    self.located(call, found, now_ms, out);
                }
            }
            Input::Applied { call } => {
                if self.close(call) {
                    self.applied(call, out);
                }
            }
            Input::Raised { call } => {
                if self.close(call)
                    && let Some(raising) = &mut self.raising
                {
                    raising.telling.remove(&call);
                }
            }
            Input::Advanced { call } => {
                let progress = match self.open.get(&call) {
                    Some((Output::Advance { progress, .. }, _)) => Some(progress.position),
                    _ => None,
                };
                if self.close(call) {
                    self.advancing = None;
                    // Only now: whoever begins again asks for what lies behind the progress.
                    if let Some(up_to) =
                        progress.filter(|_| !self.config.joined && !planted(Mutant::LetGoEarly))
                    {
                        out.push(Output::Done { up_to });
                    }
                }
            }
            Input::NodeGone { node } => self.node_gone(node),
            Input::PushAt { .. } | Input::Tick => {}
            Input::Failed { call } => self.failed(call, now_ms),
        }
        self.go_on(now_ms, out);
    }

    fn call(&mut self, out: &mut Vec<Output>, make: impl FnOnce(Call) -> Output) -> Call {
        self.calls += 1;
        let call = Call(self.calls);
        let output = make(call);
        self.open.insert(call, (output.clone(), 0));
        out.push(output);
        call
    }

    /// Whether the answer is to something that is still open.
    fn close(&mut self, call: Call) -> bool {
        self.again.retain(|(_, c)| *c != call);
        self.open.remove(&call).is_some()
    }

    fn failed(&mut self, call: Call, now_ms: u64) {
        if let Some((_, tries)) = self.open.get_mut(&call) {
            let wait_ms = 20u64.saturating_mul(1 << (*tries).min(7)).min(2_000);
            *tries += 1;
            self.again.insert((now_ms.saturating_add(wait_ms), call));
        }
    }

    fn stop(&mut self, remedy: Remedy, out: &mut Vec<Output>) {
        self.phase = Phase::Stopped;
        self.sequencer.clear();
        out.push(Output::Stop { remedy });
    }

    /// Everything that can go on, goes on.
    fn go_on(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if self.phase == Phase::Stopped {
            return;
        }
        self.repeat(now_ms, out);
        if self.phase != Phase::Running {
            self.wake(out);
            return;
        }
        self.judge(out);
        self.deliver(now_ms, out);
        self.raise(now_ms, out);
        self.read(out);
        self.wake(out);
    }

    fn repeat(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        while let Some(&(due_ms, call)) = self.again.first() {
            if due_ms > now_ms {
                break;
            }
            self.again.pop_first();
            if let Some((output, _)) = self.open.get(&call) {
                out.push(output.clone());
            }
        }
    }

    fn wake(&self, out: &mut Vec<Output>) {
        let again = self.again.first().map(|(due_ms, _)| *due_ms);
        let raise = if self.raising.is_none() && self.advancing.is_none() {
            self.heads
                .since_ms()
                .map(|since| since.saturating_add(self.config.raise_after_ms))
        } else {
            None
        };
        if let Some(at_ms) = again.into_iter().chain(raise).min() {
            out.push(Output::WakeAt { at_ms });
        }
    }
}
