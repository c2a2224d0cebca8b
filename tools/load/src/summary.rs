//! What is printed at the end: breaches, what was judged, and one last line.

use std::fmt;
use std::time::Duration;

use parlour_checker::{Report, Rule};

/// Everything that is said of a run.
pub(crate) struct Summary<'a> {
    /// The verdict.
    pub(crate) report: &'a Report,
    /// Messages of the logs.
    pub(crate) said: usize,
    /// Kills.
    pub(crate) kills: u32,
    /// From the first account to the last reading.
    pub(crate) wall: Duration,
    /// How places were read back, for people.
    pub(crate) reading: &'a [String],
    /// What was spoiled by hand, if anything.
    pub(crate) spoiled: Option<&'a str>,
}

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.report;
        let counts = report.counts;
        if let Some(spoiled) = self.spoiled {
            writeln!(f, "spoiled by hand: {spoiled}")?;
        }
        write!(f, "{}", report.breaches())?;
        let refused: Vec<String> = report
            .refused
            .iter()
            .map(|(code, times)| format!("{times} {}", code.name()))
            .collect();
        let refused = match refused.is_empty() {
            true => "none refused for good".to_owned(),
            false => format!(
                "{} refused for good ({})",
                counts.refusals,
                refused.join(", ")
            ),
        };
        writeln!(
            f,
            "sent: {} requests (the logs' {} messages; the rest are conversations made and \
             joined), {} answered with a place, {refused}, {} left without an answer",
            counts.messages, self.said, counts.acks, counts.unknown
        )?;
        writeln!(
            f,
            "received: each of the deliveries was compared with what others had at its place; {} \
             times a device was held to every place, from the one that it began with to the last",
            counts.claims
        )?;
        for line in self.reading {
            writeln!(f, "{line}")?;
        }
        writeln!(
            f,
            "read back: {} events in {} readings of a whole conversation and {} of parts; every \
             place is in at least {} of them",
            counts.read_events, counts.readings_whole, counts.readings_in_part, counts.readers_min
        )?;
        for rule in [Rule::Marks, Rule::Counts, Rule::IncompleteRecord] {
            if report.of(rule) > 0 {
                writeln!(
                    f,
                    "broken too: {} times {rule}: {}",
                    report.of(rule),
                    rule.about()
                )?;
            }
        }
        write!(
            f,
            "messages {}, deliveries {}, kills {}, lost {}, duplicated {}, reordered {}, phantom \
             {}, wall {:.1} s, {:.0} messages/s",
            self.said,
            counts.deliveries,
            self.kills,
            report.lost,
            report.duplicated,
            report.reordered,
            report.phantom,
            self.wall.as_secs_f64(),
            self.said as f64 / self.wall.as_secs_f64().max(0.001),
        )
    }
}
