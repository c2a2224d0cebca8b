//! One line of a log, and what it says.
//!
//! Promises: every line is an [`Event`] or a reason why not ([`What`]); text comes as it stands,
//! byte for byte, control characters included. Never looks at another line.
//!
//! The collector that wrote the older logs put a space after every `]` of a nick or host
//! (`<bur[n] er>`); no nick holds a space, so it is taken out again.
//!
//! | Line | Event |
//! |---|---|
//! | `[HH:MM] <nick> text` | message |
//! | `[HH:MM]  * nick text`, `=== nick text` | action |
//! | `[HH:MM] -nick- text`, `[HH:MM] (nick/#channel) text` | notice |
//! | `=== nick [host]  has joined #channel` | join |
//! | `=== nick [host]  has left #channel [reason]` | part |
//! | `=== nick [host]  has quit [reason]` | quit |
//! | `=== nick is now known as nick` | rename |
//! | `=== nick was kicked off #channel by nick (reason)` | kick |
//! | `=== mode/#channel [change]  by nick` | mode |
//! | `=== ..[topic/#channel:nick] : text` | topic |

use crate::date::digits;

/// The longest line that is read. IRC's own limit is 512.
pub const LINE_BYTES_MAX: usize = 16 * 1024;

/// What a line says. Nicks are never empty and hold no white space after a `]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Someone said something. The text may be empty.
    Message {
        /// Who.
        nick: String,
        /// What.
        text: String,
    },
    /// Someone did something (`/me`).
    Action {
        /// Who.
        nick: String,
        /// What.
        text: String,
    },
    /// A notice, or words of someone who is not in the channel.
    Notice {
        /// Who.
        nick: String,
        /// What.
        text: String,
    },
    /// Someone came.
    Join {
        /// Who.
        nick: String,
        /// From where.
        host: Option<String>,
    },
    /// Someone left the channel.
    Part {
        /// Who.
        nick: String,
        /// Why; may be empty.
        reason: String,
    },
    /// Someone left the network.
    Quit {
        /// Who.
        nick: String,
        /// Why; may be empty.
        reason: String,
    },
    /// Someone took another nick.
    Rename {
        /// The nick before.
        from: String,
        /// The nick from now on.
        to: String,
    },
    /// Someone was made to leave.
    Kick {
        /// Who left.
        nick: String,
        /// Who made them.
        by: String,
        /// Why; may be empty.
        reason: String,
    },
    /// A mode of the channel changed.
    Mode {
        /// Who changed it.
        by: String,
        /// How, as `+o nick`.
        change: String,
    },
    /// The channel's topic changed.
    Topic {
        /// Who changed it.
        by: String,
        /// The topic.
        text: String,
    },
}

/// Why a line could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum What {
    /// The file's name gives no date.
    #[error("the name is not YYYY-MM-DD.log, so its lines have no date; rename it")]
    FileName,
    /// Bytes that are not UTF-8.
    #[error(
        "byte {0} of the line is not UTF-8; `iconv -t UTF-8 -f WINDOWS-1252` may convert the file"
    )]
    Encoding(usize),
    /// Nothing stands there.
    #[error("the line is empty")]
    Empty,
    /// More than [`LINE_BYTES_MAX`].
    #[error("the line has {0} bytes; {LINE_BYTES_MAX} are read at most")]
    TooLong(usize),
    /// `[HH:MM]` is no time of day.
    #[error("the time is not [HH:MM] from 00:00 to 23:59")]
    Time,
    /// It begins with neither `[` nor `===`.
    #[error("the line begins with neither [HH:MM] nor ===")]
    Beginning,
    /// Behind the time comes nothing known.
    #[error("after the time comes none of <nick>, * nick, -nick-, (nick/#channel)")]
    Form,
    /// A nick without letters.
    #[error("the nick is empty or not closed")]
    Nick,
    /// A nick and nothing more.
    #[error("a nick stands there, and nothing that it says or does")]
    Nothing,
}

/// What this line says, and the minute of the day (0 to 1439) that it names, if it names one.
/// A line break at its end does not count.
///
/// # Errors
/// The line has none of the forms above.
pub fn parse(line: &[u8]) -> Result<(Option<u16>, Event), What> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.len() > LINE_BYTES_MAX {
        return Err(What::TooLong(line.len()));
    }
    let line = core::str::from_utf8(line).map_err(|e| What::Encoding(e.valid_up_to() + 1))?;
    if line.trim().is_empty() {
        return Err(What::Empty);
    }
    if let Some(rest) = line.strip_prefix("===") {
        return Ok((
            None,
            untimed(rest.strip_prefix(' ').ok_or(What::Beginning)?)?,
        ));
    }
    let rest = line.strip_prefix('[').ok_or(What::Beginning)?;
    let (time, rest) = rest.split_once(']').ok_or(What::Time)?;
    let minute = minute(time).ok_or(What::Time)?;
    Ok((
        Some(minute),
        timed(rest.strip_prefix(' ').ok_or(What::Form)?)?,
    ))
}

fn minute(time: &str) -> Option<u16> {
    let (hours, minutes) = time.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if hours > 23 || minutes > 59 {
        return None;
    }
    u16::try_from(hours * 60 + minutes).ok()
}

/// A nick without the spaces that the collector put behind each `]`.
fn nick(raw: &str) -> Result<String, What> {
    let clean = raw.replace("] ", "]");
    let clean = clean.trim();
    if clean.is_empty() || clean.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(What::Nick);
    }
    Ok(clean.to_owned())
}

/// What follows a nick: nothing, or a space and the text.
fn said(rest: &str) -> Result<String, What> {
    if rest.is_empty() {
        return Ok(String::new());
    }
    rest.strip_prefix(' ').map(str::to_owned).ok_or(What::Form)
}

fn timed(rest: &str) -> Result<Event, What> {
    if let Some(rest) = rest.strip_prefix('<') {
        let (who, text) = rest.split_once('>').ok_or(What::Nick)?;
        return Ok(Event::Message {
            nick: nick(who)?,
            text: said(text)?,
        });
    }
    if let Some(rest) = rest.strip_prefix(" * ").or_else(|| rest.strip_prefix("* ")) {
        // These come from a collector that adds no spaces: the nick ends at the first.
        let (who, text) = rest.split_once(' ').ok_or(What::Nothing)?;
        return Ok(Event::Action {
            nick: nick(who)?,
            text: text.to_owned(),
        });
    }
    if let Some(rest) = rest.strip_prefix('-') {
        // A nick may hold a dash, so the closing one is the first that a space follows.
        let (who, text) = rest.split_once("- ").ok_or(What::Nick)?;
        return Ok(Event::Notice {
            nick: nick(who)?,
            text: text.to_owned(),
        });
    }
    if let Some(rest) = rest.strip_prefix('(') {
        let (who, text) = rest.split_once(')').ok_or(What::Nick)?;
        let (who, _channel) = who.split_once("/#").ok_or(What::Form)?;
        return Ok(Event::Notice {
            nick: nick(who)?,
            text: said(text)?,
        });
    }
    Err(What::Form)
}

fn untimed(rest: &str) -> Result<Event, What> {
    if let Some(event) = mode(rest).or_else(|| topic(rest)).or_else(|| moved(rest)) {
        return event;
    }
    let (who, text) = first_nick(rest);
    let (nick, text) = (nick(who)?, text.trim_start_matches(' '));
    if text.trim().is_empty() {
        return Err(What::Nothing);
    }
    Ok(Event::Action {
        nick,
        text: text.to_owned(),
    })
}

/// Splits behind the first nick: at the first space that does not belong to a `]`.
fn first_nick(rest: &str) -> (&str, &str) {
    let mut before = ' ';
    for (at, c) in rest.char_indices() {
        if c == ' ' && before != ']' {
            return (rest.get(..at).unwrap_or(rest), rest.get(at..).unwrap_or(""));
        }
        before = c;
    }
    (rest, "")
}

fn mode(rest: &str) -> Option<Result<Event, What>> {
    let rest = rest.strip_prefix("mode/#")?;
    let (_channel, rest) = rest.split_once(" [")?;
    let (change, by) = rest.rsplit_once(" by ")?;
    let change = change.trim_end().strip_suffix(']')?;
    Some(nick(by).map(|by| Event::Mode {
        by,
        change: change.to_owned(),
    }))
}

fn topic(rest: &str) -> Option<Result<Event, What>> {
    let rest = rest.strip_prefix("..[topic/#")?;
    let (head, text) = rest.split_once(": ")?;
    let (_channel, by) = head.split_once(':')?;
    let by = by.trim_end().strip_suffix(']')?;
    Some(nick(by).map(|by| Event::Topic {
        by,
        text: text.to_owned(),
    }))
}

/// Joins, parts, quits, renames and kicks. `None` if it is none of them.
fn moved(rest: &str) -> Option<Result<Event, What>> {
    if let Some((from, to)) = rest.split_once(" is now known as ") {
        return Some(nick(from).and_then(|from| {
            Ok(Event::Rename {
                from,
                to: nick(to)?,
            })
        }));
    }
    if let Some((who, rest)) = rest.split_once(" was kicked off #") {
        let (_channel, rest) = rest.split_once(" by ")?;
        let (by, reason) = rest.split_once(" (").unwrap_or((rest, ""));
        let reason = reason.strip_suffix(')').unwrap_or(reason).to_owned();
        return Some(nick(who).and_then(|nick_| {
            Ok(Event::Kick {
                nick: nick_,
                by: nick(by)?,
                reason,
            })
        }));
    }
    for (verb, make) in MOVES {
        let Some((who, behind)) = rest.split_once(verb) else {
            continue;
        };
        // Only with the host between: `=== ann has joined #two worlds` is an action.
        let Some((who, host)) = who
            .trim_end()
            .strip_suffix(']')
            .and_then(|w| w.rsplit_once(" ["))
        else {
            continue;
        };
        let reason = behind
            .split_once('[')
            .map_or("", |(_, reason)| reason)
            .trim_end();
        let reason = reason
            .strip_suffix(']')
            .unwrap_or(reason)
            .trim_matches('"')
            .to_owned();
        let host = host.replace("] ", "]");
        return Some(nick(who).map(|nick| make(nick, host, reason)));
    }
    None
}

type Move = fn(String, String, String) -> Event;
const MOVES: [(&str, Move); 3] = [
    (" has joined #", |nick, host, _| Event::Join {
        nick,
        host: Some(host),
    }),
    (" has left #", |nick, _, reason| Event::Part {
        nick,
        reason,
    }),
    (" has quit", |nick, _, reason| Event::Quit { nick, reason }),
];
