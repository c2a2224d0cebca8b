//! What came of the lines, in all and by file.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use parlour_protocol::ConversationId;

use super::progress::Progress;

/// Files that are named with what was left out of them.
const FILES: usize = 20;

/// What was counted, in lines but for `rows`.
#[derive(Default)]
pub(super) struct Count {
    pub(super) files: u64,
    pub(super) rows: u64,
    pub(super) told: BTreeMap<&'static str, u64>,
    pub(super) there: u64,
    by_file: BTreeMap<Arc<str>, File>,
}

#[derive(Default)]
struct File {
    lines: u64,
    skipped: u64,
    refused: u64,
    unread: bool,
}

impl Count {
    fn file(&mut self, file: &str) -> &mut File {
        self.by_file.entry(file.into()).or_default()
    }

    /// So many more lines of a file; of one that is not read, one stands for all.
    pub(super) fn lines(&mut self, file: &str, lines: usize, unread: bool) {
        let file = self.file(file);
        file.lines += lines as u64;
        file.unread |= unread;
    }

    /// A line that cannot be taken.
    pub(super) fn skip(&mut self, file: &str) {
        self.file(file).skipped += 1;
    }

    /// A line that the rules of the conversation did not let in.
    pub(super) fn refuse(&mut self, file: &str) {
        self.file(file).refused += 1;
    }

    /// Tells all of it on standard output.
    pub(super) fn tell(
        &self,
        progress: &Progress,
        name: &str,
        conversation: ConversationId,
        data: &Path,
    ) {
        let (took, rate) = progress.rate();
        let told: Vec<String> = self.told.iter().map(|(what, n)| many(*n, what)).collect();
        let told = if told.is_empty() {
            "nothing".to_owned()
        } else {
            told.join(", ")
        };
        println!(
            "{name} is conversation {conversation} in {}",
            data.display()
        );
        let lacking: Vec<_> = self
            .by_file
            .iter()
            .filter(|(_, file)| file.skipped + file.refused > 0)
            .collect();
        for (name, file) in lacking.iter().take(FILES) {
            if file.unread {
                println!("{name}: left out whole");
                continue;
            }
            println!(
                "{name}: {} of {} left out, {} refused",
                file.skipped,
                many(file.lines, "lines"),
                file.refused
            );
        }
        if let Some(more @ 1..) = lacking.len().checked_sub(FILES) {
            println!("and so of {}", many(more as u64, "more files"));
        }
        println!(
            "{} of {}: {told} added; {} there already, {} left out, {} refused",
            many(progress.of(), "lines"),
            many(self.files, "files"),
            many(self.there, "lines"),
            self.by_file.values().map(|file| file.skipped).sum::<u64>(),
            self.by_file.values().map(|file| file.refused).sum::<u64>(),
        );
        println!(
            "{} added in {:.1} s, {rate} rows/s",
            many(self.rows, "rows"),
            took.as_secs_f64()
        );
        if self.rows == 0 {
            println!("Nothing was added.");
        }
    }
}

/// So many of these, whose word is in the plural.
fn many(n: u64, what: &str) -> String {
    let what = match n {
        1 => what.strip_suffix('s').unwrap_or(what),
        _ => what,
    };
    format!("{n} {what}")
}
