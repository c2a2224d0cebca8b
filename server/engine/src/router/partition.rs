//! One partition's life on one router: read, ask, decide, store, locate, raise, locate again.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use parlour_protocol::bytes::Bytes;
use parlour_protocol::fact::Question;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::node::NodeId;
use parlour_protocol::position::{self, Generation, Offset, Position, Progress};
use parlour_protocol::record::Record;
use parlour_protocol::roster::{self, Change};
use parlour_protocol::row::Row;

use crate::log::begin::{Begin, begin};
use crate::log::sequencer::{Decided, Sequencer, UnknownRules};
use crate::router::raise::{Heads, Round};
use crate::router::step::{Call, Input, Output, Placed};
use crate::router::tell::Found;
use crate::router::tell::{concerned, signals};
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

    fn start(&mut self, out: &mut Vec<Output>) {
        let (Some(cursors), Some(bounds)) = (&self.cursors, &self.bounds) else {
            return;
        };
        match begin(self.id, cursors, bounds) {
            Ok(Begin { from, compare }) => {
                self.next = from;
                self.compare = compare;
                self.phase = Phase::Running;
            }
            // Who had the partition before may have gone on between the two readings: what a
            // person would be called for is looked at again first.
            Err(_) if self.looked < LOOKS => {
                self.looked += 1;
                self.call(out, |call| Output::ReadProgress { call });
            }
            Err(remedy) => self.stop(remedy, out),
        }
    }

    fn stop(&mut self, remedy: Remedy, out: &mut Vec<Output>) {
        self.phase = Phase::Stopped;
        self.sequencer.clear();
        out.push(Output::Stop { remedy });
    }

    fn take(&mut self, records: Vec<(Position, Record)>, out: &mut Vec<Output>) {
        for (position, record) in records {
            if position.before(self.next) {
                continue;
            }
            let begins_anew =
                position.generation > self.next.generation && position.offset == Offset(0);
            if position != self.next && !begins_anew {
                let next = self.next;
                self.stop(
                    Remedy::Hole {
                        next,
                        found: position,
                    },
                    out,
                );
                return;
            }
            self.next = position.next();
            if let Some(hash) = self.compare.take() {
                if record.hash() == hash {
                    continue;
                }
                self.stop(Remedy::Recreated { done: position }, out);
                return;
            }
            self.queue.push_back((position, record));
        }
    }

    fn decide(&mut self, batch: Vec<(Position, Record)>, out: &mut Vec<Output>) {
        let (decided, judged) = self.sequencer.decide(&batch);
        if let Some(last) = decided.last() {
            let last = Progress {
                position: last.position,
                record_hash: last.hash.clone(),
            };
            let rows: Vec<Row> = decided
                .iter()
                .flat_map(|d| d.rows.iter().cloned())
                .collect();
            if rows.is_empty() {
                // Answers alone: they wait for the batches before, not for the store.
                self.calls += 1;
                let call = Call(self.calls);
                self.batches.push_back(Batch {
                    call,
                    step: Step::Stored,
                    found: None,
                    decided,
                    last,
                });
            } else {
                if planted(Mutant::ProgressFirst) {
                    let progress = last.clone();
                    self.call(out, |call| Output::Advance { call, progress });
                }
                let call = self.call(out, |call| Output::Store { call, rows });
                let storing = if planted(Mutant::SentBeforeDurable) {
                    Step::Stored
                } else {
                    Step::Storing
                };
                self.batches.push_back(Batch {
                    call,
                    step: storing,
                    found: None,
                    decided,
                    last,
                });
            }
        }
        if let Err(UnknownRules { rules, .. }) = judged {
            self.released = true;
            self.queue.clear();
            out.push(Output::Release { rules });
        }
    }

    fn batch(&mut self, call: Call) -> Option<&mut Batch> {
        self.batches.iter_mut().find(|b| b.call == call)
    }

    fn stored(&mut self, call: Call, _out: &mut Vec<Output>) {
        if let Some(batch) = self.batch(call) {
            batch.step = Step::Stored;
        }
    }

    fn applied(&mut self, call: Call, out: &mut Vec<Output>) {
        if let Some(batch) = self.batch(call) {
            batch.step = Step::Locating;
            let (users, channels) = concerned(&batch.decided);
            let locate = self.call(out, |call| Output::Locate {
                call,
                users,
                channels,
            });
            if let Some(batch) = self.batch(call) {
                batch.call = locate;
            }
        } else if let Some(raising) = &self.raising
            && raising.step == call
        {
            let (users, channels) = raising.round.concerned();
            let locate = self.call(out, |call| Output::Locate {
                call,
                users,
                channels,
            });
            if let Some(raising) = &mut self.raising {
                raising.step = locate;
            }
        }
    }

    fn located(&mut self, call: Call, found: Found, _now_ms: u64, out: &mut Vec<Output>) {
        if let Some(batch) = self.batch(call) {
            batch.found = Some(found);
        } else if self.raising.as_ref().is_some_and(|r| r.step == call) {
            let found = match core::mem::take(&mut self.located) {
                _ if planted(Mutant::NoRaise) => Found::default(),
                before if planted(Mutant::LocatedOnce) => before,
                _ => found,
            };
            let signals = self
                .raising
                .as_ref()
                .map(|r| r.round.signals(&found, self.config.heads_max))
                .unwrap_or_default();
            let mut telling = BTreeSet::new();
            for (node, signals) in signals {
                if planted(Mutant::RaiseUnacknowledged) {
                    out.push(Output::Tell { node, signals });
                    continue;
                }
                telling.insert(self.call(out, |call| Output::Raise {
                    call,
                    node,
                    signals,
                }));
            }
            if let Some(raising) = &mut self.raising {
                raising.telling = telling;
                raising.told = true;
            }
        }
    }

    fn node_gone(&mut self, node: NodeId) {
        let gone: Vec<Call> = self
            .open
            .iter()
            .filter(|(_, (o, _))| matches!(o, Output::Raise { node: n, .. } if *n == node))
            .map(|(call, _)| *call)
            .collect();
        for call in gone {
            self.close(call);
            if let Some(raising) = &mut self.raising {
                raising.telling.remove(&call);
            }
        }
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

    fn judge(&mut self, out: &mut Vec<Output>) {
        while self.asking.is_none()
            && !self.queue.is_empty()
            && self.batches.len() < self.config.in_flight_max
            && self.may_store()
            && !self.released
        {
            let take = self.queue.len().min(self.config.batch_max.max(1));
            let batch: Vec<_> = self.queue.drain(..take).collect();
            // Only here: between a batch's questions and its decision nothing may be forgotten,
            // for what was known when it was asked is not asked.
            if let Some(position) = self.durable.take() {
                self.sequencer.durable(position);
            }
            let questions = self.sequencer.questions(&batch);
            match batch.first() {
                Some((as_of, _)) if !questions.is_empty() => {
                    let as_of = *as_of;
                    let asked = questions.clone();
                    let call = self.call(out, |call| Output::Ask {
                        call,
                        as_of,
                        questions: asked,
                    });
                    self.asking = Some((call, batch, questions));
                }
                _ => self.decide(batch, out),
            }
        }
    }

    /// Whether another batch may be on its way to the store. A log that dies with its process never
    /// gives a record again: there a batch must not be durable while one before it is not.
    fn may_store(&self) -> bool {
        !self.config.joined
            || planted(Mutant::JoinedPipelines)
            || self.batches.iter().all(|b| b.step != Step::Storing)
    }

    /// Batches are told in their order: nothing before its rows and all earlier ones are durable.
    fn deliver(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        let mut durable = None;
        let mut next_steps = Vec::new();
        for (at, batch) in self.batches.iter().enumerate() {
            if batch.step == Step::Storing && planted(Mutant::BatchesPass) {
                continue;
            }
            if batch.step == Step::Storing {
                break;
            }
            durable = Some(batch.last.position);
            if batch.step == Step::Stored {
                next_steps.push(at);
            }
        }
        if durable.is_some() {
            self.durable = durable;
        }
        for at in next_steps {
            let Some(batch) = self.batches.get(at) else {
                continue;
            };
            // Who is a member is known to gateways before anyone is told: a group that answers
            // `sent` to its maker takes that maker's next send.
            let changes: Vec<Change> = if self.config.joined {
                Vec::new()
            } else if batch.decided.iter().any(alters_standing) {
                batch
                    .decided
                    .iter()
                    .flat_map(|d| roster::changes(&d.rows))
                    .collect()
            } else {
                Vec::new()
            };
            let (call, step) = if changes.is_empty() {
                let (users, channels) = concerned(&batch.decided);
                let locate = self.call(out, |call| Output::Locate {
                    call,
                    users,
                    channels,
                });
                (locate, Step::Locating)
            } else {
                (
                    self.call(out, |call| Output::Apply { call, changes }),
                    Step::Applying,
                )
            };
            if let Some(batch) = self.batches.get_mut(at) {
                batch.call = call;
                batch.step = step;
            }
        }
        while let Some(at) = self.batches.iter().position(|b| b.found.is_some()) {
            if at > 0 && !planted(Mutant::BatchesPass) {
                break;
            }
            let Some(batch) = self.batches.remove(at) else {
                break;
            };
            let found = batch.found.unwrap_or_default();
            if planted(Mutant::LocatedOnce) {
                self.located.locations.extend(found.locations.clone());
                self.located.watchers.extend(found.watchers.clone());
            }
            for (node, signals) in signals(&batch.decided, &found) {
                out.push(Output::Tell { node, signals });
            }
            let up_to = batch.last.position;
            let events: Vec<Placed> = batch.decided.iter().filter_map(placed).collect();
            out.push(Output::Placed { events, up_to });
            if self.config.joined || planted(Mutant::LetGoEarly) {
                out.push(Output::Done { up_to });
            }
            if self.config.joined {
                self.heads.add(&[], batch.last, now_ms);
            } else {
                self.heads.add(&batch.decided, batch.last, now_ms);
            }
        }
        // What was freed may be filled at once.
        self.judge(out);
    }

    fn raise(&mut self, now_ms: u64, out: &mut Vec<Output>) {
        if let Some(raising) = self.raising.take_if(|r| r.told && r.telling.is_empty()) {
            let progress = raising.round.done;
            self.advancing = Some(self.call(out, |call| Output::Advance { call, progress }));
        }
        let due = self
            .heads
            .since_ms()
            .is_some_and(|since| now_ms >= since.saturating_add(self.config.raise_after_ms));
        if !due || self.raising.is_some() || self.advancing.is_some() {
            return;
        }
        let Some(round) = self.heads.take() else {
            return;
        };
        if round.changes.is_empty() {
            // Nothing to raise: answers alone, or heads that were durable with their events.
            let progress = round.done;
            self.advancing = Some(self.call(out, |call| Output::Advance { call, progress }));
            return;
        }
        let changes = round.changes.clone();
        let step = self.call(out, |call| Output::Apply { call, changes });
        self.raising = Some(Raising {
            round,
            step,
            telling: BTreeSet::new(),
            told: false,
        });
    }

    fn read(&mut self, out: &mut Vec<Output>) {
        if self.reading.is_none() && self.queue.len() < self.config.batch_max && !self.released {
            let (from, max) = (self.next, self.config.batch_max);
            self.reading = Some(self.call(out, |call| Output::Read { call, from, max }));
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

/// Whether a decision changes who is a member, or how a conversation stands beyond its head.
fn alters_standing(d: &Decided) -> bool {
    d.rows.iter().any(|row| match row {
        Row::Interval(_) | Row::Setting(_) => true,
        Row::Event(event) => event.seq.0 == 1,
        _ => false,
    })
}

fn placed(d: &Decided) -> Option<Placed> {
    let event = d.event.clone()?;
    Some(Placed {
        position: d.position,
        event,
        audience: d.audience.clone(),
    })
}
