//! The sequencer by transcripts: records in, rows and answers out. Every transcript is also run
//! record by record, in one batch, by a cold router before each record, and again by a zombie over
//! the finished rows; all four must make the same rows.

#[allow(dead_code, unreachable_pub)]
#[path = "support/script.rs"]
mod script;
#[allow(dead_code, unreachable_pub)]
#[path = "support/store.rs"]
mod store;

use parlour_engine::log::sequencer::{Audience, Decided, Sequencer};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::Record;
use script::{answer, row, transcripts, user_name};
use store::Store;

fn records(lines: &[&str]) -> Vec<(Position, Record)> {
    let at = |o| Position {
        generation: Generation(1),
        partition: Partition(0),
        offset: Offset(o),
    };
    lines
        .iter()
        .enumerate()
        .map(|(o, l)| (at(o as u64), script::record(l)))
        .collect()
}

/// Asks, decides and stores one batch.
fn step(s: &mut Sequencer, store: &mut Store, batch: &[(Position, Record)]) -> Vec<Decided> {
    let questions = s.questions(batch);
    let facts = store.facts(batch[0].0, &questions);
    s.learn(&questions, facts);
    let (decided, judged) = s.decide(batch);
    judged.expect("known rules");
    for d in &decided {
        store.append(&d.rows);
    }
    decided
}

fn show(d: &Decided) -> String {
    let mut out = format!(
        "  {}\n",
        d.told.map_or("nothing".into(), |t| answer(t.answer))
    );
    for r in &d.rows {
        out.push_str(&format!("    {}\n", row(r)));
    }
    match &d.audience {
        Audience::None => {}
        Audience::Channel => out.push_str("    to the channel\n"),
        Audience::Users(users) => {
            let users: Vec<_> = users.iter().map(|u| user_name(*u)).collect();
            out.push_str(&format!("    to {}\n", users.join(", ")));
        }
    }
    out
}

#[test]
fn transcripts_hold_for_every_way_of_running_them() {
    transcripts("log", |lines| {
        let records = records(lines);
        let mut store = Store::default();
        let mut s = Sequencer::new(100);
        let one_by_one: Vec<Decided> = records
            .iter()
            .flat_map(|r| step(&mut s, &mut store, std::slice::from_ref(r)))
            .collect();

        let mut batch_store = Store::default();
        let batched = step(&mut Sequencer::new(100), &mut batch_store, &records);
        assert_eq!(
            batched, one_by_one,
            "one batch decides as records one by one"
        );

        let mut cold_store = Store::default();
        let cold: Vec<Decided> = records
            .iter()
            .flat_map(|r| {
                step(
                    &mut Sequencer::new(100),
                    &mut cold_store,
                    std::slice::from_ref(r),
                )
            })
            .collect();
        assert_eq!(cold, one_by_one, "a cold router decides as a warm one");

        let rows = store.rows.len();
        for from in 0..records.len() {
            let mut s = Sequencer::new(1);
            let zombie: Vec<Decided> = records[from..]
                .iter()
                .flat_map(|r| {
                    let d = step(&mut s, &mut store, std::slice::from_ref(r));
                    s.durable(r.0);
                    d
                })
                .collect();
            assert_eq!(
                zombie,
                one_by_one[from..],
                "a zombie from record {from} decides the same"
            );
        }
        assert_eq!(store.rows.len(), rows, "a zombie adds no row");
        one_by_one.iter().map(show).collect()
    });
}

#[test]
fn unknown_rules_hand_the_partition_back() {
    let batch = records(&[
        "ann say m1 in @bob",
        "ann say m2 in @bob rules=9",
        "ann say m3 in @bob",
    ]);
    let mut s = Sequencer::new(10);
    let questions = s.questions(&batch);
    s.learn(&questions, Store::default().facts(batch[0].0, &questions));
    let (decided, judged) = s.decide(&batch);
    assert_eq!(decided.len(), 1);
    assert_eq!(judged.expect_err("rules 9").rules, 9);
}

#[test]
fn bytes_that_are_no_header_stop_nobody() {
    let mut batch = records(&[
        "ann say m1 in @bob",
        "ann say m2 in @bob",
        "ann say m3 in @bob",
    ]);
    batch[1].1.header = vec![0xff, 0x00].into();
    let decided = step(&mut Sequencer::new(10), &mut Store::default(), &batch);
    assert!(decided[1].rows.is_empty() && decided[1].told.is_none());
    assert_eq!(
        answer(decided[2].told.expect("told").answer),
        "placed #2 n=2"
    );
}

/// An unknown field in a header, and an unknown kind, pass through unchanged.
#[test]
fn what_an_older_router_does_not_know_passes_through() {
    let mut batch = records(&["ann say m1 in @bob", "ann poke x1 in @bob target=1"]);
    // Field 99 in the header's map: a5.. → one more entry.
    let mut header = batch[0].1.header.to_vec();
    assert_eq!(header[0] & 0xe0, 0xa0, "a CBOR map");
    header[0] += 1;
    header.extend_from_slice(&[0x18, 99, 0x63, b'n', b'e', b'w']);
    batch[0].1.header = header.clone().into();
    let decided = step(&mut Sequencer::new(10), &mut Store::default(), &batch);
    let event = decided[0].event.as_ref().expect("placed");
    assert_eq!(&event.header[..], &header[..]);
    assert_eq!(
        answer(decided[1].told.expect("told").answer),
        "placed #2 n=1"
    );
}
