//! [`Unsent`]: what was accepted for sending and has no place, when the device that would send it
//! goes.
//!
//! Promises: no message of the outbox goes with its device without a word: it is a draft again
//! where it was written, or its author's alone until they say that it may go. A change to a message
//! is told and never becomes a message. What a person gave up is not among them.

use std::path::Path;

use anyhow::{Context as _, bail};
use parlour_sdk::core::saved::{Asked, Row, Stage};
use parlour_sdk::protocol::{ConversationId, UserId};
use parlour_sdk::{Data, Session};

use crate::kept::Kept;
use crate::{shown, text};

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) conversation: ConversationId,
    /// To whom, if it was to be the first word between two.
    pub(crate) peer: Option<UserId>,
    pub(crate) text: String,
}

/// What was not sent, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Unsent {
    pub(crate) messages: Vec<Message>,
    /// What messages were to say from then on.
    pub(crate) changes: Vec<String>,
}

/// How much was not sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) messages: usize,
    pub(crate) changes: usize,
}

impl Count {
    /// Of the rows of an outbox.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut count = Self::default();
        for row in rows {
            match (text_of(row), &row.asked) {
                (Some(_), Asked::Edit(_)) => count.changes += 1,
                (Some(_), _) => count.messages += 1,
                (None, _) => {}
            }
        }
        count
    }

    const fn is_one(self) -> bool {
        self.messages + self.changes == 1
    }

    /// As words; nothing if there is nothing.
    fn words(self) -> Option<String> {
        let messages = match self.messages {
            0 => None,
            1 => Some("1 message".to_owned()),
            n => Some(format!("{n} messages")),
        };
        let all = [messages, changes(self.changes)];
        let all: Vec<String> = all.into_iter().flatten().collect();
        Some(all.join(" and ")).filter(|words| !words.is_empty())
    }

    /// The same, with what they are.
    pub(crate) fn not_sent(self) -> Option<String> {
        let were = if self.is_one() { "was" } else { "were" };
        Some(format!("{} that {were} not sent", self.words()?))
    }

    /// That they are deleted.
    pub(crate) fn deleted(self) -> Option<String> {
        let are = if self.is_one() { "is" } else { "are" };
        Some(format!("{} {are} deleted", self.not_sent()?))
    }
}

fn changes(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("1 change to a message".to_owned()),
        n => Some(format!("{n} changes to messages")),
    }
}

impl Unsent {
    /// Among the rows of an outbox.
    pub(crate) fn of<'a>(rows: impl Iterator<Item = &'a Row>) -> Self {
        let mut unsent = Self::default();
        for row in rows {
            let Some(text) = text_of(row).map(ToOwned::to_owned) else {
                continue;
            };
            match &row.asked {
                Asked::Send(send) => unsent.messages.push(Message {
                    conversation: row.conversation,
                    peer: send.to,
                    text,
                }),
                _ => unsent.changes.push(text),
            }
        }
        unsent
    }

    /// What is said of those that are drafts again, and of the changes, with at most so many columns
    /// of each; nothing if there are none. One that was handed over may have its place all the same:
    /// the answer never came.
    pub(crate) fn told(&self, change_max: usize) -> Option<String> {
        let messages = match self.messages.len() {
            0 => None,
            1 => Some(("1 message was".to_owned(), "it is")),
            n => Some((format!("{n} messages were"), "they are")),
        };
        let messages = messages.map(|(what, are)| {
            format!("{what} not sent, as far as is known: {are} in the drafts.")
        });
        let told = [messages, self.told_changes(change_max)];
        let told: Vec<String> = told.into_iter().flatten().collect();
        Some(told.join(" ")).filter(|told| !told.is_empty())
    }

    /// What is said of the changes.
    pub(crate) fn told_changes(&self, change_max: usize) -> Option<String> {
        let what = changes(self.changes.len())?;
        let were = if self.changes.len() == 1 {
            "was"
        } else {
            "were"
        };
        let texts = self.changes.iter().map(|change| shown::line(change));
        let texts: Vec<String> = texts.map(|line| text::cut(&line, change_max)).collect();
        Some(format!("{what} {were} not sent: {}", texts.join("; ")))
    }
}

/// The text of a row that says something, unless a person gave it up: what the server could not
/// read is theirs still.
fn text_of(row: &Row) -> Option<&str> {
    let body = match &row.asked {
        Asked::Send(send) => &send.body,
        Asked::Edit(edit) => &edit.body,
        Asked::Delete(_) | Asked::React(_) => return None,
    };
    let given_up = matches!(row.stage, Stage::GivingUp { problem: None, .. });
    let text = body.as_text().filter(|text| !text.trim().is_empty());
    text.filter(|_| !given_up)
}

/// Refuses whoever is not the user of this folder while something of theirs waits in it. Somebody
/// who has no account yet is nobody who was here.
///
/// # Errors
/// Whose waits, how much, and what to do; or the store failed.
pub(crate) fn refuse_others(data: &Data, user: Option<UserId>) -> anyhow::Result<()> {
    let Some(before) = data.device()? else {
        return Ok(());
    };
    if user == Some(before.user) {
        return Ok(());
    }
    let count = Count::of(data.outbox()?.iter());
    if let Some(words) = count.words() {
        let wait = if count.is_one() { "waits" } else { "wait" };
        let name = shown::name(&before.name);
        bail!("{words} of {name} {wait} here: log in as {name}, or `parlour-chat logout` first");
    }
    Ok(())
}

/// Before a device that has just logged in is kept, and all of the one before is dropped: what that
/// one did not get sent becomes drafts, if both are the same user's. What another user wrote and
/// was shown goes. Says what was not sent.
///
/// # Errors
/// Something of another user waits, or it cannot be kept. Then nothing may be dropped.
pub(crate) fn rescue(
    data: &Data,
    folder: &Path,
    session: &Session,
) -> anyhow::Result<Option<Unsent>> {
    refuse_others(data, Some(session.user))?;
    match data.device()? {
        Some(before) if before.device == session.device => Ok(None),
        Some(before) if before.user == session.user => {
            let unsent = Unsent::of(data.outbox()?.iter());
            if !unsent.messages.is_empty() {
                let mut kept = Kept::read_own(folder, session.user);
                kept.take_back(&unsent.messages);
                kept.write(folder)
                    .context("what was not sent cannot be kept")?;
            }
            Ok(Some(unsent))
        }
        Some(_) => {
            Kept::forget(folder);
            crate::script::forget(folder);
            Ok(None)
        }
        None => {
            // Of a file that does not say whose it is nothing else does either.
            Kept::forget_others(folder, session.user);
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use parlour_sdk::draft;
    use parlour_sdk::protocol::body::Body;
    use parlour_sdk::protocol::error::Code;
    use parlour_sdk::protocol::frame::client::Edit;
    use parlour_sdk::protocol::{MessageId, Seq};

    use super::*;

    #[test]
    fn texts_come_back_and_what_was_given_up_does_not() {
        let [ada, ben] = [b"ada", b"ben"].map(|n| UserId::derived("test", &[n]));
        let c = ConversationId::direct(ada, ben);
        let any = |asked, stage| Row {
            order: 0,
            conversation: c,
            id: MessageId::derived("test", &[b"id"]),
            tried: true,
            stage,
            made_ms: 0,
            asked,
        };
        let row = |send, stage| any(Asked::Send(Box::new(send)), stage);
        let giving_up = |problem| Stage::GivingUp {
            delete: true,
            problem,
        };
        let unread = Some((Code::FAILED, "it cannot be read".to_owned()));
        let change = |text: &str| {
            let edit = Edit {
                r#ref: 0,
                conversation: c,
                id: MessageId::derived("test", &[b"edit"]),
                retry: false,
                after: None,
                target: Seq(1),
                body: Body::text(text.to_owned()),
                mentions: Default::default(),
                mail: Default::default(),
                lists: Default::default(),
            };
            any(Asked::Edit(Box::new(edit)), Stage::Waiting)
        };
        let rows = [
            row(draft::text_to(ben, "one"), Stage::Waiting),
            row(draft::name(c, "a name"), Stage::Waiting),
            row(draft::text(c, "away"), giving_up(None)),
            change("new\nwords"),
            row(draft::text(c, "two"), giving_up(unread)),
        ];
        let mut unsent = Unsent::of(rows.iter());
        let texts: Vec<&str> = unsent.messages.iter().map(|u| u.text.as_str()).collect();
        assert_eq!(texts, ["one", "two"]);
        let peers: Vec<_> = unsent.messages.iter().map(|u| u.peer).collect();
        assert_eq!(peers, [Some(ben), None]);
        let told = |unsent: &Unsent| unsent.told(80);
        assert_eq!(told(&Unsent::default()), None);
        let all = "2 messages were not sent, as far as is known: they are in the drafts. \
                   1 change to a message was not sent: new⏎words";
        assert_eq!(told(&unsent).as_deref(), Some(all));
        unsent.messages.pop();
        unsent.changes.clear();
        let first = "1 message was not sent, as far as is known: it is in the drafts.";
        assert_eq!(told(&unsent).as_deref(), Some(first));
        let deleted = |rows: &[Row]| Count::of(rows.iter()).deleted();
        assert_eq!(deleted(&rows[1..3]), None);
        let one = "1 message that was not sent is deleted";
        assert_eq!(deleted(&rows[..3]).as_deref(), Some(one));
        let all = "2 messages and 1 change to a message that were not sent are deleted";
        assert_eq!(deleted(&rows).as_deref(), Some(all));
    }
}
