//! Counts tests from what the runners print.
//!
//! Promises to read the closing lines of `cargo nextest run` and `cargo test`, coloured or not.
//! A run that printed no such line counts nothing, which its caller takes for a failure.

use std::fmt;
use std::ops::AddAssign;

/// How many tests passed and failed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Reads a line; if it closes a run of tests, its count.
///
/// Nextest closes with `Summary [ 1.2s] 9 tests run: 8 passed (1 slow), 1 timed out, 0 skipped`,
/// `cargo test` closes each binary with `test result: ok. 8 passed; 1 failed; 0 ignored; …`.
pub(crate) fn closing_line(line: &str) -> Option<Tally> {
    let line = plain(line);
    let line = line.trim();
    let parts = if let Some(rest) = line.strip_prefix("test result: ") {
        rest.split_once(". ")?
            .1
            .split(';')
            .map(str::to_owned)
            .collect::<Vec<_>>()
    } else if line.starts_with("Summary [") {
        let rest = line.split_once(" run: ")?.1;
        without_brackets(rest)
            .split(',')
            .map(str::to_owned)
            .collect()
    } else {
        return None;
    };
    let mut tally = Tally::default();
    for part in parts {
        let Some((number, word)) = part.trim().split_once(' ') else {
            continue;
        };
        let Ok(number) = number.parse::<u64>() else {
            continue;
        };
        match word.trim() {
            "passed" => tally.passed += number,
            "failed" | "timed out" | "exec failed" | "failed due to signal" => {
                tally.failed += number;
            }
            _ => {}
        }
    }
    Some(tally)
}

/// The text without the terminal's colour sequences.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // `ESC [ … letter`
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The text without what stands in round brackets.
fn without_brackets(text: &str) -> String {
    let mut depth = 0_u32;
    text.chars()
        .filter(|c| {
            match c {
                '(' => depth += 1,
                ')' => {
                    depth = depth.saturating_sub(1);
                    return false;
                }
                _ => {}
            }
            depth == 0
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(passed: u64, failed: u64) -> Option<Tally> {
        Some(Tally { passed, failed })
    }

    #[test]
    fn nextest_closes_with_a_summary() {
        let line = "     Summary [   0.010s] 5 tests run: 4 passed, 1 failed, 0 skipped";
        assert_eq!(closing_line(line), tally(4, 1));
        let line = "     Summary [  90.0s] 7/9 tests run: 3 passed (1 slow, 1 leaky), 2 failed (1 due to signal), 1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(closing_line(line), tally(3, 4));
        let line = "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(closing_line(line), tally(1, 0));
    }

    #[test]
    fn colours_do_not_matter() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.010s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m";
        assert_eq!(closing_line(line), tally(2, 0));
    }

    #[test]
    fn cargo_test_closes_each_binary() {
        let line = "test result: FAILED. 8 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(closing_line(line), tally(8, 2));
        assert_eq!(
            closing_line("test result: ok. 0 passed; 0 failed; 0 ignored"),
            tally(0, 0)
        );
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(
            closing_line("        PASS [   0.004s] xtask count::tests::x"),
            None
        );
        assert_eq!(closing_line("12 passed, 0 failed"), None);
        assert_eq!(closing_line(""), None);
    }
}
