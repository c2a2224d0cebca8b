//! Scripts about a send's one outcome, and about the order of sends.

use parlour_client_core::{Ended, Request, draft};
use parlour_engine::gateway::need::Need;
use parlour_protocol::error::Code;
use parlour_protocol::id::MessageId;
use parlour_protocol::kind::Role;
use parlour_protocol::record::{Header, Named};
use parlour_protocol::row::Outcome as Ending;
use parlour_protocol::seq::Seq;
use parlour_sim::calls::Fate;
use parlour_sim::script::{Call, Turn};
use parlour_sim::{Outcome, World};

fn is_append_of(call: &Call<'_>, at: usize) -> bool {
    matches!(call, Call::Append { client, .. } if *client == at)
}

/// An append is answered by silence; the send is called again and placed, another follows, the
/// router dies with what it remembers; and then the first append arrives.
pub(crate) fn append_after_its_retry() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let append = w.next("an append is long under way", Turn::Late, |c| {
        is_append_of(c, 0)
    });
    let said = w.say(0, room, "once");
    w.until("the retry is in the log", |w| w.records(room, said) == 1);
    w.run_for(3_000);
    let place = w.place(0, room, said);
    w.claim(
        "the retry is placed while the first is under way",
        w.met(append) == 1 && w.late == 1 && place == Some(Seq(2)),
    );
    let other = w.say(1, room, "in between");
    w.run_for(3_000);
    w.router_dies(room);
    w.run_for(1_000);
    w.release(append);
    w.until("the first arrives", |w| w.records(room, said) == 2);
    w.rest();
    let (a, b) = (w.place(0, room, said), w.place(1, room, other));
    let head = w.history.head(room).seq;
    w.claim(
        "it changes nothing",
        (a, b, head) == (Some(Seq(2)), Some(Seq(3)), Seq(3)),
    );
    w.settle()
}

/// Whether the log holds a record of a send that its gateway refused.
fn is_refusal(call: &Call<'_>, at: usize) -> bool {
    matches!(call, Call::Append { client, record }
        if *client == at && Header::from_bytes(&record.header).is_ok_and(|h| h.verdict.is_some()))
}

/// Someone says something where they are no member yet: a first look-up fails, the retry is
/// refused by the gateway, and goes into the log with its verdict, which takes long. They are
/// taken in, try again, and are accepted. Whichever comes first in the log is the outcome.
pub(crate) fn refused_then_accepted(refusal_first: bool) -> Outcome {
    let mut w = World::scripted(true, 3, 1);
    let room = w.group(0, &[2]);
    let look_up = w.next(
        "the first attempt is not even judged",
        Turn::Goes(Fate::Refused { answer_ms: 1 }),
        |call| {
            matches!(
                call,
                Call::Need {
                    client: 1,
                    need: Need::Admit { .. }
                }
            )
        },
    );
    let refusal = w.next("a refusal is long under way", Turn::Late, |c| {
        is_refusal(c, 1)
    });
    let acceptance = w.every("an acceptance waits for it", Turn::Late, |c| {
        is_append_of(c, 1)
    });
    let said = w.say(1, room, "let me in");
    w.until("it was refused by its gateway", |w| w.met(refusal) == 1);
    w.claim(
        "after a first attempt that came to nothing",
        w.met(look_up) == 1 && w.met(acceptance) == 0 && w.records(room, said) == 0,
    );
    let member = Named {
        user: w.clients[1].user,
        role: Role::Member,
    };
    w.ask(0, Request::Send(Box::new(draft::add(room, vec![member]))));
    w.until("the next attempt is accepted", |w| w.met(acceptance) >= 1);
    w.claim("neither is in the log yet", w.records(room, said) == 0);
    let (one, two) = if refusal_first {
        (refusal, acceptance)
    } else {
        (acceptance, refusal)
    };
    w.release(one);
    w.until("one is in the log", |w| w.records(room, said) >= 1);
    w.until("it has its outcome", |w| w.outcome(1, room, said).is_some());
    let first = w.outcome(1, room, said);
    w.release(two);
    w.rest();
    w.claim("both are in the log", w.records(room, said) >= 2);
    let last = w.outcome(1, room, said);
    w.claim("it has one outcome", first == last);
    let (ended, head) = (w.clients[1].ended(said).cloned(), w.history.head(room).seq);
    if refusal_first {
        w.claim(
            "it is refused for ever, though its sender is in by now",
            matches!(last, Some(Ending::Refused { code }) if code.action()
                == parlour_protocol::error::Action::GiveUp)
                && matches!(ended, Some(Ended::Refused { code, .. }) if code == Code::NOT_FOUND)
                && head == Seq(2),
        );
    } else {
        w.claim(
            "it is placed, and its sender knows",
            matches!(last, Some(Ending::Placed { seq: Seq(3), .. }))
                && matches!(ended, Some(Ended::Sent { seq: Seq(3), .. }))
                && head == Seq(3),
        );
    }
    w.settle()
}

fn is_append(call: &Call<'_>, id: MessageId) -> bool {
    matches!(call, Call::Append { record, .. }
        if Header::from_bytes(&record.header).is_ok_and(|h| h.id == id))
}

/// Two sends go out one behind the other; the first one's append never happens, and nobody knows.
/// The second waits for it.
pub(crate) fn first_of_two_times_out() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let append = w.next(
        "the first append never happens",
        Turn::Goes(Fate::Vanished { answer_ms: 500 }),
        |c| is_append_of(c, 0),
    );
    let first = w.say(0, room, "one");
    let second = w.say(0, room, "two");
    w.until("the second is in the log, alone", |w| {
        w.records(room, second) == 1
    });
    let pipelined = w.met(append) == 1 && w.records(room, first) == 0;
    w.claim("they were pipelined", pipelined);
    w.rest();
    let (a, b) = (w.place(0, room, first), w.place(0, room, second));
    w.claim(
        "they have their order, and the second came twice",
        (a, b) == (Some(Seq(2)), Some(Seq(3))) && w.records(room, second) >= 2,
    );
    w.settle()
}

/// The same, but the first one's append arrives at last, behind both retries.
pub(crate) fn first_of_two_lands_late() -> Outcome {
    let mut w = World::scripted(true, 2, 1);
    let room = w.group(0, &[1]);
    let append = w.next("the first append is long under way", Turn::Late, |c| {
        is_append_of(c, 0)
    });
    let first = w.say(0, room, "one");
    let second = w.say(0, room, "two");
    w.until("the second is in the log, alone", |w| {
        w.records(room, second) == 1
    });
    w.claim("they were pipelined", w.records(room, first) == 0);
    let again = w.next("the second's retry is long under way too", Turn::Late, {
        move |c| is_append(c, second)
    });
    w.until("both were called again", |w| w.met(again) == 1);
    w.until("the first is placed by its retry", |w| {
        w.place(0, room, first).is_some()
    });
    w.release(append);
    w.run_for(1_000);
    w.release(again);
    w.rest();
    let (a, b) = (w.place(0, room, first), w.place(0, room, second));
    let head = w.history.head(room).seq;
    w.claim(
        "each has one place, in their order",
        (a, b, head) == (Some(Seq(2)), Some(Seq(3)), Seq(3)),
    );
    w.claim("the first came twice", w.records(room, first) >= 2);
    w.settle()
}
