//! Under which ids and names Parlour knows what a log holds.
//!
//! Promises: equal input gives equal ids, for ever, so that an import or a replay that runs again
//! says the same again. Two nicks never share a name, also where names are told apart without
//! regard to case ([`Names`]).

use std::collections::HashMap;

use parlour_protocol::{MessageId, UserId};

/// The longest name of a user, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// The id of what this line of this file says. Folders before the name count, so give it bare.
#[must_use]
pub fn message_id(file_name: &str, line: u64) -> MessageId {
    MessageId::derived(
        "parlour.irc.line",
        &[file_name.as_bytes(), &line.to_be_bytes()],
    )
}

/// The id of a further event that this line needs beside its own, by the step's name.
#[must_use]
pub fn step_id(file_name: &str, line: u64, step: &str) -> MessageId {
    MessageId::derived(
        "parlour.irc.step",
        &[file_name.as_bytes(), &line.to_be_bytes(), step.as_bytes()],
    )
}

/// The id of the user with exactly this nick: nicks that differ in case differ.
#[must_use]
pub fn user_key(nick: &str) -> UserId {
    UserId::derived("parlour.irc.nick", &[nick.as_bytes()])
}

/// A valid name for this nick: 1 to 64 bytes of ASCII, no `@`, no `:`, no white space, no control
/// characters, not dots alone. A nick that is one already stays as it is; one that is not gets `-` for what does
/// not belong, and a mark of its own behind `~`, which no nick on IRC holds. Different nicks have
/// different names, but perhaps only by case: see [`Names`].
#[must_use]
pub fn user_name(nick: &str) -> String {
    // Letters beyond ASCII a server may take or refuse by rules of its own.
    let wrong = |c: char| matches!(c, '@' | ':' | '~') || !c.is_ascii_graphic();
    let dots = nick.chars().all(|c| c == '.');
    if !dots && nick.len() <= NAME_BYTES_MAX && !nick.contains(wrong) {
        return nick.to_owned();
    }
    marked(&nick.replace(wrong, "-"), nick)
}

/// The name of this nick where its own is taken by someone else: as [`user_name`], with its mark.
#[must_use]
pub fn marked_name(nick: &str) -> String {
    let name = user_name(nick);
    if name == nick {
        marked(&name, nick)
    } else {
        // It has its mark already.
        name
    }
}

/// Names for nicks on a server that tells names apart without regard to case: the first nick
/// keeps its name, and each later one that differs by case alone gets its mark. The same nicks in
/// the same order get the same names.
#[derive(Clone, Debug, Default)]
pub struct Names {
    /// By nick.
    given: HashMap<String, String>,
    /// Names in lower case.
    taken: HashMap<String, String>,
}

impl Names {
    /// Nobody is named yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of this nick, the same at each call.
    pub fn name(&mut self, nick: &str) -> &str {
        if !self.given.contains_key(nick) {
            let mut name = user_name(nick);
            if self
                .taken
                .get(&name.to_lowercase())
                .is_some_and(|holder| holder != nick)
            {
                name = marked(&name, nick);
            }
            self.taken.insert(name.to_lowercase(), nick.to_owned());
            self.given.insert(nick.to_owned(), name);
        }
        self.given.get(nick).map_or("", String::as_str)
    }

    /// How many nicks have a name.
    #[must_use]
    pub fn len(&self) -> usize {
        self.given.len()
    }

    /// Whether nobody is named yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.given.is_empty()
    }
}

/// The name with the nick's mark of 17 bytes behind it, cut where it would be too long.
fn marked(name: &str, nick: &str) -> String {
    let mark = user_key(nick).0.simple().to_string();
    let mark = mark.get(..16).unwrap_or(&mark);
    let mut end = name.len().min(NAME_BYTES_MAX - 1 - mark.len());
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}~{mark}", name.get(..end).unwrap_or(""))
}
