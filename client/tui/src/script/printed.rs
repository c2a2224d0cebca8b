//! [`Printed`]: which places of which conversations were printed.
//!
//! Promises: a place counts once, in whatever order places come; what lacks is found again. It
//! holds ranges, so that a history of any length takes a few numbers.

use std::collections::BTreeMap;

use parlour_sdk::protocol::{ConversationId, Seq};

/// Places printed, by conversation: ranges, both ends included, rising and apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Printed(BTreeMap<ConversationId, Vec<(Seq, Seq)>>);

impl Printed {
    /// Whether this place was printed.
    pub(super) fn has(&self, conversation: ConversationId, seq: Seq) -> bool {
        self.hole(conversation, seq, seq).is_none()
    }

    /// These places were printed, or have nothing to print.
    pub(super) fn add(&mut self, conversation: ConversationId, from: Seq, to: Seq) {
        if from > to {
            return;
        }
        let all = self.0.entry(conversation).or_default();
        let (mut from, mut to) = (from, to);
        // Whatever it touches becomes one with it.
        all.retain(|(f, t)| {
            let touches = *f <= to.next() && from <= t.next();
            if touches {
                (from, to) = (from.min(*f), to.max(*t));
            }
            !touches
        });
        let at = all.partition_point(|(f, _)| *f < from);
        all.insert(at, (from, to));
    }

    /// The first places in a row that were not printed, among those from here to there.
    pub(super) fn hole(
        &self,
        conversation: ConversationId,
        from: Seq,
        to: Seq,
    ) -> Option<(Seq, Seq)> {
        let (mut from, mut to) = (from, to);
        for (first, last) in self.0.get(&conversation).into_iter().flatten() {
            if (*first..=*last).contains(&from) {
                from = last.next();
            } else if *first > from {
                to = to.min(Seq(first.0.saturating_sub(1)));
                break;
            }
        }
        (from <= to).then_some((from, to))
    }

    /// All of it: conversation, first and last place.
    pub(super) fn all(&self) -> impl Iterator<Item = (ConversationId, Seq, Seq)> {
        let of = |(c, all): (&ConversationId, &Vec<(Seq, Seq)>)| {
            let c = *c;
            all.clone().into_iter().map(move |(from, to)| (c, from, to))
        };
        self.0.iter().flat_map(of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_any_order_and_once() {
        let c = ConversationId::derived("test", &[b"c"]);
        let mut printed = Printed::default();
        printed.add(c, Seq(7), Seq(9));
        assert_eq!(
            (printed.has(c, Seq(7)), printed.has(c, Seq(6))),
            (true, false)
        );
        let hole = |printed: &Printed| printed.hole(c, Seq(1), Seq(12));
        assert_eq!(hole(&printed), Some((Seq(1), Seq(6))));
        printed.add(c, Seq(1), Seq(4));
        assert_eq!(hole(&printed), Some((Seq(5), Seq(6))));
        printed.add(c, Seq(5), Seq(5));
        printed.add(c, Seq(11), Seq(11));
        assert_eq!(hole(&printed), Some((Seq(6), Seq(6))));
        printed.add(c, Seq(5), Seq(6));
        assert_eq!(hole(&printed), Some((Seq(10), Seq(10))));
        assert_eq!(printed.hole(c, Seq(2), Seq(9)), None);
        assert_eq!(printed.hole(c, Seq(10), Seq(9)), None);
        printed.add(c, Seq(10), Seq(10));
        assert_eq!(hole(&printed), Some((Seq(12), Seq(12))));
        assert_eq!(printed.all().count(), 1);
    }
}
