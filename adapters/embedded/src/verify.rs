//! Checks a whole store: that every row can be read, and that rows fit each other.
//!
//! Never changes the store: what is checked is a copy of its journals with links to its tables, in
//! the system's folder for temporary files; a folder there is all that a killed `verify` leaves. What
//! lies before a damage in a journal is checked, and the damage is a breach. Reads table by table,
//! so that memory is bounded by conversations and not by events.

use std::collections::BTreeMap;
use std::path::Path;

use fjall::Keyspace;
use minicbor::Decode;
use parlour_protocol::id::{ConversationId, DeviceId, UserId};
use parlour_protocol::kind::{Class, Shape};
use parlour_protocol::position::Progress;
use parlour_protocol::record::Header;
use parlour_protocol::row::{
    self, Change, Erased, Event, Interval, Mention, Outcome, OutcomeRow, Setting, Standing,
};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::accounts::{DevicesRow, UserRow};
use crate::aside::Aside;
use crate::store::require_format;
use crate::{Error, table};

/// Breaches that are kept as sentences; all are counted.
const KEPT: usize = 100;

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Rows read.
    pub rows: u64,
    /// Conversations.
    pub conversations: u64,
    /// Events.
    pub events: u64,
    /// Outcomes.
    pub outcomes: u64,
    /// What does not fit, in all.
    pub breaches: u64,
    /// The first of it, in sentences.
    pub said: Vec<String>,
}

impl Report {
    fn breach(&mut self, what: impl FnOnce() -> String) {
        self.breaches += 1;
        if self.said.len() < KEPT {
            self.said.push(what());
        }
    }
}

/// What is known of a conversation while its store is checked.
#[derive(Default)]
struct Known {
    head: Head,
    prev: Seq,
    members: u32,
    direct: bool,
}

struct Check<'a> {
    data: &'a Keyspace,
    folder: &'a Path,
    report: Report,
    of: u64,
    known: BTreeMap<ConversationId, Known>,
}

/// Checks the store of a folder, which no server uses meanwhile.
///
/// # Errors
/// The store cannot be opened, or a row cannot be read at all: see [`Error`].
pub fn verify(folder: &Path, progress: &mut dyn FnMut(u64, u64)) -> Result<Report, Error> {
    let aside = Aside::open(folder)?;
    let data = &aside.data;
    require_format(folder, data)?;
    let of = data.approximate_len() as u64;
    let mut check = Check {
        data,
        folder,
        report: Report::default(),
        of,
        known: BTreeMap::new(),
    };
    if let Some((path, why)) = &aside.damaged {
        let path = path.display();
        check
            .report
            .breach(|| format!("{path} is damaged: {why}. What follows is of what can be read"));
    }
    check.events(progress)?;
    check.standings(progress)?;
    check.outcomes(progress)?;
    check.sides(progress)?;
    check.intervals(progress)?;
    check.marks(progress)?;
    check.progress(progress)?;
    check.accounts(progress)?;
    let rows = check.report.rows;
    progress(rows, rows);
    Ok(check.report)
}

impl Check<'_> {
    fn each<T: for<'b> Decode<'b, ()>>(
        &mut self,
        letter: u8,
        progress: &mut dyn FnMut(u64, u64),
        mut f: impl FnMut(&mut Self, &[u8], T) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for item in self.data.prefix([letter]) {
            let (key, value) = item.into_inner().map_err(|e| self.damaged(e))?;
            let row = row::from_bytes(&value).map_err(|e| self.unreadable(&key, e))?;
            self.report.rows += 1;
            if self.report.rows.is_multiple_of(4_096) {
                progress(self.report.rows, self.of.max(self.report.rows));
            }
            f(self, &key, row)?;
        }
        Ok(())
    }

    fn damaged(&self, why: impl std::fmt::Display) -> Error {
        Error::Damaged {
            path: self.folder.join("store"),
            why: why.to_string(),
        }
    }

    fn get<T: for<'b> Decode<'b, ()>>(&self, key: &[u8]) -> Result<Option<T>, Error> {
        match self.data.get(key).map_err(|e| self.unreadable(key, e))? {
            None => Ok(None),
            Some(bytes) => row::from_bytes(&bytes)
                .map(Some)
                .map_err(|e| self.unreadable(key, e)),
        }
    }

    fn unreadable(&self, key: &[u8], why: impl std::fmt::Display) -> Error {
        self.damaged(format!("{} cannot be read: {why}", table::named(key)))
    }

    fn event(&self, c: ConversationId, seq: Seq) -> Result<Option<Event>, Error> {
        self.get(&table::event(c, seq))
    }

    fn events(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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

    fn standings(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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
            let change: Change = row::from_bytes(&value).map_err(|e| self.damaged(e))?;
            if !change.payload.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn outcomes(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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

    fn sides(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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

    fn intervals(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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

    fn marks(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
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

    fn progress(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        let newest: u64 = self.get(&table::meta("generation"))?.unwrap_or(0);
        self.each(b'P', progress, |check, _, p: Progress| {
            if p.position.generation.0 > newest {
                let at = p.position;
                check
                    .report
                    .breach(|| format!("progress at {at}: the store's generation is {newest}"));
            }
            Ok(())
        })
    }

    fn has(&self, key: &[u8]) -> Result<bool, Error> {
        self.data.contains_key(key).map_err(|e| self.damaged(e))
    }

    fn accounts(&mut self, progress: &mut dyn FnMut(u64, u64)) -> Result<(), Error> {
        self.each(b'A', progress, |check, _, user: UserId| {
            if !check.has(&table::of_user(b'U', user))? {
                check
                    .report
                    .breach(|| format!("a name belongs to {user}, who has no account"));
            }
            Ok(())
        })?;
        self.each(b'U', progress, |check, _, row: UserRow| {
            let (user, name) = (row.user, row.name);
            let owner: Option<UserId> = check.get(&table::name(&name))?;
            if owner != Some(user) {
                check
                    .report
                    .breach(|| format!("{user} is called {name}, which belongs to {owner:?}"));
            }
            Ok(())
        })?;
        self.each(b'D', progress, |check, _, row: DevicesRow| {
            for (device, token) in row.tokens() {
                let of: Option<(UserId, DeviceId)> = check.get(&table::hash(b'T', &token).0)?;
                if of.is_none_or(|(_, of)| of != device) {
                    check
                        .report
                        .breach(|| format!("the token of {device} does not lead to it"));
                }
                if !check.has(&table::of_device(b'd', device).0)? {
                    check
                        .report
                        .breach(|| format!("{device} is listed, and is nobody's"));
                }
                if check.has(&table::of_device(b'r', device).0)? {
                    check
                        .report
                        .breach(|| format!("{device} was revoked, and is listed"));
                }
            }
            Ok(())
        })?;
        self.each(b'T', progress, |check, _, of: (UserId, DeviceId)| {
            // The token of a revoked device stays, and opens nothing.
            let (user, device) = of;
            let listed = check
                .get::<DevicesRow>(&table::of_user(b'D', user))?
                .is_some_and(|row| row.tokens().any(|(d, _)| d == device));
            if !listed && !check.has(&table::of_device(b'r', device).0)? {
                check
                    .report
                    .breach(|| format!("a token leads to {device}, which {user} does not have"));
            }
            Ok(())
        })?;
        self.each(b'R', progress, |check, key, device: DeviceId| {
            let number = key.last_chunk::<8>().map(|n| u64::from_be_bytes(*n));
            let told: Option<u64> = check.get(&table::of_device(b'r', device).0)?;
            if number != told {
                check
                    .report
                    .breach(|| format!("revocation {number:?} of {device} is {told:?} there"));
            }
            Ok(())
        })?;
        self.each(b'r', progress, |check, _, number: u64| {
            if !check.has(&table::Key::table(b'R').number(number).0)? {
                check
                    .report
                    .breach(|| format!("revocation {number} is not in the list"));
            }
            Ok(())
        })
    }
}
