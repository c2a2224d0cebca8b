//! Scripts about the store: restored from a copy, and rows written by clocks that disagree.

use parlour_client_core::{Ended, Link};
use parlour_protocol::id::StoreId;
use parlour_protocol::seq::Seq;
use parlour_sim::{Outcome, World};

/// A backup is taken, more is said and acknowledged, and the store is restored while clients are
/// connected. What came after the backup is gone, for everyone alike; outboxes survive it: what the
/// copy knows keeps its place, what it does not know gets one, once.
pub(crate) fn restore() -> Outcome {
    let mut w = World::scripted(false, 4, 1);
    let room = w.group(0, &[1, 2, 3]);
    let early = w.say(0, room, "before the backup");
    w.run_for(1_000);
    // Two devices go dark right behind their sends: one in the backup, one after it.
    let in_copy = w.say(2, room, "in the backup, and its sender does not know");
    w.until("it is in the log", |w| w.records(room, in_copy) == 1);
    w.switch_off(2);
    w.run_for(1_000);
    let backup = w.backup();
    let (a, b) = (w.place(0, room, early), w.place(2, room, in_copy));
    w.claim("the copy has both", (a, b) == (Some(Seq(2)), Some(Seq(3))));
    let forgotten = w.say(1, room, "after the backup, and acknowledged");
    w.run_for(1_000);
    let ended = w.clients[1].ended(forgotten).cloned();
    w.claim(
        "its sender knows its place",
        matches!(ended, Some(Ended::Sent { seq: Seq(4), .. })),
    );
    let unknown = w.say(3, room, "after the backup, and its sender does not know");
    w.until("it is in the log", |w| w.records(room, unknown) == 1);
    w.switch_off(3);
    w.run_for(1_000);
    let had = w.place(3, room, unknown);
    let open = w.clients[2].ended(in_copy).is_none() && w.clients[3].ended(unknown).is_none();
    w.claim("two outboxes wait", open && had == Some(Seq(5)));
    let connected = (0..2).all(|at| matches!(w.clients[at].link_state(), Some(Link::Live)));
    w.claim("the others are connected, and hold it all", {
        connected && (0..2).all(|at| w.holds(at, room, Seq(5)))
    });
    w.restore(backup, StoreId::from_bytes([8; 16]), 1_000);
    // Said into a server that is away: the outbox has it.
    let meanwhile = w.say(1, room, "while it was away");
    w.run_for(10_000);
    let dropped = (0..2).all(|at| matches!(w.clients[at].link_state(), Some(Link::Live)));
    w.claim("they are connected to the restored store", dropped);
    let gone = w.outcome(1, room, forgotten).is_none();
    w.claim("what came after the backup is gone", gone);
    w.claim("what was said meanwhile takes its place", {
        w.place(1, room, meanwhile) == Some(Seq(4))
    });
    w.switch_on(2);
    w.switch_on(3);
    w.rest();
    let ended = w.clients[2].ended(in_copy).cloned();
    w.claim(
        "what the copy knew keeps its place",
        matches!(ended, Some(Ended::Sent { seq: Seq(3), .. })),
    );
    let place = w.place(3, room, unknown);
    w.claim("what it did not know follows, once", place == Some(Seq(5)));
    let head = w.history.head(room).seq;
    w.claim("and nothing is doubled", head == Seq(5));
    for at in 0..4 {
        let ids: Vec<_> = (1..=5)
            .filter_map(|seq| w.clients[at].core()?.event(room, Seq(seq)).map(|e| e.id))
            .skip(1)
            .collect();
        w.claim(
            "every device shows the same",
            ids == [early, in_copy, meanwhile, unknown],
        );
    }
    w.settle()
}

/// A device's token row is written by a node whose clock is a day off one way, and its revocation
/// comes through one whose clock is a day off the other way. Both nodes end it within seconds.
pub(crate) fn revocation(row_ms: i64, revocation_ms: i64) -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    w.nodes[0].clock_ms = row_ms;
    w.nodes[1].clock_ms = revocation_ms;
    let written = w.now_ms.saturating_add_signed(row_ms);
    let at = w.newcomer(1, 1);
    let rows = w.accounts.devices(w.clients[at].user);
    let row = rows.iter().find(|d| d.device == w.clients[at].device);
    let dated = row.is_some_and(|d| d.created_ms == written);
    w.claim("its row is dated by the first node's clock", dated);
    let room = w.group(0, &[1]);
    let live = matches!(w.clients[at].link_state(), Some(Link::Live));
    w.claim("it is connected", live && w.holds(at, room, Seq(1)));
    parlour_sim::faults::revoke(&mut w, at);
    w.claim("it is revoked", w.clients[at].revoked);
    w.run_for(5_000);
    let closed =
        move |w: &World| matches!(w.clients[at].link_state(), Some(Link::Stopped(Some(_))));
    let out = closed(&w);
    w.claim("its socket is closed within five seconds", out);
    // It tries again, at either node: the row that is dated later opens nothing.
    for node in [0, 1] {
        w.goes_to(at, node);
        w.switch_off(3);
        w.switch_on(3);
        w.run_for(3_000);
        let out = closed(&w);
        w.claim("no node lets it in again", out);
    }
    w.say(0, room, "only for those who are still in");
    w.rest();
    let told = w.holds(at, room, Seq(2));
    w.claim("it is shown nothing more", !told);
    let other = w.holds(1, room, Seq(2));
    w.claim("its user's other device goes on", other);
    w.settle()
}
