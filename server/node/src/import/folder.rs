//! A folder of logs: its files in order, and their lines in chunks, each with what it becomes.
//!
//! Promises: one file is open at a time and one chunk in memory; a line that cannot be taken comes as a
//! sentence that names file and line. Never decides what becomes of such a line.

use std::fs::File;
use std::io::{BufRead as _, BufReader, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use parlour_irc::{Item, Reader, Step, Story};
use parlour_protocol::check;
use parlour_protocol::limits::Limits;

/// Lines that are taken at once.
const CHUNK: usize = 512;
/// What is passed over and named.
const NAMED: usize = 5;

/// One line of a log.
pub(super) enum Line {
    /// It says this, which becomes that.
    Right(Item, Vec<Step>),
    /// It cannot be taken; the sentence begins with file and line.
    Wrong(String),
}

/// Lines of one file that follow each other.
pub(super) struct Chunk {
    /// The file's name.
    pub(super) file: Arc<str>,
    pub(super) lines: Vec<Line>,
    /// The file is not read at all, and its one line says why.
    pub(super) unread: bool,
}

/// The logs of a folder.
pub(super) struct Folder {
    dir: PathBuf,
    files: Vec<PathBuf>,
    /// What else is in it.
    others: Vec<PathBuf>,
}

impl Folder {
    /// The files that end in `.log`, by name.
    pub(super) fn open(dir: &Path) -> anyhow::Result<Self> {
        let shown = dir.display();
        match dir.metadata() {
            Ok(found) if !found.is_dir() => {
                bail!("{shown} is a file: name the folder that the logs are in")
            }
            Err(why) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&why.kind()) => {
                bail!("{shown} is not there: name the folder that the logs are in")
            }
            Err(why) if why.kind() == ErrorKind::PermissionDenied => {
                bail!("{shown}: this user may not enter the folders that it is in")
            }
            // Whatever else there is about it is said of its reading.
            _ => {}
        }
        let entries = std::fs::read_dir(dir)
            .with_context(|| format!("{shown}: this folder of logs cannot be read"))?;
        let (mut files, mut others) = (Vec::new(), Vec::new());
        for entry in entries {
            let path = entry
                .with_context(|| format!("{shown}: this folder cannot be read"))?
                .path();
            if path.extension().is_some_and(|e| e == "log") && path.is_file() {
                files.push(path);
            } else {
                others.push(path);
            }
        }
        files.sort();
        others.sort();
        let this = Self {
            dir: dir.to_owned(),
            files,
            others,
        };
        if this.files.is_empty() {
            let others = this.passed().map(|what| format!(". What is in it: {what}"));
            bail!(
                "{shown}: there are no logs in it; a log is a file for each day, named \
                 YYYY-MM-DD.log{}",
                others.unwrap_or_default()
            );
        }
        Ok(this)
    }

    /// What in it is no log, in a line: how many there are, and the names of the first. None: nothing.
    pub(super) fn passed(&self) -> Option<String> {
        let of = self.others.len();
        let names: Vec<_> = self
            .others
            .iter()
            .take(NAMED)
            .map(|path| name(path))
            .collect();
        let more = match of.saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let are = if of == 1 {
            "is no file"
        } else {
            "are no files"
        };
        (of > 0).then(|| format!("{of} that {are} named *.log: {}{more}", names.join(", ")))
    }

    /// Its path, for people.
    pub(super) fn shown(&self) -> std::path::Display<'_> {
        self.dir.display()
    }

    /// How many files there are.
    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Gives every line to `take`, chunk by chunk. A file whose name gives no date is one line that
    /// cannot be taken.
    pub(super) fn chunks<'a>(
        &'a self,
        story: &'a Story,
    ) -> impl Iterator<Item = anyhow::Result<Chunk>> + 'a {
        self.files
            .iter()
            .flat_map(move |path| Chunks::new(path, story))
    }
}

/// A name as it is shown: of a folder with a stroke behind it, and on one line, read in one direction,
/// whatever is in it.
fn name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let shown: String = name
        .chars()
        .map(|c| {
            if check::one_line("", Some(c.encode_utf8(&mut [0; 4]))).is_err() {
                char::REPLACEMENT_CHARACTER
            } else {
                c
            }
        })
        .collect();
    match path.is_dir() {
        true => format!("{shown}/"),
        false => shown,
    }
}

/// The chunks of one file.
struct Chunks<'a> {
    path: &'a Path,
    file: Arc<str>,
    story: &'a Story,
    limits: Limits,
    state: State,
}

enum State {
    Fresh,
    Reading(Reader, BufReader<File>),
    Done,
}

impl<'a> Chunks<'a> {
    fn new(path: &'a Path, story: &'a Story) -> Self {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        Self {
            path,
            file: name.into(),
            story,
            limits: Limits::default(),
            state: State::Fresh,
        }
    }

    fn chunk(&self, lines: Vec<Line>) -> Chunk {
        Chunk {
            file: self.file.clone(),
            lines,
            unread: false,
        }
    }

    fn read(&mut self) -> anyhow::Result<Option<Chunk>> {
        if matches!(self.state, State::Fresh) {
            let reader = match Reader::new(&self.file) {
                Ok(reader) => reader,
                Err(error) => {
                    self.state = State::Done;
                    let why = no_date(&self.file).unwrap_or_else(|| error.to_string());
                    return Ok(Some(Chunk {
                        unread: true,
                        ..self.chunk(vec![Line::Wrong(why)])
                    }));
                }
            };
            let file = File::open(self.path)
                .with_context(|| format!("{}: cannot be read", self.path.display()))?;
            self.state = State::Reading(reader, BufReader::new(file));
        }
        let mut lines = Vec::new();
        let State::Reading(reader, bytes) = &mut self.state else {
            return Ok(None);
        };
        let mut line = Vec::new();
        while lines.len() < CHUNK {
            line.clear();
            let read = bytes
                .read_until(b'\n', &mut line)
                .with_context(|| format!("{}: cannot be read on", self.path.display()))?;
            if read == 0 {
                self.state = State::Done;
                break;
            }
            lines.push(match reader.feed(&line) {
                Err(error) => Line::Wrong(error.to_string()),
                Ok(item) => right(self.story, &self.file, item, &self.limits),
            });
        }
        Ok((!lines.is_empty()).then(|| self.chunk(lines)))
    }
}

/// What is said of a name that is written like a date and is none.
fn no_date(file: &str) -> Option<String> {
    let date = file.strip_suffix(".log")?;
    let form: String = date
        .chars()
        .map(|c| if c.is_ascii_digit() { '0' } else { c })
        .collect();
    (form == "0000-00-00").then(|| {
        format!("{file}: there is no day {date} since 1970, so its lines have no date; rename it")
    })
}

/// What the line becomes, if that may be sent.
fn right(story: &Story, file: &str, item: Item, limits: &Limits) -> Line {
    let steps = story.steps(file, &item);
    let wrong = steps
        .iter()
        .find_map(|step| check::send(&step.send, step.sender, limits).err());
    match wrong {
        Some(refused) => Line::Wrong(format!("{file}:{}: {}", item.line, refused.what)),
        None => Line::Right(item, steps),
    }
}

impl Iterator for Chunks<'_> {
    type Item = anyhow::Result<Chunk>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.read() {
            Ok(chunk) => chunk.map(Ok),
            Err(error) => {
                self.state = State::Done;
                Some(Err(error))
            }
        }
    }
}
