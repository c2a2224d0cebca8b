//! An id that a client uses for two contents: each answer is about the contents that it came for.

use parlour_checker::{Intent, Op, Rule};
use parlour_protocol::Seq;
use parlour_protocol::error::Code;
use parlour_protocol::kind::{Class, HistoryRule};

use crate::broken::judge;
use crate::world::{C, World, device, id, owner};

/// The id that is used twice.
const ID: u64 = 900;

fn call(hash: u64) -> Op {
    Op::Invoke {
        device: device(0),
        user: owner(0),
        conversation: C,
        id: id(ID),
        hash: Some(hash),
        intent: Intent::Send,
    }
}

fn sent() -> Op {
    Op::Ok {
        device: device(0),
        conversation: C,
        id: id(ID),
        seq: Seq(2),
        n: 1,
    }
}

fn refused(code: Code) -> Op {
    Op::Refused {
        device: device(0),
        conversation: C,
        id: id(ID),
        code,
        finally: true,
    }
}

/// A message that was placed and answered, then these, and the end.
fn then(ops: &[Op]) -> Vec<Op> {
    let mut w = World::new(HistoryRule::All, false);
    w.invoke(0, ID, Intent::Send);
    let event = w.place(0, ID, Class::Content, &[]);
    w.ok(0, event);
    w.ops.extend_from_slice(ops);
    w.end();
    w.ops
}

#[track_caller]
fn only(rule: Rule, ops: &[Op]) {
    let report = judge(ops);
    let broken: Vec<_> = report.total.keys().copied().collect();
    assert_eq!(broken, [rule], "\n{report}");
}

#[test]
fn other_contents_are_refused_and_the_first_stand() {
    for code in [Code::ID_REUSED, Code::CANCELLED] {
        let report = judge(&then(&[call(1), refused(code)]));
        assert!(report.passed(), "\n{report}");
    }
    // Nothing was said of them.
    assert!(judge(&then(&[call(1)])).passed());
    // The first contents again are answered as before.
    let report = judge(&then(&[
        call(1),
        refused(Code::ID_REUSED),
        call(ID * 7),
        sent(),
    ]));
    assert!(report.passed(), "\n{report}");
}

#[test]
fn other_contents_are_not_answered_with_a_place_where_the_first_stand() {
    only(Rule::LostWrite, &then(&[call(1), sent()]));
}

#[test]
fn the_first_contents_are_not_answered_with_a_place_where_others_stand() {
    let mut ops = then(&[call(1)]);
    // The record of who called first is turned round: what stands was called second.
    let calls: Vec<usize> = ops
        .iter()
        .enumerate()
        .filter(|(_, op)| matches!(op, Op::Invoke { id: of, .. } if *of == id(ID)))
        .map(|(at, _)| at)
        .collect();
    let [first, second] = calls[..] else {
        panic!("called twice");
    };
    ops.swap(first, second);
    only(Rule::LostWrite, &ops);
}

#[test]
fn contents_that_stand_were_not_refused() {
    let mut ops = then(&[]);
    // Called with others first, and with those that stand before they were placed.
    let at = ops
        .iter()
        .position(|op| matches!(op, Op::Invoke { id: of, .. } if *of == id(ID)));
    let at = at.expect("called");
    ops.insert(at, call(1));
    let answered = ops
        .iter()
        .position(|op| matches!(op, Op::Ok { id: of, .. } if *of == id(ID)));
    ops[answered.expect("answered")] = refused(Code::CANCELLED);
    only(Rule::RefusedButRead, &ops);
}

#[test]
fn what_a_reused_id_stands_between_is_in_no_order() {
    // Two messages whose places are the other way round, with a reuse between them or without.
    let turned = |between: &[Op]| {
        let mut w = World::new(HistoryRule::All, false);
        w.invoke(0, ID, Intent::Send);
        let event = w.place(0, ID, Class::Content, &[]);
        w.ok(0, event);
        w.invoke(0, ID + 1, Intent::Send);
        w.ops.extend_from_slice(between);
        w.invoke(0, ID + 2, Intent::Send);
        for n in [ID + 2, ID + 1] {
            let event = w.place(0, n, Class::Content, &[]);
            w.ok(0, event);
        }
        w.end();
        w.ops
    };
    only(Rule::ProgramOrder, &turned(&[]));
    let report = judge(&turned(&[call(1), refused(Code::ID_REUSED)]));
    assert!(report.passed(), "\n{report}");
}
