//! Made-up logs, and what they must have become: told by a few lines of their own, not by the parser
//! or the importer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;

/// Dice that fall the same way for the same seed.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound.max(1)
    }
}

/// An event as it must stand in the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: &'static str,
    /// The nick of its sender; none: the importer.
    pub(crate) sender: Option<String>,
    /// `origin.author`.
    pub(crate) author: String,
    /// The user named, if one is.
    pub(crate) named: Option<String>,
    pub(crate) text: Option<String>,
    pub(crate) value: Option<String>,
    /// `origin.id`.
    pub(crate) id: String,
    pub(crate) time_ms: u64,
}

/// Logs in the making.
pub(crate) struct Logs {
    pub(crate) told: Vec<Told>,
    /// What begins the sentence of each line that cannot be taken.
    pub(crate) wrong: Vec<String>,
    pub(crate) lines: u64,
    here: BTreeSet<String>,
    file: String,
    line: u64,
    midnight_ms: u64,
    minute: u64,
    /// The minute that the next line with a time names.
    next: u64,
    bytes: Vec<u8>,
}

const DAY_MS: u64 = 86_400_000;
/// Two that differ by case alone, one whose name is taken by someone of the server, one that no
/// name can be, and brackets, which the collector spaces out.
pub(crate) const NICKS: [&str; 9] = [
    "Bob", "bob", "ada", "a:b", "bur[n]er", "eve", "mallory", "ubotu", "[x]",
];

impl Logs {
    pub(crate) fn new() -> Self {
        Self {
            told: Vec::new(),
            wrong: Vec::new(),
            lines: 0,
            here: BTreeSet::new(),
            file: String::new(),
            line: 0,
            midnight_ms: 0,
            minute: 0,
            next: 0,
            bytes: Vec::new(),
        }
    }

    /// Begins a file: its name, the days from 1970 to its date, and the minute of its first time.
    pub(crate) fn file(&mut self, name: &str, days: u64, minute: u64) {
        (self.file, self.line, self.minute, self.next) = (name.to_owned(), 0, 0, minute);
        self.midnight_ms = days * DAY_MS;
        self.bytes.clear();
    }

    /// Writes the file that was begun.
    pub(crate) fn write(&self, dir: &Path) {
        std::fs::write(dir.join(&self.file), &self.bytes).unwrap();
    }

    fn raw(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.bytes.push(b'\n');
        self.line += 1;
        self.lines += 1;
    }

    fn tell(
        &mut self,
        kind: &'static str,
        sender: Option<&str>,
        author: &str,
        text: Option<String>,
    ) -> &mut Told {
        self.told.push(Told {
            kind,
            sender: sender.map(str::to_owned),
            author: author.to_owned(),
            named: None,
            text,
            value: None,
            id: format!("{}:{}", self.file, self.line),
            time_ms: self.midnight_ms + self.minute * 60_000,
        });
        self.told.last_mut().unwrap()
    }

    /// Who is not in is added at first sight.
    fn seen(&mut self, nick: &str) {
        if self.here.insert(nick.to_owned()) {
            self.tell("add", None, nick, None).named = Some(nick.to_owned());
        }
    }

    /// Who comes and is in has left unseen.
    fn comes(&mut self, nick: &str, text: Option<String>) {
        if !self.here.insert(nick.to_owned()) {
            self.tell("leave", Some(nick), nick, None);
        }
        self.tell("join", Some(nick), nick, text);
    }

    /// The next line's time. Lines without one have the last.
    fn stamp(&mut self) -> String {
        if self.next == 1440 {
            (self.next, self.midnight_ms) = (0, self.midnight_ms + DAY_MS);
        }
        self.minute = self.next;
        format!("[{:02}:{:02}]", self.minute / 60, self.minute % 60)
    }

    pub(crate) fn message(&mut self, nick: &str, text: &str) {
        let line = format!("{} <{}> {text}", self.stamp(), nick.replace(']', "] "));
        self.raw(line.as_bytes());
        self.seen(nick);
        self.tell("message", Some(nick), nick, Some(text.to_owned()));
    }

    pub(crate) fn join(&mut self, nick: &str) {
        self.raw(format!("=== {nick} [~h@203.0.113.7]  has joined #x").as_bytes());
        self.comes(nick, None);
    }

    pub(crate) fn rename(&mut self, from: &str, to: &str) {
        self.raw(format!("=== {from} is now known as {to}").as_bytes());
        let text = Some(format!("{from} is now known as {to}"));
        self.seen(from);
        self.here.remove(from);
        self.tell("leave", Some(from), from, text.clone());
        self.comes(to, text);
    }

    /// A line that cannot be taken.
    pub(crate) fn wrong(&mut self, line: &[u8]) {
        self.raw(line);
        self.wrong.push(format!("{}:{}: ", self.file, self.line));
    }

    /// A line of any form.
    pub(crate) fn any(&mut self, dice: &mut Dice) {
        self.next = (self.next + dice.below(2)).min(1440);
        let nick = NICKS[dice.below(NICKS.len() as u64) as usize];
        let other = NICKS[dice.below(NICKS.len() as u64) as usize];
        match dice.below(24) {
            0 => self.join(nick),
            1 => {
                self.raw(format!("=== {nick} [~h@h]  has left #x [so long]").as_bytes());
                self.seen(nick);
                self.here.remove(nick);
                self.tell("leave", Some(nick), nick, Some("so long".to_owned()));
            }
            2 => {
                self.raw(format!("=== {nick} [~h@h]  has quit []").as_bytes());
                self.seen(nick);
                self.here.remove(nick);
                self.tell("leave", Some(nick), nick, None);
            }
            3 | 4 if nick != other => self.rename(nick, other),
            5 => {
                let line = format!("=== {nick} was kicked off #x by op (flood)");
                self.raw(line.as_bytes());
                self.seen(nick);
                self.here.remove(nick);
                let told = self.tell("remove", None, "op", Some("flood".to_owned()));
                told.named = Some(nick.to_owned());
            }
            6 => {
                self.raw(b"=== mode/#x [+o eve]  by ChanServ");
                let told = self.tell("irc.mode", None, "ChanServ", Some("+o eve".to_owned()));
                told.value = Some("+o eve".to_owned());
            }
            7 => {
                let topic = "a topic that is long ".repeat(dice.below(20) as usize + 1);
                let topic = topic.trim_end();
                self.raw(format!("=== ..[topic/#x:op] : {topic}").as_bytes());
                let told = self.tell("topic", None, "op", Some(topic.to_owned()));
                told.value = Some(if topic.len() > 256 {
                    format!("{}…", &topic[..253])
                } else {
                    topic.to_owned()
                });
            }
            8 => {
                let line = format!("{}  * {nick} waves at {other}", self.stamp());
                self.raw(line.as_bytes());
                self.seen(nick);
                let text = Some(format!("waves at {other}"));
                self.tell("message", Some(nick), nick, text);
            }
            9 => self.message(nick, ""),
            10 => self.wrong(b"[25:00] <eve> no such hour"),
            11 => self.wrong(b"[10:00] <eve> \xff\xfe"),
            12 => self.wrong(b""),
            _ => {
                let mut text = format!("line {} of {}", self.line + 1, self.file);
                let _ = write!(
                    text,
                    ": \u{7} ключ 🙂 {}",
                    "x".repeat(dice.below(80) as usize)
                );
                self.message(nick, &text);
            }
        }
    }
}
