//! [`Stretches`]: which places of a conversation are held. Rising, without overlap.
//!
//! Neighbours stay apart while their `as_of` differs: what is known of changes is known of the
//! whole of a stretch.

use parlour_protocol::seq::Seq;

use crate::saved::Stretch;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Stretches(Vec<Stretch>);

impl Stretches {
    /// Of what a store gave: whatever does not rise or overlaps is dropped.
    pub(crate) fn restored(mut all: Vec<Stretch>) -> Self {
        all.sort_by_key(|s| s.from);
        let mut out = Self::default();
        for s in all {
            let above = out.0.last().is_none_or(|l| l.to < s.from);
            if above && s.from <= s.to && s.from > Seq::ZERO {
                out.0.push(s);
            }
        }
        out
    }

    pub(crate) fn all(&self) -> &[Stretch] {
        &self.0
    }

    pub(crate) fn all_mut(&mut self) -> &mut [Stretch] {
        &mut self.0
    }

    pub(crate) fn newest(&self) -> Option<&Stretch> {
        self.0.last()
    }

    pub(crate) fn newest_mut(&mut self) -> Option<&mut Stretch> {
        self.0.last_mut()
    }

    pub(crate) fn containing(&self, seq: Seq) -> Option<&Stretch> {
        let i = self.0.partition_point(|s| s.to < seq);
        self.0.get(i).filter(|s| s.from <= seq)
    }

    pub(crate) fn covers(&self, seq: Seq) -> bool {
        self.containing(seq).is_some()
    }

    /// Adds a stretch of places that none covers.
    pub(crate) fn insert(&mut self, new: Stretch) {
        if new.from > new.to {
            return;
        }
        let i = self.0.partition_point(|s| s.from < new.from);
        self.0.insert(i, new);
    }

    /// Takes places out.
    pub(crate) fn subtract(&mut self, from: Seq, to: Seq) {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        for s in &self.0 {
            if s.to < from || s.from > to {
                out.push(*s);
                continue;
            }
            if s.from < from {
                out.push(Stretch {
                    to: from.prev(),
                    ..*s
                });
            }
            if s.to > to {
                out.push(Stretch {
                    from: to.next(),
                    ..*s
                });
            }
        }
        self.0 = out;
    }

    /// The parts of `[from, to]` that none covers, rising.
    pub(crate) fn holes(&self, from: Seq, to: Seq) -> Vec<(Seq, Seq)> {
        let mut out = Vec::new();
        let mut at = from;
        for s in &self.0 {
            if s.to < at || s.from > to {
                continue;
            }
            if s.from > at {
                out.push((at, s.from.prev()));
            }
            at = s.to.next();
        }
        if at <= to {
            out.push((at, to));
        }
        out
    }

    /// Joins neighbours that know equally much.
    pub(crate) fn merge(&mut self) {
        let mut out: Vec<Stretch> = Vec::with_capacity(self.0.len());
        for s in &self.0 {
            match out.last_mut() {
                Some(l) if l.to.next() == s.from && l.as_of == s.as_of => l.to = s.to,
                _ => out.push(*s),
            }
        }
        self.0 = out;
    }

    /// How far places are covered without a hole above `from`; `from` itself if the next is not.
    pub(crate) fn end_above(&self, from: Seq) -> Seq {
        let mut end = from;
        for s in &self.0 {
            if s.from <= end.next() && s.to > end {
                end = s.to;
            }
        }
        end
    }

    /// The unbroken places that end with the newest.
    pub(crate) fn run(&self) -> Option<(Seq, Seq)> {
        let to = self.0.last()?.to;
        let mut from = self.0.last()?.from;
        for s in self.0.iter().rev().skip(1) {
            if s.to.next() != from {
                break;
            }
            from = s.from;
        }
        Some((from, to))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn places(s: &Stretches) -> BTreeSet<u64> {
        s.0.iter().flat_map(|s| s.from.0..=s.to.0).collect()
    }

    #[derive(Clone, Debug)]
    enum Step {
        Add(u64, u64),
        Subtract(u64, u64),
        Merge,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (1u64..40, 0u64..10).prop_map(|(a, n)| Step::Add(a, a + n)),
            (1u64..40, 0u64..10).prop_map(|(a, n)| Step::Subtract(a, a + n)),
            Just(Step::Merge),
        ]
    }

    proptest! {
        #[test]
        fn it_is_a_set_of_places(steps in prop::collection::vec(step(), 1..60)) {
            let mut s = Stretches::default();
            let mut model = BTreeSet::new();
            for step in steps {
                match step {
                    Step::Add(a, b) => {
                        for (from, to) in s.holes(Seq(a), Seq(b)) {
                            s.insert(Stretch { from, to, as_of: Seq(b % 3) });
                        }
                        model.extend(a..=b);
                    }
                    Step::Subtract(a, b) => {
                        s.subtract(Seq(a), Seq(b));
                        model.retain(|x| !(a..=b).contains(x));
                    }
                    Step::Merge => s.merge(),
                }
                prop_assert_eq!(places(&s), model.clone());
                prop_assert!(s.0.windows(2).all(|w| w[0].to < w[1].from));
                for x in 0..52 {
                    prop_assert_eq!(s.covers(Seq(x)), model.contains(&x));
                    let mut end = x;
                    while model.contains(&(end + 1)) { end += 1; }
                    prop_assert_eq!(s.end_above(Seq(x)), Seq(end));
                }
                if let Some((from, to)) = s.run() {
                    prop_assert!((from.0..=to.0).all(|x| model.contains(&x)));
                    prop_assert!(!model.contains(&(from.0 - 1)));
                    prop_assert_eq!(model.last(), Some(&to.0));
                }
            }
        }
    }
}
