//! History, and with it how things stand: one commit.

use async_trait::async_trait;
use parlour_ports::Error;
use parlour_ports::history::{Cursor, History, Range};
use parlour_protocol::fact::{Fact, Question, Target};
use parlour_protocol::id::{ConversationId, StoreId, UserId};
use parlour_protocol::kind::Shape;
use parlour_protocol::position::{Generation, Partition, Position, Progress};
use parlour_protocol::record::Header;
use parlour_protocol::roster;
use parlour_protocol::row::{Change, Erased, Event, Interval, OutcomeRow, Row, Setting, Standing};
use parlour_protocol::seq::{Head, Seq};

use crate::commit::{Tx, broken};
use crate::roster::apply;
use crate::store::Shared;
use crate::table;
use crate::view::View;

/// Writes a row so that the highest seq wins in any order of arrival, and nothing written once is
/// written again.
pub(crate) fn write(tx: &mut Tx<'_>, row: &Row) {
    match row {
        Row::Event(event) => {
            let mut event = event.clone();
            if tx
                .get::<Erased>(&table::erased(event.conversation, event.seq))
                .is_some()
            {
                event.payload = Default::default();
            }
            tx.put(table::event(event.conversation, event.seq), &event);
        }
        Row::Outcome(o) => {
            let key = table::outcome(o.conversation, o.sender, o.id);
            if tx.get_bytes(&key).is_none() {
                tx.put(key, o);
            }
        }
        Row::Change(change) => {
            let c = change.conversation;
            tx.put(table::changed(c, change.seq), &change.target);
            let key = table::change(c, change.target, change.user, &change.kind, &change.key);
            let newer = tx
                .get::<Change>(&key)
                .is_some_and(|there| there.seq >= change.seq);
            if !newer {
                let mut change = change.clone();
                if tx.get::<Erased>(&table::erased(c, change.target)).is_some() {
                    change.payload = Default::default();
                }
                tx.put(key, &change);
            }
        }
        Row::Erased(erased) => {
            let (c, target) = (erased.conversation, erased.target);
            tx.put(table::erased(c, target), erased);
            let key = table::event(c, target);
            if let Some(mut event) = tx.get::<Event>(&key) {
                event.payload = Default::default();
                tx.put(key, &event);
            }
            for key in tx.keys(&table::changes(c, target).0) {
                if let Some(mut change) = tx.get::<Change>(&key) {
                    change.payload = Default::default();
                    tx.put(key, &change);
                }
            }
        }
        Row::Interval(interval) => {
            let key = table::intervals_of(interval.conversation, interval.user)
                .number(interval.from.seq.0)
                .0;
            let mut interval = *interval;
            // An end is written once: a late repetition of the beginning does not take it away.
            if let Some(there) = tx.get::<Interval>(&key) {
                interval.until = there.until.or(interval.until);
            }
            tx.put(key, &interval);
        }
        Row::Setting(setting) => {
            let key = table::setting(setting.conversation, &setting.key)
                .number(setting.seq.0)
                .0;
            tx.put(key, setting);
        }
        Row::Mention(mention) => {
            let key = table::mentions(mention.user, mention.conversation)
                .number(mention.seq.0)
                .0;
            tx.put(key, mention);
        }
    }
}

fn cursor(cursor: Cursor) -> u8 {
    match cursor {
        Cursor::Router => 0,
        Cursor::Push => 1,
    }
}

impl View {
    fn event(&self, conversation: ConversationId, seq: Seq) -> Result<Option<Event>, Error> {
        self.get(&table::event(conversation, seq))
    }

    /// The newest event made before a position.
    fn head(&self, conversation: ConversationId, as_of: Position) -> Result<Option<Event>, Error> {
        let Some(standing) = self.get::<Standing>(&table::standing(conversation))? else {
            return Ok(None);
        };
        // The head row is raised with its event. If that is too late, every place below is there:
        // halve to the last one that is early enough.
        let (mut low, mut high) = (0u64, standing.head.seq.0);
        if let Some(event) = self.event(conversation, Seq(high))?
            && event.position.before(as_of)
        {
            return Ok(Some(event));
        }
        while high - low > 1 {
            let middle = low + (high - low) / 2;
            match self.event(conversation, Seq(middle))? {
                Some(event) if event.position.before(as_of) => low = middle,
                _ => high = middle,
            }
        }
        if low == 0 {
            Ok(None)
        } else {
            self.event(conversation, Seq(low))
        }
    }

    fn scan_intervals(
        &self,
        prefix: &[u8],
        as_of: Option<Position>,
    ) -> Result<Vec<Interval>, Error> {
        let mut out = Vec::new();
        self.each(self.prefix(prefix), |_, mut interval: Interval| {
            if let Some(as_of) = as_of {
                if !interval.from.position.before(as_of) {
                    return true;
                }
                interval.until = interval.until.filter(|until| until.position.before(as_of));
            }
            out.push(interval);
            true
        })?;
        Ok(out)
    }

    fn fact(&self, as_of: Position, question: &Question) -> Result<Fact, Error> {
        Ok(match question {
            Question::Head(c) => Fact::Head(self.head(*c, as_of)?.map(|e| (e.seq, e.carried))),
            Question::Outcome {
                conversation,
                sender,
                id,
            } => {
                let row: Option<OutcomeRow> =
                    self.get(&table::outcome(*conversation, *sender, *id))?;
                Fact::Outcome(row.filter(|o| o.position.before(as_of)).map(|o| o.outcome))
            }
            Question::Member { conversation, user } => {
                let prefix = table::intervals_of(*conversation, *user).0;
                Fact::Member(self.scan_intervals(&prefix, Some(as_of))?)
            }
            Question::Members(c) => {
                let group = self
                    .get::<Standing>(&table::standing(*c))?
                    .is_some_and(|s| s.shape == Shape::Group);
                let mut open = Vec::new();
                if group {
                    open = self.scan_intervals(&table::intervals(*c).0, Some(as_of))?;
                    open.retain(|i| i.until.is_none());
                }
                Fact::Members(open)
            }
            Question::Setting { conversation, key } => {
                let prefix = table::setting(*conversation, key).0;
                let mut found = None;
                let newest_first = self.prefix(&prefix).rev();
                for item in newest_first {
                    let (_, setting): (_, Setting) = self.row(item)?;
                    if setting.position.before(as_of) {
                        found = Some((setting.seq, setting.value));
                        break;
                    }
                }
                Fact::Setting(found)
            }
            Question::Target { conversation, seq } => {
                let event = self
                    .event(*conversation, *seq)?
                    .filter(|event| event.position.before(as_of));
                match event {
                    None => Fact::Target(None),
                    Some(event) => {
                        let header = Header::from_bytes(&event.header).map_err(broken)?;
                        let erased: Option<Erased> =
                            self.get(&table::erased(*conversation, *seq))?;
                        Fact::Target(Some(Target {
                            sender: header.sender,
                            class: header.class,
                            erased: erased.is_some_and(|e| e.position.before(as_of)),
                        }))
                    }
                }
            }
        })
    }

    /// Changes and erasures beside events.
    fn beside(&self, range: &mut Range, conversation: ConversationId) -> Result<(), Error> {
        let (Some(first), Some(last)) = (range.events.first(), range.events.last()) else {
            return Ok(());
        };
        let from = table::changes(conversation, first.seq).0;
        let to = table::changes(conversation, last.seq.next()).0;
        self.each(self.range(from..to), |_, change: Change| {
            range.changes.push(change);
            true
        })?;
        let from = table::erased(conversation, first.seq);
        let to = table::erased(conversation, last.seq.next());
        self.each(self.range(from..to), |_, erased: Erased| {
            range.erased.push(erased);
            true
        })
    }
}

#[async_trait]
impl History for Shared {
    fn store(&self) -> StoreId {
        self.id
    }

    async fn append(&self, _: Partition, rows: Vec<Row>) -> Result<(), Error> {
        self.committer
            .run(move |tx| {
                for row in &rows {
                    write(tx, row);
                }
                for change in roster::changes(&rows) {
                    apply(tx, &change);
                }
            })
            .await
    }

    async fn advance(&self, which: Cursor, progress: Progress) -> Result<(), Error> {
        let position = progress.position;
        let key = table::progress(cursor(which), position.partition.0)
            .number(position.generation.0)
            .0;
        self.committer
            .run(move |tx| {
                let further = tx
                    .get::<Progress>(&key)
                    .is_none_or(|there| there.position.before(progress.position));
                if further {
                    tx.put(key, &progress);
                }
            })
            .await
    }

    async fn progress(
        &self,
        which: Cursor,
        partition: Partition,
    ) -> Result<Vec<(Generation, Progress)>, Error> {
        let (view, mut out) = (self.view(), Vec::new());
        let prefix = table::progress(cursor(which), partition.0).0;
        view.each(view.prefix(prefix), |_, progress: Progress| {
            out.push((progress.position.generation, progress));
            true
        })?;
        Ok(out)
    }

    async fn facts(&self, as_of: Position, questions: Vec<Question>) -> Result<Vec<Fact>, Error> {
        let view = self.view();
        questions
            .iter()
            .map(|question| view.fact(as_of, question))
            .collect()
    }

    async fn range(
        &self,
        conversation: ConversationId,
        after: Seq,
        before: Seq,
        newest: bool,
        limit: usize,
    ) -> Result<Range, Error> {
        let view = self.view();
        let standing: Option<Standing> = view.get(&table::standing(conversation))?;
        let mut range = Range {
            as_of: standing.map_or(Head::default(), |s| s.head),
            ..Range::default()
        };
        let from = after.next();
        let before = before.min(range.as_of.seq.next());
        if before <= from {
            return Ok(range);
        }
        let keys = table::event(conversation, from)..table::event(conversation, before);
        let rows = view.range(keys);
        let mut wanted = if newest { before.prev() } else { from };
        let mut take = |event: Event| {
            // Cut before the first place that is not there.
            if event.seq != wanted {
                return false;
            }
            wanted = if newest { wanted.prev() } else { wanted.next() };
            range.events.push(event);
            range.events.len() < limit
        };
        if newest {
            for item in rows.rev() {
                if !take(view.row(item)?.1) {
                    break;
                }
            }
            range.events.reverse();
        } else {
            for item in rows {
                if !take(view.row(item)?.1) {
                    break;
                }
            }
        }
        view.beside(&mut range, conversation)?;
        Ok(range)
    }

    async fn changed(
        &self,
        conversation: ConversationId,
        since: Seq,
        after: Seq,
        before: Seq,
        limit: usize,
    ) -> Result<Vec<Seq>, Error> {
        let view = self.view();
        let mut targets = std::collections::BTreeSet::new();
        let keys =
            table::changed(conversation, since.next())..=table::changed(conversation, Seq::MAX);
        view.each(view.range(keys), |_, target: Seq| {
            if after < target && target < before {
                targets.insert(target);
            }
            true
        })?;
        Ok(targets.into_iter().take(limit).collect())
    }

    async fn intervals(
        &self,
        conversation: ConversationId,
        user: UserId,
    ) -> Result<Vec<Interval>, Error> {
        self.view()
            .scan_intervals(&table::intervals_of(conversation, user).0, None)
    }

    async fn settings(&self, conversation: ConversationId) -> Result<Vec<Setting>, Error> {
        let view = self.view();
        let mut newest: std::collections::BTreeMap<String, Setting> = Default::default();
        view.each(
            view.prefix(table::settings(conversation).0),
            |_, setting: Setting| {
                newest.insert(setting.key.clone(), setting);
                true
            },
        )?;
        Ok(newest.into_values().collect())
    }
}
