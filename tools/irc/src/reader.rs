//! Gives every line of one file its number and time.
//!
//! Promises: times never fall within a file; a line that cannot be read leaves the time as it is.
//! Never looks ahead: a line without a time has that of the last one before it that had one, and
//! the day's midnight before the first.

use core::fmt;

use crate::date::{DAY_MS, midnight_ms};
use crate::line::{self, Event, What};

/// One line that could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its number in the file, from 1.
    pub line: u64,
    /// Its time, in milliseconds since 1970 (UTC), exact to the minute.
    pub time_ms: u64,
    /// What it says.
    pub event: Event,
}

/// A line, or a file's name (line 0), that could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 is the name itself.
    pub line: u64,
    /// What is wrong with it.
    pub what: What,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.what),
            line => write!(f, "{}:{line}: {}", self.file, self.what),
        }
    }
}

impl core::error::Error for Error {}

/// Reads one file, fed line by line.
#[derive(Clone, Debug)]
pub struct Reader {
    file: String,
    midnight_ms: u64,
    minute: u16,
    line: u64,
}

impl Reader {
    /// A reader for the file of this name, which gives the date.
    ///
    /// # Errors
    /// The name is not `YYYY-MM-DD.log`.
    pub fn new(file_name: &str) -> Result<Self, Error> {
        let midnight_ms = midnight_ms(file_name).ok_or_else(|| Error {
            file: file_name.to_owned(),
            line: 0,
            what: What::FileName,
        })?;
        Ok(Self {
            file: file_name.to_owned(),
            midnight_ms,
            minute: 0,
            line: 0,
        })
    }

    /// The next line, with or without its line break. After an error, feed the next one.
    ///
    /// A time earlier than the last one means that midnight has passed, as the logs name no date
    /// in between.
    ///
    /// # Errors
    /// The line is malformed; the error names it.
    pub fn feed(&mut self, line: &[u8]) -> Result<Item, Error> {
        self.line += 1;
        // Some editors begin a file with a byte order mark.
        let mark = "\u{feff}".as_bytes();
        let (line, before) = match line.strip_prefix(mark) {
            Some(rest) if self.line == 1 => (rest, mark.len()),
            _ => (line, 0),
        };
        let (minute, event) = line::parse(line).map_err(|what| Error {
            file: self.file.clone(),
            line: self.line,
            what: match what {
                What::Encoding(byte) => What::Encoding(before + byte),
                what => what,
            },
        })?;
        if let Some(minute) = minute {
            if minute < self.minute {
                self.midnight_ms += DAY_MS;
            }
            self.minute = minute;
        }
        let time_ms = self.midnight_ms + u64::from(self.minute) * 60_000;
        Ok(Item {
            line: self.line,
            time_ms,
            event,
        })
    }
}
