//! What the commands print: whole lines, each handed to the system at once.
//!
//! Promises: nothing of a line is printed without its end, unless the system itself cuts it; no
//! character of a line is a command to a terminal; who waits for a [`Printer`] can stop waiting,
//! however long the reader takes. What is said on standard error is lost if nobody can be told.

use std::io::{ErrorKind, Write as _};
use std::time::Duration;

use anyhow::Context as _;
use serde::Serialize;
use tokio::sync::{mpsc, oneshot};

/// How long the reader of what is on its way has at the end.
pub(super) const LAST: Duration = Duration::from_secs(2);
/// Lines that wait to be said.
const TOLD_MAX: usize = 64;

/// Prints a line. Says whether anybody still reads.
pub(super) fn print(line: &str) -> anyhow::Result<bool> {
    let whole = format!("{line}\n");
    let mut stdout = std::io::stdout().lock();
    match stdout
        .write_all(whole.as_bytes())
        .and_then(|()| stdout.flush())
    {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(e) => Err(e).context("standard output"),
    }
}

/// Says a line on standard error. That nobody can be told any more is nobody's trouble.
pub(crate) fn tell(line: &str) {
    let whole = format!("{line}\n");
    // There is nowhere else to say it.
    let _ = std::io::stderr().lock().write_all(whole.as_bytes());
}

/// The last thing that a process says. A reader that takes nothing does not hold up its end.
pub(crate) fn tell_last(line: String) {
    let (done, told) = std::sync::mpsc::sync_channel(1);
    let run = move || {
        tell(&line);
        // Nobody may wait for it any more.
        let _ = done.send(());
    };
    if std::thread::Builder::new().spawn(run).is_ok() {
        let _ = told.recv_timeout(LAST);
    }
}

/// A value as JSON on one line, with nothing in it that a terminal would act on: what JSON may
/// have raw and a terminal takes for a command is escaped. It reads back as the same value.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let text = serde_json::to_string(value)?;
    if !text.contains(is_command) {
        return Ok(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_command(c) {
            // It stands in a string: nowhere else does JSON have such characters.
            for unit in c.encode_utf16(&mut [0; 2]) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(c);
        }
    }
    Ok(out)
}

/// Control characters, ends of lines, and what turns the direction of reading.
fn is_command(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}')
}

/// What came of a line: whether anybody still reads.
pub(super) type Printed = oneshot::Receiver<anyhow::Result<bool>>;

/// Prints on a thread of its own: a reader that takes nothing holds up nothing else.
#[derive(Debug)]
pub(super) struct Printer(mpsc::Sender<(String, oneshot::Sender<anyhow::Result<bool>>)>);

impl Printer {
    /// Begins. The thread ends with this, or with the process.
    pub(super) fn start() -> anyhow::Result<Self> {
        let (lines, mut waiting) =
            mpsc::channel::<(String, oneshot::Sender<anyhow::Result<bool>>)>(1);
        let run = move || {
            while let Some((line, done)) = waiting.blocking_recv() {
                // Nobody may wait for it any more.
                let _ = done.send(print(&line));
            }
        };
        std::thread::Builder::new()
            .name("printer".to_owned())
            .spawn(run)
            .context("the thread that prints")?;
        Ok(Self(lines))
    }

    /// Hands a line over, once there is room for it.
    pub(super) async fn print(&self, line: String) -> anyhow::Result<Printed> {
        let (tell, told) = oneshot::channel();
        let handed = self.0.send((line, tell)).await;
        handed.ok().context("the thread that prints has ended")?;
        Ok(told)
    }
}

/// Says lines on standard error on a thread of its own: a reader that takes nothing holds up nothing
/// else. Past [`TOLD_MAX`] what is new is dropped: what holds the reader up is told by what waits.
#[derive(Debug)]
pub(super) struct Teller {
    lines: mpsc::Sender<String>,
    ended: oneshot::Receiver<()>,
}

impl Teller {
    /// Begins. The thread ends with this, or with the process.
    pub(super) fn start() -> anyhow::Result<Self> {
        let (lines, mut waiting) = mpsc::channel::<String>(TOLD_MAX);
        let (end, ended) = oneshot::channel();
        let run = move || {
            while let Some(line) = waiting.blocking_recv() {
                tell(&line);
            }
            // Nobody may wait for it.
            let _ = end.send(());
        };
        std::thread::Builder::new()
            .name("teller".to_owned())
            .spawn(run)
            .context("the thread that says what is wrong")?;
        Ok(Self { lines, ended })
    }

    pub(super) fn tell(&self, line: String) {
        // See the bound.
        let _ = self.lines.try_send(line);
    }

    /// Waits until all of it is said, if somebody takes it in time.
    pub(super) async fn end(self) {
        let Self { lines, ended } = self;
        drop(lines);
        // Either way this is the end.
        let _ = tokio::time::timeout(LAST, ended).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_has_nothing_that_a_terminal_acts_on() {
        let text = "a\u{9b}31m\u{7f}\u{202e}b\u{2066}\u{1b}[2J\nc é 🎉 \"\\u0041\" \u{2028}";
        let value = serde_json::json!({ "text": text, "n": 7 });
        let line = json(&value).unwrap();
        assert!(!line.contains(is_command), "{line:?}");
        assert!(line.contains("\\u009b31m\\u007f\\u202eb\\u2066"), "{line}");
        assert!(line.contains("é 🎉"), "{line}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            value
        );
    }
}
