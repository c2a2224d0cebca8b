//! Devices that hold and read back only a part: judged by what they said of it, and by no more.

use parlour_checker::{Op, Rule, Via, Why};
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{DeviceId, Seq};

use crate::broken::judge;
use crate::world::{C, World, device, owner, user};

/// A channel of users 0 and 1, eleven places; device 3 went after the sixth.
fn world() -> World {
    let mut w = World::new(HistoryRule::All, true);
    w.add(user(1)); // 2
    for d in [0, 2, 3, 0] {
        w.say(d); // 3 to 6
    }
    w.disconnect(3);
    for d in [2, 0, 2, 0, 2] {
        w.say(d); // 7 to 11
    }
    w
}

fn whole(from: u64, to: u64) -> Op {
    Op::Whole {
        device: device(3),
        user: owner(3),
        conversation: C,
        from: Seq(from),
        to: Seq(to),
    }
}

/// The record, with what a device that went says that it has.
fn ended(claims: &[Op]) -> Vec<Op> {
    let mut w = world();
    w.ops.extend_from_slice(claims);
    w.end();
    w.ops
}

/// The same without what device 3 received at a place.
fn without(ops: &[Op], place: u64) -> Vec<Op> {
    let lost = |op: &&Op| match op {
        Op::Receive {
            device: d, event, ..
        } => *d == device(3) && event.seq == Seq(place),
        _ => false,
    };
    let left: Vec<Op> = ops.iter().filter(|op| !lost(op)).cloned().collect();
    assert!(left.len() < ops.len(), "device 3 never had #{place}");
    left
}

#[track_caller]
fn only(rule: Rule, ops: &[Op]) -> u64 {
    let report = judge(ops);
    let broken: Vec<_> = report.total.keys().copied().collect();
    assert_eq!(broken, [rule], "\n{report}");
    report.lost
}

#[test]
fn a_device_that_went_is_held_to_what_it_says_it_has() {
    let good = ended(&[whole(3, 6)]);
    let report = judge(&good);
    assert!(report.passed(), "\n{report}");
    assert_eq!(report.counts.claims, 1);
    // It said nothing: nothing is missed.
    assert!(judge(&without(&ended(&[]), 5)).passed());
    // The last place, and one before it.
    assert_eq!(only(Rule::Unseen, &without(&good, 6)), 1);
    assert_eq!(only(Rule::SkippedWithoutNotice, &without(&good, 4)), 1);
    // More than it had: each place that anyone had.
    assert_eq!(only(Rule::Unseen, &ended(&[whole(3, 8)])), 2);
    // That it left a place does not excuse having said so.
    let mut left = without(&good, 6);
    left.push(Op::Jump {
        device: device(3),
        user: owner(3),
        conversation: C,
        from: Seq(6),
        to: Seq(6),
        why: Why::Unfetched,
    });
    assert_eq!(only(Rule::Unseen, &left), 1);
}

#[test]
fn what_came_in_a_page_counts() {
    let mut w = world();
    let event = w.events[6];
    w.connect(3);
    w.receive(3, event, Via::Page);
    w.ops.push(whole(3, 7));
    w.disconnect(3);
    w.end();
    let report = judge(&w.ops);
    assert!(report.passed(), "\n{report}");
    let text = judge(&without(&w.ops, 7)).to_string();
    assert!(text.contains("unseen") && text.contains("#7"), "{text}");
}

#[test]
fn one_who_came_later_claims_only_what_may_be_read() {
    let mut w = World::new(HistoryRule::FromJoin, true);
    w.say(0); // 2
    w.add(user(1)); // 3
    w.say(0); // 4
    w.ops.push(whole(1, 4));
    w.end();
    let report = judge(&w.ops);
    assert!(report.passed(), "\n{report}");
}

/// The good record's reading, again by another device, in parts.
fn in_parts(parts: &[(u64, u64)]) -> Op {
    let good = ended(&[]);
    let Some(Op::ReadBack(mut reading)) = good.last().cloned() else {
        panic!("the record ends with a reading");
    };
    reading.device = DeviceId::from_bytes([0x7e; 16]);
    reading.user = user(1);
    reading
        .events
        .retain(|e| parts.iter().any(|(f, t)| (*f..=*t).contains(&e.seq.0)));
    reading.parts = Some(parts.iter().map(|(f, t)| (Seq(*f), Seq(*t))).collect());
    Op::ReadBack(reading)
}

#[test]
fn a_reading_of_parts_is_held_to_them() {
    let (good, part) = (ended(&[]), in_parts(&[(2, 4), (9, 11)]));
    let both = [good.clone(), vec![part.clone()]].concat();
    let report = judge(&both);
    assert!(report.passed(), "\n{report}");
    let counts = report.counts;
    assert_eq!((counts.readings_whole, counts.readings_in_part), (1, 1));
    assert_eq!((counts.read_events, counts.readers_min), (11 + 6, 1));
    // Others read #3, and this one asked for it and did not get it.
    let broken = |change: &dyn Fn(&mut Vec<parlour_checker::Seen>)| {
        let mut part = part.clone();
        if let Op::ReadBack(r) = &mut part {
            change(&mut r.events);
        }
        [good.clone(), vec![part]].concat()
    };
    assert_eq!(
        only(Rule::Unseen, &broken(&|e| e.retain(|e| e.seq != Seq(3)))),
        1
    );
    let swapped = judge(&broken(&|e| e.swap(0, 1)));
    assert_eq!(swapped.of(Rule::NonMonotonic), 1, "\n{swapped}");
    let other = judge(&broken(&|e| e[0].sender = user(2)));
    assert_eq!(other.of(Rule::InconsistentOffsets), 1, "\n{other}");
}

#[test]
fn parts_alone_must_make_the_whole() {
    let mut ops = ended(&[]);
    assert!(matches!(ops.pop(), Some(Op::ReadBack(_))));
    let halves = [in_parts(&[(1, 6)]), in_parts(&[(6, 11)])];
    let report = judge(&[ops.clone(), halves.to_vec()].concat());
    assert!(report.passed(), "\n{report}");
    assert_eq!(report.counts.readers_min, 1);
    // A place that nobody asked for is not taken to be there.
    let apart = [in_parts(&[(1, 6)]), in_parts(&[(8, 11)])];
    assert_eq!(only(Rule::LostWrite, &[ops, apart.to_vec()].concat()), 1);
}

#[test]
fn quiet_events_of_others_are_not_missed() {
    // #2 is the quiet adding of user 1: device 3 was named by it, device 1 was not.
    let mut ops = ended(&[whole(2, 6)]);
    ops.push(Op::Whole {
        device: device(1),
        user: owner(1),
        conversation: C,
        from: Seq(1),
        to: Seq(11),
    });
    let report = judge(&ops);
    assert!(report.passed(), "\n{report}");
    assert!(world().events[1].quiet && world().events[1].class == Class::Membership);
}
