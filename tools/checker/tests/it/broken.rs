//! One good history that passes, and each rule's hand-broken one, which fails that rule alone.

use parlour_checker::{Checker, Intent, Op, ReadBack, Report, Rule, Seen, Shown, Via, Why};
use parlour_protocol::error::Code;
use parlour_protocol::kind::{Class, HistoryRule};
use parlour_protocol::{Seq, SessionId};

use crate::world::{C, World, device, id, owner, user};

pub(crate) fn judge(ops: &[Op]) -> Report {
    let mut checker = Checker::default();
    for op in ops {
        checker.feed(op);
    }
    checker.finish()
}

/// User 0 and 1 talk, user 2 comes and goes, user 3 never is a member.
fn world() -> World {
    let mut w = World::new(HistoryRule::FromJoin, false);
    w.say(0); // 2
    w.add(user(1)); // 3
    w.say(2); // 4
    w.add(user(2)); // 5
    w.say(4); // 6
    w.refused(2, true);
    w.say_unanswered(2, true); // 7
    w.disconnect(3);
    w.leave(4); // 8
    w.say(0); // 9
    w.change(2, 0, false); // 10
    w.mark(2, true);
    w.say(0); // 11
    w
}

fn good() -> Vec<Op> {
    let mut w = world();
    w.end();
    w.ops
}

#[track_caller]
fn fails(rule: Rule, ops: &[Op]) -> Report {
    let report = judge(ops);
    let broken: Vec<_> = report.total.keys().copied().collect();
    assert_eq!(broken, [rule], "\n{report}");
    report
}

/// Changes the first entry for which `change` says that it did.
#[track_caller]
fn with(mut ops: Vec<Op>, mut change: impl FnMut(&mut Op) -> bool) -> Vec<Op> {
    assert!(ops.iter_mut().any(&mut change), "nothing to change");
    ops
}

fn read_back(op: &mut Op) -> Option<&mut ReadBack> {
    match op {
        Op::ReadBack(reading) => Some(reading),
        _ => None,
    }
}

fn in_reading(ops: Vec<Op>, change: impl Fn(&mut ReadBack)) -> Vec<Op> {
    with(ops, |op| read_back(op).map(&change).is_some())
}

#[test]
fn a_good_history_passes() {
    let report = judge(&good());
    assert!(report.passed(), "\n{report}");
    assert_eq!(
        (
            report.counts.messages,
            report.counts.places,
            report.counts.unknown
        ),
        (12, 11, 0)
    );
    assert_eq!((report.counts.acks, report.counts.refusals), (11, 1));
    assert!(report.counts.deliveries > 30);
}

#[test]
fn lost_write() {
    // Answered, and gone at the end.
    let mut w = world();
    w.invoke(0, 900, Intent::Send);
    w.ops.push(Op::Ok {
        device: device(0),
        conversation: C,
        id: id(900),
        seq: Seq(12),
        n: 7,
    });
    w.end();
    let report = fails(Rule::LostWrite, &w.ops);
    assert_eq!((report.lost, report.of(Rule::LostWrite)), (1, 1));
    // Shown to someone, and gone from the middle.
    fails(
        Rule::LostWrite,
        &in_reading(good(), |r| {
            let _ = r.events.remove(8);
        }),
    );
    // There, but without its body.
    fails(
        Rule::LostWrite,
        &in_reading(good(), |r| r.events[8].shown = Shown::Absent),
    );
}

#[test]
fn unseen() {
    let mut w = world();
    w.made(0, Class::Content, &[2]);
    let mut ops = w.ops.clone();
    w.end();
    // What `end` adds, without the fetch that repairs it.
    ops.extend(
        w.ops
            .split_off(ops.len())
            .into_iter()
            .filter(|op| !matches!(op, Op::Receive { .. } | Op::Timeline { .. })),
    );
    let report = fails(Rule::Unseen, &ops);
    let text = report.to_string();
    for word in [
        device(2).to_string(),
        owner(2).to_string(),
        C.to_string(),
        "#12".into(),
    ] {
        assert!(text.contains(&word), "{word} is not in {text}");
    }
    // The same is right if the device chose so, or is not online.
    let jump = |why| Op::Jump {
        device: device(2),
        user: owner(2),
        conversation: C,
        from: Seq(12),
        to: Seq(12),
        why,
    };
    assert!(judge(&[ops.clone(), vec![jump(Why::Unfetched)]].concat()).passed());
    fails(
        Rule::Unseen,
        &[ops.clone(), vec![jump(Why::Notice)]].concat(),
    );
    let connection = ops.iter().find_map(|op| match op {
        Op::Connect {
            device: d,
            connection,
            ..
        } if *d == device(2) => Some(*connection),
        _ => None,
    });
    let gone = Op::Disconnect {
        device: device(2),
        connection: connection.expect("connected"),
    };
    assert!(judge(&[ops, vec![gone]].concat()).passed());
    // A final reading that leaves out what another one has.
    let mut ops = good();
    let mut second = ops.last().cloned().expect("a reading");
    if let Op::ReadBack(r) = &mut second {
        r.events.remove(3);
    }
    ops.push(second);
    fails(Rule::Unseen, &ops);
}

#[test]
fn skipped_without_notice() {
    let mut w = world();
    w.made(0, Class::Content, &[2]); // 12
    let n = w.events.len() as u64 + 100;
    w.invoke(0, n, Intent::Send);
    let event = w.place(0, n, Class::Content, &[0, 1, 2, 3]); // 13
    w.ok(0, event);
    w.receive(2, event, Via::Live);
    let mut ops = w.ops.clone();
    w.end();
    let rest = w.ops.split_off(ops.len()).into_iter();
    ops.extend(rest.filter(|op| !matches!(op, Op::Receive { device: d, .. } | Op::Timeline { device: d, .. } if *d == device(2))));
    fails(Rule::SkippedWithoutNotice, &ops);
    // Told, but never fetched: no silence, yet the event is missing.
    let told = Op::Jump {
        device: device(2),
        user: owner(2),
        conversation: C,
        from: Seq(12),
        to: Seq(12),
        why: Why::Notice,
    };
    fails(Rule::Unseen, &[ops, vec![told]].concat());
    // A `prev` that hides an event from everyone.
    let lie = |event: &mut Seen| {
        if event.seq == Seq(9) {
            event.prev = Seq(7)
        }
    };
    let mut ops = good();
    for op in &mut ops {
        match op {
            Op::Receive { event, .. } => lie(event),
            Op::ReadBack(r) => r.events.iter_mut().for_each(lie),
            _ => {}
        }
    }
    fails(Rule::SkippedWithoutNotice, &ops);
}

#[test]
fn dense() {
    fails(Rule::Dense, &in_reading(good(), |r| r.head = Seq(13)));
    // The whole history stands one place too high.
    let ops: Vec<Op> = vec![
        Op::Membership {
            conversation: C,
            user: user(0),
            from: Seq(0),
            until: None,
        },
        Op::Invoke {
            device: device(0),
            user: user(0),
            conversation: C,
            id: id(1),
            hash: None,
            intent: Intent::Send,
        },
        Op::ReadBack(ReadBack {
            device: device(0),
            user: user(0),
            conversation: C,
            head: Seq(2),
            parts: None,
            withheld: vec![],
            events: vec![Seen {
                seq: Seq(2),
                n: 1,
                prev: Seq(0),
                id: id(1),
                sender: user(0),
                class: Class::Content,
                quiet: false,
                shown: Shown::Whole(1),
            }],
        }),
    ];
    fails(Rule::Dense, &ops);
}

#[test]
fn duplicate() {
    // One send at two places.
    let mut w = world();
    let n = w.ids; // the last one said
    w.place(0, n, Class::Content, &[]);
    w.end();
    let mut ops = w.ops;
    ops.retain(|op| !matches!(op, Op::Timeline { .. }));
    fails(Rule::Duplicate, &ops);
    // Shown twice on one device.
    let twice = with(good(), |op| match op {
        Op::Timeline { events, .. } if !events.is_empty() => {
            events.push(events[0]);
            true
        }
        _ => false,
    });
    assert_eq!(fails(Rule::Duplicate, &twice).duplicated, 1);
}

#[test]
fn two_outcomes() {
    let ok = |n: u64, seq| Op::Ok {
        device: device(0),
        conversation: C,
        id: id(n),
        seq: Seq(seq),
        n: 1,
    };
    fails(Rule::TwoOutcomes, &[good(), vec![ok(2, 3)]].concat());
    let refused = |d, n| Op::Refused {
        device: device(d),
        conversation: C,
        id: id(n),
        code: Code::CANCELLED,
        finally: true,
    };
    fails(Rule::TwoOutcomes, &[good(), vec![refused(0, 2)]].concat());
    // Answered with a place other than where it stands.
    let elsewhere = with(good(), |op| match op {
        Op::Ok { id: of, seq, .. } if *of == id(2) => {
            *seq = Seq(1);
            true
        }
        _ => false,
    });
    fails(Rule::TwoOutcomes, &elsewhere);
    // A refusal of a reused id, or a retryable one, is no outcome of it.
    let reused = Op::Refused {
        device: device(0),
        conversation: C,
        id: id(2),
        code: Code::ID_REUSED,
        finally: true,
    };
    let later = Op::Refused {
        device: device(0),
        conversation: C,
        id: id(2),
        code: Code::RATE_LIMITED,
        finally: false,
    };
    assert!(judge(&[good(), vec![reused, later]].concat()).passed());
}

/// Changes what device 2 received at place 9, where it received it live.
fn at_nine(change: impl Fn(&mut Seen)) -> Vec<Op> {
    with(good(), |op| match op {
        Op::Receive {
            device: d, event, ..
        } if *d == device(2) && event.seq == Seq(9) => {
            change(event);
            true
        }
        _ => false,
    })
}

#[test]
fn inconsistent_offsets() {
    fails(Rule::InconsistentOffsets, &at_nine(|e| e.id = id(2)));
    fails(Rule::InconsistentOffsets, &at_nine(|e| e.sender = user(1)));
    fails(
        Rule::InconsistentOffsets,
        &at_nine(|e| e.shown = Shown::Whole(1)),
    );
    fails(Rule::InconsistentOffsets, &at_nine(|e| e.prev = Seq(7)));
    fails(
        Rule::InconsistentOffsets,
        &at_nine(|e| e.class = Class::Setting),
    );
    let timeline = with(good(), |op| match op {
        Op::Timeline { events, .. } if events.len() > 5 => {
            events[3].1 = id(77);
            true
        }
        _ => false,
    });
    assert_eq!(fails(Rule::InconsistentOffsets, &timeline).reordered, 1);
}

#[test]
fn non_monotonic() {
    let mut ops = good();
    let at = ops.iter().position(|op| matches!(op, Op::Receive { device: d, via: Via::Live, event, .. } if *d == device(2) && event.seq == Seq(9)));
    let again = ops[at.expect("received")].clone();
    let end = ops
        .iter()
        .rposition(|op| matches!(op, Op::Receive { device: d, .. } if *d == device(2)))
        .expect("received");
    ops.insert(end + 1, again.clone());
    fails(Rule::NonMonotonic, &ops);
    // On another connection it may come again, and by page on the same.
    let mut other = again.clone();
    let mut paged = again;
    if let Op::Receive { connection, .. } = &mut other {
        *connection = SessionId::from_bytes([9; 16]);
    }
    if let Op::Receive { via, .. } = &mut paged {
        *via = Via::Page;
    }
    assert!(judge(&[good(), vec![other, paged]].concat()).passed());
    let swapped = with(good(), |op| match op {
        Op::Timeline { events, .. } if events.len() > 5 => {
            events.swap(2, 3);
            true
        }
        _ => false,
    });
    fails(Rule::NonMonotonic, &swapped);
    fails(
        Rule::NonMonotonic,
        &in_reading(good(), |r| r.events.swap(2, 3)),
    );
}

#[test]
fn program_order() {
    let mut w = world();
    w.invoke(0, 800, Intent::Send);
    w.invoke(0, 801, Intent::Send);
    for n in [801, 800] {
        let event = w.place(0, n, Class::Content, &[]);
        w.ok(0, event);
    }
    w.end();
    let report = fails(Rule::ProgramOrder, &w.ops);
    assert!(
        report.to_string().contains(&id(800).to_string()),
        "{report}"
    );
    assert_eq!(report.reordered, 1);
}

#[test]
fn phantom() {
    // Nobody sent it.
    let mut w = world();
    w.place(0, 700, Class::Content, &[]);
    w.end();
    fails(Rule::Phantom, &w.ops);
    // Given up before it was ever sent.
    let mut w = world();
    w.invoke(0, 700, Intent::Cancel);
    w.place(0, 700, Class::Content, &[]);
    w.end();
    fails(Rule::Phantom, &w.ops);
    // Seen before it was sent; through another door that is how ids are learned.
    for (intent, passes) in [(Intent::Send, false), (Intent::Setup, true)] {
        let mut w = world();
        w.place(0, 700, Class::Content, &[]);
        w.invoke(0, 700, intent);
        w.end();
        assert_eq!(judge(&w.ops).passed(), passes);
        if !passes {
            fails(Rule::Phantom, &w.ops);
        }
    }
    // Everyone sees another body.
    let mut ops = good();
    for op in &mut ops {
        match op {
            Op::Invoke { id: of, hash, .. } if *of == id(2) => *hash = Some(1),
            _ => {}
        }
    }
    fails(Rule::Phantom, &ops);
    // An edit that its author did not write; an edit by what is none.
    let edit = |shown: Shown| {
        in_reading(good(), move |r| {
            let at = r
                .events
                .iter()
                .position(|e| matches!(e.shown, Shown::Edited { .. }))
                .expect("an edit");
            r.events[at].shown = shown;
        })
    };
    fails(
        Rule::Phantom,
        &edit(Shown::Edited {
            hash: 1,
            at: Seq(10),
        }),
    );
    fails(Rule::Phantom, &edit(Shown::Deleted(Seq(9))));
    // A timeline with what nobody received.
    let more = with(good(), |op| match op {
        Op::Timeline { events, .. } => {
            events.push((Seq(50), id(700)));
            true
        }
        _ => false,
    });
    fails(Rule::Phantom, &more);
}

#[test]
fn refused_but_read() {
    let mut w = world();
    let n = w.refused(0, true);
    w.place(0, n, Class::Content, &[]);
    w.end();
    assert_eq!(fails(Rule::RefusedButRead, &w.ops).phantom, 1);
}

#[test]
fn membership() {
    // A stranger's device is given an event, live or in a page.
    for via in [Via::Live, Via::Page] {
        let mut w = world();
        let event = w.events[8];
        w.receive(6, event, via);
        w.end();
        w.ops.retain(|op| !matches!(op, Op::Timeline { .. }));
        fails(Rule::Membership, &w.ops);
    }
    // Who was a member reads what came before and after.
    for (seq, rule, via, passes) in [
        (4, HistoryRule::FromJoin, Via::Page, false),
        (4, HistoryRule::All, Via::Page, true),
        (4, HistoryRule::All, Via::Live, false),
        (5, HistoryRule::FromJoin, Via::Page, true),
        (8, HistoryRule::FromJoin, Via::Page, true),
        (9, HistoryRule::FromJoin, Via::Page, false),
        (9, HistoryRule::All, Via::Page, false),
    ] {
        let mut w = world();
        w.ops[0] = Op::History {
            conversation: C,
            history: rule,
        };
        let mut event = w.events[seq - 1];
        event.shown = if seq == 4 {
            Shown::Edited {
                hash: 10 * 7,
                at: Seq(10),
            }
        } else {
            event.shown
        };
        if let Shown::Edited { hash, .. } = &mut event.shown {
            let Shown::Whole(whole) = w.events[9].shown else {
                panic!("sent whole")
            };
            *hash = whole;
        }
        w.end();
        w.ops.push(Op::Receive {
            device: device(5),
            user: user(2),
            connection: SessionId::from_bytes([9; 16]),
            conversation: C,
            event,
            via,
        });
        if passes {
            let report = judge(&w.ops);
            assert!(report.passed(), "{seq} {rule:?} {via:?}\n{report}");
        } else {
            fails(Rule::Membership, &w.ops);
        }
    }
    // Who left at 8 speaks at 12; who joins at 5 does not speak at 5.
    let mut w = world();
    w.say(4);
    w.end();
    fails(Rule::Membership, &w.ops);
    // Withheld from a member.
    let withheld = |from, why| Op::Jump {
        device: device(2),
        user: user(1),
        conversation: C,
        from: Seq(from),
        to: Seq(from),
        why,
    };
    assert!(judge(&[good(), vec![withheld(2, Why::NotMember)]].concat()).passed());
    fails(
        Rule::Membership,
        &[good(), vec![withheld(9, Why::NotMember)]].concat(),
    );
    fails(
        Rule::Membership,
        &[good(), vec![withheld(9, Why::Removed)]].concat(),
    );
}

#[test]
fn marks() {
    let set = |d, of, to| Op::MarkSet {
        device: device(d),
        user: user(of),
        conversation: C,
        delivered: Seq(to),
        read: Seq(to),
    };
    let seen = |of, delivered, read| Op::MarkSeen {
        observer: device(0),
        of: user(of),
        conversation: C,
        delivered: Seq(delivered),
        read: Seq(read),
    };
    let last = |of, to| Op::MarkFinal {
        of: user(of),
        conversation: C,
        delivered: Seq(to),
        read: Seq(to),
    };
    let cases: &[(&str, Vec<Op>, bool)] = &[
        (
            "as stated",
            vec![set(0, 0, 11), seen(0, 11, 5), seen(0, 11, 11), last(0, 11)],
            true,
        ),
        (
            "down",
            vec![set(0, 0, 11), seen(0, 11, 11), seen(0, 10, 10)],
            false,
        ),
        (
            "down at the end",
            vec![set(0, 0, 11), seen(0, 11, 11), last(0, 10)],
            false,
        ),
        (
            "read beyond delivered",
            vec![set(0, 0, 11), seen(0, 4, 5)],
            false,
        ),
        (
            "by someone else",
            vec![set(2, 0, 11), seen(0, 11, 11)],
            false,
        ),
        ("by nobody", vec![seen(0, 1, 0)], false),
        (
            "beyond the head",
            vec![set(0, 0, 12), seen(0, 12, 12)],
            false,
        ),
    ];
    for (what, more, passes) in cases {
        let ops = [good(), more.clone()].concat();
        println!("{what}");
        if *passes {
            assert!(judge(&ops).passed(), "{what}\n{}", judge(&ops));
        } else {
            fails(Rule::Marks, &ops);
        }
    }
}

#[test]
fn counts() {
    fails(Rule::Counts, &at_nine(|e| e.n += 1));
    let ok = with(good(), |op| match op {
        Op::Ok { id: of, n, .. } if *of == id(2) => {
            *n += 1;
            true
        }
        _ => false,
    });
    fails(Rule::Counts, &ok);
    let mut ops = good();
    for op in &mut ops {
        match op {
            Op::Ok { n, .. } => *n += 1,
            Op::Receive { event, .. } => event.n += 1,
            Op::ReadBack(r) => r.events.iter_mut().for_each(|e| e.n += 1),
            _ => {}
        }
    }
    fails(Rule::Counts, &ops);
}

#[test]
fn incomplete_record() {
    let without = |leave_out: fn(&Op) -> bool| -> Vec<Op> {
        good().into_iter().filter(|op| !leave_out(op)).collect()
    };
    fails(
        Rule::IncompleteRecord,
        &without(|op| matches!(op, Op::ReadBack(_))),
    );
    fails(
        Rule::IncompleteRecord,
        &without(|op| matches!(op, Op::Membership { .. })),
    );
    let answer = Op::Ok {
        device: device(0),
        conversation: C,
        id: id(99),
        seq: Seq(9),
        n: 5,
    };
    fails(Rule::IncompleteRecord, &[good(), vec![answer]].concat());
    // Only someone who may not read it reads it back.
    let partly = in_reading(good(), |r| {
        r.user = user(1);
        r.events.drain(..2);
        r.withheld.push((Seq(1), Seq(2), Why::NotMember));
    });
    fails(Rule::IncompleteRecord, &partly);
}

#[test]
fn every_rule_has_a_test_here() {
    let this = include_str!("broken.rs");
    for rule in Rule::ALL {
        let test = format!("fn {}()", rule.name().replace('-', "_"));
        assert!(this.contains(&test), "no {test}");
        assert!(!rule.about().is_empty());
    }
}

#[test]
fn a_report_keeps_some_and_counts_all() {
    let ops = good()
        .into_iter()
        .filter(|op| !matches!(op, Op::Invoke { .. }));
    let mut checker = Checker::new(3);
    for op in ops {
        checker.feed(&op);
    }
    assert!(checker.failed());
    let report = checker.finish();
    assert_eq!(
        report
            .breaches
            .iter()
            .filter(|b| b.rule == Rule::Phantom)
            .count(),
        3
    );
    assert_eq!((report.of(Rule::Phantom), report.phantom), (11, 11));
    assert!(report.to_string().contains("phantom: 8 more"), "{report}");
}
