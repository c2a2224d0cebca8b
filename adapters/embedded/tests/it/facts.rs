//! Questions as of a position, and rows in any order of arrival.

use parlour_embedded::Store;
use parlour_ports::history::Cursor;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::position::{Generation, Partition, Progress};
use parlour_protocol::row::{Change, Erased, Outcome, Row, Setting};
use parlour_protocol::seq::{Head, Mark, Seq};

use crate::rows::{at, body, check, conversation, id, interval, message, messages, user};

#[tokio::test]
async fn what_came_later_is_not_known_as_of_then() {
    let folder = tempfile::tempdir().unwrap();
    let c = conversation(1);
    let store = Store::open(folder.path()).unwrap();
    let history = store.history();
    let mut rows = messages(c, 1..=40);
    let setting = |seq: u64, value: &str| {
        Row::Setting(Setting {
            conversation: c,
            key: "name".to_owned(),
            seq: Seq(seq),
            position: at(seq),
            value: Some(value.to_owned()),
            payload: Bytes::default(),
        })
    };
    rows.push(setting(5, "early"));
    rows.push(setting(30, "late"));
    rows.push(Row::Interval(interval(c, 2, 10, Some(20))));
    rows.push(Row::Erased(Erased {
        conversation: c,
        target: Seq(7),
        seq: Seq(25),
        position: at(25),
        by: user(1),
    }));
    history.append(Partition(0), rows).await.unwrap();

    let questions = || {
        vec![
            Question::Head(c),
            Question::Outcome {
                conversation: c,
                sender: user(1),
                id: id(15),
            },
            Question::Member {
                conversation: c,
                user: user(2),
            },
            Question::Members(c),
            Question::Setting {
                conversation: c,
                key: "name".to_owned(),
            },
            Question::Target {
                conversation: c,
                seq: Seq(7),
            },
        ]
    };
    for as_of in 1..=41 {
        let facts = history.facts(at(as_of), questions()).await.unwrap();
        let before = as_of - 1;
        match &facts[0] {
            Fact::Head(None) => assert_eq!(before, 0),
            Fact::Head(Some((seq, carried))) => {
                assert_eq!((seq.0, carried.n), (before, before));
            }
            other => panic!("{other:?}"),
        }
        let Fact::Outcome(outcome) = &facts[1] else {
            panic!("{facts:?}")
        };
        assert_eq!(outcome.is_some(), before >= 15);
        let Fact::Member(member) = &facts[2] else {
            panic!("{facts:?}")
        };
        assert_eq!(!member.is_empty(), before >= 10);
        assert_eq!(
            member.first().and_then(|m| m.until).is_some(),
            before >= 20,
            "as of {as_of}"
        );
        let Fact::Members(members) = &facts[3] else {
            panic!("{facts:?}")
        };
        let open = usize::from(before >= 1) + usize::from((10..20).contains(&before));
        assert_eq!(members.len(), open, "as of {as_of}");
        let Fact::Setting(setting) = &facts[4] else {
            panic!("{facts:?}")
        };
        let value = setting.as_ref().and_then(|(_, value)| value.as_deref());
        let wanted = match before {
            0..5 => None,
            5..30 => Some("early"),
            _ => Some("late"),
        };
        assert_eq!(value, wanted, "as of {as_of}");
        let Fact::Target(target) = &facts[5] else {
            panic!("{facts:?}")
        };
        assert_eq!(
            target.map(|t| t.erased),
            (before >= 7).then_some(before >= 25)
        );
    }
}

#[tokio::test]
async fn an_erased_body_is_gone_in_any_order_of_arrival() {
    let c = conversation(1);
    let erased = Row::Erased(Erased {
        conversation: c,
        target: Seq(1),
        seq: Seq(3),
        position: at(3),
        by: user(1),
    });
    let change = Row::Change(Change {
        conversation: c,
        target: Seq(1),
        kind: "edit".to_owned(),
        user: user(1),
        key: String::new(),
        seq: Seq(2),
        position: at(2),
        header: Bytes::default(),
        payload: body(2),
    });
    let event = message(c, 1).remove(0);
    for order in [
        [0, 1, 2],
        [0, 2, 1],
        [1, 0, 2],
        [1, 2, 0],
        [2, 0, 1],
        [2, 1, 0],
    ] {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path()).unwrap();
        let history = store.history();
        let rows = [&event, &change, &erased];
        for which in order {
            history
                .append(Partition(0), vec![rows[which].clone()])
                .await
                .unwrap();
        }
        // The event again, as a late repetition brings it.
        history
            .append(Partition(0), vec![event.clone(), change.clone()])
            .await
            .unwrap();
        let range = history
            .range(c, Seq::ZERO, Seq::MAX, false, 10)
            .await
            .unwrap();
        assert!(range.events[0].payload.is_empty(), "{order:?}");
        assert!(range.changes[0].payload.is_empty(), "{order:?}");
        assert_eq!(range.erased.len(), 1);
    }
}

#[tokio::test]
async fn a_late_beginning_does_not_take_an_end_away() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let c = conversation(1);
    let history = store.history();
    for until in [None, Some(9), None] {
        let row = Row::Interval(interval(c, 2, 3, until));
        history.append(Partition(0), vec![row]).await.unwrap();
    }
    let there = history.intervals(c, user(2)).await.unwrap();
    assert_eq!(there, vec![interval(c, 2, 3, Some(9))]);
}

#[tokio::test]
async fn two_writers_of_the_same_rows_write_once() {
    let folder = tempfile::tempdir().unwrap();
    let c = conversation(1);
    {
        let store = Store::open(folder.path()).unwrap();
        let writers: Vec<_> = (0..2)
            .map(|_| {
                let history = store.history();
                tokio::spawn(async move {
                    for seq in 1..=60 {
                        history.append(Partition(0), message(c, seq)).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
        let range = store
            .history()
            .range(c, Seq::ZERO, Seq::MAX, false, 100)
            .await
            .unwrap();
        assert_eq!(
            range.as_of,
            Head {
                seq: Seq(60),
                n: 60
            }
        );
        assert_eq!(range.events.len(), 60);
    }
    let report = check(folder.path());
    assert_eq!(report.said, Vec::<String>::new());
    assert_eq!((report.events, report.outcomes), (60, 60));
}

#[tokio::test]
async fn an_outcome_is_written_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let c = conversation(1);
    let history = store.history();
    history.append(Partition(0), message(c, 1)).await.unwrap();
    let mut again = message(c, 1).remove(1);
    if let Row::Outcome(o) = &mut again {
        o.outcome = Outcome::Placed {
            seq: Seq(9),
            n: 9,
            time_ms: 9,
            digest: None,
        };
    }
    history.append(Partition(0), vec![again]).await.unwrap();
    let question = Question::Outcome {
        conversation: c,
        sender: user(1),
        id: id(1),
    };
    let facts = history.facts(at(99), vec![question]).await.unwrap();
    assert!(
        matches!(
            facts[0],
            Fact::Outcome(Some(Outcome::Placed { seq: Seq(1), .. }))
        ),
        "{facts:?}"
    );
}

#[tokio::test]
async fn marks_and_progress_only_go_up() {
    let folder = tempfile::tempdir().unwrap();
    let c = conversation(1);
    let head = |n| Head { seq: Seq(n), n };
    let mark = |delivered, read| Mark {
        delivered: head(delivered),
        read: head(read),
    };
    {
        let store = Store::open(folder.path()).unwrap();
        store
            .history()
            .append(Partition(0), messages(c, 1..=9))
            .await
            .unwrap();
        for (told, stands) in [
            (mark(4, 2), mark(4, 2)),
            (mark(3, 3), mark(4, 3)),
            (mark(1, 1), mark(4, 3)),
        ] {
            let answered = store.roster().mark(user(1), vec![(c, told)]).await.unwrap();
            assert_eq!(answered, vec![(c, stands)]);
        }
        for offset in [7, 3] {
            let progress = Progress {
                position: at(offset),
                record_hash: Bytes::default(),
            };
            store
                .history()
                .advance(Cursor::Router, progress)
                .await
                .unwrap();
        }
    }
    let store = Store::open(folder.path()).unwrap();
    let marks = store.roster().marks(c, vec![user(1)]).await.unwrap();
    assert_eq!(marks, vec![(user(1), mark(4, 3))]);
    let progress = store
        .history()
        .progress(Cursor::Router, Partition(0))
        .await
        .unwrap();
    assert_eq!(progress.len(), 1);
    assert_eq!(progress[0].0, Generation(1));
    assert_eq!(progress[0].1.position, at(7));
}
