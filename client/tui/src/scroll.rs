//! [`Scroll`]: where one is in a conversation, held by the item at the bottom of the screen: what
//! comes above or below moves nothing.
//!
//! Pure arithmetic over how many lines items take. It asks for the lines of those items alone
//! between which one moves.

use crate::model::chat::ItemId;

/// Where one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scroll {
    /// At the end, and staying there.
    End,
    /// The lowest line on the screen is this line of this item.
    At {
        /// The item.
        id: ItemId,
        /// Its line, from 0.
        line: usize,
    },
}

/// A line: the item's index, and the line in it.
pub(crate) type Place = (usize, usize);

/// The last line of all.
pub(crate) fn end(count: usize, lines: &mut impl FnMut(usize) -> usize) -> Option<Place> {
    let last = count.checked_sub(1)?;
    Some((last, lines(last).saturating_sub(1)))
}

/// So many lines up; none if there are not as many.
pub(crate) fn up(from: Place, by: usize, lines: &mut impl FnMut(usize) -> usize) -> Option<Place> {
    let (mut item, mut line) = from;
    let mut left = by;
    while left > line {
        left -= line + 1;
        item = item.checked_sub(1)?;
        line = lines(item).saturating_sub(1);
    }
    Some((item, line - left))
}

/// So many lines down, or the last line.
pub(crate) fn down(
    from: Place,
    by: usize,
    count: usize,
    lines: &mut impl FnMut(usize) -> usize,
) -> Place {
    let (mut item, mut line) = from;
    let mut left = by;
    loop {
        let below = lines(item).saturating_sub(line + 1);
        if left <= below {
            return (item, line + left);
        }
        if item + 1 >= count {
            return (item, line + below);
        }
        left -= below + 1;
        item += 1;
        line = 0;
    }
}

/// The lowest line such that the screen is full, if there is enough to fill it.
pub(crate) fn filled(
    at: Place,
    rows: usize,
    count: usize,
    lines: &mut impl FnMut(usize) -> usize,
) -> Place {
    let above = rows.saturating_sub(1);
    if up(at, above, lines).is_some() {
        return at;
    }
    down((0, 0), above, count, lines).max(at)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_are_counted_over_items() {
        let mut lines = |i: usize| [2, 3, 1][i];
        assert_eq!(end(3, &mut lines), Some((2, 0)));
        assert_eq!(up((2, 0), 1, &mut lines), Some((1, 2)));
        assert_eq!(up((2, 0), 4, &mut lines), Some((0, 1)));
        assert_eq!(up((2, 0), 6, &mut lines), None);
        assert_eq!(down((0, 0), 2, 3, &mut lines), (1, 0));
        assert_eq!(down((0, 0), 99, 3, &mut lines), (2, 0));
        assert_eq!(filled((0, 0), 4, 3, &mut lines), (1, 1));
        assert_eq!(filled((0, 0), 40, 3, &mut lines), (2, 0));
    }

    proptest! {
        #[test]
        fn up_and_down_are_each_others_opposite(
            heights in proptest::collection::vec(1usize..6, 1..20), at in 0usize..20, by in 0usize..50,
        ) {
            let count = heights.len();
            let mut lines = |i: usize| heights[i];
            let from = (at % count, 0);
            if let Some(above) = up(from, by, &mut lines) {
                prop_assert_eq!(down(above, by, count, &mut lines), from);
            }
        }
    }
}
