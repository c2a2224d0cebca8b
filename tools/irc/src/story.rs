//! What a line becomes in a channel: the sends that tell it, in their order (decision 30).
//!
//! Promises: the same line gives the same sends with the same ids, for ever; the last of them tells
//! the line itself, and those before it see to it that its sender may say so. A person is in the
//! channel as far as the log shows: comings and goings are memberships, a word of someone who is
//! not in adds them, a new nick is one that leaves and one that joins.
//!
//! Never here: who is in. A [`Step`] says on what it depends, and whoever sends it knows.
//! Never kept: hosts, which are addresses of people.

use parlour_protocol::body::Body;
use parlour_protocol::frame::client::Send;
use parlour_protocol::kind::{self, Class, Role};
use parlour_protocol::record::{Named, Origin};
use parlour_protocol::{ConversationId, MessageId, UserId};
use serde_json::{Map, Value};

use crate::line::Event;
use crate::name::{message_id, step_id, user_key};
use crate::reader::Item;

/// The kind of a change of the channel's mode: an event of class `setting` that no rule looks at.
pub const MODE: &str = "irc.mode";
/// The field of a body that says what sort of line it was, where the kind does not.
pub const SORT: &str = "irc";
/// The longest topic or mode that is kept as a value, in bytes. The body has it whole.
const VALUE_BYTES_MAX: usize = 256;

/// One send.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// Who says it.
    pub sender: UserId,
    /// What.
    pub send: Send,
    /// It is said only if this user is in (true) or is not (false).
    pub only_if: Option<(UserId, bool)>,
    /// After it this user is in (true) or is not (false).
    pub then: Option<(UserId, bool)>,
}

/// Tells lines in one channel.
#[derive(Clone, Debug)]
pub struct Story {
    conversation: ConversationId,
    importer: UserId,
}

/// Where a line stands, and when it was said.
struct Place<'a> {
    file: &'a str,
    line: u64,
    time_ms: u64,
}

impl Story {
    /// A story in this channel. The importer is its owner: who adds, removes and sets.
    #[must_use]
    pub const fn new(conversation: ConversationId, importer: UserId) -> Self {
        Self {
            conversation,
            importer,
        }
    }

    /// What this line becomes, in order. There is always one, and the last is the line itself.
    #[must_use]
    pub fn steps(&self, file: &str, item: &Item) -> Vec<Step> {
        let at = Place {
            file,
            line: item.line,
            time_ms: item.time_ms,
        };
        match &item.event {
            Event::Message { nick, text } => self.says(&at, nick, text, None),
            Event::Action { nick, text } => self.says(&at, nick, text, Some("action")),
            Event::Notice { nick, text } => self.says(&at, nick, text, Some("notice")),
            Event::Join { nick, .. } => {
                vec![
                    self.left_unseen(&at, nick),
                    self.joins(&at, nick, Body::default()),
                ]
            }
            Event::Part { nick, reason } => self.goes(&at, nick, "part", reason),
            Event::Quit { nick, reason } => self.goes(&at, nick, "quit", reason),
            Event::Rename { from, to } => {
                let text = format!("{from} is now known as {to}");
                let leave = self.leaves(
                    &at,
                    step_id(file, item.line, "leave"),
                    from,
                    body(Some("rename"), &text),
                );
                vec![
                    self.seen(&at, from),
                    leave,
                    self.left_unseen(&at, to),
                    self.joins(&at, to, body(Some("rename"), &text)),
                ]
            }
            Event::Kick { nick, by, reason } => {
                let user = user_key(nick);
                let mut send = self.send(&at, by, at.id(), kind::REMOVE);
                send.named = vec![member(user)];
                send.body = body(Some("kick"), reason);
                vec![
                    self.seen(&at, nick),
                    Step {
                        sender: self.importer,
                        send,
                        only_if: None,
                        then: Some((user, false)),
                    },
                ]
            }
            Event::Mode { by, change } => vec![self.sets(&at, by, MODE, change)],
            Event::Topic { by, text } => vec![self.sets(&at, by, kind::TOPIC, text)],
        }
    }

    fn says(&self, at: &Place<'_>, nick: &str, text: &str, sort: Option<&str>) -> Vec<Step> {
        let mut send = self.send(at, nick, at.id(), kind::MESSAGE);
        send.body = body(sort, text);
        if let (Body::Plain(fields), true) = (&mut send.body, text.is_empty()) {
            // That nothing was said is what it says.
            fields.insert("text".to_owned(), Value::String(String::new()));
        }
        let said = Step {
            sender: user_key(nick),
            send,
            only_if: None,
            then: None,
        };
        vec![self.seen(at, nick), said]
    }

    fn goes(&self, at: &Place<'_>, nick: &str, sort: &str, reason: &str) -> Vec<Step> {
        let leave = self.leaves(at, at.id(), nick, body(Some(sort), reason));
        vec![self.seen(at, nick), leave]
    }

    /// Someone of whom the log did not say that they came is added, at first sight.
    fn seen(&self, at: &Place<'_>, nick: &str) -> Step {
        let user = user_key(nick);
        let mut send = self.send(at, nick, step_id(at.file, at.line, "add"), kind::ADD);
        send.named = vec![member(user)];
        send.body = body(Some("seen"), "");
        Step {
            sender: self.importer,
            send,
            only_if: Some((user, false)),
            then: Some((user, true)),
        }
    }

    /// Who comes while they are in has left meanwhile, where the log did not look.
    fn left_unseen(&self, at: &Place<'_>, nick: &str) -> Step {
        let id = step_id(at.file, at.line, "unseen");
        Step {
            only_if: Some((user_key(nick), true)),
            ..self.leaves(at, id, nick, body(Some("unseen"), ""))
        }
    }

    fn leaves(&self, at: &Place<'_>, id: MessageId, nick: &str, body: Body) -> Step {
        let user = user_key(nick);
        Step {
            sender: user,
            send: Send {
                body,
                ..self.send(at, nick, id, kind::LEAVE)
            },
            only_if: None,
            then: Some((user, false)),
        }
    }

    fn joins(&self, at: &Place<'_>, nick: &str, body: Body) -> Step {
        let user = user_key(nick);
        Step {
            sender: user,
            send: Send {
                body,
                ..self.send(at, nick, at.id(), kind::JOIN)
            },
            only_if: None,
            then: Some((user, true)),
        }
    }

    fn sets(&self, at: &Place<'_>, by: &str, kind: &str, text: &str) -> Step {
        let mut send = self.send(at, by, at.id(), kind);
        send.class = Some(Class::Setting);
        send.value = Some(cut(text, VALUE_BYTES_MAX));
        send.body = body(None, text);
        Step {
            sender: self.importer,
            send,
            only_if: None,
            then: None,
        }
    }

    fn send(&self, at: &Place<'_>, author: &str, id: MessageId, kind: &str) -> Send {
        Send {
            conversation: Some(self.conversation),
            retry: false,
            kind: Some(kind.to_owned()),
            origin: Some(Origin {
                author: author.to_owned(),
                id: format!("{}:{}", at.file, at.line),
                time_ms: at.time_ms,
            }),
            ..Send::empty(id)
        }
    }
}

impl Place<'_> {
    fn id(&self) -> MessageId {
        message_id(self.file, self.line)
    }
}

/// The nicks of those who do something in this event, who need an account each. Not those whom it
/// names as its cause alone (`by`): they stand in the origin.
#[must_use]
pub fn nicks(event: &Event) -> Vec<&str> {
    match event {
        Event::Message { nick, .. }
        | Event::Action { nick, .. }
        | Event::Notice { nick, .. }
        | Event::Join { nick, .. }
        | Event::Part { nick, .. }
        | Event::Quit { nick, .. }
        | Event::Kick { nick, .. } => vec![nick],
        Event::Rename { from, to } => vec![from, to],
        Event::Mode { .. } | Event::Topic { .. } => Vec::new(),
    }
}

/// A word for lines of this sort, in the plural.
#[must_use]
pub const fn sort(event: &Event) -> &'static str {
    match event {
        Event::Message { .. } => "messages",
        Event::Action { .. } => "actions",
        Event::Notice { .. } => "notices",
        Event::Join { .. } => "joins",
        Event::Part { .. } => "parts",
        Event::Quit { .. } => "quits",
        Event::Rename { .. } => "renames",
        Event::Kick { .. } => "kicks",
        Event::Mode { .. } => "modes",
        Event::Topic { .. } => "topics",
    }
}

fn member(user: UserId) -> Named {
    Named {
        user,
        role: Role::Member,
    }
}

/// A body of a text, where there is one, and of a sort, where the kind does not tell it.
fn body(sort: Option<&str>, text: &str) -> Body {
    let mut map = Map::new();
    if !text.is_empty() {
        map.insert("text".to_owned(), Value::String(text.to_owned()));
    }
    if let Some(sort) = sort {
        map.insert(SORT.to_owned(), Value::String(sort.to_owned()));
    }
    Body::Plain(map)
}

/// The text, cut where it is too long, and marked so.
fn cut(text: &str, bytes_max: usize) -> String {
    const MARK: &str = "…";
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{MARK}", text.get(..end).unwrap_or(""))
}
