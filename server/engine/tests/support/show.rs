//! What a connection is to do, in a few words.

use parlour_engine::gateway::Output;
use parlour_engine::gateway::need::Need;
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::Server;
use parlour_protocol::frame::server::{Page, Receipt, State};
use parlour_protocol::line::Standing;
use parlour_protocol::node::Signal;
use parlour_protocol::record::Header;
use parlour_protocol::seq::Seq;

use crate::script::user_name;
use crate::world::{World, device_name, mark_text, user_names};

pub fn output(world: &World, codec: Codec, output: &Output) -> String {
    match output {
        Output::Send(bytes) => {
            let frame = Server::decode(codec, bytes).expect("a frame of ours");
            let text = server(world, &frame);
            if bytes.len() > 16_384 {
                format!("{text} ({} KiB)", bytes.len() / 1_024)
            } else {
                text
            }
        }
        Output::Close(code) => format!("CLOSE {code}"),
        Output::Verify { .. } => "verify the token".to_owned(),
        Output::Register { user, device } => {
            format!("register {} on {}", user_name(*user), device_name(*device))
        }
        Output::Ask { ask, need: n } => format!("ask {}: {}", ask.0, need(world, n)),
        Output::Append {
            ask,
            conversation,
            record,
        } => {
            let h = Header::from_bytes(&record.header).expect("a header");
            format!(
                "append {}: {} in {}{}",
                ask.0,
                world.message_name(h.id),
                world.conversation_name(*conversation),
                h.verdict
                    .map(|v| format!(", verdict {v}"))
                    .unwrap_or_default(),
            )
        }
        Output::Tell(Signal::Marked {
            user,
            conversation,
            mark,
            to,
        }) => format!(
            "tell {}: {} marked {} at {}",
            if to.is_empty() {
                "who has it in focus".to_owned()
            } else {
                user_names(to)
            },
            user_name(*user),
            world.conversation_name(*conversation),
            mark_text(*mark),
        ),
        Output::Tell(Signal::Typing {
            user,
            conversation,
            to,
        }) => format!(
            "tell {}: {} types in {}",
            if to.is_empty() {
                "who has it in focus".to_owned()
            } else {
                user_names(to)
            },
            user_name(*user),
            world.conversation_name(*conversation),
        ),
        Output::Tell(other) => format!("tell {other:?}"),
        Output::Focus(None) => "focus on nothing".to_owned(),
        Output::Focus(Some(c)) => format!("focus on {}", world.conversation_name(*c)),
        Output::Watch(users) => format!("watch {}", user_names(users)),
        Output::WakeAt { at_ms } => format!("wake at {at_ms}"),
    }
}

fn need(world: &World, need: &Need) -> String {
    let name = |c| world.conversation_name(c);
    match need {
        Need::Admit { conversation, .. } => format!("admit to {}", name(*conversation)),
        Need::Inbox { after: None } => "inbox".to_owned(),
        Need::Inbox { after: Some(c) } => format!("inbox after {}", name(*c)),
        Need::Entry { conversation } => format!("entry of {}", name(*conversation)),
        Need::History {
            conversation,
            after,
            before,
            newest,
            limit,
            changes_since,
        } => {
            let before = if *before == Seq::MAX {
                "..".to_owned()
            } else {
                format!("{before:?}")
            };
            format!(
                "history of {} in ({after:?}, {before}), {limit} at most{}{}",
                name(*conversation),
                if *newest { ", the newest" } else { "" },
                changes_since
                    .map(|s| format!(", changed since {s:?}"))
                    .unwrap_or_default(),
            )
        }
        Need::Marks { conversation } => format!("marks of {}", name(*conversation)),
        Need::StoreMarks { marks } => {
            let mut marks: Vec<String> = marks
                .iter()
                .map(|(c, m)| format!("{}={}", name(*c), mark_text(*m)))
                .collect();
            marks.sort();
            format!("store marks {}", marks.join(" "))
        }
        Need::PutMail { mail } => format!("put mail for {} devices", mail.len()),
        Need::Mail { after: None } => "mail".to_owned(),
        Need::Mail {
            after: Some((from, k)),
        } => format!("mail after {} {k}", device_name(*from)),
        Need::AckMail { from } => format!("acknowledge mail of {} devices", from.len()),
        Need::Rights { users } => format!("rights to see {}", user_names(users)),
    }
}

fn reference(n: u64) -> String {
    if n == 0 {
        String::new()
    } else {
        format!("ref={n} ")
    }
}

fn server(world: &World, frame: &Server) -> String {
    let name = |c| world.conversation_name(c);
    match frame {
        Server::Welcome(w) => format!("welcome {} on {}", user_name(w.user), device_name(w.device)),
        Server::Sent(s) => format!(
            "sent {}{} in {} at {:?}",
            reference(s.r#ref),
            world.message_name(s.id),
            name(s.conversation),
            s.seq,
        ),
        Server::Event(e) => format!(
            "event {:?} in {}: {} {}",
            e.seq,
            name(e.conversation),
            user_name(e.sender),
            e.kind,
        ),
        Server::Heads(h) => {
            let mut heads: Vec<String> = h
                .heads
                .iter()
                .map(|m| format!("{}:{:?}", name(m.conversation), m.head.seq))
                .collect();
            heads.sort();
            if heads.len() > 8 {
                return format!("heads of {} conversations", heads.len());
            }
            format!("heads {}", heads.join(" "))
        }
        Server::Receipt(r) => receipt(world, r),
        Server::Mail(m) => format!("mail {} {}", device_name(m.from), m.k),
        Server::Presence(p) => {
            let users: Vec<String> = p
                .users
                .iter()
                .map(|u| format!("{}={}", user_name(u.user), state(u.state)))
                .collect();
            format!("presence {}", users.join(" "))
        }
        Server::Typing(t) => {
            format!(
                "typing {} in {}",
                user_names(&t.users),
                name(t.conversation)
            )
        }
        Server::Page(p) => page(world, p),
        Server::Pong(p) => format!("pong {}at {}", reference(p.r#ref), p.time_ms),
        Server::Behind(b) => format!("behind, sync in {}", b.after_ms),
        Server::GoingAway(g) => format!("going away, come back in {}", g.after_ms),
        Server::Error(e) => format!(
            "error {}{}{}{}{}{}",
            reference(e.r#ref),
            e.code,
            e.id.map(|id| format!(", {}", world.message_name(id)))
                .unwrap_or_default(),
            e.conversation
                .map(|c| format!(" in {}", name(c)))
                .unwrap_or_default(),
            e.retry_ms
                .map(|ms| format!(", retry in {ms}"))
                .unwrap_or_default(),
            e.details
                .as_ref()
                .and_then(|d| d.as_str())
                .map(|d| format!(": {d}"))
                .unwrap_or_default(),
        ),
        Server::Unknown => "unknown".to_owned(),
    }
}

fn state(state: State) -> &'static str {
    match state {
        State::Online => "on",
        State::Offline => "off",
        State::Unknown => "unknown",
    }
}

fn receipt(world: &World, r: &Receipt) -> String {
    let mut text = format!("receipt {}", world.conversation_name(r.conversation));
    if let Some(own) = r.own {
        text.push_str(&format!(" own {}", mark_text(own)));
    }
    for m in &r.members {
        text.push_str(&format!(" {}={}", user_name(m.user), mark_text(m.mark)));
    }
    if let Some(c) = &r.counts {
        let (seq, delivered, read, of) = (c.seq, c.delivered, c.read, c.of);
        text.push_str(&format!(
            " at {seq:?}: {read} read, {delivered} delivered, of {of}"
        ));
    }
    text
}

fn page(world: &World, p: &Page) -> String {
    let mut text = format!("page {}", reference(p.r#ref));
    let mut lines: Vec<String> = p
        .lines
        .iter()
        .map(|l| {
            let standing = match l.standing {
                Standing::Member(_) => String::new(),
                Standing::Left(s) => format!(" left {s:?}"),
                Standing::Removed(s) => format!(" removed {s:?}"),
            };
            format!(
                "{}:{:?}{standing}",
                world.conversation_name(l.conversation),
                l.head.seq
            )
        })
        .collect();
    lines.sort();
    if !lines.is_empty() {
        text.push_str(&format!("lines {}", lines.join(" ")));
    }
    if let Some(s) = &p.stretch {
        let events: Vec<String> = s.events.iter().map(|e| format!("{:?}", e.seq)).collect();
        let events = if events.len() > 8 {
            format!("{} events", events.len())
        } else {
            events.join(" ")
        };
        text.push_str(&format!(
            "{} [{:?}..{:?}] as of {:?}: {events}",
            world.conversation_name(s.conversation),
            s.from,
            s.to,
            s.as_of
        ));
        for w in &s.withheld {
            text.push_str(&format!(" withheld {:?}..{:?}", w.from, w.to));
        }
        if s.more {
            text.push_str(" and more");
        }
    }
    if p.more {
        text.push_str(", more");
    }
    if p.ready {
        text.push_str("ready");
    }
    text
}
