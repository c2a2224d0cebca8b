//! One day of a log as it is replayed: who speaks, and what is said, in the log's order.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use parlour_irc::{Event, Names, Reader};

/// Lines that cannot be read, told one by one; of more in a file only the number is told.
const LEFT_OUT: u64 = 5;

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
///
/// # Errors
/// A plain sentence that says what is wrong with the folder, or a file in it, and what to give.
pub(crate) fn read(dir: &Path, days: usize, messages: usize) -> anyhow::Result<Vec<Day>> {
    let mut files = logs(dir)?;
    files.sort();
    if days > 0 {
        files.truncate(days);
    }
    let mut names = Names::new();
    let read = files
        .iter()
        .map(|path| one(path, messages, &mut names))
        .collect::<anyhow::Result<Vec<Day>>>()?;
    if read.iter().all(|day| day.said.is_empty()) {
        bail!(
            "{}: nobody says anything in its logs, so there is nothing to replay; a message is a \
             line like `[12:34] <nick> text`",
            dir.display()
        );
    }
    Ok(read)
}

/// The files of a folder of logs.
fn logs(dir: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let shown = dir.display();
    let give = "give the folder that holds the logs, one file YYYY-MM-DD.log for each day";
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => match error.kind() {
            ErrorKind::NotFound => bail!("{shown}: there is no such folder; {give}"),
            ErrorKind::NotADirectory => bail!("{shown}: it is a file; {give}"),
            ErrorKind::PermissionDenied => bail!("{shown}: you may not read it; {give}"),
            _ => bail!("{shown}: it cannot be read ({error}); {give}"),
        },
    };
    let (mut files, mut others) = (Vec::new(), 0u32);
    for entry in entries {
        let path = entry
            .with_context(|| format!("{shown}: it cannot be read to its end"))?
            .path();
        if path.extension().is_some_and(|e| e == "log") {
            files.push(path);
        } else {
            others += 1;
        }
    }
    match (files.is_empty(), others) {
        (false, _) => Ok(files),
        (true, 0) => bail!("{shown}: it is empty; {give}"),
        (true, 1) => bail!("{shown}: the one thing in it is no log; {give}"),
        (true, others) => bail!("{shown}: none of the {others} things in it is a log; {give}"),
    }
}

fn one(path: &Path, messages: usize, names: &mut Names) -> anyhow::Result<Day> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let bytes =
        std::fs::read(path).with_context(|| format!("{}: it cannot be read", path.display()))?;
    let mut reader = Reader::new(&file)
        .map_err(|error| anyhow::anyhow!("{}", error.what))
        .with_context(|| path.display().to_string())?;
    let mut day = Day {
        file,
        speakers: Vec::new(),
        said: Vec::new(),
    };
    let mut index = std::collections::HashMap::new();
    let mut left_out = 0u64;
    for line in bytes.split(|b| *b == b'\n') {
        // Empty ones are fed too, so that lines are counted as an editor counts them.
        let item = match reader.feed(line) {
            Ok(item) => item,
            Err(_) if line.is_empty() => continue,
            Err(error) => {
                left_out += 1;
                if left_out <= LEFT_OUT {
                    eprintln!("{error} (left out)");
                }
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
        // Nobody can send nothing; on IRC it was a space.
        let text = if text.is_empty() {
            " ".to_owned()
        } else {
            text
        };
        day.said.push((at, text));
        if messages > 0 && day.said.len() >= messages {
            break;
        }
    }
    if left_out > LEFT_OUT {
        let more = left_out - LEFT_OUT;
        eprintln!(
            "{}: {more} more lines that cannot be read (left out)",
            day.file
        );
    }
    Ok(day)
}
