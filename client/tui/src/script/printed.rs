//! [`Printed`]: which places of which conversations were printed.
//!
//! Promises: a place counts once, in whatever order places come; what lacks is found again. It
//! holds ranges, so that a history of any length takes a few numbers.

use std::collections::BTreeMap;

use parlour_sdk::protocol::{ConversationId, Seq};

/// Places printed, by conversation: ranges, both ends included, rising and apart.
#[derive(Debug, Default)]
pub(super) struct Printed(BTreeMap<ConversationId, Vec<(Seq, Seq)>>);

impl Printed {
    /// Whether this place was printed.
    pub(super) fn has(&self, conversation: ConversationId, seq: Seq) -> bool {
        let ranges = self.0.get(&conversation);
        ranges.is_some_and(|all| all.iter().any(|(from, to)| (*from..=*to).contains(&seq)))
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

    /// The place before the first that was not printed.
    pub(super) fn end(&self, conversation: ConversationId) -> Seq {
        let first = self.0.get(&conversation).and_then(|all| all.first());
        let whole = first.filter(|(from, _)| *from <= Seq(1));
        whole.map_or(Seq::ZERO, |(_, to)| *to)
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
        assert_eq!(printed.end(c), Seq::ZERO, "the first lacks");
        printed.add(c, Seq(1), Seq(4));
        assert_eq!(printed.end(c), Seq(4));
        printed.add(c, Seq(5), Seq(5));
        printed.add(c, Seq(11), Seq(11));
        assert_eq!(printed.end(c), Seq(5));
        printed.add(c, Seq(5), Seq(6));
        assert_eq!(printed.end(c), Seq(9));
        assert_eq!(printed.0.get(&c).unwrap().len(), 2);
    }
}
