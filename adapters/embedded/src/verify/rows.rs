//! What conversations have: events, outcomes, changes, memberships, marks, progress.

use std::collections::BTreeMap;

use parlour_protocol::id::ConversationId;
use parlour_protocol::kind::{Class, Shape};
use parlour_protocol::position;
use parlour_protocol::record::Header;
use parlour_protocol::row::{
    self, Change, Erased, Event, Interval, Mention, Outcome, OutcomeRow, Setting, Standing,
};
use parlour_protocol::seq::{Head, Mark, Seq};

use super::{Check, Progress};
use crate::{Error, table};

impl Check<'_> {
    fn event(&self, c: ConversationId, seq: Seq) -> Result<Option<Event>, Error> {
        self.get(&table::event(c, seq))
    }

    pub(super) fn events(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'E', progress, |check, _, event: Event| {
            check.report.events += 1;
            let (c, seq) = (event.conversation, event.seq);
            let Ok(h) = Header::from_bytes(&event.header) else {
                check
                    .report
                    .breach(|| format!("{c} {seq:?}: its header cannot be read"));
                return Ok(());
            };
            let known = check.known.entry(c).or_default();
            let next = known.head.seq.next();
            let n = known.head.n + u64::from(h.class == Class::Content);
            let prev = known.prev;
            known.head = Head {
                seq,
                n: event.carried.n,
            };
            known.members = event.carried.members;
            known.direct = event.carried.shape == Shape::Direct;
            if !event.carried.quiet {
                known.prev = seq;
            }
            if seq != next {
                check
                    .report
                    .breach(|| format!("{c}: {next:?} is missing before {seq:?}"));
            }
            if event.carried.n != n {
                let found = event.carried.n;
                check
                    .report
                    .breach(|| format!("{c} {seq:?}: n is {found}, and should be {n}"));
            }
            if event.carried.prev != prev {
                let found = event.carried.prev;
                check
                    .report
                    .breach(|| format!("{c} {seq:?}: prev is {found:?}, not {prev:?}"));
            }
            let key = table::outcome(c, h.sender, h.id);
            let outcome = check.get::<OutcomeRow>(&key)?.map(|o| o.outcome);
            if !matches!(outcome, Some(Outcome::Placed { seq: at, .. }) if at == seq) {
                check
                    .report
                    .breach(|| format!("{c} {seq:?}: its send's outcome is {outcome:?}"));
            }
            Ok(())
        })
    }

    pub(super) fn standings(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'S', progress, |check, _, standing: Standing| {
            check.report.conversations += 1;
            let c = standing.conversation;
            let (head, members) = check
                .known
                .get(&c)
                .map(|k| (k.head, k.members))
                .unwrap_or_default();
            if standing.head != head {
                let found = standing.head;
                check
                    .report
                    .breach(|| format!("{c}: it stands at {found:?}, its events at {head:?}"));
            }
            if standing.members != members {
                let found = standing.members;
                check
                    .report
                    .breach(|| format!("{c}: {found} members stand, {members} were counted"));
            }
            Ok(())
        })?;
        let lone: Vec<ConversationId> = self.known.keys().copied().collect();
        for c in lone {
            if self.get::<Standing>(&table::standing(c))?.is_none() {
                self.report
                    .breach(|| format!("{c}: it has events, and does not stand"));
            }
        }
        Ok(())
    }

    /// Whether a change of a target still has a body.
    fn change_body(&self, c: ConversationId, target: Seq) -> Result<bool, Error> {
        for item in self.data.prefix(table::changes(c, target).0) {
            let value = item.value().map_err(|e| self.damaged(e))?;
            // One that cannot be read is a breach already.
            if row::from_bytes(&value).is_ok_and(|change: Change| !change.payload.is_empty()) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    pub(super) fn outcomes(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'O', progress, |check, _, o: OutcomeRow| {
            check.report.outcomes += 1;
            if let Outcome::Placed { seq, .. } = o.outcome {
                let there = check
                    .event(o.conversation, seq)?
                    .and_then(|e| Header::from_bytes(&e.header).ok())
                    .is_some_and(|h| h.id == o.id && h.sender == o.sender);
                if !there {
                    let (c, id) = (o.conversation, o.id);
                    check
                        .report
                        .breach(|| format!("{c}: {id} has the outcome {seq:?}, where it is not"));
                }
            }
            Ok(())
        })
    }

    pub(super) fn sides(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'C', progress, |check, _, change: Change| {
            let (c, seq, target) = (change.conversation, change.seq, change.target);
            if check.event(c, target)?.is_none() || check.event(c, seq)?.is_none() {
                check
                    .report
                    .breach(|| format!("{c}: the change {seq:?} of {target:?} has no event"));
            }
            Ok(())
        })?;
        self.each(b'X', progress, |check, _, erased: Erased| {
            let (c, target) = (erased.conversation, erased.target);
            if check
                .event(c, target)?
                .is_none_or(|e| !e.payload.is_empty())
                || check.change_body(c, target)?
            {
                check
                    .report
                    .breach(|| format!("{c} {target:?}: it was erased, and its body is there"));
            }
            Ok(())
        })?;
        self.each(b'G', progress, |check, _, s: Setting| {
            if check.event(s.conversation, s.seq)?.is_none() {
                let (c, seq, key) = (s.conversation, s.seq, s.key);
                check
                    .report
                    .breach(|| format!("{c}: the setting {key} at {seq:?} has no event"));
            }
            Ok(())
        })?;
        self.each(b'M', progress, |check, _, m: Mention| {
            if check.event(m.conversation, m.seq)?.is_none() {
                let (c, seq) = (m.conversation, m.seq);
                check
                    .report
                    .breach(|| format!("{c}: a mention at {seq:?} has no event"));
            }
            Ok(())
        })
    }

    pub(super) fn intervals(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        let mut open: BTreeMap<ConversationId, u32> = BTreeMap::new();
        let mut last: Option<Interval> = None;
        self.each(b'I', progress, |check, _, interval: Interval| {
            let (c, user, from) = (interval.conversation, interval.user, interval.from.seq);
            if interval.until.is_some_and(|until| until.seq < from) {
                check
                    .report
                    .breach(|| format!("{c}: a membership of {user} ends before {from:?}"));
            }
            let before = last.filter(|l| l.conversation == c && l.user == user);
            if before.is_some_and(|l| l.until.is_none_or(|until| until.seq > from)) {
                check
                    .report
                    .breach(|| format!("{c}: memberships of {user} overlap at {from:?}"));
            }
            if interval.until.is_none() {
                *open.entry(c).or_default() += 1;
            }
            last = Some(interval);
            Ok(())
        })?;
        // Both ways: what was counted and has no open membership at all is a breach as well. The
        // two of a direct conversation are members without one.
        let mut counted: BTreeMap<ConversationId, u32> = self
            .known
            .iter()
            .filter(|(_, known)| !known.direct)
            .map(|(c, known)| (*c, known.members))
            .collect();
        for (c, open) in open {
            let members = counted.remove(&c).unwrap_or(0);
            if members != open {
                self.report
                    .breach(|| format!("{c}: {open} memberships are open, {members} were counted"));
            }
        }
        for (c, members) in counted.into_iter().filter(|(_, members)| *members != 0) {
            self.report
                .breach(|| format!("{c}: no membership is open, {members} were counted"));
        }
        Ok(())
    }

    pub(super) fn marks(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        self.each(b'K', progress, |check, key, mark: Mark| {
            if let Some(id) = key.last_chunk::<16>() {
                let c = ConversationId::from_bytes(*id);
                let head = check.known.get(&c).map(|k| k.head).unwrap_or_default();
                if mark.delivered().seq > head.seq {
                    check.report.breach(|| {
                        format!(
                            "{c}: a mark at {:?} is beyond its head",
                            mark.delivered().seq
                        )
                    });
                }
            }
            Ok(())
        })
    }

    pub(super) fn progress(&mut self, progress: &mut Progress<'_>) -> Result<(), Error> {
        let newest: u64 = self.get(&table::meta("generation"))?.unwrap_or(0);
        self.each(b'P', progress, |check, _, p: position::Progress| {
            if p.position.generation.0 > newest {
                let at = p.position;
                check
                    .report
                    .breach(|| format!("progress at {at}: the store's generation is {newest}"));
            }
            Ok(())
        })
    }
}
