//! What comes out: figures, and one plain line per breach.

use core::fmt;
use std::collections::BTreeMap;

use parlour_protocol::error::Code;

use crate::rule::{Figure, Rule};

/// One place where a rule does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Breach {
    /// The rule.
    pub rule: Rule,
    /// The entry of the record that showed it, counted from 1; `None` if only the end did.
    pub at: Option<u64>,
    /// What is wrong, with every id that it concerns.
    pub text: String,
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.at {
            Some(at) => write!(f, "{} at op {at}: {}", self.rule, self.text),
            None => write!(f, "{} at the end: {}", self.rule, self.text),
        }
    }
}

/// How much was judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Entries of the record.
    pub ops: u64,
    /// Ids called.
    pub messages: u64,
    /// Calls, repetitions among them.
    pub calls: u64,
    /// Answers with a place, repetitions among them.
    pub acks: u64,
    /// Final refusals, repetitions among them.
    pub refusals: u64,
    /// Ids called that never got an answer.
    pub unknown: u64,
    /// Events received by devices, live and in pages.
    pub deliveries: u64,
    /// Places of all conversations.
    pub places: u64,
    /// Times that a device said that it has some places whole.
    pub claims: u64,
    /// Final readings from the first place to the head.
    pub readings_whole: u64,
    /// Final readings of some places.
    pub readings_in_part: u64,
    /// Events in final readings.
    pub read_events: u64,
    /// Of the place that fewest final readings have: how many have it. 0 if a conversation was not
    /// read back, or there is none.
    pub readers_min: u64,
}

/// A record's judgement.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How much was judged.
    pub counts: Counts,
    /// Final refusals by their code.
    pub refused: BTreeMap<Code, u64>,
    /// Breaches, of each rule at most as many as the checker keeps.
    pub breaches: Vec<Breach>,
    /// All breaches by rule.
    pub total: BTreeMap<Rule, u64>,
    /// Breaches of lost-write, unseen, skipped-without-notice and dense.
    pub lost: u64,
    /// Breaches of duplicate and two-outcomes.
    pub duplicated: u64,
    /// Breaches of inconsistent-offsets, non-monotonic and program-order.
    pub reordered: u64,
    /// Breaches of phantom, refused-but-read and membership.
    pub phantom: u64,
    /// Breaches of the other rules: marks, counts and incomplete-record.
    pub other: u64,
    kept_max: usize,
}

impl Report {
    pub(crate) fn new(kept_max: usize) -> Self {
        Self {
            kept_max,
            ..Self::default()
        }
    }

    /// Whether every rule holds.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.total.is_empty()
    }

    /// Breaches of one rule, those not kept among them.
    #[must_use]
    pub fn of(&self, rule: Rule) -> u64 {
        self.total.get(&rule).copied().unwrap_or(0)
    }

    /// The breaches alone, without the figures: nothing if every rule holds.
    #[must_use]
    pub const fn breaches(&self) -> Breaches<'_> {
        Breaches(self)
    }

    pub(crate) fn add(&mut self, rule: Rule, at: Option<u64>, text: impl FnOnce() -> String) {
        let total = self.total.entry(rule).or_default();
        *total += 1;
        if usize::try_from(*total).is_ok_and(|total| total <= self.kept_max) {
            self.breaches.push(Breach {
                rule,
                at,
                text: text(),
            });
        }
        match rule.figure() {
            Figure::Lost => self.lost += 1,
            Figure::Duplicated => self.duplicated += 1,
            Figure::Reordered => self.reordered += 1,
            Figure::Phantom => self.phantom += 1,
            Figure::Other => self.other += 1,
        }
    }
}

/// The breaches that were kept, a line each, and how many more there are of each rule.
#[derive(Clone, Copy, Debug)]
pub struct Breaches<'a>(&'a Report);

impl fmt::Display for Breaches<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(report) = self;
        for breach in &report.breaches {
            writeln!(f, "{breach}")?;
        }
        for (rule, total) in &report.total {
            let kept = report.breaches.iter().filter(|b| b.rule == *rule).count() as u64;
            if *total > kept {
                writeln!(f, "{rule}: {} more", total - kept)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.breaches())?;
        let Counts {
            messages,
            deliveries,
            acks,
            refusals,
            unknown,
            ..
        } = self.counts;
        write!(
            f,
            "messages {messages}, deliveries {deliveries}, acks {acks}, refusals {refusals}, \
             unknown {unknown}, lost {}, duplicated {}, reordered {}, phantom {}",
            self.lost, self.duplicated, self.reordered, self.phantom,
        )?;
        // These belong to none of the four figures, and are said only where there are some.
        for rule in [Rule::Marks, Rule::Counts, Rule::IncompleteRecord] {
            match self.of(rule) {
                0 => {}
                some => write!(f, ", {rule} {some}")?,
            }
        }
        Ok(())
    }
}
