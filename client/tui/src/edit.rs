//! [`Edit`]: a text being written, with its cursor.
//!
//! Promises: the cursor stands between two characters as a reader sees them; no control character
//! but a line's end gets in; the text never grows past its bound.

use ratatui::buffer::CellWidth as _;
use unicode_segmentation::UnicodeSegmentation as _;

use crate::shown;

/// A text being written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Edit {
    text: String,
    at: usize,
}

/// What an editing key does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stroke {
    Left,
    Right,
    WordLeft,
    WordRight,
    Home,
    End,
    Backspace,
    Delete,
    CutWord,
    CutToHome,
    CutToEnd,
}

impl Edit {
    /// Bytes of a text; what the server takes is less.
    const BYTES_MAX: usize = 1 << 16;

    pub(crate) fn new(text: impl Into<String>) -> Self {
        let text = text.into();
        let at = text.len();
        Self { text, at }
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What stands before the cursor.
    pub(crate) fn before(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    fn after(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    pub(crate) fn take(&mut self) -> String {
        self.at = 0;
        std::mem::take(&mut self.text)
    }

    /// Puts text in. Says whether all of it went in.
    pub(crate) fn insert(&mut self, text: &str, lines: bool) -> bool {
        let text = text.replace("\r\n", "\n").replace('\r', "\n");
        for c in text.chars() {
            let c = match c {
                '\n' if lines => c,
                '\n' | '\t' => ' ',
                c if c.is_control() => continue,
                c => c,
            };
            if self.text.len() + c.len_utf8() > Self::BYTES_MAX {
                return false;
            }
            self.text.insert(self.at, c);
            self.at += c.len_utf8();
        }
        true
    }

    /// Replaces what stands between a byte before the cursor and the cursor.
    pub(crate) fn replace_from(&mut self, from: usize, with: &str) {
        if from <= self.at && self.text.is_char_boundary(from) {
            self.text.replace_range(from..self.at, "");
            self.at = from;
            self.insert(with, false);
        }
    }

    pub(crate) fn stroke(&mut self, stroke: Stroke) {
        match stroke {
            Stroke::Left => self.at = self.left(),
            Stroke::Right => self.at = self.right(),
            Stroke::WordLeft => self.at = self.word_left(),
            Stroke::WordRight => self.at = self.word_right(),
            Stroke::Home => self.at = self.home(),
            Stroke::End => self.at = self.end(),
            Stroke::Backspace => self.remove(self.left(), self.at),
            Stroke::Delete => self.remove(self.at, self.right()),
            Stroke::CutWord => self.remove(self.word_left(), self.at),
            Stroke::CutToHome => self.remove(self.home(), self.at),
            Stroke::CutToEnd => self.remove(self.at, self.end()),
        }
    }

    fn remove(&mut self, from: usize, to: usize) {
        self.text.replace_range(from..to, "");
        self.at = from;
    }

    fn left(&self) -> usize {
        let last = self.before().graphemes(true).next_back();
        self.at - last.map_or(0, str::len)
    }

    fn right(&self) -> usize {
        let next = self.after().graphemes(true).next();
        self.at + next.map_or(0, str::len)
    }

    fn word_left(&self) -> usize {
        let mut words = self.before().split_word_bound_indices().rev();
        words
            .find(|(_, w)| !w.trim().is_empty())
            .map_or(0, |(at, _)| at)
    }

    fn word_right(&self) -> usize {
        let mut words = self.after().split_word_bound_indices();
        let end = words.find(|(_, w)| !w.trim().is_empty());
        end.map_or(self.text.len(), |(at, w)| self.at + at + w.len())
    }

    fn home(&self) -> usize {
        self.before().rfind('\n').map_or(0, |at| at + 1)
    }

    fn end(&self) -> usize {
        self.after()
            .find('\n')
            .map_or(self.text.len(), |at| self.at + at)
    }

    /// Moves to the line above or below. Says whether there is one.
    pub(crate) fn step_line(&mut self, down: bool) -> bool {
        let column = self.before()[self.home()..].graphemes(true).count();
        let start = if down {
            let end = self.end();
            if end == self.text.len() {
                return false;
            }
            end + 1
        } else {
            let home = self.home();
            if home == 0 {
                return false;
            }
            self.text[..home - 1].rfind('\n').map_or(0, |at| at + 1)
        };
        let line = self.text[start..].split('\n').next().unwrap_or_default();
        let skipped: usize = line.graphemes(true).take(column).map(str::len).sum();
        self.at = start + skipped;
        true
    }

    /// Puts the cursor at the character in this cell of this row, or at the row's end.
    pub(crate) fn click(&mut self, cells: usize, masked: bool, row: usize, column: usize) {
        let max = cells.saturating_sub(1).max(1);
        let (mut at, mut used, mut byte, mut best) = (0, 0, 0, 0);
        for c in self.text.graphemes(true) {
            let w = if c == "\n" {
                0
            } else {
                usize::from(shown_cell(c, masked).cell_width())
            };
            if used + w > max && used > 0 {
                at += 1;
                used = 0;
            }
            if (at, used) <= (row, column) {
                best = byte;
            }
            byte += c.len();
            used += w;
            if c == "\n" {
                at += 1;
                used = 0;
            }
        }
        if (at, used) <= (row, column) {
            best = byte;
        }
        self.at = best;
    }

    /// As rows of so many cells, and where the cursor is: row and cell.
    pub(crate) fn rows(&self, cells: usize, masked: bool) -> (Vec<String>, (usize, usize)) {
        // The cursor takes a cell after the last character.
        let max = cells.saturating_sub(1).max(1);
        let mut rows = vec![String::new()];
        let (mut used, mut cursor, mut byte) = (0, (0, 0), 0);
        for c in self.text.graphemes(true) {
            if byte == self.at {
                cursor = (rows.len() - 1, used);
            }
            byte += c.len();
            if c == "\n" {
                rows.push(String::new());
                used = 0;
                continue;
            }
            let shown = shown_cell(c, masked);
            let w = usize::from(shown.cell_width());
            if used + w > max && used > 0 {
                rows.push(String::new());
                used = 0;
                if byte - c.len() == self.at {
                    cursor = (rows.len() - 1, 0);
                }
            }
            if let Some(row) = rows.last_mut() {
                row.push_str(&shown);
            }
            used += w;
        }
        if byte == self.at {
            cursor = (rows.len() - 1, used);
        }
        (rows, cursor)
    }
}

/// A character as it stands on the screen.
fn shown_cell(c: &str, masked: bool) -> String {
    if masked {
        "•".to_owned()
    } else {
        crate::text::characters(&shown::line(c)).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Edit, Stroke};

    #[test]
    fn characters_are_those_a_reader_sees() {
        let mut e = Edit::new("e\u{301}🇩🇪");
        e.stroke(Stroke::Backspace);
        assert_eq!(e.text(), "e\u{301}");
        e.stroke(Stroke::Backspace);
        assert_eq!(e.text(), "");
    }

    #[test]
    fn words_and_lines() {
        let mut e = Edit::new("one two\nthree");
        e.stroke(Stroke::CutWord);
        assert_eq!(e.text(), "one two\n");
        assert!(e.step_line(false));
        e.stroke(Stroke::End);
        e.stroke(Stroke::CutWord);
        assert_eq!(e.text(), "one \n");
        e.stroke(Stroke::CutToHome);
        assert_eq!(e.text(), "\n");
        assert!(!e.step_line(false));
        assert!(e.step_line(true));
    }

    #[test]
    fn nothing_that_a_terminal_obeys_gets_in() {
        let mut e = Edit::default();
        e.insert("a\u{1b}[31m\r\nb\tc", true);
        assert_eq!(e.text(), "a[31m\nb c");
        let mut one = Edit::default();
        one.insert("a\nb", false);
        assert_eq!(one.text(), "a b");
    }

    #[test]
    fn a_click_puts_the_cursor_under_it() {
        let mut e = Edit::new("hello 日本\nyou");
        for (row, column, before) in [
            (0, 2, "he"),
            (0, 7, "hello "),
            (0, 99, "hello 日本"),
            (1, 1, "hello 日本\ny"),
            (9, 9, "hello 日本\nyou"),
        ] {
            e.click(40, false, row, column);
            assert_eq!(e.before(), before, "{row} {column}");
        }
        // Where it is broken, a row's place is the row's.
        let mut e = Edit::new("abcdef");
        e.click(4, false, 1, 1);
        assert_eq!(e.before(), "abcd");
        assert_eq!(e.rows(4, false).1, (1, 1));
    }

    #[test]
    fn rows_and_cursor() {
        let mut e = Edit::new("hello");
        assert_eq!(e.rows(4, false), (vec!["hel".into(), "lo".into()], (1, 2)));
        e.stroke(Stroke::Home);
        assert_eq!(e.rows(4, false).1, (0, 0));
        assert_eq!(Edit::new("secret").rows(20, true).0, ["••••••"]);
    }

    proptest! {
        #[test]
        fn no_stroke_panics(text in "\\PC{0,20}", strokes in proptest::collection::vec(0u8..14, 0..40), width in 0usize..12) {
            let mut e = Edit::new(text);
            for s in strokes {
                let all = [Stroke::Left, Stroke::Right, Stroke::WordLeft, Stroke::WordRight, Stroke::Home, Stroke::End,
                    Stroke::Backspace, Stroke::Delete, Stroke::CutWord, Stroke::CutToHome, Stroke::CutToEnd];
                match all.get(usize::from(s)) {
                    Some(stroke) => e.stroke(*stroke),
                    None => {
                        e.step_line(s % 2 == 0);
                        e.insert("日\n", true);
                    }
                }
                prop_assert!(e.text().is_char_boundary(e.before().len()));
                e.rows(width, false);
            }
        }
    }
}
