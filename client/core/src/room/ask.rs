//! What is lacking, and the one question that would bring it.
//!
//! Nothing is queued: what to ask follows from what is held, each time anew. So an answer lost,
//! late or doubled needs no cure of its own.

use parlour_protocol::frame::Ref;
use parlour_protocol::kind::Shape;
use parlour_protocol::mutant::{Mutant, planted};
use parlour_protocol::seq::Seq;

use super::Room;
use crate::failing::Failing;
use crate::settings::Fetch;

/// How many events, or all there are, make the newest page that a `delivered` mark speaks of.
pub(crate) const NEWEST: usize = 30;

/// One question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The newest page.
    Newest,
    /// A page before a place.
    Before(Seq),
    /// A page after a place.
    After(Seq),
    /// What changed in `[from, to]` since a place.
    Changes { from: Seq, to: Seq, since: Seq },
}

/// A question on its way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asking {
    pub(crate) ask: Ask,
    pub(crate) r#ref: Ref,
    pub(crate) deadline: u64,
    /// Of [`Ask::Changes`]: the least `as_of` of the parts that came, and the whole asked for.
    pub(crate) as_of: Option<Seq>,
    pub(crate) whole: (Seq, Seq),
}

/// Whether there is something to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    Later(u64),
    Now(Ask),
}

/// What decides how much is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy {
    pub(crate) fetch: Fetch,
    pub(crate) focus: bool,
    pub(crate) page: u32,
    pub(crate) room_max: usize,
}

impl Room {
    /// What to ask next.
    pub(crate) fn need(&self, now: u64, policy: Policy) -> Need {
        if self.asking.is_some() || self.denied || self.head.seq == Seq::ZERO {
            return Need::Nothing;
        }
        let lacking = match policy.fetch {
            Fetch::Everything => self.lacking_of_everything(),
            Fetch::Newest if self.active(policy) => self.lacking_of_newest(policy),
            Fetch::Newest => None,
        };
        let Some((ask, soft)) = lacking else {
            return Need::Nothing;
        };
        if planted(Mutant::HeadsTrusted) && matches!(ask, Ask::After(_)) {
            return Need::Nothing;
        }
        let at = if soft {
            self.not_before.max(self.grace_until)
        } else {
            self.not_before
        };
        if now < at {
            Need::Later(at)
        } else {
            Need::Now(ask)
        }
    }

    /// Whether its newest page is wanted at all.
    fn active(&self, policy: Policy) -> bool {
        policy.focus
            || self.load_wanted
            || self.older_wanted
            || self.shape() != Some(Shape::Channel)
    }

    /// The question, and whether the answer may come by itself.
    fn lacking_of_everything(&self) -> Option<(Ask, bool)> {
        let end = self.stretches.end_above(self.had);
        if end < self.head.seq {
            let gap = self.stretches.newest().is_some_and(|s| s.to > end);
            return Some((Ask::After(end), !gap));
        }
        self.stale_above(Seq::ZERO, end)
    }

    fn lacking_of_newest(&self, policy: Policy) -> Option<(Ask, bool)> {
        let Some((from, to)) = self.stretches.run() else {
            return Some((Ask::Newest, true));
        };
        if to < self.head.seq {
            let missed = self.head.seq.0.saturating_sub(to.0);
            let ask = if missed <= u64::from(policy.page) {
                Ask::After(to)
            } else {
                Ask::Newest
            };
            return Some((ask, true));
        }
        // Adjoining stretches that came at different times are repaired from the newest down.
        if let Some(ask) = self.stale_above(from, to) {
            return Some(ask);
        }
        if from > Seq(1) && !self.run_is_page(from, to, policy) {
            return Some((Ask::Before(from), false));
        }
        let older = self.older_wanted && from > Seq(1) && self.events.len() < policy.room_max;
        older.then_some((Ask::Before(from), false))
    }

    /// The newest stretch at or above `from` that does not know all changes up to `to`.
    fn stale_above(&self, from: Seq, to: Seq) -> Option<(Ask, bool)> {
        self.stretches
            .all()
            .iter()
            .rev()
            .find(|s| s.from >= from && s.as_of < to && !planted(Mutant::ChangesUnasked))
            .map(|s| {
                let ask = Ask::Changes {
                    from: s.from,
                    to: s.to,
                    since: s.as_of,
                };
                (ask, false)
            })
    }

    fn run_is_page(&self, from: Seq, to: Seq, policy: Policy) -> bool {
        // Never more than may be held: it would be fetched and let go in turns.
        let enough = NEWEST.min(policy.room_max);
        from <= Seq(1)
            || from <= self.had.next()
            || self.events.range(from..=to).take(enough).count() == enough
    }

    /// Up to where the newest page is held, if it is.
    pub(super) fn holds_newest_page(&self, policy: Policy) -> Option<Seq> {
        if self.head.seq == Seq::ZERO {
            return None;
        }
        let (from, to) = match policy.fetch {
            Fetch::Everything => (Seq(1), self.stretches.end_above(self.had)),
            Fetch::Newest => self.stretches.run()?,
        };
        (to >= self.head.seq && self.run_is_page(from, to, policy)).then_some(to)
    }

    /// An answer came, or none did: the question is done with. `fruitful` if it brought anything.
    pub(crate) fn answered(&mut self, fruitful: bool) {
        self.asking = None;
        if fruitful {
            self.fruitless = 0;
            self.failing = Failing::new();
            self.not_before = 0;
        } else {
            self.fruitless = self.fruitless.saturating_add(1);
        }
    }
}
