//! What a screen reads of one conversation.

use std::collections::BTreeMap;
use std::sync::Arc;

use parlour_protocol::frame::server::Event;
use parlour_protocol::id::ConversationId;
use parlour_protocol::kind::{Class, Shape};
use parlour_protocol::seq::{Head, Seq};

use super::Client;
use crate::room::Room;
use crate::saved::{Asked, Row, Stage};
use crate::settings::Fetch;
use crate::view::{Before, Change, Item, Reach, State, Timeline};

impl Client {
    /// A window of a conversation: at most `limit` items before place `before`, or the newest.
    #[must_use]
    pub fn timeline(
        &self,
        conversation: ConversationId,
        before: Option<Seq>,
        limit: usize,
    ) -> Timeline {
        let mut timeline = Timeline {
            conversation,
            items: Vec::new(),
            before: Before::Nothing,
            complete: true,
            counts: None,
        };
        if let Some(room) = self.rooms.get(&conversation) {
            timeline.counts.clone_from(&room.counts);
            timeline.complete = room.stretches.newest().map_or(room.had, |s| s.to) >= room.head.seq;
            self.placed_items(room, before, limit, &mut timeline);
        }
        if before.is_none() {
            self.pending_items(conversation, &mut timeline.items);
        }
        timeline
    }

    /// The places that may be shown: the unbroken ones that end with the newest, down to the
    /// first stretch of which it is not known what changed meanwhile. Without a connection that
    /// cannot be known, and what there is is shown.
    fn shown_from(&self, room: &Room) -> Option<(Seq, Seq, bool)> {
        let (run_from, to) = room.stretches.run()?;
        if !self.connection.welcome() {
            return Some((run_from, to, false));
        }
        let mut from = None;
        let stretches = room.stretches.all().iter().rev();
        for s in stretches.take_while(|s| s.from >= run_from) {
            if s.as_of < to {
                return Some((from.unwrap_or_else(|| to.next()), to, true));
            }
            from = Some(s.from);
        }
        Some((run_from, to, false))
    }

    /// The first place that is shown of a conversation, if any is, and what lies before it.
    #[must_use]
    pub fn shown(&self, conversation: ConversationId) -> (Option<Seq>, Before) {
        let Some(room) = self.rooms.get(&conversation) else {
            return (None, Before::Nothing);
        };
        match self.shown_from(room) {
            Some((from, to, stale)) => {
                let first = (from <= to).then_some(from);
                (first, self.below(room, from, stale))
            }
            None => (None, self.below(room, room.head.seq.next(), false)),
        }
    }

    /// Where the first message is that comes after so many: where the unread begin.
    #[must_use]
    pub fn reach(&self, conversation: ConversationId, n: u64) -> Reach {
        let Some(room) = self.rooms.get(&conversation) else {
            return Reach::Nowhere;
        };
        if room.head.n <= n {
            return Reach::Nowhere;
        }
        let (first, below, sure) = match self.shown_from(room) {
            Some((from, to, stale)) => {
                let mut after = None;
                // From the newest down: what is unread is near the end.
                for (seq, event) in room.events.range(from..=to.max(from)).rev() {
                    if event.n <= n {
                        break;
                    }
                    if event.class == Class::Content {
                        after = Some((*seq, event.n));
                    }
                }
                let before = room.events.range(from..).next().map(|(_, e)| e.n);
                let sure = before.is_some_and(|first| first <= n)
                    || after.is_some_and(|(_, number)| number == n.saturating_add(1));
                let below = self.below(room, from, stale);
                (after.map(|(seq, _)| seq), below, sure)
            }
            None => (None, self.below(room, room.head.seq.next(), false), false),
        };
        match (first, below) {
            (Some(seq), _) if sure => Reach::Here(seq),
            (first, Before::Nothing) => first.map_or(Reach::Nowhere, Reach::Here),
            (_, Before::More | Before::Coming | Before::Held) if !room.denied => Reach::Further,
            (first, _) => Reach::Lost(first),
        }
    }

    /// The pinned events among those that are held, oldest first.
    #[must_use]
    pub fn pinned(&self, conversation: ConversationId) -> Vec<Arc<Event>> {
        let events = self.rooms.get(&conversation).map(|room| &room.events);
        let all = events.into_iter().flat_map(BTreeMap::values);
        all.filter(|e| e.pinned.is_some()).cloned().collect()
    }

    /// What is set in a conversation by these kinds, as far as its events are held: by kind and
    /// key, with the place and the value. Those on their way count as set, at [`Seq::MAX`].
    #[must_use]
    pub fn set(
        &self,
        conversation: ConversationId,
        kinds: &[&str],
    ) -> BTreeMap<(String, String), (Seq, String)> {
        let mut all = BTreeMap::new();
        let events = self.rooms.get(&conversation).map(|room| &room.events);
        for event in events.into_iter().flat_map(BTreeMap::values) {
            if event.class == Class::Setting && kinds.contains(&event.kind.as_str()) {
                let key = event.key.clone().unwrap_or_default();
                let value = event.value.clone().unwrap_or_default();
                all.insert((event.kind.clone(), key), (event.seq, value));
            }
        }
        for row in self.outbox.rows_of(conversation) {
            if let (Asked::Send(send), Stage::Waiting) = (&row.asked, &row.stage)
                && let Some(kind) = send.kind.as_deref().filter(|k| kinds.contains(k))
            {
                let key = send.key.clone().unwrap_or_default();
                let value = send.value.clone().unwrap_or_default();
                all.insert((kind.to_owned(), key), (Seq::MAX, value));
            }
        }
        all
    }

    fn placed_items(
        &self,
        room: &Room,
        before: Option<Seq>,
        limit: usize,
        timeline: &mut Timeline,
    ) {
        let Some((from, to, stale)) = self.shown_from(room) else {
            timeline.before = if room.head.seq > Seq::ZERO {
                self.below(room, room.head.seq.next(), false)
            } else {
                Before::Nothing
            };
            return;
        };
        let end = before.map_or(to, |b| b.prev().min(to));
        let changes = self.changes_of(room.id);
        let mut spans = room
            .withheld
            .iter()
            .rev()
            .filter(|w| w.from <= end && w.to >= from)
            .peekable();
        let mut items = Vec::new();
        let mut cut = false;
        let shown = room
            .events
            .range(from..=end.max(from))
            .rev()
            .filter(|(seq, e)| **seq <= end && e.class != Class::Change);
        for (seq, event) in shown {
            while let Some(w) = spans.next_if(|w| w.from > *seq) {
                items.push(withheld(w, from, end));
            }
            if items.len() >= limit {
                cut = true;
                break;
            }
            items.push(Item::Placed {
                state: self.state_of(room, event),
                changes: changes.get(seq).cloned().unwrap_or_default(),
                event: Arc::clone(event),
            });
        }
        if !cut {
            items.extend(spans.map(|w| withheld(w, from, end)));
        }
        items.reverse();
        timeline.items = items;
        timeline.before = if cut {
            Before::Held
        } else {
            self.below(room, from, stale)
        };
    }

    /// What lies below the first place shown.
    fn below(&self, room: &Room, from: Seq, stale: bool) -> Before {
        if from <= Seq(1) {
            Before::Nothing
        } else if stale || room.asking.is_some() || room.older_wanted {
            Before::Coming
        } else if room.events.len() >= self.policy(room.id).room_max
            || self.settings.fetch == Fetch::Everything
        {
            Before::NoRoom
        } else {
            Before::More
        }
    }

    /// How far one's own message is.
    fn state_of(&self, room: &Room, event: &Event) -> Option<State> {
        if event.sender != self.settings.user || event.class != Class::Content {
            return None;
        }
        let reached = |head: Head| head.seq >= event.seq;
        let state = |delivered: bool, read: bool| match (delivered, read) {
            (_, true) => State::Read,
            (true, false) => State::Delivered,
            (false, false) => State::Sent,
        };
        if room.shape() == Some(Shape::Direct) {
            let other = room.line.and_then(|l| l.other).unwrap_or_default();
            return Some(state(reached(other.delivered()), reached(other.read)));
        }
        // Whoever got to a later place got to this one too. If not all are there, the marks of
        // members may still tell that all got here.
        let counts = room.counts.as_ref().filter(|c| c.of > 0);
        let counts = counts.filter(|c| c.seq >= event.seq);
        let counted = counts.map_or((false, false), |c| (c.delivered >= c.of, c.read >= c.of));
        let members = room.about.as_ref().map_or(0, |a| a.members);
        let others = usize::try_from(members.saturating_sub(1)).unwrap_or(usize::MAX);
        let all = |reach: &dyn Fn(&parlour_protocol::Mark) -> bool| {
            others > 0 && room.member_marks.values().filter(|m| reach(m)).count() >= others
        };
        Some(state(
            counted.0 || all(&|m| reached(m.delivered())),
            counted.1 || all(&|m| reached(m.read)),
        ))
    }

    /// This device's changes that are on their way, or whose event is, by target.
    fn changes_of(&self, conversation: ConversationId) -> BTreeMap<Seq, Vec<Change>> {
        let mut by_target: BTreeMap<Seq, Vec<Change>> = BTreeMap::new();
        let mut add = |row: &Row, state: State| {
            if let Some(target) = target_of(&row.asked) {
                by_target.entry(target).or_default().push(Change {
                    id: row.id,
                    asked: row.asked.clone(),
                    state,
                });
            }
        };
        for (row, seq) in self.outbox.settled_in(conversation) {
            if !self.is_held(conversation, *seq) {
                add(row, State::Sent);
            }
        }
        for row in self.outbox.rows_of(conversation) {
            add(row, state_of_row(row));
        }
        by_target
    }

    fn is_held(&self, conversation: ConversationId, seq: Seq) -> bool {
        self.rooms
            .get(&conversation)
            .is_some_and(|r| seq <= r.had || r.stretches.covers(seq))
    }

    fn pending_items(&self, conversation: ConversationId, items: &mut Vec<Item>) {
        let settled = self
            .outbox
            .settled_in(conversation)
            .filter(|(_, seq)| !self.is_held(conversation, *seq))
            .map(|(row, _)| (row, State::Sent));
        let rows = self
            .outbox
            .rows_of(conversation)
            .map(|row| (row, state_of_row(row)));
        let mut pending: Vec<_> = settled
            .chain(rows)
            .filter(|(row, _)| target_of(&row.asked).is_none())
            .collect();
        pending.sort_by_key(|(row, _)| row.order);
        items.extend(pending.into_iter().map(|(row, state)| Item::Pending {
            row: Arc::clone(row),
            state,
        }));
    }
}

fn withheld(w: &crate::saved::Span, from: Seq, end: Seq) -> Item {
    Item::Withheld {
        from: w.from.max(from),
        to: w.to.min(end),
        why: w.why,
    }
}

const fn target_of(asked: &Asked) -> Option<Seq> {
    match asked {
        Asked::Send(s) => s.target,
        Asked::Edit(e) => Some(e.target),
        Asked::Delete(d) => Some(d.target),
        Asked::React(r) => Some(r.target),
    }
}

fn state_of_row(row: &Row) -> State {
    match &row.stage {
        Stage::Waiting => State::Sending,
        Stage::GivingUp { .. } => State::GivingUp,
        Stage::Failed { code, message } => State::Failed {
            code: *code,
            message: message.clone(),
        },
    }
}
