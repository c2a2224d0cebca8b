//! The in-memory reference of history: what the trait promises, and nothing more.
//!
//! [`State`] is synchronous and deterministic, so that a simulation can drive it and make it
//! misbehave; [`Memory`] is the same behind the trait.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use parlour_protocol::fact::{Fact, Question, Target};
use parlour_protocol::id::{ConversationId, MessageId, StoreId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::position::{Generation, Partition, Position, Progress};
use parlour_protocol::record::Header;
use parlour_protocol::row::{Change, Erased, Event, Interval, Mention, OutcomeRow, Row, Setting};
use parlour_protocol::seq::{Head, Seq};

use crate::Error;
use crate::history::{Cursor, History, Range};

type ChangeKey = (ConversationId, Seq, String, UserId, String);

/// Every row that was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    events: BTreeMap<(ConversationId, Seq), Event>,
    outcomes: BTreeMap<(ConversationId, UserId, MessageId), OutcomeRow>,
    changes: BTreeMap<ChangeKey, Change>,
    changed: BTreeMap<(ConversationId, Seq), Seq>,
    erased: BTreeMap<(ConversationId, Seq), Erased>,
    intervals: BTreeMap<(ConversationId, UserId, Seq), Interval>,
    settings: BTreeMap<(ConversationId, String, Seq), Setting>,
    mentions: BTreeMap<(UserId, ConversationId, Seq), Mention>,
    progress: BTreeMap<(Cursor, Partition, Generation), Progress>,
}

impl State {
    /// Writes one row. Writing it again changes nothing.
    pub fn write(&mut self, row: &Row) {
        match row {
            Row::Event(event) => {
                let mut event = event.clone();
                if self.erased.contains_key(&(event.conversation, event.seq))
                    && !planted(Mutant::BodyComesBack)
                {
                    event.payload = Default::default();
                }
                self.events.insert((event.conversation, event.seq), event);
            }
            Row::Outcome(o) => {
                self.outcomes
                    .entry((o.conversation, o.sender, o.id))
                    .or_insert_with(|| o.clone());
            }
            Row::Change(change) => self.change(change),
            Row::Erased(erased) => {
                let (c, target) = (erased.conversation, erased.target);
                self.erased.insert((c, target), erased.clone());
                if let Some(event) = self.events.get_mut(&(c, target)) {
                    event.payload = Default::default();
                }
                for (key, change) in &mut self.changes {
                    if key.0 == c && key.1 == target {
                        change.payload = Default::default();
                    }
                }
            }
            Row::Interval(interval) => {
                let key = (interval.conversation, interval.user, interval.from.seq);
                let there = self.intervals.entry(key).or_insert(*interval);
                there.until = there.until.or(interval.until);
            }
            Row::Setting(s) => {
                self.settings
                    .insert((s.conversation, s.key.clone(), s.seq), s.clone());
            }
            Row::Mention(m) => {
                self.mentions.insert((m.user, m.conversation, m.seq), *m);
            }
        }
    }

    fn change(&mut self, change: &Change) {
        let c = change.conversation;
        self.changed.insert((c, change.seq), change.target);
        let key = (
            c,
            change.target,
            change.kind.clone(),
            change.user,
            change.key.clone(),
        );
        if self
            .changes
            .get(&key)
            .is_some_and(|there| there.seq >= change.seq)
        {
            return;
        }
        let mut change = change.clone();
        if self.erased.contains_key(&(c, change.target)) {
            change.payload = Default::default();
        }
        self.changes.insert(key, change);
    }

    /// Raises a cursor; the higher position wins.
    pub fn advance(&mut self, cursor: Cursor, progress: Progress) {
        let position = progress.position;
        let key = (cursor, position.partition, position.generation);
        if self
            .progress
            .get(&key)
            .is_none_or(|there| there.position.before(position))
        {
            self.progress.insert(key, progress);
        }
    }

    /// How far a cursor got, by generation.
    #[must_use]
    pub fn progress(&self, cursor: Cursor, partition: Partition) -> Vec<(Generation, Progress)> {
        self.progress
            .iter()
            .filter(|((c, p, _), _)| *c == cursor && *p == partition)
            .map(|((_, _, generation), progress)| (*generation, progress.clone()))
            .collect()
    }

    /// Answers a question as of a position.
    #[must_use]
    pub fn fact(&self, as_of: Position, question: &Question) -> Fact {
        let c = question.conversation();
        match question {
            Question::Head(_) => Fact::Head(
                self.of(c)
                    .rev()
                    .find(|e| e.position.before(as_of))
                    .map(|e| (e.seq, e.carried)),
            ),
            Question::Outcome { sender, id, .. } => Fact::Outcome(
                self.outcomes
                    .get(&(c, *sender, *id))
                    .filter(|o| o.position.before(as_of))
                    .map(|o| o.outcome),
            ),
            Question::Member { user, .. } => Fact::Member(
                self.intervals_as_of(c, as_of)
                    .filter(|i| i.user == *user)
                    .collect(),
            ),
            Question::Members(_) => {
                let group = self
                    .of(c)
                    .next()
                    .is_some_and(|e| e.carried.shape == Shape::Group);
                let open = self.intervals_as_of(c, as_of).filter(|i| i.until.is_none());
                Fact::Members(if group { open.collect() } else { Vec::new() })
            }
            Question::Setting { key, .. } => Fact::Setting(
                self.settings
                    .range((c, key.clone(), Seq::ZERO)..=(c, key.clone(), Seq::MAX))
                    .rev()
                    .find(|(_, s)| s.position.before(as_of))
                    .map(|(_, s)| (s.seq, s.value.clone())),
            ),
            Question::Target { seq, .. } => Fact::Target(
                self.events
                    .get(&(c, *seq))
                    .filter(|e| e.position.before(as_of))
                    .and_then(|e| Header::from_bytes(&e.header).ok())
                    .map(|h| Target {
                        sender: h.sender,
                        class: h.class,
                        erased: self
                            .erased
                            .get(&(c, *seq))
                            .is_some_and(|e| e.position.before(as_of)),
                    }),
            ),
        }
    }

    fn of(&self, c: ConversationId) -> impl DoubleEndedIterator<Item = &Event> {
        self.events
            .range((c, Seq::ZERO)..=(c, Seq::MAX))
            .map(|(_, e)| e)
    }

    fn intervals_as_of(
        &self,
        c: ConversationId,
        as_of: Position,
    ) -> impl Iterator<Item = Interval> {
        self.intervals
            .range((c, UserId::NIL, Seq::ZERO)..)
            .take_while(move |(key, _)| key.0 == c)
            .map(|(_, i)| *i)
            .filter(move |i| i.from.position.before(as_of))
            .map(move |mut i| {
                i.until = i.until.filter(|until| until.position.before(as_of));
                i
            })
    }

    /// The newest place up to which every place is there.
    #[must_use]
    pub fn head(&self, c: ConversationId) -> Head {
        let mut head = Head::default();
        for event in self.of(c) {
            if event.seq != head.seq.next() {
                break;
            }
            head = Head {
                seq: event.seq,
                n: event.carried.n,
            };
        }
        head
    }

    /// See [`History::range`].
    #[must_use]
    pub fn range(
        &self,
        c: ConversationId,
        after: Seq,
        before: Seq,
        newest: bool,
        limit: usize,
    ) -> Range {
        let mut range = Range {
            as_of: self.head(c),
            ..Range::default()
        };
        let before = before.min(range.as_of.seq.next());
        if before <= after.next() {
            return range;
        }
        let events = self
            .events
            .range((c, after.next())..(c, before))
            .map(|(_, e)| e.clone());
        range.events = if newest {
            let mut events: Vec<Event> = events.rev().take(limit).collect();
            events.reverse();
            events
        } else {
            events.take(limit).collect()
        };
        let is_there = |seq: Seq| range.events.iter().any(|e| e.seq == seq);
        range.changes = self
            .changes
            .iter()
            .filter(|(key, _)| key.0 == c && is_there(key.1))
            .map(|(_, change)| change.clone())
            .collect();
        range.erased = self
            .erased
            .iter()
            .filter(|(key, _)| key.0 == c && is_there(key.1))
            .map(|(_, erased)| erased.clone())
            .collect();
        range
    }

    /// See [`History::changed`].
    #[must_use]
    pub fn changed(
        &self,
        c: ConversationId,
        since: Seq,
        after: Seq,
        before: Seq,
        limit: usize,
    ) -> Vec<Seq> {
        let targets: std::collections::BTreeSet<Seq> = self
            .changed
            .range((c, since.next())..=(c, Seq::MAX))
            .map(|(_, target)| *target)
            .filter(|target| after < *target && *target < before)
            .collect();
        targets.into_iter().take(limit).collect()
    }

    /// See [`History::intervals`].
    #[must_use]
    pub fn intervals(&self, c: ConversationId, user: UserId) -> Vec<Interval> {
        self.intervals
            .range((c, user, Seq::ZERO)..=(c, user, Seq::MAX))
            .map(|(_, i)| *i)
            .collect()
    }

    /// See [`History::settings`].
    #[must_use]
    pub fn settings(&self, c: ConversationId) -> Vec<Setting> {
        let mut newest: BTreeMap<&str, &Setting> = BTreeMap::new();
        let all = self.settings.range((c, String::new(), Seq::ZERO)..);
        for ((_, key, _), setting) in all.take_while(|(key, _)| key.0 == c) {
            newest.insert(key, setting);
        }
        newest.into_values().cloned().collect()
    }

    /// Every conversation that has an event.
    #[must_use]
    pub fn conversations(&self) -> Vec<ConversationId> {
        let ids: std::collections::BTreeSet<ConversationId> =
            self.events.keys().map(|(c, _)| *c).collect();
        ids.into_iter().collect()
    }

    /// The rows without cursors: what materialising the same log must give again.
    #[must_use]
    pub fn without_progress(&self) -> Self {
        Self {
            progress: BTreeMap::new(),
            ..self.clone()
        }
    }
}

/// The reference behind the trait.
#[derive(Debug)]
pub struct Memory {
    store: StoreId,
    state: Mutex<State>,
}

impl Memory {
    /// An empty one.
    #[must_use]
    pub fn new(store: StoreId) -> Self {
        Self {
            store,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl History for Memory {
    fn store(&self) -> StoreId {
        self.store
    }
    async fn append(&self, _: Partition, rows: Vec<Row>) -> Result<(), Error> {
        let mut state = self.state();
        rows.iter().for_each(|row| state.write(row));
        Ok(())
    }
    async fn advance(&self, cursor: Cursor, progress: Progress) -> Result<(), Error> {
        self.state().advance(cursor, progress);
        Ok(())
    }
    async fn progress(
        &self,
        cursor: Cursor,
        partition: Partition,
    ) -> Result<Vec<(Generation, Progress)>, Error> {
        Ok(self.state().progress(cursor, partition))
    }
    async fn facts(&self, as_of: Position, questions: Vec<Question>) -> Result<Vec<Fact>, Error> {
        let state = self.state();
        Ok(questions.iter().map(|q| state.fact(as_of, q)).collect())
    }
    async fn range(
        &self,
        conversation: ConversationId,
        after: Seq,
        before: Seq,
        newest: bool,
        limit: usize,
    ) -> Result<Range, Error> {
        Ok(self
            .state()
            .range(conversation, after, before, newest, limit))
    }
    async fn changed(
        &self,
        conversation: ConversationId,
        since: Seq,
        after: Seq,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Seq>, Error> {
        Ok(self
            .state()
            .changed(conversation, since, after, before, limit))
    }
    async fn intervals(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Vec<Interval>, Error> {
        Ok(self.state().intervals(conversation, user))
    }
    async fn settings(&self, conversation: ConversationId) -> Result<Vec<Setting>, Error> {
        Ok(self.state().settings(conversation))
    }
}
