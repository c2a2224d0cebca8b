//! Scripts about the log, and about writes that come late from it.

use parlour_client_core::{Request, draft};
use parlour_engine::router::{Output, Remedy};
use parlour_protocol::position::{Generation, Offset};
use parlour_protocol::seq::Seq;
use parlour_sim::calls::Fate;
use parlour_sim::script::{Call, Turn, partition_of};
use parlour_sim::{Outcome, World};

const HOUR_MS: u64 = 3_600_000;

fn is_store(call: &Call<'_>) -> bool {
    matches!(
        call,
        Call::Router {
            output: Output::Store { .. },
            ..
        }
    )
}

fn is_advance(call: &Call<'_>) -> bool {
    matches!(
        call,
        Call::Router {
            output: Output::Advance { .. },
            ..
        }
    )
}

/// One says something, and its rows are long under way; one's removal, behind it, is durable
/// before. The router dies, and its successor decides the send anew over the removal's rows: as of
/// its position the sender is a member, and the place is the one that the removal left for it.
pub(crate) fn removed_before_replay() -> Outcome {
    let mut w = World::scripted(true, 3, 1);
    let room = w.group(0, &[1, 2]);
    let rows = w.next("the send's rows are under way", Turn::Held, is_store);
    let said = w.say(1, room, "still one of you");
    w.until("the send is decided", |w| w.met(rows) == 1);
    let user = w.clients[1].user;
    let removal = w.ask(0, Request::Send(Box::new(draft::remove(room, &[user]))));
    w.until("the removal is durable", |w| {
        w.place(0, room, removal).is_some()
    });
    w.run_for(2_000);
    let open = w.place(1, room, said).is_none() && w.clients[1].ended(said).is_none();
    w.claim("the send is neither durable nor answered", open);
    let waits = w.clients[0].ended(removal).is_none() && !w.holds(2, room, Seq(3));
    w.claim("so nobody is told of the removal either", waits);
    let out = w
        .history
        .intervals(room, user)
        .iter()
        .all(|i| i.until.is_some());
    w.claim("its sender is out by the rows that are there", out);
    w.router_dies(room);
    w.until("the successor has decided the send", |w| {
        w.outcome(1, room, said).is_some()
    });
    let places = (w.place(1, room, said), w.place(0, room, removal));
    w.claim(
        "the send is placed, right before the removal",
        places == (Some(Seq(2)), Some(Seq(3))),
    );
    w.rest();
    let before = w.history.clone();
    w.release(rows);
    w.rest();
    w.claim(
        "the dead router's rows are those of its successor",
        before == w.history,
    );
    let all = (0..3).all(|at| w.holds(at, room, Seq(2)) && w.holds(at, room, Seq(3)));
    w.claim("everyone has both, who is out too", all);
    let late = w.say(1, room, "and now?");
    w.rest();
    let refused = w.place(1, room, late).is_none() && w.clients[1].ended(late).is_some();
    w.claim("the next one is refused", refused);
    w.settle()
}

/// Nodes are stopped, the log is sealed with a record that nobody read yet, and a new generation
/// begins, whose offsets begin at 0 again. The old one is finished first; a send that was called in
/// it, and is called again in the new, has one place.
pub(crate) fn sealed_generation() -> Outcome {
    let mut w = World::scripted(true, 3, 1);
    let room = w.group(0, &[1, 2]);
    let partition = partition_of(room);
    let first = w.say(0, room, "in the first");
    w.run_for(3_000);
    let place = w.place(0, room, first);
    w.claim("the first is placed", place == Some(Seq(2)));
    w.stop_routers();
    let append = w.next(
        "its append is answered by silence",
        Turn::Goes(Fate::Lost {
            effect_ms: 0,
            whole: true,
            answer_ms: 1,
        }),
        |call| matches!(call, Call::Append { client: 1, .. }),
    );
    let unread = w.say(1, room, "last of the first");
    w.until("it is in the log", |w| {
        w.met(append) == 1 && w.records(room, unread) == 1
    });
    w.seal_log();
    w.until("it is called again, in the new generation", |w| {
        w.records(room, unread) >= 2
    });
    let anew = w.say(2, room, "in the second");
    w.until("another is in the new generation", |w| {
        w.records(room, anew) >= 1
    });
    let bounds = w.log.bounds(partition);
    let sealed = bounds.len() == 2 && bounds[0].sealed && bounds[1].first == Offset(0);
    w.claim("one generation is sealed, and one begins", sealed);
    w.start_routers();
    w.run_for(3_000);
    let (a, b) = (w.place(1, room, unread), w.place(2, room, anew));
    w.claim(
        "the old one is finished first",
        (a, b) == (Some(Seq(3)), None),
    );
    // Progress stands at the seal: the next begins.
    w.stop_routers();
    w.start_routers();
    w.rest();
    let (a, b) = (w.place(1, room, unread), w.place(2, room, anew));
    w.claim(
        "places go on without a hole",
        (a, b) == (Some(Seq(3)), Some(Seq(4))),
    );
    let made_by: Vec<Generation> = w
        .history
        .range(room, Seq::ZERO, Seq::MAX, false, 100)
        .events
        .iter()
        .map(|e| e.position.generation)
        .collect();
    let (one, two) = (Generation(1), Generation(2));
    w.claim(
        "each by its own generation, once",
        made_by == [one, one, one, two],
    );
    w.settle()
}

/// One process dies with two records in its log: of one the rows are durable and nobody was told,
/// of the other nothing is. A new generation begins; both clients call again.
pub(crate) fn generation_died() -> Outcome {
    let mut w = World::scripted(false, 2, 1);
    let room = w.group(0, &[1]);
    let told = w.next(
        "the answer gets lost with the process",
        Turn::Held,
        |call| matches!(call, Call::Relay { .. }),
    );
    let durable = w.say(0, room, "durable, and not told");
    w.until("its rows are there", |w| {
        w.met(told) == 1 && w.place(0, room, durable).is_some()
    });
    let rows = w.next(
        "the process dies before it writes",
        Turn::Goes(Fate::Vanished { answer_ms: 50 }),
        is_store,
    );
    let lost = w.say(1, room, "in the log alone");
    w.until("it is decided", |w| w.met(rows) == 1);
    let open = w.clients[0].ended(durable).is_none() && w.clients[1].ended(lost).is_none();
    w.claim("neither was answered", open);
    parlour_sim::faults::process_dies(&mut w, 1_000);
    let none = w.place(1, room, lost).is_none();
    w.claim("the second left no row", none && w.generation() == 2);
    w.release(told);
    w.rest();
    let (a, b) = (w.place(0, room, durable), w.place(1, room, lost));
    w.claim(
        "one keeps its place, the other gets the next",
        (a, b) == (Some(Seq(2)), Some(Seq(3))),
    );
    w.claim(
        "both were called twice",
        w.records(room, durable) == 2 && w.records(room, lost) == 2,
    );
    w.settle()
}

/// The log loses records that were done: the partition stops and names the remedy, answers nobody,
/// and places nothing. The operator gives that log up; what waits in outboxes goes into the next.
pub(crate) fn truncated() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let partition = partition_of(room);
    for n in 0..3 {
        w.say(0, room, &format!("done {n}"));
        w.run_for(2_000);
    }
    let end = w.log_end(partition);
    w.claim("four records are done", end == Offset(4));
    w.truncate_log(partition, 2);
    let refused = w.every(
        "nothing is appended to a damaged log",
        Turn::Goes(Fate::Refused { answer_ms: 1 }),
        |call| matches!(call, Call::Append { .. }),
    );
    w.router_dies(room);
    let waiting = w.say(1, room, "meanwhile");
    w.until("the partition stops", |w| {
        w.script.as_ref().is_some_and(|s| !s.stopped.is_empty())
    });
    let remedies: Vec<_> = w.script.iter().flat_map(|s| s.stopped.clone()).collect();
    let named = matches!(
        remedies[..],
        [(of, Remedy::Truncated { done, end: Offset(2) })]
            if of == partition && done.offset == Offset(3)
    );
    w.claim(
        "it says how far the log goes and how far it was done",
        named,
    );
    let said = remedies[0].1.to_string();
    w.claim(
        "and what to do",
        said.contains("Restore the log") && said.contains("stop every node"),
    );
    w.run_for(10_000);
    let open = w.met(refused) > 0 && w.clients[1].ended(waiting).is_none();
    w.claim("the send waits, without an outcome", open);
    w.stop_routers();
    w.give_log_up();
    w.lift(refused);
    w.start_routers();
    w.rest();
    let place = w.place(1, room, waiting);
    w.claim(
        "what was acknowledged is there, and it follows",
        place == Some(Seq(5)),
    );
    w.settle()
}

/// The same, but the log grew again before anyone looked: at the last place that was done lies
/// another record. Its hash says so.
pub(crate) fn recreated() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let partition = partition_of(room);
    for n in 0..3 {
        w.say(0, room, &format!("done {n}"));
        w.run_for(2_000);
    }
    w.stop_routers();
    let (kept, whole) = (w.kept.clone(), w.log_end(partition));
    w.truncate_log(partition, 2);
    let ids: Vec<_> = (0..2)
        .map(|n| w.say(1, room, &format!("instead {n}")))
        .collect();
    w.until("the log is as long as before", |w| {
        w.log_end(partition) >= whole
    });
    w.start_routers();
    w.until("the partition stops", |w| {
        w.script.as_ref().is_some_and(|s| !s.stopped.is_empty())
    });
    let remedies: Vec<_> = w.script.iter().flat_map(|s| s.stopped.clone()).collect();
    let named = matches!(
        remedies[..],
        [(of, Remedy::Recreated { done })] if of == partition && done.offset == Offset(3)
    );
    w.claim("another record lies where one was done", named);
    let none = ids.iter().all(|id| w.outcome(1, room, *id).is_none());
    w.claim("nothing was placed from it", none);
    // What was appended to that log is lost with it, and called again.
    w.stop_routers();
    w.run_for(1);
    w.kept = kept;
    w.give_log_up();
    w.start_routers();
    w.rest();
    let places: Vec<_> = ids.iter().map(|id| w.place(1, room, *id)).collect();
    w.claim(
        "both follow what was acknowledged, in order",
        places == [Some(Seq(5)), Some(Seq(6))],
    );
    w.settle()
}

/// A write of an event's rows times out; its repetition holds. The event is edited, and deleted;
/// an hour later the first write lands, body and all. Nothing comes back.
pub(crate) fn write_an_hour_late() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let write = w.next(
        "a write times out, and lands an hour later",
        Turn::Goes(Fate::Lost {
            effect_ms: HOUR_MS,
            whole: true,
            answer_ms: 50,
        }),
        is_store,
    );
    let progress = w.next(
        "so does the word of how far it was done",
        Turn::Goes(Fate::Vanished { answer_ms: 50 }),
        is_advance,
    );
    let secret = w.say(0, room, "a secret");
    w.run_for(3_000);
    let place = w.place(0, room, secret);
    w.claim(
        "the repetition held",
        w.met(write) == 1 && w.met(progress) == 1 && place == Some(Seq(2)) && w.late == 1,
    );
    let body = |w: &World| {
        let page = w.history.range(room, Seq(1), Seq(3), false, 1);
        page.events.first().map_or(0, |e| e.payload.len())
    };
    let there = body(&w) > 0;
    w.claim("the body is there", there);
    w.ask(
        0,
        Request::Edit {
            conversation: room,
            target: Seq(2),
            body: parlour_protocol::body::Body::text("less of a secret"),
            mentions: Default::default(),
        },
    );
    w.run_for(3_000);
    w.ask(
        0,
        Request::Delete {
            conversation: room,
            target: Seq(2),
        },
    );
    w.run_for(3_000);
    let head = w.history.head(room).seq;
    let gone = body(&w) == 0 && head == Seq(4);
    w.claim("it is edited and deleted, and its body is gone", gone);
    let before = w.history.clone();
    w.claim("the write is still under way", w.late == 1);
    w.run_for(HOUR_MS);
    w.claim("the write landed", w.late == 0);
    let same = w.history.without_progress() == before.without_progress();
    w.claim("and changed nothing", same && body(&w) == 0);
    w.settle()
}
