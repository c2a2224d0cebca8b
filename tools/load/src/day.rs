//! One day of a log as it is replayed: who speaks, and what is said, in the log's order.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parlour_irc::{Event, Names, Reader};

/// One day.
pub(crate) struct Day {
    /// The file's name.
    pub(crate) file: String,
    /// Who speaks on it, by user name, each once, in the order of their first word.
    pub(crate) speakers: Vec<String>,
    /// What is said: index into `speakers`, and the text.
    pub(crate) said: Vec<(usize, String)>,
}

/// Reads every `*.log` of a folder, by name. Lines that cannot be read are told and left out.
pub(crate) fn read(dir: &Path, days: usize, messages: usize) -> anyhow::Result<Vec<Day>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)
        .with_context(|| format!("{}: cannot be read", dir.display()))?
        .filter_map(|e| e.ok().map(|e| e.path()))
        .filter(|p| p.extension().is_some_and(|e| e == "log"))
        .collect();
    files.sort();
    if files.is_empty() {
        bail!(
            "{}: there are no logs in it; they are named YYYY-MM-DD.log",
            dir.display()
        );
    }
    if days > 0 {
        files.truncate(days);
    }
    let mut names = Names::new();
    files
        .iter()
        .map(|path| one(path, messages, &mut names))
        .collect()
}

fn one(path: &Path, messages: usize, names: &mut Names) -> anyhow::Result<Day> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bytes =
        std::fs::read(path).with_context(|| format!("{}: cannot be read", path.display()))?;
    let mut reader = Reader::new(&file)?;
    let mut day = Day {
        file,
        speakers: Vec::new(),
        said: Vec::new(),
    };
    let mut index = std::collections::HashMap::new();
    for line in bytes.split(|b| *b == b'\n').filter(|l| !l.is_empty()) {
        let item = match reader.feed(line) {
            Ok(item) => item,
            Err(error) => {
                eprintln!("{error} (left out)");
                continue;
            }
        };
        let (nick, text) = match item.event {
            Event::Message { nick, text } => (nick, text),
            Event::Action { nick, text } => (nick.clone(), format!("* {nick} {text}")),
            _ => continue,
        };
        let name = names.name(&nick).to_owned();
        let speakers = &mut day.speakers;
        let at = *index.entry(name.clone()).or_insert_with(|| {
            speakers.push(name);
            speakers.len() - 1
        });
        day.said.push((at, text));
        if messages > 0 && day.said.len() >= messages {
            break;
        }
    }
    Ok(day)
}
