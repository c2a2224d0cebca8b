//! Scripts about devices that come, move, and come back.

use parlour_client_core::{Fetch, Link, Request, view};
use parlour_engine::router::Output;
use parlour_engine::session::Output as FromNode;
use parlour_protocol::body::Body;
use parlour_protocol::id::ConversationId;
use parlour_protocol::node::Signal;
use parlour_protocol::roster::Change;
use parlour_protocol::seq::Seq;
use parlour_sim::script::{Call, Turn};
use parlour_sim::{Outcome, World};

/// A router makes a raised head durable.
fn is_raise(call: &Call<'_>) -> bool {
    matches!(call, Call::Router { output: Output::Apply { changes, .. }, .. }
        if changes.iter().any(|c| matches!(c, Change::Raise { .. })))
}

fn is_live(w: &World, at: usize) -> bool {
    matches!(w.clients[at].link_state(), Some(Link::Live))
}

/// What a device is told that a conversation has reached.
fn head(w: &World, at: usize, room: ConversationId) -> Seq {
    let core = w.clients[at].core();
    core.and_then(|c| c.summary(room))
        .map_or(Seq::ZERO, |s| s.head.seq)
}

/// An event is durable, its sessions were located, and its head is on its way to the inboxes: now
/// a device registers, reads an inbox without it, and is told of the head by the second look alone.
pub(crate) fn registers_between() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    w.switch_off(1);
    w.run_for(1_000);
    let raise = w.next("the head is long under way", Turn::Held, is_raise);
    let said = w.say(0, room, "are you there?");
    w.until("it is durable, and its head is under way", |w| {
        w.met(raise) == 1
    });
    let place = w.place(0, room, said);
    w.claim("it has its place", place == Some(Seq(2)));
    w.switch_on(1);
    w.until("the device has read its inbox", |w| is_live(w, 1));
    w.run_for(2_000);
    let unknown = !w.holds(1, room, Seq(2)) && head(&w, 1, room) == Seq(1);
    w.claim("it knows nothing of it", unknown);
    w.release(raise);
    w.rest();
    let holds = w.holds(1, room, Seq(2));
    w.claim("it has it in the end", holds && is_live(&w, 1));
    w.settle()
}

/// A device comes while its node's word of it is long under way: until it can be found it is not
/// welcomed, and reads no inbox. Meanwhile an event is stored, located and raised past it.
pub(crate) fn registers_late() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    w.switch_off(1);
    w.run_for(1_000);
    let register = w.next("its registration is long under way", Turn::Held, |call| {
        matches!(
            call,
            Call::Node {
                output: FromNode::Register(_),
                ..
            }
        )
    });
    w.switch_on(1);
    w.run_for(500);
    let waits = w.met(register) == 1 && !is_live(&w, 1);
    w.claim("it is not welcomed", waits);
    w.say(0, room, "are you there?");
    w.run_for(2_000);
    let there = w.history.head(room).seq == Seq(2) && !w.holds(1, room, Seq(2));
    let raised = w.roster.entry(w.clients[1].user, room);
    let raised = raised.is_some_and(|e| e.standing.head.seq == Seq(2));
    w.claim(
        "it was stored and raised, and passed it by",
        there && raised,
    );
    w.release(register);
    w.rest();
    let holds = w.holds(1, room, Seq(2));
    w.claim("it has it in the end", holds && is_live(&w, 1));
    w.settle()
}

/// A device is located at one node; before the event gets there it moves to another, and reads an
/// inbox without it. The event arrives where nobody is any more.
pub(crate) fn moves_between() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    w.goes_to(0, 1);
    w.switch_off(0);
    w.run_for(1_000);
    w.switch_on(0);
    w.run_for(1_000);
    let room = w.group(0, &[1]);
    let nodes = (
        w.clients[0].link().map(|(_, n)| n),
        w.clients[1].link().map(|(_, n)| n),
    );
    w.claim("they are on two nodes", nodes == (Some(1), Some(0)));
    let raise = w.next("the head is long under way", Turn::Held, is_raise);
    let relay = w.next("the event is long under way", Turn::Held, |call| {
        matches!(call, Call::Relay { node: 0, signals }
            if signals.iter().any(|s| matches!(s, Signal::Event { .. })))
    });
    w.say(0, room, "where are you?");
    w.until("it is on its way to the node", |w| w.met(relay) == 1);
    w.goes_to(1, 1);
    parlour_sim::client::cut(&mut w, 1);
    w.until("the device is at the other node", |w| {
        is_live(w, 1) && w.clients[1].link().is_some_and(|(_, n)| n == 1)
    });
    w.until("its head is under way", |w| w.met(raise) == 1);
    w.release(relay);
    w.run_for(2_000);
    let unknown = !w.holds(1, room, Seq(2)) && head(&w, 1, room) == Seq(1);
    w.claim("the event came where it was no more", unknown);
    w.release(raise);
    w.rest();
    let holds = w.holds(1, room, Seq(2));
    w.claim("it has it in the end", holds);
    w.settle()
}

/// The places that a device's screen shows of a conversation.
fn shown(w: &World, at: usize, room: ConversationId) -> Vec<(Seq, bool)> {
    let Some(core) = w.clients[at].core() else {
        return Vec::new();
    };
    core.timeline(room, None, usize::MAX)
        .items
        .iter()
        .filter_map(|item| match item {
            view::Item::Placed { event, .. } => Some((event.seq, event.deleted.is_some())),
            _ => None,
        })
        .collect()
}

/// A device of the common kind, which fetches newest pages alone, was away: meanwhile an event that
/// it holds was deleted, behind an edit of another, and so much was said that both lie far behind the
/// newest page.
/// It pages back, and meets what it held: shown only with what changed it.
pub(crate) fn deletion_by_paging_back() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    w.switch_off(1);
    w.clients[1].fetch = Fetch::Newest;
    parlour_sim::client::crash(&mut w, 1);
    w.run_for(3_000);
    for n in 0..8 {
        w.say(0, room, &format!("early {n}"));
    }
    w.run_for(3_000);
    let early = shown(&w, 1, room);
    w.claim("it holds the early ones", early.contains(&(Seq(5), false)));
    w.switch_off(1);
    w.run_for(1_000);
    // An edit lies beside its target alone: the device cannot fold it, nor what comes behind it,
    // from the events that it pages over. It has to ask for the changes.
    let edit = Request::Edit {
        conversation: room,
        target: Seq(6),
        body: Body::text("rather this"),
        mentions: Default::default(),
    };
    w.ask(0, edit);
    let delete = Request::Delete {
        conversation: room,
        target: Seq(5),
    };
    w.ask(0, delete);
    for n in 0..99 {
        w.say(0, room, &format!("later {n}"));
    }
    w.run_for(10_000);
    let newest = w.history.head(room).seq;
    w.claim("all of it is placed", newest == Seq(110));
    w.switch_on(1);
    w.run_for(5_000);
    let late = shown(&w, 1, room);
    let away = late.iter().all(|(seq, _)| *seq > Seq(10)) && late.contains(&(newest, false));
    w.claim("it shows the newest page, and nothing of before", away);
    let ignorant = w.clients[1]
        .core()
        .and_then(|c| c.event(room, Seq(5)))
        .is_some_and(|e| e.deleted.is_none());
    w.claim(
        "it holds the deleted one still, and knows no better",
        ignorant,
    );
    let mut wrong = false;
    for _ in 0..20 {
        w.page_back(1, room);
        for _ in 0..200 {
            w.run_for(1);
            wrong |= shown(&w, 1, room).contains(&(Seq(5), false));
        }
    }
    w.claim("it never shows it as it was", !wrong);
    let now = shown(&w, 1, room);
    w.claim(
        "it has paged back to the first, and shows the deletion",
        now.first().is_some_and(|(seq, _)| *seq == Seq(1)) && now.contains(&(Seq(5), true)),
    );
    w.settle()
}
