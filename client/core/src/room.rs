//! [`Room`]: what is held of one conversation: places, events, line, marks.
//!
//! Promises: an event is held once; a place that was covered is never shown as missing; a change
//! reaches its target whichever of the two came first, and what is erased stays erased.

mod ask;
mod evict;
mod insert;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parlour_protocol::frame::server::{About, Counts, Event, Withheld};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::kind::{Class, Shape};
use parlour_protocol::line::{Line, Standing};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::failing::Failing;
use crate::saved::{Held, Op, Span};
use crate::stretches::Stretches;

pub(crate) use ask::{Ask, Asking, NEWEST, Need, Policy};

/// Marks of members kept of one conversation; those told of last stay.
const MEMBER_MARKS: usize = 1_000;

/// What is held of one conversation.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) id: ConversationId,
    pub(crate) line: Option<Line>,
    pub(crate) about: Option<About>,
    /// Membership events up to here are in `about` already.
    about_at: Seq,
    /// The head as of which the server said `about`: names, topics and mentions up to here are in.
    said_at: Seq,
    /// The places of the name and the topic in `about`, where events gave them.
    titles_at: (Seq, Seq),
    /// The newest place known.
    pub(crate) head: Head,
    pub(crate) stretches: Stretches,
    pub(crate) events: BTreeMap<Seq, Arc<Event>>,
    pub(crate) withheld: Vec<Span>,
    /// Everything up to here was had and let go.
    pub(crate) had: Seq,

    /// The question on its way, if any: one at a time.
    pub(crate) asking: Option<Asking>,
    /// Nothing is asked before this time.
    pub(crate) not_before: u64,
    /// Answers in a row that brought nothing.
    pub(crate) fruitless: u32,
    pub(crate) failing: Failing,
    /// The head may rise by an event that is on its way: not asked for before this time.
    pub(crate) grace_until: u64,
    /// The server refused finally; until the head rises again.
    pub(crate) denied: bool,
    pub(crate) older_wanted: bool,
    pub(crate) load_wanted: bool,

    /// The marks that this device wants known.
    pub(crate) delivered: Seq,
    pub(crate) read: Seq,
    /// Those stated on this connection.
    pub(crate) stated: (Seq, Seq),
    /// Places of mentions of oneself that are held and not seen.
    mentioned: BTreeSet<Seq>,

    pub(crate) counts: Option<Counts>,
    pub(crate) member_marks: BTreeMap<UserId, Mark>,

    /// When it was last looked at or moved.
    pub(crate) used_ms: u64,
    pub(crate) dirty: bool,
    pub(crate) line_dirty: bool,
    pub(crate) about_dirty: bool,
}

/// What an insertion did.
#[derive(Debug, Default)]
pub(crate) struct Did {
    /// Events that were not held before, rising.
    pub(crate) new: Vec<Arc<Event>>,
    /// Events that were held and are different now.
    pub(crate) changed: Vec<Arc<Event>>,
    /// Places that are withheld, and were not known to be.
    pub(crate) withheld: Vec<Withheld>,
    /// Events that are stored otherwise now, with nothing to show for it.
    pub(crate) rewritten: Vec<Arc<Event>>,
    /// Whether more places are covered, or known better, than before.
    pub(crate) fruitful: bool,
}

impl Did {
    /// An event is different now: told once, as it is last.
    fn tell(&mut self, now: &Arc<Event>) {
        let lists = self.new.iter_mut().chain(&mut self.changed);
        for told in lists {
            if told.seq == now.seq {
                *told = Arc::clone(now);
                return;
            }
        }
        self.changed.push(Arc::clone(now));
    }
}

impl Room {
    pub(crate) fn new(id: ConversationId) -> Self {
        Self {
            id,
            line: None,
            about: None,
            about_at: Seq::ZERO,
            said_at: Seq::ZERO,
            titles_at: (Seq::ZERO, Seq::ZERO),
            head: Head::default(),
            stretches: Stretches::default(),
            events: BTreeMap::new(),
            withheld: Vec::new(),
            had: Seq::ZERO,
            asking: None,
            not_before: 0,
            fruitless: 0,
            failing: Failing::new(),
            grace_until: 0,
            denied: false,
            older_wanted: false,
            load_wanted: false,
            delivered: Seq::ZERO,
            read: Seq::ZERO,
            stated: (Seq::ZERO, Seq::ZERO),
            mentioned: BTreeSet::new(),
            counts: None,
            member_marks: BTreeMap::new(),
            used_ms: 0,
            dirty: false,
            line_dirty: false,
            about_dirty: false,
        }
    }

    /// Puts back what a store gave.
    pub(crate) fn restore(&mut self, held: Held) {
        self.stretches = Stretches::restored(held.stretches);
        self.withheld = held.withheld;
        self.had = held.had;
        self.delivered = held.delivered;
        self.read = held.read;
    }

    /// The rest of what a store gave follows from it.
    pub(crate) fn restored(&mut self, me: UserId) {
        if let Some(newest) = self.events.values().next_back() {
            let head = Head {
                seq: newest.seq,
                n: newest.n,
            };
            self.raise(head);
        }
        let after = self.read.max(self.own_mark().read.seq);
        let named = |e: &Event| e.mentions.everyone || e.mentions.users.contains(&me);
        let missed: Vec<Seq> = self
            .events
            .range(after.next()..)
            .filter(|(_, e)| e.class == Class::Content && e.sender != me && named(e))
            .map(|(seq, _)| *seq)
            .collect();
        self.mentioned.extend(missed);
    }

    /// A shape known or computed: of a direct conversation both users are known to its events.
    pub(crate) fn shape(&self) -> Option<Shape> {
        self.about.as_ref().map(|a| a.shape)
    }

    /// Whether its user went out at this place, as far as is known: one who holds an event from
    /// behind it came in again.
    pub(crate) fn is_out_at(&self, seq: Seq) -> bool {
        let newest = self.stretches.newest().map_or(self.had, |s| s.to);
        self.line.is_some_and(|l| match l.standing {
            Standing::Left(end) | Standing::Removed(end) => end == seq && newest <= end,
            Standing::Member(_) => false,
        })
    }

    pub(crate) fn own_mark(&self) -> Mark {
        self.line.map(|l| l.own).unwrap_or_default()
    }

    /// Raises the head. A head raised finds a refusal outdated.
    pub(crate) fn raise(&mut self, head: Head) -> bool {
        if head <= self.head {
            return false;
        }
        self.head = head;
        self.denied = false;
        if let Some(line) = &mut self.line
            && line.head < head
        {
            line.head = head;
            self.line_dirty = true;
        }
        true
    }

    /// Countable events up to a place, if known.
    fn n_at(&self, seq: Seq) -> Option<u64> {
        if seq == self.head.seq {
            return Some(self.head.n);
        }
        let own = self.own_mark();
        [own.read, own.delivered]
            .into_iter()
            .find(|h| h.seq == seq)
            .map(|h| h.n)
            .or_else(|| self.events.get(&seq).map(|e| e.n))
    }

    /// How many messages were seen: those up to the read mark, stated or echoed.
    fn read_n(&self) -> u64 {
        let echoed = self.own_mark().read;
        if self.read > echoed.seq {
            self.n_at(self.read).unwrap_or(echoed.n).max(echoed.n)
        } else {
            echoed.n
        }
    }

    /// Whether so many messages were seen, from the first on.
    pub(crate) fn has_seen_up_to_n(&self, n: u64) -> bool {
        let joined = self.about.as_ref().map_or(0, |a| a.joined_n);
        self.read_n().max(joined) >= n
    }

    /// Messages after the later of the read mark and the last joining.
    pub(crate) fn unread(&self) -> u64 {
        let joined = self.about.as_ref().map_or(0, |a| a.joined_n);
        self.head.n.saturating_sub(self.read_n().max(joined))
    }

    /// Mentions of oneself after the read mark: counted where everything since is held, and else
    /// by the server's word.
    pub(crate) fn mentions(&self) -> u32 {
        let read = self.read.max(self.own_mark().read.seq);
        let held = self.stretches.end_above(read.max(self.had)) >= self.said_at;
        let (told, from) = if held {
            (0, read.next())
        } else {
            let told = self.about.as_ref().map_or(0, |a| a.mentions);
            (told, self.said_at.next())
        };
        let after = self.mentioned.range(from..).count();
        told.saturating_add(u32::try_from(after).unwrap_or(u32::MAX))
    }

    /// Everything up to here was seen. Says whether that is new.
    pub(crate) fn see(&mut self, upto: Seq) -> bool {
        let upto = upto.min(self.head.seq);
        if upto <= self.read.max(self.own_mark().read.seq) {
            return false;
        }
        self.read = upto;
        self.dirty = true;
        self.forget_seen_mentions();
        true
    }

    fn forget_seen_mentions(&mut self) {
        let read = self.read.max(self.own_mark().read.seq);
        self.mentioned = self.mentioned.split_off(&read.next());
    }

    /// Own marks as stored. They only go up.
    pub(crate) fn echoed(&mut self, own: Mark) -> bool {
        let Some(line) = &mut self.line else {
            return false;
        };
        let joined = line.own.join(own);
        if joined == line.own {
            return false;
        }
        line.own = joined;
        self.line_dirty = true;
        self.forget_seen_mentions();
        true
    }

    /// Another member's marks.
    pub(crate) fn marked(&mut self, me: UserId, user: UserId, mark: Mark) -> bool {
        if user == me {
            return self.echoed(mark);
        }
        let mut moved = false;
        if self.shape() == Some(Shape::Direct)
            && let Some(line) = &mut self.line
        {
            let joined = line.other.unwrap_or_default().join(mark);
            moved = line.other != Some(joined);
            line.other = Some(joined);
            self.line_dirty |= moved;
        }
        if self.member_marks.len() >= MEMBER_MARKS && !self.member_marks.contains_key(&user) {
            self.member_marks.pop_first();
        }
        let known = self.member_marks.entry(user).or_default();
        let joined = known.join(mark);
        moved |= *known != joined;
        *known = joined;
        moved
    }

    /// The `delivered` mark that what is held allows, if it is above the one wanted so far.
    pub(crate) fn deliver(&mut self, policy: Policy) -> bool {
        let Some(upto) = self.holds_newest_page(policy) else {
            return false;
        };
        if upto <= self.delivered {
            return false;
        }
        self.delivered = upto;
        self.dirty = true;
        true
    }

    /// Marks that are wanted and neither echoed nor stated on this connection:
    /// (delivered, read).
    pub(crate) fn unstated(&self) -> (Option<Seq>, Option<Seq>) {
        let own = self.own_mark();
        let read = (self.read > self.stated.1.max(own.read.seq)).then_some(self.read);
        let known = self
            .stated
            .0
            .max(self.stated.1)
            .max(own.delivered().seq)
            .max(read.unwrap_or_default());
        ((self.delivered > known).then_some(self.delivered), read)
    }

    /// Whether a mark was stated and not echoed.
    pub(crate) fn unechoed(&self) -> bool {
        let own = self.own_mark();
        self.line.is_some_and(|l| l.standing.is_member())
            && (self.stated.0 > own.delivered().seq || self.stated.1 > own.read.seq)
    }

    /// What the store is to be told since the last time.
    pub(crate) fn saved(&mut self, ops: &mut Vec<Op>) {
        if core::mem::take(&mut self.line_dirty)
            && let Some(line) = self.line
        {
            ops.push(Op::Line(line));
        }
        if core::mem::take(&mut self.about_dirty)
            && let Some(about) = &self.about
        {
            ops.push(Op::About(Box::new(about.clone())));
        }
        if core::mem::take(&mut self.dirty) {
            ops.push(Op::Held(
                self.id,
                Box::new(Held {
                    stretches: self.stretches.all().to_vec(),
                    withheld: self.withheld.clone(),
                    had: self.had,
                    delivered: self.delivered,
                    read: self.read,
                }),
            ));
        }
    }
}
