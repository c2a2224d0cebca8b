//! Random good histories pass; each with one random flaw fails.

use parlour_checker::{Op, Rule, Shown, Via};
use parlour_protocol::error::Code;
use parlour_protocol::kind::HistoryRule;
use parlour_protocol::{Seq, SessionId, UserId};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::strategy::ValueTree;

use crate::broken::judge;
use crate::world::{C, World, device, id, owner, user};

fn history(all: bool, channel: bool, steps: &[(u8, u8, u8)]) -> Vec<Op> {
    let mut w = World::new(
        if all {
            HistoryRule::All
        } else {
            HistoryRule::FromJoin
        },
        channel,
    );
    w.say(0);
    for &(what, who, pick) in steps {
        let d = who % 8;
        let member = w.is_member(owner(d));
        match what % 14 {
            0..=2 if member => drop(w.say(d)),
            3 if member => {
                // Some devices miss it and repair the gap later.
                let miss: Vec<u8> = (0..8).filter(|d| pick >> d & 1 == 1).collect();
                w.made(d, parlour_protocol::kind::Class::Content, &miss);
            }
            4 if member => w.say_unanswered(d, pick % 2 == 0),
            5 => drop(w.refused(d, pick % 2 == 0)),
            6 | 7 => w.add(user(1 + pick % 3)),
            8 => w.leave(d),
            9 => w.change(d, pick, pick % 3 == 0),
            10 => w.disconnect(d),
            11 | 12 => w.connect(d),
            13 if member => w.mark(d, pick % 2 == 0),
            _ => {}
        }
    }
    w.end();
    w.ops
}

fn steps() -> impl Strategy<Value = Vec<(u8, u8, u8)>> {
    prop::collection::vec(any::<(u8, u8, u8)>(), 0..60)
}

/// One flaw, at one of the entries where it can be made. `None` if there is none.
fn flaw(kind: usize, at: Index, mut ops: Vec<Op>) -> Option<(Vec<Op>, Vec<Rule>)> {
    use Rule::*;
    let receives = |ops: &[Op]| matching(ops, |op| matches!(op, Op::Receive { .. }));
    let oks = |ops: &[Op]| matching(ops, |op| matches!(op, Op::Ok { .. }));
    let last = ops.len() - 1;
    let rules = match kind {
        0 => {
            let Op::ReadBack(r) = &mut ops[last] else {
                return None;
            };
            let at = at.index(r.events.len());
            r.events.remove(at);
            vec![LostWrite]
        }
        1..=6 => {
            let at = pick(at, &receives(&ops))?;
            let Op::Receive { event, .. } = &mut ops[at] else {
                return None;
            };
            match kind {
                1 => {
                    event.shown = if event.shown == Shown::Whole(3) {
                        return None;
                    } else {
                        Shown::Whole(3)
                    }
                }
                2 => event.sender = UserId::from_bytes([1; 16]),
                3 => event.id = id(1_000_000),
                4 => event.n += 1,
                5 => event.prev = Seq(event.prev.0 + 1),
                _ => event.seq = Seq(event.seq.0 + 1_000_000),
            }
            vec![InconsistentOffsets, Phantom, Counts, LostWrite, Duplicate]
        }
        7 | 8 => {
            let at = pick(at, &oks(&ops))?;
            let Op::Ok { seq, n, .. } = &mut ops[at] else {
                return None;
            };
            if kind == 7 {
                *seq = seq.next()
            } else {
                *n += 1
            }
            vec![TwoOutcomes, Counts]
        }
        9 => {
            let at = pick(at, &oks(&ops))?;
            let Op::Ok {
                device,
                conversation,
                id,
                ..
            } = ops[at]
            else {
                return None;
            };
            ops.insert(
                at,
                Op::Refused {
                    device,
                    conversation,
                    id,
                    code: Code::FORBIDDEN,
                    finally: true,
                },
            );
            vec![TwoOutcomes]
        }
        10 => {
            let at = pick(
                at,
                &matching(&ops, |op| matches!(op, Op::Receive { via: Via::Live, .. })),
            )?;
            ops.insert(at, ops[at].clone());
            vec![NonMonotonic]
        }
        11 | 12 => {
            let at = pick(
                at,
                &matching(
                    &ops,
                    |op| matches!(op, Op::Timeline { events, .. } if events.len() > 1),
                ),
            )?;
            let Op::Timeline { events, .. } = &mut ops[at] else {
                return None;
            };
            if kind == 11 {
                events.swap(0, 1)
            } else {
                events.push(events[0])
            }
            vec![NonMonotonic, Duplicate]
        }
        13 => {
            // Nobody ever called what stands there.
            let at = pick(at, &oks(&ops))?;
            let Op::Ok { id: gone, .. } = ops[at] else {
                return None;
            };
            ops.retain(|op| !matches!(op, Op::Invoke { id, .. } if *id == gone));
            vec![Phantom]
        }
        14 | 15 => {
            let at = pick(at, &matching(&ops, |op| matches!(op, Op::MarkSeen { .. })))?;
            let Op::MarkSeen {
                delivered, read, ..
            } = &mut ops[at]
            else {
                return None;
            };
            if kind == 14 {
                *delivered = delivered.next()
            } else {
                *read = delivered.next()
            }
            vec![Marks]
        }
        16 => {
            // Someone who never was a member gets an event.
            let at = pick(at, &receives(&ops))?;
            let Op::Receive { event, via, .. } = ops[at] else {
                return None;
            };
            let (stranger, connection) =
                (UserId::from_bytes([9; 16]), SessionId::from_bytes([9; 16]));
            let device = parlour_protocol::DeviceId::from_bytes([9; 16]);
            ops.insert(
                at + 1,
                Op::Receive {
                    device,
                    user: stranger,
                    connection,
                    conversation: C,
                    event,
                    via,
                },
            );
            vec![Membership]
        }
        17 => {
            // A device that is online never gets one event of its membership: all its receives of it go.
            let online = device(0);
            if !connected_at_end(&ops, online) {
                return None;
            }
            let at = pick(
                at,
                &matching(
                    &ops,
                    |op| matches!(op, Op::Receive { device, event, .. } if *device == online && !event.quiet),
                ),
            )?;
            let Op::Receive { event: gone, .. } = ops[at] else {
                return None;
            };
            ops.retain(|op| !matches!(op, Op::Receive { device, event, .. } if *device == online && event.seq == gone.seq));
            ops.retain(|op| !matches!(op, Op::Timeline { .. }));
            vec![Unseen, SkippedWithoutNotice]
        }
        18 => {
            ops.pop();
            vec![IncompleteRecord]
        }
        19 => {
            let Op::ReadBack(r) = &mut ops[last] else {
                return None;
            };
            r.head = Seq(r.head.0 + 1 + at.index(100) as u64);
            vec![Dense]
        }
        20 => {
            // A membership ends one place too early, and the member was given what came then.
            let at = pick(
                at,
                &matching(
                    &ops,
                    |op| matches!(op, Op::Membership { user: u, until: None, .. } if *u == user(0)),
                ),
            )?;
            let Op::Membership { until, .. } = &mut ops[at] else {
                return None;
            };
            *until = Some(Seq(1));
            vec![Membership]
        }
        _ => return None,
    };
    Some((ops, rules))
}
const FLAWS: usize = 21;

fn connected_at_end(ops: &[Op], of: parlour_protocol::DeviceId) -> bool {
    let up = ops
        .iter()
        .rposition(|op| matches!(op, Op::Connect { device, .. } if *device == of));
    let down = ops
        .iter()
        .rposition(|op| matches!(op, Op::Disconnect { device, .. } if *device == of));
    up > down
}

fn matching(ops: &[Op], is: impl Fn(&Op) -> bool) -> Vec<usize> {
    (0..ops.len()).filter(|at| is(&ops[*at])).collect()
}

fn pick(at: Index, from: &[usize]) -> Option<usize> {
    (!from.is_empty()).then(|| from[at.index(from.len())])
}

proptest! {
    #[test]
    fn good_histories_pass(all: bool, channel: bool, steps in steps()) {
        let report = judge(&history(all, channel, &steps));
        prop_assert!(report.passed(), "\n{}", report);
    }

    #[test]
    fn one_flaw_fails(all: bool, channel: bool, steps in steps(), kind in 0..FLAWS, at: Index) {
        let ops = history(all, channel, &steps);
        if let Some((ops, rules)) = flaw(kind, at, ops) {
            let report = judge(&ops);
            prop_assert!(rules.iter().any(|rule| report.of(*rule) > 0), "flaw {} escaped\n{}", kind, report);
            prop_assert_eq!(&report, &judge(&ops), "the same record, the same report");
        }
    }
}

/// No flaw is left out for want of a history in which it can be made.
#[test]
fn every_flaw_can_be_made() {
    let steps: Vec<(u8, u8, u8)> = vec![(6, 0, 0), (0, 2, 0), (13, 2, 0), (0, 0, 0)];
    for kind in 0..FLAWS {
        for seat in [0, usize::MAX / 2, usize::MAX] {
            let ops = history(true, false, &steps);
            let mut runner = proptest::test_runner::TestRunner::deterministic();
            let at = (0..=seat % 7)
                .map(|_| {
                    any::<Index>()
                        .new_tree(&mut runner)
                        .expect("an index")
                        .current()
                })
                .last();
            let Some((ops, rules)) = flaw(kind, at.expect("an index"), ops) else {
                continue;
            };
            let report = judge(&ops);
            assert!(
                rules.iter().any(|rule| report.of(*rule) > 0),
                "flaw {kind}\n{report}"
            );
        }
        let ops = history(true, false, &steps);
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let made = (0..50).any(|_| {
            let at = any::<Index>()
                .new_tree(&mut runner)
                .expect("an index")
                .current();
            flaw(kind, at, ops.clone()).is_some()
        });
        assert!(made, "flaw {kind} was never made");
    }
}
