//! How far an import is: a bar on a terminal, else a plain line every few seconds, or one for every
//! so many lines that whoever reads standard output asked for.

use std::io::{IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// How often a plain line is printed.
const EVERY: Duration = Duration::from_secs(3);

pub(super) struct Progress {
    bar: Option<ProgressBar>,
    of: u64,
    done: u64,
    rows: u64,
    began: Instant,
    said: Instant,
    /// On standard output, for every so many lines.
    every: Option<u64>,
}

impl Progress {
    /// Of so many lines; `every`: as [`Import`](super::Import) has it.
    pub(super) fn new(of: u64, every: Option<u64>) -> Self {
        let bar = (every.is_none() && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(of);
            let look = "importing [{bar:40}] {pos}/{len} lines, {msg}, {eta} to go";
            if let Ok(style) = ProgressStyle::with_template(look) {
                bar.set_style(style);
            }
            bar
        });
        let now = Instant::now();
        Self {
            bar,
            of,
            done: 0,
            rows: 0,
            began: now,
            said: now,
            every: every.filter(|n| *n > 0),
        }
    }

    /// A sentence for people, on standard error.
    pub(super) fn say(&self, sentence: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| eprintln!("{sentence}")),
            None => eprintln!("{sentence}"),
        }
    }

    /// One more line is dealt with.
    pub(super) fn line(&mut self) {
        self.done += 1;
        if let Some(every) = self.every
            && self.done.is_multiple_of(every)
        {
            let mut out = std::io::stdout().lock();
            // Whoever started it may have closed the pipe: no reason to stop.
            let _ = writeln!(out, "{} of {} lines", self.done, self.of).and_then(|()| out.flush());
        }
    }

    /// One more row is there.
    pub(super) fn row(&mut self) {
        self.rows += 1;
    }

    /// How many lines there are.
    pub(super) const fn of(&self) -> u64 {
        self.of
    }

    /// How long it took so far, and how many rows came in each second of it.
    pub(super) fn rate(&self) -> (Duration, u64) {
        let took = self.began.elapsed();
        let rate = self.rows as f64 / took.as_secs_f64().max(0.001);
        (took, rate as u64)
    }

    /// Shows it, where that is due.
    pub(super) fn show(&mut self) {
        let (_, rate) = self.rate();
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{rate} rows/s"));
            bar.set_position(self.done);
        } else if self.every.is_none() && self.said.elapsed() >= EVERY {
            self.said = Instant::now();
            eprintln!("{} of {} lines, {rate} rows/s", self.done, self.of);
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
