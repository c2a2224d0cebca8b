//! What can be told of a request by looking at it alone: its sizes, its counts, and whether its
//! fields fit each other ([`check`]).
//!
//! Gateways refuse by it, finally, what is no retry; clients ask it before they keep a send. It
//! never knows who is a member, what stands at a place, or what time it is.

use std::collections::{BTreeMap, BTreeSet};

use crate::body::Body;
use crate::error::Code;
use crate::frame::{Client, Ref, client, server};
use crate::http;
use crate::id::{ConversationId, DeviceId, UserId};
use crate::kind::{self, Class, Shape, setting};
use crate::limits::Limits;
use crate::line::BUCKETS;
use crate::record::{Mentions, Named};
use crate::seq::Seq;

/// How deep a plain body may nest, whatever the configured limit: a page carries it some levels
/// deeper than the send did, and must still be readable within [`crate::codec::DEPTH`].
pub const BODY_DEPTH_MAX: u64 = 48;

/// What is wrong with a request: the code, and which field and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {what}")]
pub struct Refused {
    /// The numbered error.
    pub code: Code,
    /// Which field, and why: goes into the error's `details`.
    pub what: String,
}

impl Refused {
    fn new(code: Code, what: impl Into<String>) -> Self {
        Self {
            code,
            what: what.into(),
        }
    }

    /// The frame that says so.
    #[must_use]
    pub fn answer(&self, r#ref: Ref) -> server::Error {
        server::Error::new(r#ref, self.code).why(self.what.clone())
    }
}

type Checked = Result<(), Refused>;

fn bad<T>(field: &str, why: impl core::fmt::Display) -> Result<T, Refused> {
    Err(Refused::new(Code::BAD_REQUEST, format!("`{field}` {why}")))
}

fn at_most(field: &str, count: usize, limit: u64, of: &str) -> Checked {
    if count as u64 > limit {
        return bad(
            field,
            format_args!("has {count} {of}, at most {limit} are allowed"),
        );
    }
    Ok(())
}

fn text(field: &str, text: Option<&str>, limit: u64) -> Checked {
    at_most(field, text.map_or(0, str::len), limit, "bytes")
}

fn place(field: &str, seq: Option<Seq>) -> Checked {
    if seq == Some(Seq::ZERO) {
        return bad(field, "is 0: places begin at 1");
    }
    Ok(())
}

/// Whether a frame may be taken from this user. A `hello` names no user yet: give any.
///
/// # Errors
/// The first thing that is wrong.
pub fn check(frame: &Client, user: UserId, limits: &Limits) -> Checked {
    match frame {
        Client::Hello(f) => {
            text("client", Some(&f.client), limits.name_bytes)?;
            text("token", Some(&f.token.0), limits.hello_bytes)
        }
        Client::Sync(f) => digests(f),
        Client::Send(f) => send(f, user, limits),
        Client::Edit(f) => edit(f, limits),
        Client::Delete(f) => delete(f),
        Client::React(f) => react(f, limits),
        Client::Cancel(f) => one_of(f.conversation, f.to),
        Client::Delivered(f) | Client::Read(f) => {
            at_most("marks", f.marks.len(), limits.marks, "marks")?;
            f.marks
                .values()
                .try_for_each(|seq| place("marks", Some(*seq)))
        }
        Client::MailAck(f) => at_most("from", f.from.len(), limits.mail_devices, "devices"),
        Client::Watch(f) => at_most("users", f.users.len(), limits.watched_users, "users"),
        Client::History(f) => place("before", f.before),
        Client::Typing(_) | Client::Focus(_) | Client::Ping(_) => Ok(()),
    }
}

/// Whether a send may be taken from this user; also what `POST …/messages` carries.
///
/// # Errors
/// The first thing that is wrong.
pub fn send(f: &client::Send, user: UserId, limits: &Limits) -> Checked {
    one_of(f.conversation, f.to)?;
    let class = class(f.kind.as_deref(), f.class, limits)?;
    let name = f.kind.as_deref().unwrap_or(kind::MESSAGE);
    let own = kind::find(name).is_some_and(|k| k.own);
    let home = f.to == Some(user) || f.conversation == Some(ConversationId::own(user));
    if own && !home {
        return Err(Refused::new(
            Code::NOT_ALLOWED_HERE,
            format!("`{name}` belongs in one's conversation with oneself"),
        ));
    }
    // What came from elsewhere is kept as it was there.
    let here = f.origin.is_none();
    // A reaction from before there was this rule can be taken back.
    let taken_back = name == kind::REACTION && !f.on;
    if here && !taken_back {
        one_line("key", f.key.as_deref())?;
    }
    key(f.key.as_deref(), needs_key(name), limits)?;
    text("value", f.value.as_deref(), limits.name_bytes)?;
    if here && matches!(name, kind::NAME | kind::TOPIC) {
        one_line("value", f.value.as_deref())?;
    }
    place("target", f.target)?;
    place("reply_to", f.reply_to)?;
    place("thread", f.thread)?;
    if class == Class::Change && f.target.is_none() {
        return bad(
            "target",
            format_args!("is missing: `{name}` changes an event"),
        );
    }
    if name == kind::DEVICE_LIST && f.base.is_none() {
        return bad(
            "base",
            "is missing: a device list names the one that it replaces",
        );
    }
    match (&f.create, name == kind::CREATE) {
        (None, true) => return bad("create", "is missing"),
        (Some(_), false) => return bad("create", "belongs to the kind `create`"),
        (Some(create), true) if create.shape == Shape::Direct => {
            return bad(
                "create",
                "cannot make a direct conversation: send to it with `to`",
            );
        }
        _ => {}
    }
    if matches!(name, kind::ADD | kind::REMOVE | kind::ROLE) && f.named.is_empty() {
        return bad("named", "is empty");
    }
    if f.create.as_ref().is_some_and(|c| c.shape == Shape::Group) {
        group("named", &f.named, limits)?;
    }
    named("named", &f.named, limits)?;
    mentions(&f.mentions, limits)?;
    if let Some(origin) = &f.origin {
        text("origin.author", Some(&origin.author), limits.name_bytes)?;
        text("origin.id", Some(&origin.id), limits.name_bytes)?;
    }
    mail(&f.mail, &f.lists, limits)?;
    body(&f.body, limits)?;
    if here && matches!(name, kind::MESSAGE | kind::EDIT) {
        says(&f.body)?;
    }
    Ok(())
}

/// Whether an edit may be taken.
///
/// # Errors
/// The first thing that is wrong.
pub fn edit(f: &client::Edit, limits: &Limits) -> Checked {
    place("target", Some(f.target))?;
    mentions(&f.mentions, limits)?;
    mail(&f.mail, &f.lists, limits)?;
    body(&f.body, limits)?;
    says(&f.body)
}

/// Whether a deletion may be taken.
///
/// # Errors
/// The first thing that is wrong.
pub fn delete(f: &client::Delete) -> Checked {
    place("target", Some(f.target))
}

/// Whether a reaction may be taken.
///
/// # Errors
/// The first thing that is wrong.
pub fn react(f: &client::React, limits: &Limits) -> Checked {
    place("target", Some(f.target))?;
    // What stands from before there was this rule can be taken back.
    if f.on {
        one_line("key", Some(&f.key))?;
    }
    key(Some(&f.key), true, limits)
}

/// The class of a kind: its own if this version knows it, else the one given.
///
/// # Errors
/// [`Code::UNKNOWN_KIND`], or the kind's name is none.
pub fn class(name: Option<&str>, given: Option<Class>, limits: &Limits) -> Result<Class, Refused> {
    let name = name.unwrap_or(kind::MESSAGE);
    if let Some(known) = kind::find(name) {
        return Ok(known.class);
    }
    text("kind", Some(name), limits.key_bytes)?;
    // A colon parts kind from key in a setting's row.
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-' | b'.');
    if name.is_empty() || !name.bytes().all(fits) {
        return bad(
            "kind",
            "has characters other than letters, digits, `_`, `-` and `.`",
        );
    }
    match given {
        None => Err(Refused::new(
            Code::UNKNOWN_KIND,
            "the kind is not known here, and `class` was not given",
        )),
        Some(Class::Cancel) => bad("class", "`cancel` has a frame of its own"),
        // Who comes or goes by it could not be told.
        Some(Class::Membership) => Err(Refused::new(
            Code::UNKNOWN_KIND,
            "the kind is not known here, and of class `membership` it has to be",
        )),
        Some(class) => Ok(class),
    }
}

/// Whether a conversation may be asked for so.
///
/// # Errors
/// The first thing that is wrong.
pub fn new_conversation(f: &http::NewConversation, limits: &Limits) -> Checked {
    if f.shape == Shape::Direct {
        return bad("shape", "cannot be `direct`: send to the user with `to`");
    }
    for (field, value) in [("name", &f.name), ("topic", &f.topic)] {
        text(field, value.as_deref(), limits.name_bytes)?;
        one_line(field, value.as_deref())?;
    }
    let post = [setting::EVERYONE, setting::ADMINS];
    if f.post.as_deref().is_some_and(|v| !post.contains(&v)) {
        return bad("post", "is `everyone` or `admins`");
    }
    if f.join
        .as_deref()
        .is_some_and(|v| !["invited", setting::OPEN].contains(&v))
    {
        return bad("join", "is `invited` or `open`");
    }
    if f.shape == Shape::Group {
        group("members", &f.members, limits)?;
    }
    named("members", &f.members, limits)
}

/// Whether members may be added so.
///
/// # Errors
/// The first thing that is wrong.
pub fn add_members(f: &http::AddMembers, limits: &Limits) -> Checked {
    if f.members.is_empty() {
        return bad("members", "is empty");
    }
    named("members", &f.members, limits)
}

fn one_of(conversation: Option<ConversationId>, to: Option<UserId>) -> Checked {
    match (conversation, to) {
        (Some(_), Some(_)) => bad("to", "and `conversation` exclude each other"),
        (None, None) => bad("conversation", "is missing, and `to` too: one says where"),
        _ => Ok(()),
    }
}

fn needs_key(name: &str) -> bool {
    use kind::{BLOCK, CONTACT, FAVOURITE, MUTE, NOTIFY, REACTION, READ_ELSEWHERE, SETTING};
    let keyed = [
        REACTION,
        SETTING,
        CONTACT,
        BLOCK,
        MUTE,
        FAVOURITE,
        NOTIFY,
        READ_ELSEWHERE,
    ];
    keyed.contains(&name)
}

fn key(key: Option<&str>, needed: bool, limits: &Limits) -> Checked {
    if needed && key.is_none_or(str::is_empty) {
        return bad("key", "is missing");
    }
    text("key", key, limits.key_bytes)
}

fn named(field: &str, named: &[Named], limits: &Limits) -> Checked {
    at_most(field, named.len(), limits.named_users, "users")
}

/// More than a group holds, whoever of them makes it. The last place is the log's to judge.
fn group(field: &str, named: &[Named], limits: &Limits) -> Checked {
    let most = limits.group_members;
    let users: BTreeSet<UserId> = named.iter().map(|n| n.user).collect();
    if users.len() as u64 > most {
        let what = format!(
            "`{field}` has {} users, a group has at most {most} members",
            users.len()
        );
        return Err(Refused::new(Code::GROUP_FULL, what));
    }
    Ok(())
}

/// Whether a name or the like stands in one line, and steers neither a terminal nor the direction
/// in which what is around it is read (Unicode's embeddings, overrides and isolates).
///
/// # Errors
/// The first character that does.
pub fn one_line(field: &str, text: Option<&str>) -> Checked {
    let steers =
        |c: &char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    match text.and_then(|t| t.chars().find(steers)) {
        Some(c) => bad(
            field,
            format_args!("has the control character U+{:04X}", u32::from(c)),
        ),
        None => Ok(()),
    }
}

/// Whether a message's plain body says something, in fields of the types that they have.
fn says(body: &Body) -> Checked {
    let fields = match body {
        // What it says may lie in its keys for single devices alone.
        Body::Sealed(_) => return Ok(()),
        Body::Plain(fields) => fields,
    };
    match fields.get("text") {
        Some(serde_json::Value::String(text)) if !text.is_empty() || fields.len() > 1 => Ok(()),
        Some(serde_json::Value::String(_)) => bad("body.plain.text", "is empty"),
        Some(_) => bad("body.plain.text", "is no string"),
        None if fields.is_empty() => bad("body", "is empty: a text goes into `body.plain.text`"),
        None => Ok(()),
    }
}

fn mentions(mentions: &Mentions, limits: &Limits) -> Checked {
    at_most(
        "mentions.users",
        mentions.users.len(),
        limits.mentions,
        "users",
    )
}

fn mail(
    mail: &BTreeMap<DeviceId, client::MailItem>,
    lists: &BTreeMap<UserId, Seq>,
    limits: &Limits,
) -> Checked {
    at_most("mail", mail.len(), limits.mail_devices, "devices")?;
    at_most("lists", lists.len(), limits.group_members, "users")?;
    if mail.values().any(|item| item.k == 0) {
        return bad("mail", "has a counter of 0: counters begin at 1");
    }
    Ok(())
}

fn digests(f: &client::Sync) -> Checked {
    let Some(digests) = &f.digests else {
        return Ok(());
    };
    if digests.len() != BUCKETS {
        return bad(
            "digests",
            format_args!("are {}, not {BUCKETS}", digests.len()),
        );
    }
    if !digests.iter().all(|d| matches!(d.len(), 0 | 32)) {
        return bad("digests", "have 32 bytes each, or none for an empty bucket");
    }
    Ok(())
}

fn body(body: &Body, limits: &Limits) -> Checked {
    let depth = limits.body_depth.min(BODY_DEPTH_MAX);
    if body.depth() as u64 > depth {
        return bad("body", format_args!("nests deeper than {depth}"));
    }
    if let Body::Sealed(sealed) = body {
        if sealed.alg.is_empty() {
            return bad("body.sealed.alg", "is empty");
        }
        text("body.sealed.alg", Some(&sealed.alg), limits.key_bytes)?;
    }
    let bytes = body.json_bytes();
    if bytes as u64 > limits.body_bytes {
        return Err(Refused::new(
            Code::TOO_LARGE,
            format!(
                "`body` has {bytes} bytes in its JSON encoding, at most {} are allowed",
                limits.body_bytes
            ),
        ));
    }
    Ok(())
}
