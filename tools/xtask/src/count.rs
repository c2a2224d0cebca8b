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

/// Reads the closing line of `cargo nextest run`, which is one for all tests:
/// `Summary [ 1.2s] 9 tests run: 8 passed (1 slow), 1 timed out, 0 skipped`.
///
/// What a failed test printed is shown as well, and may close runs of its own: only this counts.
pub(crate) fn nextest(line: &str) -> Option<Tally> {
    let line = plain(line);
    let (_, counts) = line
        .trim()
        .strip_prefix("Summary [")?
        .split_once(" run: ")?;
    Some(tally(without_brackets(counts).split(',')))
}

/// Reads a closing line of `cargo test`, which prints one for each program, at the edge:
/// `test result: ok. 8 passed; 1 failed; 0 ignored; …`.
pub(crate) fn cargo_test(line: &str) -> Option<Tally> {
    let line = plain(line);
    let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
    Some(tally(counts.split(';')))
}

/// Adds up parts such as `8 passed`.
fn tally<'a>(parts: impl Iterator<Item = &'a str>) -> Tally {
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
            "failed" | "timed out" | "exec failed" => tally.failed += number,
            _ => {}
        }
    }
    tally
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

    fn counts(passed: u64, failed: u64) -> Option<Tally> {
        Some(Tally { passed, failed })
    }

    #[test]
    fn nextest_closes_with_a_summary() {
        let line = "     Summary [   0.010s] 5 tests run: 4 passed, 1 failed, 0 skipped";
        assert_eq!(nextest(line), counts(4, 1));
        let line = "     Summary [  90.0s] 7/9 tests run: 3 passed (1 slow, 1 leaky), 2 failed (1 due to signal), 1 timed out, 1 exec failed, 2 skipped";
        assert_eq!(nextest(line), counts(3, 4));
        let line = "     Summary [   0.1s] 1 test run: 1 passed, 0 skipped";
        assert_eq!(nextest(line), counts(1, 0));
    }

    #[test]
    fn colours_do_not_matter() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.010s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m \u{1b}[33;1mskipped\u{1b}[0m";
        assert_eq!(nextest(line), counts(2, 0));
    }

    #[test]
    fn cargo_test_closes_each_program() {
        let line = "test result: FAILED. 8 passed; 2 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(cargo_test(line), counts(8, 2));
        let line = "test result: \u{1b}[32mok\u{1b}[0m. 1 passed; 0 failed; 0 ignored";
        assert_eq!(cargo_test(line), counts(1, 0));
    }

    #[test]
    fn what_a_failed_test_printed_counts_nothing() {
        let shown = "    test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!((nextest(shown), cargo_test(shown)), (None, None));
        let shown = "test result: FAILED. 0 passed; 1 failed; 0 ignored";
        assert_eq!(nextest(shown), None);
    }

    #[test]
    fn other_lines_count_nothing() {
        for line in [
            "        PASS [   0.004s] xtask count",
            "12 passed, 0 failed",
            "",
            "Summary [",
        ] {
            assert_eq!((nextest(line), cargo_test(line)), (None, None), "{line}");
        }
    }
}
