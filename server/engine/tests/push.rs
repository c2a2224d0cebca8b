//! Wakes: decided after a while, once at least, and the cursor never over what is undecided.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;

use parlour_engine::log::sequencer::Sequencer;
use parlour_engine::push::{Config, Decider, DeviceFacts, Input, Output, UserFacts};
use parlour_engine::router::Placed;
use parlour_protocol::id::DeviceId;
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::seq::Seq;
use script::{record, user};

fn at(offset: u64) -> Position {
    Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(offset),
    }
}

fn placed(lines: &[&str]) -> Vec<Placed> {
    let batch: Vec<_> = lines
        .iter()
        .enumerate()
        .map(|(i, l)| (at(i as u64), record(l)))
        .collect();
    let (decided, _) = Sequencer::new(10).decide(&batch);
    decided
        .into_iter()
        .filter_map(|d| {
            Some(Placed {
                position: d.position,
                event: d.event?,
                audience: d.audience,
            })
        })
        .collect()
}

fn facts(name: &str, heard_ms: Option<u64>, read: u64) -> UserFacts {
    UserFacts {
        user: user(name),
        devices: vec![DeviceFacts {
            device: DeviceId::from_bytes([9; 16]),
            heard_ms,
        }],
        read: Seq(read),
        muted: false,
    }
}

fn run(d: &mut Decider, now_ms: u64, input: Input) -> Vec<Output> {
    let mut out = Vec::new();
    d.handle(now_ms, input, &mut out);
    out.retain(|o| !matches!(o, Output::WakeAt { .. }));
    out
}

#[test]
fn a_silent_device_is_woken_and_the_cursor_follows() {
    let mut d = Decider::new(Config::default());
    let events = placed(&["ann say m1 in @bob"]);
    assert_eq!(
        run(
            &mut d,
            0,
            Input::Placed {
                events,
                up_to: at(0)
            }
        ),
        []
    );
    assert_eq!(run(&mut d, 19_999, Input::Tick), []);
    let asked = run(&mut d, 20_000, Input::Tick);
    assert!(matches!(&asked[..], [Output::Ask { ask: 1, users, .. }] if *users == [user("bob")]));
    // It could not be found out: asked again, and nothing is passed over.
    assert_eq!(run(&mut d, 20_001, Input::Failed { ask: 1 }), []);
    assert!(matches!(
        run(&mut d, 20_600, Input::Tick)[..],
        [Output::Ask { ask: 2, .. }]
    ));
    let done = run(
        &mut d,
        20_601,
        Input::Facts {
            ask: 2,
            users: vec![facts("bob", None, 0)],
        },
    );
    assert!(matches!(
        done[..],
        [Output::Wake { seq: Seq(1), .. }, Output::Advance { .. }]
    ));
}

#[test]
fn who_was_heard_since_or_has_read_is_left_alone() {
    for (heard_ms, read, woken) in [(Some(5), 0, false), (None, 1, false), (Some(0), 0, true)] {
        let mut d = Decider::new(Config::default());
        let events = placed(&["ann say m1 in @bob"]);
        run(
            &mut d,
            0,
            Input::Placed {
                events,
                up_to: at(0),
            },
        );
        run(&mut d, 20_000, Input::Tick);
        let users = vec![facts("bob", heard_ms, read)];
        let done = run(&mut d, 20_001, Input::Facts { ask: 1, users });
        assert_eq!(done.iter().any(|o| matches!(o, Output::Wake { .. })), woken);
    }
}

#[test]
fn an_undecided_event_holds_the_cursor() {
    let mut d = Decider::new(Config::default());
    let events = placed(&[
        "ann say m1 in @bob",
        "ann reaction r1 in @bob target=1 key=+1",
    ]);
    run(
        &mut d,
        0,
        Input::Placed {
            events,
            up_to: at(1),
        },
    );
    run(&mut d, 20_000, Input::Tick);
    assert_eq!(
        run(&mut d, 30_000, Input::Tick),
        [],
        "the first is asked about, not decided"
    );
    let done = run(
        &mut d,
        30_001,
        Input::Facts {
            ask: 1,
            users: vec![facts("bob", None, 0)],
        },
    );
    assert_eq!(done.last(), Some(&Output::Advance { position: at(1) }));
}
