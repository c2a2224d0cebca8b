//! [`Outbox`]: what this device asked for and does not know the outcome of.
//!
//! Promises: a row is stored before it is handed to a socket, and keeps its id over every try. It
//! leaves only with its outcome. Within a conversation rows go out in order, each naming the
//! nearest earlier one that is still here, so the server never places them otherwise.

mod check;
mod frame;
mod outcome;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parlour_protocol::frame::{Client as Frame, Ref};
use parlour_protocol::id::{ConversationId, MessageId};
use parlour_protocol::seq::Seq;

use crate::entropy::Entropy;
use crate::failing::Failing;
use crate::input::Refused;
use crate::output::Ended;
use crate::saved::{Asked, Op, Row, Stage, Ticket};
use crate::settings::Settings;

pub(crate) use check::check;

/// Rows kept between their outcome and the coming of their event, so that a screen never misses
/// them; past it the oldest is let go.
const SETTLED: usize = 256;

#[derive(Debug)]
pub(crate) struct Outbox {
    entries: BTreeMap<u64, Entry>,
    ids: BTreeMap<MessageId, u64>,
    /// Rows without outcome, by conversation, in order.
    waiting: BTreeMap<ConversationId, BTreeSet<u64>>,
    waiting_count: usize,
    waiting_bytes: usize,
    failed: VecDeque<u64>,
    settled: VecDeque<(Arc<Row>, Seq)>,
    /// Rows given up that no socket ever had: their outcome holds once the store forgot them.
    dropping: VecDeque<(Ticket, MessageId)>,
    next_order: u64,
    open: usize,
    /// How many may be open: fewer after the server said that it is too much.
    window: usize,
    /// The device as a whole was asked to wait.
    paused_until: u64,
}

#[derive(Debug)]
struct Entry {
    row: Arc<Row>,
    bytes: usize,
    /// The batch that stores it as it is now.
    ticket: Ticket,
    /// Whether it was certainly never handed to a socket.
    fresh: bool,
    flight: Flight,
    tries: u32,
    failing: Failing,
    /// When it was handed over first, of those times that nothing was answered to.
    asked_ms: Option<u64>,
    /// The server said that it was too much, and has not taken it since.
    slowed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flight {
    Ready,
    Later(u64),
    Open {
        until: u64,
    },
    /// Never to go out: given up, and out of the way once the store has forgotten it. Until then
    /// a restart would bring it back, so nothing may pass it.
    Dropping,
}

/// What became of a row.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) row: Arc<Row>,
    pub(crate) how: Ended,
    /// Its event is to be deleted: it was given up too late.
    pub(crate) delete: bool,
}

impl Outbox {
    pub(crate) const fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            ids: BTreeMap::new(),
            waiting: BTreeMap::new(),
            waiting_count: 0,
            waiting_bytes: 0,
            failed: VecDeque::new(),
            settled: VecDeque::new(),
            dropping: VecDeque::new(),
            next_order: 1,
            open: 0,
            window: usize::MAX,
            paused_until: 0,
        }
    }

    /// Puts back what a store gave.
    pub(crate) fn restore(&mut self, mut rows: Vec<Row>) {
        rows.sort_by_key(|r| r.order);
        for row in rows {
            if self.ids.contains_key(&row.id) || self.entries.contains_key(&row.order) {
                continue;
            }
            self.next_order = self.next_order.max(row.order.saturating_add(1));
            let fresh = !row.tried;
            self.put(row, Ticket::default(), fresh);
        }
    }

    fn put(&mut self, row: Row, ticket: Ticket, fresh: bool) -> Arc<Row> {
        let row = Arc::new(row);
        let bytes = check::bytes(&row.asked);
        if matches!(row.stage, Stage::Failed { .. }) {
            self.failed.push_back(row.order);
        } else {
            self.waiting
                .entry(row.conversation)
                .or_default()
                .insert(row.order);
            self.waiting_count = self.waiting_count.saturating_add(1);
            self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        }
        self.ids.insert(row.id, row.order);
        self.entries.insert(
            row.order,
            Entry {
                row: Arc::clone(&row),
                bytes,
                ticket,
                fresh,
                flight: Flight::Ready,
                tries: 0,
                failing: Failing::new(),
                asked_ms: None,
                slowed: false,
            },
        );
        row
    }

    /// Takes a request, to be stored with this ticket.
    pub(crate) fn add(
        &mut self,
        settings: &Settings,
        conversation: ConversationId,
        id: MessageId,
        asked: Asked,
        now_ms: u64,
        ticket: Ticket,
    ) -> Result<Op, Refused> {
        if self.ids.contains_key(&id) {
            return Err(Refused::Doubled);
        }
        self.room_for(settings, 1, check::bytes(&asked))?;
        let row = Row {
            order: self.next_order,
            conversation,
            id,
            // Stored true at once: it may be handed over as soon as it is stored.
            tried: true,
            stage: Stage::Waiting,
            made_ms: now_ms,
            asked,
        };
        self.next_order = self.next_order.saturating_add(1);
        Ok(Op::Outbox(self.put(row, ticket, true)))
    }

    /// Whether so much more fits.
    pub(crate) fn room_for(
        &self,
        settings: &Settings,
        rows: usize,
        bytes: usize,
    ) -> Result<(), Refused> {
        let fits = self.waiting_count.saturating_add(rows) <= settings.outbox_max
            && self.waiting_bytes.saturating_add(bytes) <= settings.outbox_bytes_max;
        if fits {
            Ok(())
        } else {
            Err(Refused::OutboxFull {
                waiting: self.waiting_count,
            })
        }
    }

    /// Gives a row up. One that no socket ever had needs no server: its outcome comes from
    /// [`Outbox::dropped`] once the store has forgotten it, so that no restart brings it back.
    pub(crate) fn give_up(
        &mut self,
        id: MessageId,
        ticket: Ticket,
    ) -> Result<(Arc<Row>, Op), Refused> {
        let entry = self.entry_mut(id).ok_or(Refused::Unknown)?;
        let row = Arc::clone(&entry.row);
        if matches!(row.stage, Stage::Failed { .. }) {
            return Err(Refused::Unknown);
        }
        if entry.flight == Flight::Dropping {
            return Err(Refused::Unknown);
        }
        if entry.fresh {
            entry.stage(
                Stage::GivingUp {
                    delete: true,
                    problem: None,
                },
                ticket,
            );
            entry.flight = Flight::Dropping;
            self.dropping.push_back((ticket, id));
            return Ok((row, Op::OutboxGone(id)));
        }
        let stage = Stage::GivingUp {
            delete: true,
            problem: None,
        };
        let op = entry.stage(stage, ticket);
        self.reopen(id);
        Ok((row, op))
    }

    /// A row that is on its way is to be handed over anew, as it is now.
    fn reopen(&mut self, id: MessageId) {
        let mut closed = 0;
        if let Some(entry) = self.entry_mut(id) {
            closed = usize::from(matches!(entry.flight, Flight::Open { .. }));
            entry.flight = Flight::Ready;
        }
        self.open = self.open.saturating_sub(closed);
    }

    fn entry_mut(&mut self, id: MessageId) -> Option<&mut Entry> {
        let order = self.ids.get(&id)?;
        self.entries.get_mut(order)
    }

    pub(crate) fn row(&self, id: MessageId) -> Option<&Arc<Row>> {
        let order = self.ids.get(&id)?;
        self.entries.get(order).map(|e| &e.row)
    }

    /// Takes a row out of everything.
    fn take(&mut self, id: MessageId) -> Option<Entry> {
        let order = self.ids.remove(&id)?;
        let entry = self.entries.remove(&order)?;
        self.failed.retain(|o| *o != order);
        self.not_waiting(order, entry.row.conversation, entry.bytes);
        if matches!(entry.flight, Flight::Open { .. }) {
            self.open = self.open.saturating_sub(1);
        }
        Some(entry)
    }

    /// Forgets a row without its outcome: for a planted bug alone.
    pub(crate) fn forget(&mut self, id: MessageId) {
        self.take(id);
    }

    fn not_waiting(&mut self, order: u64, conversation: ConversationId, bytes: usize) {
        let Some(orders) = self.waiting.get_mut(&conversation) else {
            return;
        };
        if orders.remove(&order) {
            self.waiting_count = self.waiting_count.saturating_sub(1);
            self.waiting_bytes = self.waiting_bytes.saturating_sub(bytes);
        }
        if orders.is_empty() {
            self.waiting.remove(&conversation);
        }
    }

    /// A person has seen that a row failed, or it is sent again under another id.
    pub(crate) fn dismiss(&mut self, id: MessageId) -> Option<Arc<Row>> {
        let failed = matches!(self.row(id)?.stage, Stage::Failed { .. });
        if failed {
            self.take(id).map(|e| e.row)
        } else {
            None
        }
    }

    /// The connection is gone: what was on its way is unknown, and is tried again on the next.
    pub(crate) fn disconnected(&mut self) {
        for entry in self.entries.values_mut() {
            entry.asked_ms = None;
            if matches!(entry.flight, Flight::Open { .. }) {
                entry.flight = Flight::Ready;
            }
        }
        self.open = 0;
    }

    /// Whatever has waited too long for its outcome is tried again.
    pub(crate) fn overdue(&mut self, now_ms: u64) {
        if self.open == 0 {
            return;
        }
        for entry in self.entries.values_mut() {
            if matches!(entry.flight, Flight::Open { until } if until <= now_ms) {
                entry.flight = Flight::Ready;
                self.open = self.open.saturating_sub(1);
            }
        }
    }

    /// The next row to hand to the socket, as a frame that carries `ref`.
    pub(crate) fn next(
        &mut self,
        settings: &Settings,
        entropy: &mut Entropy,
        now_ms: u64,
        persisted: Ticket,
        r#ref: Ref,
    ) -> Option<(MessageId, Frame)> {
        if self.open >= settings.sends_open_max.min(self.window) || now_ms < self.paused_until {
            return None;
        }
        let order = self
            .waiting
            .values()
            .filter_map(|orders| self.sendable(orders, now_ms, persisted))
            .min()?;
        let conversation = self.entries.get(&order)?.row.conversation;
        let before = self
            .waiting
            .get(&conversation)
            .and_then(|orders| orders.range(..order).next_back());
        let after = before.and_then(|o| self.entries.get(o)).map(|e| e.row.id);
        let entry = self.entries.get_mut(&order)?;
        let frame = frame::of(&entry.row, r#ref, !entry.fresh, after);
        entry.fresh = false;
        let patience = settings
            .answer_ms
            .saturating_mul(1 << entry.tries.min(3))
            .saturating_add(entropy.upto(settings.answer_ms / 4));
        entry.tries = entry.tries.saturating_add(1);
        entry.asked_ms.get_or_insert(now_ms);
        entry.flight = Flight::Open {
            until: now_ms.saturating_add(patience),
        };
        self.open = self.open.saturating_add(1);
        Some((entry.row.id, frame))
    }

    /// The first of a conversation's rows that may go out: all before it have.
    fn sendable(&self, orders: &BTreeSet<u64>, now_ms: u64, persisted: Ticket) -> Option<u64> {
        for order in orders {
            let entry = self.entries.get(order)?;
            match entry.flight {
                // Gateways judge by the roster as it stands: what follows one's own coming in
                // would be refused before that is placed.
                Flight::Open { .. } if entry.row.opens() => return None,
                Flight::Open { .. } => continue,
                Flight::Dropping => return None,
                Flight::Later(at) if at > now_ms => return None,
                _ if entry.ticket > persisted => return None,
                _ => return Some(*order),
            }
        }
        None
    }

    /// When something may be due.
    pub(crate) fn wake_at(&self, online: bool, now_ms: u64, persisted: Ticket) -> Option<u64> {
        if !online || self.waiting.is_empty() {
            return None;
        }
        let mut wake = None;
        for orders in self.waiting.values() {
            for entry in orders.iter().filter_map(|o| self.entries.get(o)) {
                let at = match entry.flight {
                    Flight::Open { until } => until,
                    Flight::Dropping => break,
                    Flight::Later(at) => at.max(self.paused_until),
                    Flight::Ready if entry.ticket > persisted => break,
                    Flight::Ready if self.paused_until > now_ms => self.paused_until,
                    // Waits for room, which an answer makes.
                    Flight::Ready => break,
                };
                wake = Some(wake.map_or(at, |w: u64| w.min(at)));
                if !matches!(entry.flight, Flight::Open { .. }) {
                    break;
                }
            }
        }
        wake
    }

    pub(crate) fn is_settled(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.entries.values().map(|e| &e.row)
    }

    /// The rows of a conversation, in order, what failed included.
    pub(crate) fn rows_of(&self, conversation: ConversationId) -> impl Iterator<Item = &Arc<Row>> {
        let waiting = self.waiting.get(&conversation).into_iter().flatten();
        let mut orders: Vec<u64> = waiting.chain(&self.failed).copied().collect();
        orders.sort_unstable();
        orders
            .into_iter()
            .filter_map(|o| self.entries.get(&o).map(|e| &e.row))
            .filter(move |r| r.conversation == conversation)
    }

    pub(crate) fn waiting_in(&self, conversation: ConversationId) -> usize {
        self.waiting.get(&conversation).map_or(0, BTreeSet::len)
    }

    /// Since when the oldest row of a conversation that was handed to the socket has had no
    /// answer. One that was answered, and is to be tried again later, waits rightly.
    pub(crate) fn unanswered_in(&self, conversation: ConversationId) -> Option<u64> {
        self.waiting_entries(conversation)
            .filter_map(|e| e.asked_ms)
            .min()
    }

    /// Whether rows of a conversation wait because the server said that it was too much.
    pub(crate) fn is_slowed_in(&self, conversation: ConversationId) -> bool {
        self.waiting_entries(conversation).any(|e| e.slowed)
    }

    fn waiting_entries(&self, conversation: ConversationId) -> impl Iterator<Item = &Entry> {
        let orders = self.waiting.get(&conversation).into_iter().flatten();
        orders.filter_map(|o| self.entries.get(o))
    }

    /// Rows that have their place but not yet their event.
    pub(crate) fn settled_in(
        &self,
        conversation: ConversationId,
    ) -> impl Iterator<Item = &(Arc<Row>, Seq)> {
        self.settled
            .iter()
            .filter(move |(row, _)| row.conversation == conversation)
    }

    /// The event of this place is held.
    pub(crate) fn shown(&mut self, conversation: ConversationId, seq: Seq) {
        if !self.settled.is_empty() {
            self.settled
                .retain(|(row, at)| row.conversation != conversation || *at != seq);
        }
    }

    /// The places are another store's.
    pub(crate) fn forget_places(&mut self) {
        self.settled.clear();
    }
}

impl Entry {
    fn stage(&mut self, stage: Stage, ticket: Ticket) -> Op {
        let row = Arc::make_mut(&mut self.row);
        row.stage = stage;
        self.ticket = ticket;
        self.tries = 0;
        self.failing = Failing::new();
        Op::Outbox(Arc::clone(&self.row))
    }
}
