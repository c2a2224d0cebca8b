//! What the core says, in words.

use std::collections::BTreeMap;

use parlour_client_core::saved::{Asked, Op, Row, Stage};
use parlour_client_core::view::{Before, Item, State, Summary, Timeline};
use parlour_client_core::{Ended, Link, Update, Via};
use parlour_protocol::body::Body;
use parlour_protocol::frame::Client as Frame;
use parlour_protocol::frame::server::Event;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::seq::Seq;

use crate::world::{conversation, user};

/// Names of people and conversations, and `m1`, `m2` … for messages as they come up.
#[derive(Default)]
pub(crate) struct Names {
    messages: BTreeMap<MessageId, usize>,
}

const PEOPLE: &[&str] = &["ada", "ben", "cy"];
const ROOMS: &[&str] = &["#room", "#new", "#other"];

impl Names {
    pub(crate) fn id(&mut self, id: MessageId) -> String {
        let next = self.messages.len() + 1;
        format!("m{}", self.messages.entry(id).or_insert(next))
    }

    pub(crate) fn message(&self, name: &str) -> MessageId {
        let number: usize = name.strip_prefix('m').unwrap().parse().unwrap();
        *self
            .messages
            .iter()
            .find(|(_, n)| **n == number)
            .unwrap_or_else(|| panic!("no {name} yet"))
            .0
    }

    fn room(&self, id: ConversationId) -> String {
        PEOPLE
            .iter()
            .chain(ROOMS)
            .find(|r| conversation(r) == id)
            .map_or_else(|| "?".to_owned(), |r| (*r).to_owned())
    }

    fn user(&self, id: UserId) -> String {
        PEOPLE
            .iter()
            .find(|p| user(p) == id)
            .map_or_else(|| "?".to_owned(), |p| (*p).to_owned())
    }

    fn body(body: &Body) -> String {
        body.as_text()
            .map_or_else(String::new, |t| format!(" {t:?}"))
    }

    fn after(&mut self, after: Option<MessageId>) -> String {
        after.map_or_else(String::new, |a| format!(" after={}", self.id(a)))
    }

    pub(crate) fn frame(&mut self, frame: &Frame) -> String {
        match frame {
            Frame::Hello(_) => "hello".to_owned(),
            Frame::Sync(s) => match &s.digests {
                None => "sync from nothing".to_owned(),
                Some(d) => format!(
                    "sync with {} buckets filled",
                    d.iter().filter(|d| !d.is_empty()).count()
                ),
            },
            Frame::Send(s) => {
                let to = s.conversation.map_or_else(
                    || format!("to {}", self.user(s.to.unwrap())),
                    |c| self.room(c),
                );
                let kind = s
                    .kind
                    .as_ref()
                    .map_or_else(String::new, |k| format!(" {k}"));
                let value = s
                    .value
                    .as_ref()
                    .map_or_else(String::new, |v| format!(" {v:?}"));
                format!(
                    "send {to} {}{kind}{value}{}{}{}",
                    self.id(s.id),
                    Self::body(&s.body),
                    if s.retry { " retry" } else { "" },
                    self.after(s.after)
                )
            }
            Frame::Edit(e) => format!(
                "edit {} {} target={}{}{}{}",
                self.room(e.conversation),
                self.id(e.id),
                e.target,
                Self::body(&e.body),
                if e.retry { " retry" } else { "" },
                self.after(e.after)
            ),
            Frame::Delete(d) => format!(
                "delete {} {} target={}{}{}",
                self.room(d.conversation),
                self.id(d.id),
                d.target,
                if d.retry { " retry" } else { "" },
                self.after(d.after)
            ),
            Frame::React(r) => format!(
                "react {} {} target={} {} {}{}{}",
                self.room(r.conversation),
                self.id(r.id),
                r.target,
                r.key,
                if r.on { "on" } else { "off" },
                if r.retry { " retry" } else { "" },
                self.after(r.after)
            ),
            Frame::Cancel(c) => format!(
                "cancel {} {}{}",
                c.conversation.map_or_else(
                    || format!("to {}", self.user(c.to.unwrap())),
                    |c| self.room(c)
                ),
                self.id(c.id),
                self.after(c.after)
            ),
            Frame::Delivered(m) => format!("delivered{}", self.marks(&m.marks)),
            Frame::Read(m) => format!("read{}", self.marks(&m.marks)),
            Frame::History(h) => {
                let mut text = format!("history {}", self.room(h.conversation));
                for (name, seq) in [
                    ("after", h.after),
                    ("before", h.before),
                    ("changes_since", h.changes_since),
                ] {
                    if let Some(seq) = seq {
                        text.push_str(&format!(" {name}={seq}"));
                    }
                }
                text
            }
            Frame::Typing(t) => format!("typing {}", self.room(t.conversation)),
            Frame::Focus(f) => format!(
                "focus {}{}",
                f.conversation
                    .map_or_else(|| "nothing".to_owned(), |c| self.room(c)),
                if f.members { " members" } else { "" }
            ),
            Frame::Watch(w) => {
                let mut names: Vec<_> = w.users.iter().map(|u| self.user(*u)).collect();
                names.sort();
                format!("watch {}", names.join(" "))
            }
            Frame::Ping(_) => "ping".to_owned(),
            Frame::MailAck(_) => "mail_ack".to_owned(),
        }
    }

    fn marks(&self, marks: &BTreeMap<ConversationId, Seq>) -> String {
        let mut all: Vec<_> = marks
            .iter()
            .map(|(c, s)| format!(" {}={s}", self.room(*c)))
            .collect();
        all.sort();
        all.concat()
    }

    fn event(&mut self, e: &Event) -> String {
        let mut text = format!("{} {} {}", e.seq, self.user(e.sender), e.kind);
        if let Some(target) = e.target {
            text.push_str(&format!(" of {target}"));
        }
        if e.deleted.is_some() {
            text.push_str(" (deleted)");
        }
        if let Some(body) = &e.body {
            text.push_str(&Self::body(body));
        }
        if e.edited.is_some() {
            text.push_str(" (edited)");
        }
        for r in &e.reactions {
            text.push_str(&format!(" [{} {}]", r.key, self.user(r.user)));
        }
        if e.pinned.is_some() {
            text.push_str(" (pinned)");
        }
        text
    }

    pub(crate) fn update(&mut self, update: &Update, now: u64) -> Vec<String> {
        let text = match update {
            Update::Link(Link::Waiting { until_ms, why }) => {
                format!("link: waiting {} ms ({why})", until_ms - now)
            }
            Update::Link(Link::Stopped(Some((code, _)))) => format!("link: stopped by {code}"),
            Update::Link(Link::Stopped(None)) => "link: stopped".to_owned(),
            Update::Link(link) => format!("link: {link:?}").to_lowercase(),
            Update::Reset(_) => "another store: all but the outbox is dropped".to_owned(),
            // Where a screen reads again: said by `show` and `list`.
            Update::Conversation(_) | Update::Timeline(_) => return vec![],
            Update::Event { event, via } => format!(
                "event {} {}{}",
                self.room(event.conversation),
                self.event(event),
                if *via == Via::Page { " (page)" } else { "" }
            ),
            Update::Changed { event } => {
                format!(
                    "changed {} {}",
                    self.room(event.conversation),
                    self.event(event)
                )
            }
            Update::Withheld {
                conversation,
                places,
            } => format!(
                "withheld {} {}..{}",
                self.room(*conversation),
                places.from,
                places.to
            ),
            Update::Ended { id, how, .. } => match how {
                Ended::Sent { seq, .. } => format!("ended {}: sent at {seq}", self.id(*id)),
                Ended::Refused { code, .. } => format!("ended {}: refused {code}", self.id(*id)),
                Ended::GivenUp => format!("ended {}: given up", self.id(*id)),
            },
            Update::Receipts { members, .. } => format!("receipts of {}", members.len()),
            Update::Marks { conversation, own } => format!(
                "marks {} delivered {} read {}",
                self.room(*conversation),
                own.delivered().seq,
                own.read.seq
            ),
            Update::Presence(p) => format!("presence of {}", p.len()),
            Update::Typing {
                conversation,
                users,
            } => format!(
                "typing {}: {}",
                self.room(*conversation),
                users
                    .iter()
                    .map(|u| self.user(*u))
                    .collect::<Vec<_>>()
                    .join(" ")
            ),
            Update::Mail { k, .. } => format!("mail {k}"),
            Update::Problem { code, .. } => format!("problem {code}"),
        };
        vec![text]
    }

    pub(crate) fn op(&mut self, op: &Op) -> String {
        match op {
            Op::Begin(_) => "a new beginning".to_owned(),
            Op::Outbox(row) => format!("outbox {}", self.row(row)),
            Op::OutboxGone(id) => format!("outbox without {}", self.id(*id)),
            Op::Line(l) => format!("line {} head {}", self.room(l.conversation), l.head.seq),
            Op::About(a) => format!("about {}", self.room(a.conversation)),
            Op::Held(id, h) => {
                let held: Vec<_> = h
                    .stretches
                    .iter()
                    .map(|s| format!("{}..{} as of {}", s.from, s.to, s.as_of))
                    .collect();
                format!("held {} {}", self.room(*id), held.join(", "))
            }
            Op::Event(e) => format!("event {} {}", self.room(e.conversation), self.event(e)),
            Op::EventsGone(id, from, to) => {
                format!("without events {} {from}..{to}", self.room(*id))
            }
            Op::Mail(_, k) => format!("mail {k}"),
        }
    }

    fn row(&mut self, row: &Row) -> String {
        let stage = match &row.stage {
            Stage::Waiting => "waiting".to_owned(),
            Stage::GivingUp { .. } => "giving up".to_owned(),
            Stage::Failed { code, .. } => format!("failed {code}"),
        };
        format!("{} tried={} {stage}", self.id(row.id), row.tried)
    }

    fn state(state: &State) -> String {
        match state {
            State::Failed { code, .. } => format!("failed: {code}"),
            other => format!("{other:?}").to_lowercase(),
        }
    }

    pub(crate) fn timeline(&mut self, t: &Timeline) -> Vec<String> {
        let mut out = vec![match t.before {
            Before::Nothing => "= the beginning".to_owned(),
            other => format!("= before: {other:?}").to_lowercase(),
        }];
        for item in &t.items {
            out.push(match item {
                Item::Placed {
                    event,
                    state,
                    changes,
                } => {
                    let mut text = format!("| {}", self.event(event));
                    if let Some(state) = state {
                        text.push_str(&format!(" <{}>", Self::state(state)));
                    }
                    for c in changes {
                        let what = match &c.asked {
                            Asked::Edit(_) => "edit",
                            Asked::Delete(_) => "delete",
                            Asked::React(_) => "reaction",
                            Asked::Send(_) => "change",
                        };
                        text.push_str(&format!(" <{what} {}>", Self::state(&c.state)));
                    }
                    text
                }
                Item::Withheld { from, to, .. } => format!("| {from}..{to} are not shown"),
                Item::Pending { row, state } => {
                    let text = match &row.asked {
                        Asked::Send(s) => Self::body(&s.body),
                        _ => String::new(),
                    };
                    format!("| {}{text} <{}>", self.id(row.id), Self::state(state))
                }
            });
        }
        if !t.complete {
            out.push("= more to come".to_owned());
        }
        out
    }

    pub(crate) fn summary(&mut self, s: &Summary, now: u64) -> String {
        let unanswered = s.unanswered_since_ms.map(|ms| now - ms);
        format!(
            "{} head {} unread {} mentions {} waiting {}{}{}{}",
            s.name.clone().unwrap_or_else(|| self.room(s.conversation)),
            s.head.seq,
            s.unread,
            s.mentions,
            s.waiting,
            unanswered.map_or_else(String::new, |ms| format!(", unanswered for {ms} ms")),
            if s.slowed { ", slowed" } else { "" },
            match s.standing {
                Some(standing) if standing.is_member() => "",
                Some(_) => " (no member)",
                None => " (unknown)",
            }
        )
    }
}
