//! Text in cells: how wide it is, wrapped, cut. Takes what [`crate::shown`] made harmless.
//!
//! Promises: a line never comes out wider than asked, but for a single character that is wider by
//! itself; nothing but white space at a break is left out; widths are those that the screen uses.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

/// A character with more bytes than this is no writing but an attempt on the terminal.
const CHARACTER_BYTES_MAX: usize = 64;

/// Bytes of texts that are worth remembering how they wrap, and of all that are remembered.
const LONG: usize = 512;
const REMEMBERED_MAX: usize = 4 << 20;

/// The characters as a reader sees them, those past all measure replaced.
pub(crate) fn characters(text: &str) -> impl Iterator<Item = &str> {
    text.graphemes(true).map(|g| {
        if g.len() > CHARACTER_BYTES_MAX {
            "\u{fffd}"
        } else {
            g
        }
    })
}

/// How many cells it takes.
pub(crate) fn width(text: &str) -> usize {
    characters(text).map(|g| usize::from(g.cell_width())).sum()
}

/// Broken into lines of at most so many cells, between words where that is possible.
pub(crate) fn wrap(text: &str, max: usize) -> Vec<String> {
    let max = max.max(1);
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    // Where the line may be broken: bytes and cells up to there.
    let mut gap = None;
    for c in characters(text) {
        let w = usize::from(c.cell_width());
        if used + w > max && !line.is_empty() {
            if c == " " {
                line.truncate(line.trim_end_matches(' ').len());
                lines.push(std::mem::take(&mut line));
                (used, gap) = (0, None);
                continue;
            }
            if let Some((bytes, cells)) = gap.take() {
                let rest = line.split_off(bytes);
                line.truncate(line.trim_end_matches(' ').len());
                lines.push(std::mem::replace(&mut line, rest));
                used -= cells;
            }
            if used + w > max && !line.is_empty() {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
        }
        line.push_str(c);
        used += w;
        if c == " " {
            gap = Some((line.len(), used));
        }
    }
    lines.push(line);
    lines
}

/// Remembers how long texts wrap: they are asked for with every key. Forgets all of it when it is
/// too much, or when the width is another.
#[derive(Debug, Default)]
pub(crate) struct Wrapped(RefCell<Memory>);

#[derive(Debug, Default)]
struct Memory {
    room: usize,
    bytes: usize,
    rows: HashMap<String, Rc<Vec<String>>>,
}

impl Wrapped {
    /// The rows of a text of others, made harmless, line by line.
    pub(crate) fn rows(&self, text: &str, room: usize) -> Rc<Vec<String>> {
        let mut memory = self.0.borrow_mut();
        if memory.room != room || memory.bytes > REMEMBERED_MAX {
            *memory = Memory {
                room,
                ..Memory::default()
            };
        }
        if let Some(rows) = memory.rows.get(text) {
            return Rc::clone(rows);
        }
        let lines = text.split('\n');
        let rows = lines.flat_map(|line| wrap(&crate::shown::line(line), room));
        let rows = Rc::new(rows.collect());
        if text.len() >= LONG {
            memory.bytes += text.len();
            memory.rows.insert(text.to_owned(), Rc::clone(&rows));
        }
        rows
    }
}

/// At most so many cells; what was cut off is told by an ellipsis.
pub(crate) fn cut(text: &str, max: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    // Where it is cut if it does not fit.
    let mut short = 0;
    for c in characters(text) {
        let w = usize::from(c.cell_width());
        if used + w > max {
            out.truncate(short);
            if max > 0 {
                out.push('…');
            }
            return out;
        }
        out.push_str(c);
        used += w;
        if used < max {
            short = out.len();
        }
    }
    out
}

/// Exactly so many cells: cut, or filled up with spaces.
pub(crate) fn fit(text: &str, max: usize) -> String {
    let mut out = cut(text, max);
    let missing = max.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{cut, fit, width, wrap};

    #[test]
    fn words_stay_whole_where_they_can() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("one  two", 4), ["one", "two"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("ab cdefgh", 4), ["ab", "cdef", "gh"]);
        assert_eq!(wrap("日本語です", 5), ["日本", "語で", "す"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("  indented", 20), ["  indented"]);
    }

    #[test]
    fn what_is_cut_says_so() {
        assert_eq!(cut("hello", 5), "hello");
        assert_eq!(cut("hello", 4), "hel…");
        assert_eq!(cut("日本語", 5), "日本…");
        assert_eq!(cut("日本語", 4), "日…");
        assert_eq!(cut("x", 0), "");
        assert_eq!(fit("ab", 4), "ab  ");
    }

    #[test]
    fn a_character_past_all_measure_is_one_mark() {
        let zalgo = format!("a{}b", "\u{301}".repeat(10_000));
        assert_eq!(wrap(&zalgo, 10), ["\u{fffd}b"]);
    }

    #[test]
    fn what_is_remembered_is_what_it_was_and_bounded() {
        let wrapped = super::Wrapped::default();
        for i in 0..200 {
            let text = format!("{i} {}", "word ".repeat(12_000));
            let rows = wrapped.rows(&text, 20);
            assert_eq!(*wrapped.rows(&text, 20), *rows);
            assert_ne!(*wrapped.rows(&text, 30), *rows);
            assert!(wrapped.0.borrow().bytes <= super::REMEMBERED_MAX + text.len());
        }
        assert_eq!(*wrapped.rows("a\nb\u{7}", 20), ["a", "b␇"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_wide(text in ".{0,200}", max in 2usize..30) {
            let text = crate::shown::line(&text);
            for line in wrap(&text, max) {
                prop_assert!(width(&line) <= max, "{line:?}");
            }
            prop_assert!(width(&cut(&text, max)) <= max);
            prop_assert_eq!(width(&fit(&text, max)), max);
        }
    }
}
