//! What is too much is let go, the oldest first; it is paged again when wanted.

use parlour_protocol::seq::Seq;

use super::Room;
use crate::saved::Op;
use crate::settings::Fetch;

impl Room {
    /// Holds at most `keep` events, give or take what a gap needs. Gives the operation for the
    /// store.
    pub(crate) fn evict(&mut self, keep: usize, fetch: Fetch) -> Option<Op> {
        let excess = self
            .events
            .len()
            .checked_sub(keep.max(1))
            .filter(|e| *e > 0)?;
        match fetch {
            Fetch::Newest => {
                let first_kept = *self.events.keys().nth(excess)?;
                self.drop_below(first_kept)
            }
            Fetch::Everything => {
                // Only what was had without a hole may go for good; what lies above a hole is
                // asked for again once the hole is filled.
                let end = self.stretches.end_above(self.had);
                let first_kept = *self.events.keys().nth(excess)?;
                if first_kept.prev() <= end {
                    self.had = self.had.max(first_kept.prev());
                    self.drop_below(first_kept)
                } else if excess > keep {
                    self.drop_above(end)
                } else {
                    None
                }
            }
        }
    }

    fn drop_below(&mut self, first_kept: Seq) -> Option<Op> {
        let kept = self.events.split_off(&first_kept);
        let gone = core::mem::replace(&mut self.events, kept);
        let (first, last) = (*gone.keys().next()?, *gone.keys().next_back()?);
        self.stretches.subtract(Seq(1), first_kept.prev());
        self.withheld.retain(|w| w.to >= first_kept);
        self.dirty = true;
        Some(Op::EventsGone(self.id, first, last))
    }

    fn drop_above(&mut self, end: Seq) -> Option<Op> {
        let gone = self.events.split_off(&end.next());
        let (first, last) = (*gone.keys().next()?, *gone.keys().next_back()?);
        self.stretches.subtract(end.next(), Seq::MAX);
        self.withheld.retain(|w| w.from <= end);
        self.dirty = true;
        Some(Op::EventsGone(self.id, first, last))
    }
}
