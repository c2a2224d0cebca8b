//! [`Client`]: one device of one user, without I/O.
//!
//! The parts decide by themselves (outbox, rooms, presence, mail); here they are brought together:
//! inputs go to the part they concern, and after each one whatever may go out goes out.

mod link;
mod list;
mod pump;
mod receive;
mod request;
mod show;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use parlour_protocol::frame::server::{Event, UserPresence};
use parlour_protocol::frame::{Client as Frame, Ref};
use parlour_protocol::id::{ConversationId, DeviceId, MessageId, StoreId, UserId};
use parlour_protocol::limits::Limits;
use parlour_protocol::line::Line;
use parlour_protocol::seq::{Mark, Seq};

use crate::entropy::Entropy;
use crate::input::{Command, Input, Link};
use crate::mail::Mailbox;
use crate::outbox::Outbox;
use crate::output::{Output, Update};
use crate::presence::Presence;
use crate::room::{NEWEST, Need, Policy, Room};
use crate::saved::{Op, Restored, Row, Stretch, Ticket};
use crate::settings::Settings;
use crate::view::Places;

/// One device of one user, without I/O.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    entropy: Entropy,
    now_ms: u64,
    store: Option<StoreId>,
    connection: link::Connection,
    outbox: Outbox,
    rooms: BTreeMap<ConversationId, Room>,
    /// Rooms that may lack something.
    busy: BTreeSet<ConversationId>,
    /// Rooms that may have marks to state.
    marked: BTreeSet<ConversationId>,
    marks_at: u64,
    restate_at: Option<u64>,
    focus: Option<ConversationId>,
    focus_members: bool,
    presence: Presence,
    mail: Mailbox,
    limits: Limits,
    next_ref: Ref,
    /// What the requests of this connection were about.
    refs: BTreeMap<Ref, About>,
    held: usize,
    unknown: u64,

    ops: Vec<Op>,
    ticket: Ticket,
    /// Refusals that are told once they are kept.
    refusals: VecDeque<(Ticket, Update)>,
    persisted: Ticket,
    touched: BTreeSet<ConversationId>,
    redrawn: BTreeSet<ConversationId>,
    unsaved: BTreeSet<ConversationId>,
}

/// What a request was about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum About {
    Send(MessageId),
    History(ConversationId),
    Sync,
}

impl Client {
    /// A client that holds nothing. `seed` is random, from a source fit for keys, and used for
    /// this client alone: ids and jitter are derived from it.
    #[must_use]
    pub fn new(settings: Settings, seed: [u8; 32]) -> Self {
        Self {
            settings,
            entropy: Entropy::new(seed),
            now_ms: 0,
            store: None,
            connection: link::Connection::new(),
            outbox: Outbox::new(),
            rooms: BTreeMap::new(),
            busy: BTreeSet::new(),
            marked: BTreeSet::new(),
            marks_at: 0,
            restate_at: None,
            focus: None,
            focus_members: false,
            presence: Presence::default(),
            mail: Mailbox::default(),
            limits: Limits::default(),
            next_ref: 0,
            refs: BTreeMap::new(),
            held: 0,
            unknown: 0,
            ops: Vec::new(),
            ticket: Ticket::default(),
            refusals: VecDeque::new(),
            persisted: Ticket::default(),
            touched: BTreeSet::new(),
            redrawn: BTreeSet::new(),
            unsaved: BTreeSet::new(),
        }
    }

    /// What happened at `now_ms`; what to do about it is pushed to `out`, in order.
    ///
    /// `now_ms` never goes back (a lower one counts as the highest given). By convention it is the
    /// time since 1970 when the client was made, plus what a monotonic clock says since: new ids
    /// take their time from it.
    pub fn handle(&mut self, now_ms: u64, input: Input, out: &mut Vec<Output>) {
        self.now_ms = self.now_ms.max(now_ms);
        match input {
            Input::Restored(restored) => self.restore(*restored),
            Input::Start => self.start(out),
            Input::Stop => self.stop(out),
            Input::Hurry => self.hurry(out),
            Input::Connected => self.connected(out),
            Input::Disconnected { code, why } => self.disconnected(code, why, out),
            Input::Frame(frame) => self.receive(*frame, out),
            Input::Persisted(ticket) => {
                self.persisted = self.persisted.max(ticket.min(self.ticket));
                while let Some(outcome) = self.outbox.dropped(self.persisted) {
                    self.ended(outcome, out);
                }
                while self
                    .refusals
                    .front()
                    .is_some_and(|(kept, _)| *kept <= self.persisted)
                {
                    if let Some((_, update)) = self.refusals.pop_front() {
                        out.push(Output::Update(update));
                    }
                }
            }
            Input::MailStored { from, k } => {
                if let Some(op) = self.mail.stored(from, k) {
                    self.ops.push(op);
                }
            }
            Input::Tick => self.tick(out),
            Input::Command(command) => self.command(command, out),
        }
        self.pump(out);
        self.flush(out);
    }

    fn command(&mut self, command: Command, out: &mut Vec<Output>) {
        match command {
            Command::Read { conversation, upto } => {
                if let Some(room) = self.rooms.get_mut(&conversation)
                    && room.see(upto)
                {
                    self.marked.insert(conversation);
                    self.touched.insert(conversation);
                    self.unsaved.insert(conversation);
                }
            }
            Command::Focus {
                conversation,
                members,
            } => self.focus(conversation, members, out),
            Command::Watch(mut users) => {
                users.sort_unstable();
                users.dedup();
                users.truncate(usize::try_from(self.limits.watched_users).unwrap_or(usize::MAX));
                if self.presence.watch(users) && self.connection.welcome() {
                    let frame = self.presence.frame();
                    send(out, frame);
                }
            }
            Command::Typing(conversation) => {
                if self.connection.welcome()
                    && let Some(frame) = self.presence.type_here(conversation, self.now_ms)
                {
                    send(out, frame);
                }
            }
            Command::Older(conversation) => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.older_wanted = true;
                    self.busy.insert(conversation);
                    self.redrawn.insert(conversation);
                }
            }
            Command::Load(conversation) => {
                if let Some(room) = self.rooms.get_mut(&conversation) {
                    room.load_wanted = true;
                    self.busy.insert(conversation);
                }
            }
            Command::Dismiss(id) => {
                if let Some(row) = self.outbox.dismiss(id) {
                    self.ops.push(Op::OutboxGone(id));
                    self.redrawn.insert(row.conversation);
                }
            }
        }
    }

    fn focus(&mut self, focus: Option<ConversationId>, members: bool, out: &mut Vec<Output>) {
        if (self.focus, self.focus_members) == (focus, members) {
            return;
        }
        let before = self.focus.filter(|b| Some(*b) != focus);
        self.focus = focus;
        self.focus_members = members;
        if let Some(room) = before.and_then(|b| self.rooms.get_mut(&b)) {
            room.counts = None;
            room.older_wanted = false;
            self.unsaved.insert(room.id);
        }
        if let Some(id) = focus {
            self.busy.insert(id);
            self.redrawn.insert(id);
            if let Some(room) = self.rooms.get_mut(&id) {
                room.used_ms = self.now_ms;
            }
        }
        if self.connection.welcome() {
            self.state_focus(out);
        }
    }

    fn restore(&mut self, restored: Restored) {
        self.store = restored.store;
        self.outbox.restore(restored.outbox);
        self.mail.restore(restored.mail);
        for line in restored.lines {
            self.room(line.conversation).absorb_line(line);
        }
        for (id, held) in restored.held {
            self.room(id).restore(held);
        }
        for event in restored.events {
            let room = self.room(event.conversation);
            // An event of a place that is not held has no business here.
            if room.stretches.covers(event.seq) {
                room.events.insert(event.seq, Arc::new(event));
            }
        }
        for about in restored.about {
            self.room(about.conversation).restore_about(about);
        }
        for room in self.rooms.values_mut() {
            room.restored(self.settings.user);
            self.held = self.held.saturating_add(room.events.len());
            self.busy.insert(room.id);
            self.marked.insert(room.id);
        }
        let rows: Vec<_> = self.outbox.rows().cloned().collect();
        for row in rows {
            self.known_direct(&row);
        }
    }

    /// The room of a conversation, made if it is not there.
    fn room(&mut self, id: ConversationId) -> &mut Room {
        self.rooms.entry(id).or_insert_with(|| Room::new(id))
    }

    fn policy(&self, conversation: ConversationId) -> Policy {
        let focus = self.focus == Some(conversation);
        Policy {
            fetch: self.settings.fetch,
            focus,
            page: self.settings.page_events.max(1),
            room_max: if focus {
                self.settings.held_focused_max
            } else {
                self.settings.held_max
            },
        }
    }

    const fn new_ref(&mut self) -> Ref {
        self.next_ref = self.next_ref.saturating_add(1);
        self.next_ref
    }

    /// The ticket of the batch that ends this call.
    const fn next_ticket(&self) -> Ticket {
        Ticket(self.ticket.0.saturating_add(1))
    }

    /// Says what is to be stored and shown since the last time.
    fn flush(&mut self, out: &mut Vec<Output>) {
        for id in core::mem::take(&mut self.unsaved) {
            self.settle_room(id);
        }
        if !self.ops.is_empty() {
            self.ticket = self.next_ticket();
            out.push(Output::Persist {
                ticket: self.ticket,
                ops: core::mem::take(&mut self.ops),
            });
        }
        for id in core::mem::take(&mut self.touched) {
            out.push(Output::Update(Update::Conversation(id)));
        }
        for id in core::mem::take(&mut self.redrawn) {
            out.push(Output::Update(Update::Timeline(id)));
        }
    }

    /// Keeps a room that changed within its bound, and stores it.
    fn settle_room(&mut self, id: ConversationId) {
        let max = self.policy(id).room_max;
        let Some(room) = self.rooms.get_mut(&id) else {
            return;
        };
        let before = room.events.len();
        if let Some(op) = room.evict(max, self.settings.fetch) {
            self.ops.push(op);
        }
        self.held = self
            .held
            .saturating_sub(before.saturating_sub(room.events.len()));
        room.saved(&mut self.ops);
        if self.held > self.settings.held_total_max {
            self.evict_unused();
        }
    }

    /// Lets go of most of the rooms that were unused for longest.
    fn evict_unused(&mut self) {
        let keep = (self.settings.held_max / 10)
            .max(NEWEST)
            .min(self.settings.held_max);
        let mut by_use: Vec<(u64, ConversationId)> = self
            .rooms
            .values()
            .filter(|r| Some(r.id) != self.focus && r.events.len() > keep)
            .map(|r| (r.used_ms, r.id))
            .collect();
        by_use.sort_unstable();
        for (_, id) in by_use {
            if self.held <= self.settings.held_total_max {
                break;
            }
            if let Some(room) = self.rooms.get_mut(&id) {
                let before = room.events.len();
                if let Some(op) = room.evict(keep, self.settings.fetch) {
                    self.ops.push(op);
                }
                self.held = self
                    .held
                    .saturating_sub(before.saturating_sub(room.events.len()));
                room.saved(&mut self.ops);
            }
        }
    }

    /// When [`Input::Tick`] is due next, if at all.
    #[must_use]
    pub fn wake_at(&self) -> Option<u64> {
        let mut wake = self.connection.wake_at();
        let mut sooner = |at: Option<u64>| {
            if let Some(at) = at {
                wake = Some(wake.map_or(at, |w| w.min(at)));
            }
        };
        let online = self.connection.welcome();
        sooner(self.outbox.wake_at(online, self.now_ms, self.persisted));
        sooner(self.presence.wake_at());
        if online {
            for id in &self.busy {
                let Some(room) = self.rooms.get(id) else {
                    continue;
                };
                if let Some(asking) = &room.asking {
                    sooner(Some(asking.deadline));
                } else if let Need::Later(at) = room.need(self.now_ms, self.policy(*id)) {
                    sooner(Some(at));
                }
            }
            if !self.marked.is_empty() {
                sooner(Some(self.marks_at));
            }
            sooner(self.restate_at);
        }
        wake
    }

    /// How the connection stands.
    #[must_use]
    pub const fn link(&self) -> &Link {
        self.connection.link()
    }

    /// The user.
    #[must_use]
    pub const fn user(&self) -> UserId {
        self.settings.user
    }

    /// The device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        self.settings.device
    }

    /// Whether nothing is on its way: connected and caught up, the outbox without outcome empty,
    /// nothing to be fetched, no mark to be stated.
    #[must_use]
    pub fn quiet(&self) -> bool {
        *self.link() == Link::Live
            && self.connection.synced()
            && self.outbox.is_settled()
            && self.marked.is_empty()
            && self.busy.iter().all(|id| {
                self.rooms.get(id).is_none_or(|r| {
                    r.asking.is_none() && r.need(self.now_ms, self.policy(*id)) == Need::Nothing
                })
            })
    }

    /// How many frames and events came of a kind that this version does not know. Such events are
    /// held and shown as a placeholder.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }

    /// An event that is held, as it is now.
    #[must_use]
    pub fn event(&self, conversation: ConversationId, seq: Seq) -> Option<&Arc<Event>> {
        self.rooms.get(&conversation)?.events.get(&seq)
    }

    /// What is held of a conversation.
    #[must_use]
    pub fn held(&self, conversation: ConversationId) -> &[Stretch] {
        self.rooms
            .get(&conversation)
            .map_or(&[], |r| r.stretches.all())
    }

    /// The server's store that everything held is of, once one is known.
    #[must_use]
    pub const fn store(&self) -> Option<StoreId> {
        self.store
    }

    /// Which places came, of every conversation: those held, and those let go for good. For whoever
    /// missed updates, and looks for what they did not see.
    #[must_use]
    pub fn places(&self) -> BTreeMap<ConversationId, Places> {
        let of = |room: &Room| {
            let gone = (room.had > Seq::ZERO).then_some((Seq(1), room.had));
            let held = room.stretches.all().iter().map(|s| (s.from, s.to));
            Places {
                head: room.head.seq,
                came: gone.into_iter().chain(held).collect(),
            }
        };
        self.rooms.values().map(|r| (r.id, of(r))).collect()
    }

    /// The lines, by conversation.
    pub fn lines(&self) -> impl Iterator<Item = &Line> {
        self.rooms.values().filter_map(|r| r.line.as_ref())
    }

    /// The outbox, in order, what failed included.
    pub fn outbox(&self) -> impl Iterator<Item = &Arc<Row>> {
        self.outbox.rows()
    }

    /// Marks of other members, as far as they were told.
    #[must_use]
    pub fn receipts(&self, conversation: ConversationId) -> Vec<(UserId, Mark)> {
        self.rooms.get(&conversation).map_or_else(Vec::new, |r| {
            r.member_marks.iter().map(|(u, m)| (*u, *m)).collect()
        })
    }

    /// Presence of a watched user, as far as it was told.
    #[must_use]
    pub fn presence(&self, user: UserId) -> Option<&UserPresence> {
        self.presence.of(user)
    }

    /// Who types in a conversation.
    #[must_use]
    pub fn typing(&self, conversation: ConversationId) -> Vec<UserId> {
        self.presence.typing(conversation)
    }
}

fn send(out: &mut Vec<Output>, frame: Frame) {
    out.push(Output::Send(Box::new(frame)));
}
