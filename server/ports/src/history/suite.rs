//! What every history must do. The reference answers what is right; the story of each case says why
//! it was asked.

use std::sync::Arc;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::id::{MessageId, UserId};
use parlour_protocol::kind::{self, Role, Shape};
use parlour_protocol::position::{Generation, Offset, Partition, Position, Progress};
use parlour_protocol::row::{Outcome, Row};
use parlour_protocol::seq::{Head, Seq};

use crate::history::{Cursor, History, memory};
use crate::suite::rows::{Maker, Store, agree};
use crate::suite::{Bench, at_once, conversation, shuffled, user};

/// Makes a test of each case. The bench's part is a [`Store`].
#[macro_export]
macro_rules! history_suite {
    ($bench:expr) => {
        $crate::suite_tests! { history, $bench,
            nothing_is_there_before_it_is_written
            what_was_written_comes_back
            rows_that_come_again_change_nothing
            a_zombie_and_its_successor_write_the_same
            conversations_written_at_once_stay_apart
            what_came_later_is_not_known_as_of_then
            a_generation_that_begins_anew_comes_later
            an_outcome_is_found_at_any_age
            an_outcome_is_written_once
            everything_survives_a_restart
            progress_only_goes_up
            a_body_that_comes_after_its_erasure_stays_erased
            of_changes_the_highest_seq_wins
            an_end_is_written_once
            a_page_is_cut_before_a_hole
            clocks_a_day_apart_order_nothing
        }
    };
}

const KEYS: [&str; 3] = ["name", "topic", "setting:post"];

/// A group, a story in which everything happens, and what the reference makes of it. Rows are one
/// list per record.
fn story(case: &str, number: u64) -> (Maker, Vec<UserId>, Vec<Vec<Row>>) {
    let users: Vec<UserId> = (0..4).map(|n| user(case, n)).collect();
    let (a, b, c, d) = (users[0], users[1], users[2], users[3]);
    let (mut m, rows) = Maker::new(case, number, Shape::Group, &[a, b]);
    let mut records = vec![rows];
    records.push(m.say(a, &[]));
    records.push(m.say(b, &[a]));
    m.skip();
    records.push(m.set(a, "name", "first"));
    records.push(m.add(a, c));
    records.push(m.say(c, &[UserId::NIL]));
    records.push(m.refuse(d));
    records.push(m.alter(b, kind::EDIT, "", Seq(3)));
    records.push(m.alter(a, kind::REACTION, "+1", Seq(3)));
    records.push(m.alter(c, kind::REACTION, "+1", Seq(3)));
    m.skip();
    records.push(m.role(a, b, Role::Admin));
    records.push(m.set(b, "setting:post", "admins"));
    records.push(m.alter(b, kind::DELETE, "", Seq(6)));
    records.push(m.remove(b, c));
    records.push(m.set(b, "name", "second"));
    records.push(m.say(b, &[a, UserId::NIL]));
    records.push(m.alter(b, kind::PIN, "", Seq(2)));
    records.push(m.add(a, c));
    records.push(m.remove(c, c));
    records.push(m.alter(b, kind::EDIT, "", Seq(3)));
    records.push(m.refuse(c));
    records.push(m.say(a, &[]));
    (m, users, records)
}

fn model(records: &[Vec<Row>]) -> memory::State {
    let mut model = memory::State::default();
    let rows = records.iter().flatten();
    rows.for_each(|row| model.write(row));
    model
}

async fn write(store: &Store, maker: &Maker, records: &[Vec<Row>]) {
    for rows in records {
        store.write(maker, rows).await;
    }
}

/// Nothing is there before it is written, and asking makes nothing.
pub async fn nothing_is_there_before_it_is_written<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (m, users, _) = story("nothing", 0);
    agree(&store, &memory::State::default(), &m, &users, &KEYS).await;
}

/// What was written comes back, byte for byte, in pages of any size and direction.
pub async fn what_was_written_comes_back<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (m, users, records) = story("back", 0);
    // Some by record, some in one batch.
    write(&store, &m, &records[..5]).await;
    store.write(&m, &records[5..].concat()).await;
    agree(&store, &model(&records), &m, &users, &KEYS).await;
    let range = store
        .history
        .range(m.conversation, Seq(1), Seq(4), false, 9);
    let range = range.await.expect("a range is answered");
    let text = format!("{} says 2 in {}", users[0], m.conversation);
    assert_eq!(&*range.events[0].payload, text.as_bytes());
    assert_eq!(range.as_of, m.head);
    // Of a place's own change the payload lies beside the target alone.
    assert!(range.changes.iter().all(|c| !c.payload.is_empty()));
}

/// Rows that come again, in another order, in other batches, change nothing.
pub async fn rows_that_come_again_change_nothing<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (m, users, records) = story("again", 0);
    write(&store, &m, &records).await;
    for seed in 1..4 {
        write(&store, &m, &shuffled(&records, seed)).await;
    }
    for seed in 4..6 {
        let rows = shuffled(&records.concat(), seed);
        for batch in rows.chunks(7) {
            let append = store.history.append(m.partition, batch.to_vec());
            append.await.expect("rows are stored");
        }
    }
    agree(&store, &model(&records), &m, &users, &KEYS).await;
}

/// Two routers that both believe they own a partition write the same rows at the same time, the
/// zombie some way behind, and nobody can tell.
pub async fn a_zombie_and_its_successor_write_the_same<B: Bench<Part = Store>>(bench: &mut B) {
    let (successor, zombie) = (bench.open().await, bench.open().await);
    let (m, users, records) = story("zombie", 0);
    let writes = [(successor.clone(), 1), (zombie, 3), (successor.clone(), 2)].map(
        |(store, records_per_batch)| {
            let (m, records) = (m.clone(), records.clone());
            async move {
                for batch in records.chunks(records_per_batch) {
                    store.write(&m, &batch.concat()).await;
                }
            }
        },
    );
    at_once(writes).await;
    agree(&successor, &model(&records), &m, &users, &KEYS).await;
}

/// Conversations that are written at once do not get into each other.
pub async fn conversations_written_at_once_stay_apart<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let stories: Vec<_> = (0..8).map(|n| story("apart", n)).collect();
    let writes = stories.iter().map(|(m, _, records)| {
        let (store, m, records) = (store.clone(), m.clone(), records.clone());
        async move { write(&store, &m, &records).await }
    });
    at_once(writes.collect::<Vec<_>>()).await;
    for (m, users, records) in &stories {
        agree(&store, &model(records), m, users, &KEYS).await;
    }
}

/// Asked as of a position, a store with every later row answers as it did then. Said here by hand,
/// so that the reference is tried too.
pub async fn what_came_later_is_not_known_as_of_then<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("as of", 0), user("as of", 1));
    // Places 1 to 7 at offsets 10 to 16.
    let (mut m, mut rows) = Maker::new("as of", 0, Shape::Group, &[a]);
    rows.extend(m.say(a, &[]));
    rows.extend(m.add(a, b));
    rows.extend(m.set(a, "name", "early"));
    rows.extend(m.alter(a, kind::DELETE, "", Seq(2)));
    rows.extend(m.remove(a, b));
    rows.extend(m.set(a, "name", "late"));
    store.write(&m, &rows).await;
    let c = m.conversation;
    let (sender, id) = m.sent[1];
    let questions = vec![
        Question::Head(c),
        Question::Outcome {
            conversation: c,
            sender,
            id,
        },
        Question::Member {
            conversation: c,
            user: b,
        },
        Question::Members(c),
        Question::Setting {
            conversation: c,
            key: "name".to_owned(),
        },
        Question::Target {
            conversation: c,
            seq: Seq(2),
        },
    ];
    for offset in 0..20 {
        let as_of = at(1, offset);
        // Places that exist as of then: those made strictly before.
        let last = offset.saturating_sub(10).min(7);
        let facts = store.history.facts(as_of, questions.clone()).await;
        let facts = facts.expect("facts are answered");
        let [head, outcome, member, members, setting, target] = facts.as_slice() else {
            panic!("six answers for six questions: {facts:?}");
        };
        let said = format!("as of {as_of}");
        match head {
            Fact::Head(head) => assert_eq!(head.map_or(0, |(seq, _)| seq.0), last, "{said}"),
            other => panic!("{other:?}"),
        }
        match outcome {
            Fact::Outcome(outcome) => assert_eq!(outcome.is_some(), last >= 2, "{said}"),
            other => panic!("{other:?}"),
        }
        match member {
            Fact::Member(member) => {
                let ends: Vec<bool> = member.iter().map(|i| i.until.is_some()).collect();
                let wanted: &[bool] = match last {
                    0..3 => &[],
                    3..6 => &[false],
                    _ => &[true],
                };
                assert_eq!(ends, wanted, "{said}");
            }
            other => panic!("{other:?}"),
        }
        match members {
            Fact::Members(members) => {
                let open = usize::from(last >= 1) + usize::from((3..6).contains(&last));
                assert_eq!(members.len(), open, "{said}");
                assert!(members.iter().all(|i| i.until.is_none()), "{said}");
            }
            other => panic!("{other:?}"),
        }
        match setting {
            Fact::Setting(setting) => {
                let value = setting.as_ref().and_then(|(_, value)| value.as_deref());
                let wanted = match last {
                    0..4 => None,
                    4..7 => Some("early"),
                    _ => Some("late"),
                };
                assert_eq!(value, wanted, "{said}");
            }
            other => panic!("{other:?}"),
        }
        match target {
            Fact::Target(target) => {
                let erased = target.map(|t| t.erased);
                assert_eq!(erased, (last >= 2).then_some(last >= 5), "{said}");
            }
            other => panic!("{other:?}"),
        }
    }
}

/// A generation that begins anew comes after every offset of the one before.
pub async fn a_generation_that_begins_anew_comes_later<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (mut m, users, mut records) = story("anew", 0);
    let (a, b) = (users[0], users[1]);
    let before = m.head.seq;
    m.new_generation();
    records.push(m.say(a, &[b]));
    records.push(m.set(a, "name", "third"));
    records.push(m.remove(a, b));
    records.push(m.alter(a, kind::DELETE, "", Seq(2)));
    write(&store, &m, &records).await;
    agree(&store, &model(&records), &m, &users, &KEYS).await;
    for (as_of, head) in [
        (at(1, 1_000_000), before),
        (at(2, 0), before),
        (at(2, 1), before.next()),
        (at(3, 0), m.head.seq),
    ] {
        let facts = store
            .history
            .facts(as_of, vec![Question::Head(m.conversation)]);
        let facts = facts.await.expect("facts are answered");
        assert!(
            matches!(facts[0], Fact::Head(Some((seq, _))) if seq == head),
            "as of {as_of}: {facts:?}"
        );
    }
}

/// An outcome is found however much came after it, over a restart, and a send that never was has
/// none.
pub async fn an_outcome_is_found_at_any_age<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("age", 0), user("age", 1));
    let (mut m, mut rows) = Maker::new("age", 0, Shape::Group, &[a, b]);
    rows.extend(m.say(a, &[]));
    rows.extend(m.refuse(b));
    // More than two buckets of places.
    for _ in 0..25 {
        for _ in 0..100 {
            rows.extend(m.say(b, &[]));
        }
        store.write(&m, &std::mem::take(&mut rows)).await;
    }
    let store = bench.reopen(store).await;
    let ask = |sender: UserId, id: MessageId| Question::Outcome {
        conversation: m.conversation,
        sender,
        id,
    };
    let sends = [m.sent[1], m.sent[2], m.sent[1_500]];
    let mut questions: Vec<Question> = sends.iter().map(|(s, id)| ask(*s, *id)).collect();
    // Another's send of the same id, and an id of nobody's.
    questions.push(ask(b, m.sent[1].1));
    questions.push(ask(a, MessageId::NIL));
    let facts = store.history.facts(at(9, 0), questions).await;
    let facts = facts.expect("facts are answered");
    let place = |seq| move |fact: &Fact| matches!(fact, Fact::Outcome(Some(Outcome::Placed { seq: at, .. })) if *at == Seq(seq));
    assert!(place(2)(&facts[0]), "{facts:?}");
    assert!(
        matches!(facts[1], Fact::Outcome(Some(Outcome::Refused { .. }))),
        "{facts:?}"
    );
    assert!(place(1_500)(&facts[2]), "{facts:?}");
    assert_eq!(facts[3..], [Fact::Outcome(None), Fact::Outcome(None)]);
    let head = store
        .history
        .facts(at(1, 1_000), vec![Question::Head(m.conversation)]);
    let head = head.await.expect("facts are answered");
    // Offset 10 is place 1, and the refusal took an offset and no place.
    assert!(
        matches!(head[0], Fact::Head(Some((Seq(989), _)))),
        "{head:?}"
    );
}

/// The outcome of an id never changes, whatever comes later under it.
pub async fn an_outcome_is_written_once<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let a = user("once", 0);
    let (mut m, rows) = Maker::new("once", 0, Shape::Group, &[a]);
    store.write(&m, &rows).await;
    let rows = m.say(a, &[]);
    for _ in 0..3 {
        store.write(&m, &rows).await;
    }
    let (sender, id) = m.sent[1];
    let question = Question::Outcome {
        conversation: m.conversation,
        sender,
        id,
    };
    let facts = store.history.facts(at(2, 0), vec![question; 2]).await;
    let facts = facts.expect("facts are answered");
    for fact in facts {
        let Fact::Outcome(Some(Outcome::Placed { seq, n, .. })) = fact else {
            panic!("{fact:?}");
        };
        assert_eq!((seq, n), (Seq(2), 1));
    }
}

/// Everything that was answered is there after every process that had it was killed.
pub async fn everything_survives_a_restart<B: Bench<Part = Store>>(bench: &mut B) {
    let mut store = bench.open().await;
    let id = store.history.store();
    let (m, users, records) = story("restart", 0);
    for rows in &records {
        store.write(&m, rows).await;
        store = bench.reopen(store).await;
    }
    assert_eq!(store.history.store(), id, "a restart is no new store");
    agree(&store, &model(&records), &m, &users, &KEYS).await;
}

/// Progress of each cursor, partition and generation goes up alone, by two writers and over a
/// restart, and keeps the hash of the record that it is at.
pub async fn progress_only_goes_up<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let partition = Partition(7);
    let at = |generation, offset| Position {
        generation: Generation(generation),
        partition,
        offset: Offset(offset),
    };
    let progress = |position: Position| Progress {
        position,
        record_hash: Bytes::from(format!("hash at {position}").into_bytes()),
    };
    let history: Arc<dyn History> = store.history.clone();
    let advance = |cursor, position| {
        let history = history.clone();
        async move {
            let done = history.advance(cursor, progress(position)).await;
            done.expect("progress is stored");
        }
    };
    let offsets = shuffled(&(0..40).collect::<Vec<u64>>(), 3);
    at_once(
        offsets
            .iter()
            .map(|offset| advance(Cursor::Router, at(1, *offset))),
    )
    .await;
    advance(Cursor::Router, at(2, 3)).await;
    advance(Cursor::Router, at(2, 1)).await;
    advance(Cursor::Router, at(1, 5)).await;
    advance(Cursor::Push, at(1, 12)).await;
    drop(history);
    let store = bench.reopen(store).await;
    for (cursor, partition, wanted) in [
        (Cursor::Router, partition, vec![at(1, 39), at(2, 3)]),
        (Cursor::Push, partition, vec![at(1, 12)]),
        (Cursor::Push, Partition(8), vec![]),
    ] {
        let found = store.history.progress(cursor, partition).await;
        let found = found.expect("progress is answered");
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|position| (position.generation, progress(position)))
            .collect();
        assert_eq!(found, wanted, "{cursor:?} {partition:?}");
    }
}

/// A body, or its edit, that is written after its erasure stays erased, in any order of arrival.
pub async fn a_body_that_comes_after_its_erasure_stays_erased<B: Bench<Part = Store>>(
    bench: &mut B,
) {
    let mut store = bench.open().await;
    let a = user("erased", 0);
    for (number, order) in (0..).zip([
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ]) {
        let (mut m, mut all) = Maker::new("erased", number, Shape::Group, &[a]);
        let records = [
            m.say(a, &[]),
            m.alter(a, kind::EDIT, "", Seq(2)),
            m.alter(a, kind::DELETE, "", Seq(2)),
        ];
        for record in &records {
            all.extend(record.iter().cloned());
        }
        for which in order {
            let append = store.history.append(m.partition, records[which].clone());
            append.await.expect("rows are stored");
        }
        store.write(&m, &all).await;
        store = bench.reopen(store).await;
        // A repetition of the first two, an hour late.
        for late in &records[..2] {
            let append = store.history.append(m.partition, late.clone());
            append.await.expect("rows are stored");
        }
        let range = store
            .history
            .range(m.conversation, Seq(1), Seq(3), false, 9);
        let range = range.await.expect("a range is answered");
        assert_eq!(range.events.len(), 1, "{order:?}");
        assert!(range.events[0].payload.is_empty(), "{order:?}");
        assert_eq!(range.erased.len(), 1, "{order:?}");
        let bodies = range.changes.iter().filter(|c| !c.payload.is_empty());
        assert_eq!(bodies.count(), 0, "{order:?}");
        // What stays: place, position, sender, time, n.
        assert!(!range.events[0].header.is_empty(), "{order:?}");
        assert_eq!(range.events[0].carried.n, 1, "{order:?}");
    }
}

/// Of changes of one kind, by one user, under one key, the highest seq wins in any order of
/// arrival; all of them are told of by `changed`.
pub async fn of_changes_the_highest_seq_wins<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("highest", 0), user("highest", 1));
    for seed in 0..6 {
        let (mut m, rows) = Maker::new("highest", seed, Shape::Group, &[a, b]);
        let mut records = vec![rows];
        records.push(m.say(a, &[]));
        records.push(m.alter(a, kind::EDIT, "", Seq(2)));
        for (who, key) in [(a, "+1"), (b, "+1"), (a, "-1"), (a, "+1")] {
            records.push(m.alter(who, kind::REACTION, key, Seq(2)));
        }
        records.push(m.alter(a, kind::EDIT, "", Seq(2)));
        for record in shuffled(&records, seed) {
            let append = store.history.append(m.partition, record);
            append.await.expect("rows are stored");
        }
        store.write(&m, &records.concat()).await;
        agree(&store, &model(&records), &m, &[a, b], &KEYS).await;
        let range = store
            .history
            .range(m.conversation, Seq(1), Seq(3), false, 9);
        let range = range.await.expect("a range is answered");
        let mut won: Vec<u64> = range.changes.iter().map(|c| c.seq.0).collect();
        won.sort_unstable();
        assert_eq!(won, [5, 6, 7, 8], "seed {seed}");
    }
}

/// A membership's end is written once: a late repetition of its beginning takes nothing away.
pub async fn an_end_is_written_once<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let (a, b) = (user("end", 0), user("end", 1));
    let (mut m, rows) = Maker::new("end", 0, Shape::Group, &[a]);
    let records = [rows, m.add(a, b), m.remove(a, b), m.add(a, b)];
    write(&store, &m, &records).await;
    store.write(&m, &records[1]).await;
    let found = store.history.intervals(m.conversation, b).await;
    let found = found.expect("intervals are answered");
    let ends: Vec<_> = found
        .iter()
        .map(|i| (i.from.seq.0, i.until.map(|u| u.seq.0)))
        .collect();
    assert_eq!(ends, [(2, Some(3)), (4, None)]);
}

/// Rows may become visible in any order. A page never skips a place that cannot be read yet.
pub async fn a_page_is_cut_before_a_hole<B: Bench<Part = Store>>(bench: &mut B) {
    let store = bench.open().await;
    let a = user("hole", 0);
    let (mut m, rows) = Maker::new("hole", 0, Shape::Group, &[a]);
    let records = [rows, m.say(a, &[]), m.say(a, &[]), m.say(a, &[])];
    // The third is not there yet.
    for rows in [&records[0], &records[1], &records[3]] {
        let append = store.history.append(m.partition, rows.clone());
        append.await.expect("rows are stored");
    }
    let range = store
        .history
        .range(m.conversation, Seq::ZERO, Seq::MAX, false, 9);
    let range = range.await.expect("a range is answered");
    let seqs: Vec<u64> = range.events.iter().map(|e| e.seq.0).collect();
    assert_eq!(seqs, [1, 2]);
    let newest = store
        .history
        .range(m.conversation, Seq::ZERO, Seq::MAX, true, 9);
    let newest = newest.await.expect("a range is answered");
    let seqs: Vec<u64> = newest.events.iter().map(|e| e.seq.0).collect();
    assert!(
        seqs.windows(2).all(|two| two[0] + 1 == two[1]),
        "a page skipped: {seqs:?}"
    );
    store.write(&m, &records.concat()).await;
    agree(&store, &model(&records), &m, &[a], &KEYS).await;
}

/// Nodes' clocks are a day apart: times are shown, and order nothing.
pub async fn clocks_a_day_apart_order_nothing<B: Bench<Part = Store>>(bench: &mut B) {
    let (one, other) = (bench.open().await, bench.open().await);
    let a = user("clocks", 0);
    let (mut m, rows) = Maker::new("clocks", 0, Shape::Group, &[a]);
    let mut records = vec![rows];
    for day in [0i64, -1, 1, -1, 0] {
        m.time_ms = m.time_ms.saturating_add_signed(day * 86_400_000);
        records.push(m.say(a, &[]));
        records.push(m.alter(a, kind::EDIT, "", Seq(2)));
        records.push(m.set(a, "name", &format!("day {day}")));
    }
    for (n, rows) in records.iter().enumerate() {
        let store = if n % 2 == 0 { &one } else { &other };
        store.write(&m, rows).await;
    }
    agree(&one, &model(&records), &m, &[a], &KEYS).await;
    let head = Head { seq: Seq(16), n: 5 };
    assert_eq!(m.head, head);
    let settings = other.history.settings(conversation("clocks", 0)).await;
    let settings = settings.expect("settings are answered");
    assert_eq!(settings[0].value.as_deref(), Some("day 0"));
    assert_eq!(settings[0].seq, Seq(16));
}

fn at(generation: u64, offset: u64) -> Position {
    Position {
        generation: Generation(generation),
        partition: Partition(0),
        offset: Offset(offset),
    }
}
