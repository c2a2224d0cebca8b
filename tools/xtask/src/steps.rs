//! The steps of a check: each is announced, timed, and told of at the end.
//!
//! Promises that every step runs, whatever another one did, unless it says that it needs one
//! that failed; and that the last line is the count. A failed step that counts no test itself
//! counts as one failure, so the count is never clean when something is wrong.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::count::Tally;

/// What a step came to.
pub(crate) enum Outcome {
    /// It holds.
    Passed,
    /// Tests ran, so many of each kind.
    Counted(Tally),
    /// It holds as far as it could be looked at; the rest is said in a sentence.
    Partly(String),
    /// It did not run, for a reason that is no failure of its own.
    Skipped(String),
}

struct Done {
    name: &'static str,
    word: &'static str,
    took: Duration,
    note: String,
}

/// The steps so far.
#[derive(Default)]
pub(crate) struct Steps {
    done: Vec<Done>,
    tally: Tally,
    failed: bool,
    began: Option<Instant>,
}

impl Steps {
    /// Runs one step. `remedy` says what to do if it fails. Answers whether it held.
    pub(crate) fn step(
        &mut self,
        name: &'static str,
        remedy: &str,
        run: impl FnOnce() -> Result<Outcome>,
    ) -> bool {
        let began = Instant::now();
        self.began.get_or_insert(began);
        println!("\n=== {name}");
        let outcome = run();
        let took = began.elapsed();
        let (word, note) = match outcome {
            Ok(Outcome::Passed) => ("ok", String::new()),
            Ok(Outcome::Partly(note)) => ("ok", note),
            Ok(Outcome::Skipped(note)) => ("skipped", note),
            Ok(Outcome::Counted(tally)) => {
                self.tally += tally;
                (
                    if tally.failed == 0 { "ok" } else { "FAILED" },
                    tally.to_string(),
                )
            }
            Err(error) => {
                self.tally.failed += 1;
                ("FAILED", format!("{error:#}"))
            }
        };
        // The note stands on the same line: a count alone on a line is the last word of a run.
        let colon = if note.is_empty() { "" } else { ": " };
        println!("=== {name}: {word} after {}{colon}{note}", seconds(took));
        if word == "FAILED" {
            self.failed = true;
            println!("What to do: {remedy}");
        }
        self.done.push(Done {
            name,
            word,
            took,
            note,
        });
        word != "FAILED"
    }

    /// Prints what each step came to, and the count as the last line.
    pub(crate) fn close(self) -> ExitCode {
        let width = self
            .done
            .iter()
            .map(|done| done.name.len())
            .max()
            .unwrap_or(0);
        println!("\n=== all steps");
        for Done {
            name,
            word,
            took,
            note,
        } in &self.done
        {
            let note = note.lines().next().unwrap_or_default();
            let line = format!("{name:width$}  {word:7}  {:>8}  {note}", seconds(*took));
            println!("{}", line.trim_end());
        }
        if let Some(began) = self.began {
            println!(
                "{:width$}  {:7}  {:>8}",
                "together",
                "",
                seconds(began.elapsed())
            );
        }
        println!("\n{}", self.tally);
        if self.failed {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        }
    }
}

/// A span of time, for people.
fn seconds(span: Duration) -> String {
    let whole = span.as_secs();
    match whole {
        0..10 => format!("{:.1} s", span.as_secs_f64()),
        10..120 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(passed: u64, failed: u64) -> Result<Outcome> {
        Ok(Outcome::Counted(Tally { passed, failed }))
    }

    #[test]
    fn a_step_that_fails_without_a_test_counts_as_a_failure() {
        let mut steps = Steps::default();
        assert!(steps.step("one", "", || counted(3, 0)));
        assert!(!steps.step("two", "", || anyhow::bail!("broken")));
        assert!(steps.step("three", "", || Ok(Outcome::Skipped("no need".into()))));
        assert_eq!(steps.tally.to_string(), "3 passed, 1 failed");
        assert!(steps.failed);
    }

    #[test]
    fn failed_tests_fail_their_step_and_are_counted_once() {
        let mut steps = Steps::default();
        assert!(!steps.step("one", "", || counted(3, 2)));
        assert_eq!(steps.tally.to_string(), "3 passed, 2 failed");
        assert!(steps.failed);
    }
}
