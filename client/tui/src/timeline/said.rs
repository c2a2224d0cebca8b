//! What events say, in words.

use std::collections::BTreeMap;

use parlour_sdk::core::saved::Asked;
use parlour_sdk::core::view::{Change, State};
use parlour_sdk::protocol::body::Body;
use parlour_sdk::protocol::frame::client::Send;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::kind::{self, Class, Role, setting};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{Seq, UserId};

use crate::model::Model;
use crate::model::chat::Chat;
use crate::{shown, text};

/// A body as text, and whether it is what its author wrote.
pub(crate) fn body(kind: &str, body: Option<&Body>) -> (String, bool) {
    match body {
        Some(Body::Sealed(_)) => ("[encrypted: this client has no keys yet]".to_owned(), false),
        Some(body) => match body.as_text() {
            Some(text) => (text.to_owned(), true),
            None => (
                format!("[{}: this client cannot show it]", shown::line(kind)),
                false,
            ),
        },
        None => ("[nothing]".to_owned(), false),
    }
}

pub(crate) fn deleted(model: &Model, event: &Event, by: UserId) -> String {
    if by == event.sender {
        "[deleted]".to_owned()
    } else {
        format!("[deleted by {}]", model.called(by))
    }
}

/// One line of a message, with its author.
pub(crate) fn quote(model: &Model, event: &Event) -> String {
    format!("{}: {}", model.called(event.sender), preview(model, event))
}

/// One line of what an event says.
pub(crate) fn preview(model: &Model, event: &Event) -> String {
    let what = match &event.deleted {
        Some(d) => deleted(model, event, d.by),
        None => body(&event.kind, event.body.as_ref()).0,
    };
    // A screen shows no more of it, however long it is.
    let begun: String = what.chars().take(400).collect();
    shown::line(&begun)
}

/// All that an event says, on one line.
pub(crate) fn preview_whole(model: &Model, event: &Event) -> String {
    match &event.deleted {
        Some(d) => deleted(model, event, d.by),
        None => shown::line(&body(&event.kind, event.body.as_ref()).0),
    }
}

/// Whether a request is something said.
pub(crate) fn is_content(send: &Send) -> bool {
    match &send.kind {
        None => true,
        Some(kind) => {
            kind::find(kind).map_or(send.class, |k| Some(k.class)) == Some(Class::Content)
        }
    }
}

/// What happened to the conversation.
pub(crate) fn happened(model: &Model, event: &Event) -> String {
    let who = model.called(event.sender);
    let whom = || names(model, &event.named);
    let value = event.value.as_deref().map(shown::line);
    match event.kind.as_str() {
        kind::CREATE if event.named.is_empty() => format!("{who} made this conversation"),
        kind::CREATE => format!("{who} made this conversation with {}", whom()),
        kind::ADD => format!("{who} added {}", whom()),
        kind::JOIN => format!("{who} joined"),
        kind::LEAVE => format!("{who} left"),
        kind::REMOVE => format!("{who} removed {}", whom()),
        kind::ROLE => {
            let role = event.named.first().map_or("a member", |n| role(n.role));
            format!("{who} made {} {role}", whom())
        }
        kind::NAME => changed(&who, "name", value),
        kind::TOPIC => changed(&who, "topic", value),
        kind::SETTING => {
            let value = value.unwrap_or_else(|| "its default".to_owned());
            let what = match event.key.as_deref() {
                Some(setting::POST) => "who may write".to_owned(),
                Some(setting::ADD) => "who may add members".to_owned(),
                Some(setting::JOIN) => "who may join".to_owned(),
                other => shown::line(other.unwrap_or("a setting")),
            };
            format!("{who} set {what}: {value}")
        }
        kind::BLOCK | kind::MUTE => own_affair(model, event),
        other => format!("{who}: [{}]", text::cut(&shown::line(other), 40)),
    }
}

/// What one set for oneself.
fn own_affair(model: &Model, event: &Event) -> String {
    let on = !matches!(event.value.as_deref(), None | Some("" | "off"));
    let key = event.key.as_deref().unwrap_or_default();
    let about = if event.kind == kind::BLOCK {
        key.parse().map(|user| model.people.full_name(user)).ok()
    } else {
        key.parse().map(|c| model.title(c)).ok()
    };
    let about = about.unwrap_or_else(|| text::cut(&shown::line(key), 40));
    match (event.kind == kind::BLOCK, on) {
        (true, true) => format!("you blocked {about}"),
        (true, false) => format!("you blocked {about} no more"),
        (false, true) => format!("you muted {about}"),
        (false, false) => format!("you muted {about} no more"),
    }
}

fn changed(who: &str, what: &str, value: Option<String>) -> String {
    match value.filter(|v| !v.is_empty()) {
        Some(value) => format!("{who} set the {what} to “{value}”"),
        None => format!("{who} took the {what} away"),
    }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Member => "a member",
        Role::Admin => "an admin",
        Role::Owner => "an owner",
    }
}

fn names(model: &Model, named: &[Named]) -> String {
    let mut names: Vec<String> = named.iter().take(6).map(|n| model.called(n.user)).collect();
    if named.len() > 6 {
        names.push(format!("{} more", named.len() - 6));
    }
    match names.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
        None => "nobody".to_owned(),
    }
}

/// What a request asks for that is nothing said.
pub(crate) fn asked(model: &Model, send: &Send) -> String {
    let value = send.value.as_deref().map(shown::line).unwrap_or_default();
    match send.kind.as_deref().unwrap_or_default() {
        kind::CREATE => "making this conversation".to_owned(),
        kind::ADD => format!("adding {}", names(model, &send.named)),
        kind::REMOVE => format!("removing {}", names(model, &send.named)),
        kind::LEAVE => "leaving".to_owned(),
        kind::JOIN => "joining".to_owned(),
        kind::NAME => format!("setting the name to “{value}”"),
        kind::TOPIC => format!("setting the topic to “{value}”"),
        kind::ROLE => format!("giving {} another role", names(model, &send.named)),
        kind::SETTING => "changing a setting".to_owned(),
        kind::BLOCK | kind::MUTE => "setting that for you".to_owned(),
        other => format!("[{}]", shown::line(other)),
    }
}

/// Reactions with their counts, one's own in brackets, as they will be.
pub(crate) fn reactions(model: &Model, event: &Event, changes: &[Change]) -> Vec<String> {
    let mut counts: BTreeMap<&str, (usize, bool)> = BTreeMap::new();
    for r in &event.reactions {
        let entry = counts.entry(r.key.as_str()).or_default();
        entry.0 += 1;
        entry.1 |= model.is_me(r.user);
    }
    for change in changes {
        if let (Asked::React(r), false) =
            (&change.asked, matches!(change.state, State::Failed { .. }))
        {
            let entry = counts.entry(r.key.as_str()).or_default();
            match (r.on, entry.1) {
                (true, false) => *entry = (entry.0 + 1, true),
                (false, true) => *entry = (entry.0.saturating_sub(1), false),
                _ => {}
            }
        }
    }
    counts
        .into_iter()
        .filter(|(_, (count, _))| *count > 0)
        .map(|(key, (count, mine))| {
            let key = text::cut(&shown::line(key), 16);
            if mine {
                format!("[{key} {count}]")
            } else {
                format!("{key} {count}")
            }
        })
        .collect()
}

/// How far a message is, in a word; in a group, with how many have it.
pub(crate) fn reached(model: &Model, chat: &Chat, seq: Seq, state: &State) -> String {
    let of = if model.is_group() {
        let members = model.open_summary().map_or(0, |s| s.members);
        usize::try_from(members.saturating_sub(1)).unwrap_or(0)
    } else {
        0
    };
    if of == 0 {
        let word = match state {
            State::Sent => "✓ sent",
            State::Delivered => "✓✓ delivered",
            State::Read => "✓✓ read",
            other => waiting(other),
        };
        return word.to_owned();
    }
    let (mut read, mut delivered) = counted(model, chat, seq);
    if let Some(c) = chat.counts.as_ref().filter(|c| c.seq == seq) {
        let counted = |n: u32| usize::try_from(n).unwrap_or(usize::MAX);
        read = read.max(counted(c.read));
        delivered = delivered.max(counted(c.delivered));
    }
    match state {
        State::Read => format!("✓✓ read by all {of}"),
        _ if read > 0 => format!("✓ read by {read} of {of}"),
        State::Delivered => format!("✓✓ delivered to all {of}"),
        _ if delivered > 0 => format!("✓ delivered to {delivered} of {of}"),
        State::Sent => "✓ sent".to_owned(),
        other => waiting(other).to_owned(),
    }
}

/// How many others are told to have read, and to hold, a place.
fn counted(model: &Model, chat: &Chat, seq: Seq) -> (usize, usize) {
    let others = || chat.receipts.iter().filter(|(u, _)| !model.is_me(*u));
    let read = others().filter(|(_, m)| m.read.seq >= seq).count();
    let delivered = others().filter(|(_, m)| m.delivered().seq >= seq).count();
    (read, delivered)
}

/// How far something is that has no place.
pub(crate) const fn waiting(state: &State) -> &'static str {
    match state {
        State::Sending => "… sending",
        State::GivingUp => "… giving up",
        State::Failed { .. } => "✗ not sent",
        State::Sent => "✓ sent",
        State::Delivered => "✓✓ delivered",
        State::Read => "✓✓ read",
    }
}
