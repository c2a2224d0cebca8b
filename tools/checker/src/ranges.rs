//! A set of places as ranges: small where places are consecutive, as they nearly always are.
//!
//! Promises: ranges are sorted, disjoint and never touch; adding at the end is quick.

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds from ..= to; nothing if `to` is below `from`.
    pub(crate) fn add(&mut self, from: u64, to: u64) {
        if from > to {
            return;
        }
        // The first range that this one touches or that lies behind it, and the first that it does not.
        let first = self
            .0
            .partition_point(|&(_, end)| end.saturating_add(1) < from);
        let behind = first
            + self
                .0
                .iter()
                .skip(first)
                .take_while(|&&(start, _)| start <= to.saturating_add(1))
                .count();
        let (mut low, mut high) = (from, to);
        for &(start, end) in self.0.iter().skip(first).take(behind - first) {
            low = low.min(start);
            high = high.max(end);
        }
        self.0.splice(first..behind, [(low, high)]);
    }

    pub(crate) fn has(&self, place: u64) -> bool {
        let at = self.0.partition_point(|&(_, end)| end < place);
        self.0.get(at).is_some_and(|&(start, _)| start <= place)
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        for &(from, to) in &other.0 {
            self.add(from, to);
        }
    }

    /// The ranges, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().copied()
    }

    /// What is in here and not in `other`.
    pub(crate) fn less(&self, other: &Self) -> Self {
        // They come sorted and apart, as they must be.
        Self(self.without(other))
    }

    /// What is in here and not in `other`, as ranges.
    pub(crate) fn without(&self, other: &Self) -> Vec<(u64, u64)> {
        let mut left = Vec::new();
        let mut holes = other.0.iter().peekable();
        for &(mut from, to) in &self.0 {
            while holes.next_if(|&&(_, end)| end < from).is_some() {}
            let mut ahead = holes.clone();
            while let Some(&&(start, end)) = ahead.peek() {
                if start > to {
                    break;
                }
                if start > from {
                    left.push((from, start - 1));
                }
                from = end.saturating_add(1);
                ahead.next();
                if from > to || end == u64::MAX {
                    break;
                }
            }
            if from <= to && !other.has(from) {
                left.push((from, to));
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::Ranges;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    type Pairs = Vec<(u64, u64)>;
    fn both(pairs: &Pairs) -> (Ranges, BTreeSet<u64>) {
        let (mut ranges, mut set) = (Ranges::default(), BTreeSet::new());
        for &(from, len) in pairs {
            ranges.add(from, from + len);
            set.extend(from..=from + len);
        }
        (ranges, set)
    }

    proptest! {
        #[test]
        fn behaves_as_a_set(a in prop::collection::vec((0u64..60, 0u64..9), 0..20),
                            b in prop::collection::vec((0u64..60, 0u64..9), 0..20)) {
            let ((ra, sa), (rb, sb)) = (both(&a), both(&b));
            prop_assert!(ra.0.windows(2).all(|w| w[0].1 + 1 < w[1].0), "{:?}", ra);
            for place in 0..80 {
                prop_assert_eq!(ra.has(place), sa.contains(&place));
            }
            let left: BTreeSet<u64> = ra.without(&rb).into_iter().flat_map(|(f, t)| f..=t).collect();
            prop_assert_eq!(left, &sa - &sb);
            let mut all = ra;
            all.add_all(&rb);
            prop_assert_eq!(all, both(&[a, b].concat()).0);
        }
    }

    #[test]
    fn the_ends_of_the_world() {
        let mut all = Ranges::default();
        all.add(0, u64::MAX);
        all.add(3, 2);
        assert_eq!(all.0, [(0, u64::MAX)]);
        let mut some = Ranges::default();
        some.add(5, u64::MAX);
        assert_eq!(all.without(&some), [(0, 4)]);
        assert_eq!(some.without(&all), []);
    }
}
