//! What every log must do, whether it dies with its process or not.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use parlour_protocol::bytes::Bytes;
use parlour_protocol::kind::{self, Class};
use parlour_protocol::position::{Offset, Partition, Position};
use parlour_protocol::record::{Header, Record};

use crate::Error;
use crate::log::{Bounds, Log, Missing};
use crate::suite::{self, at_once, conversation, device, message, soon, user};

/// A log that can be tried.
#[async_trait]
pub trait Bench: suite::Bench<Part = Arc<dyn Log>> {
    /// Makes records up to a place expire, which were done. False: this log keeps them.
    async fn expire(&mut self, log: &Arc<dyn Log>, up_to: Position) -> bool {
        let done = log.done(up_to).await;
        done.expect("the log is told what is done");
        bounds(log, up_to.partition).await.first > up_to.offset
    }
}

/// Makes a test of each case. The bench is a [`Bench`] of at least two partitions.
#[macro_export]
macro_rules! log_suite {
    ($bench:expr) => {
        $crate::suite_tests! { log, $bench,
            records_come_back_in_order
            appends_at_once_are_all_there_once
            a_reader_waits_for_more
            partitions_are_apart
            what_is_done_may_be_forgotten
            a_place_that_expired_stops_with_the_remedy
            a_place_beyond_the_end_stops_with_the_remedy
            an_unknown_generation_stops_with_the_remedy
            after_a_restart_it_is_the_same_log_or_a_later_one
        }
    };
}

fn record(case: &str, n: u64) -> Record {
    let header = Header::new(
        conversation(case, 0),
        message(case, n),
        user(case, 0),
        device(case, 0),
        Class::Content,
        kind::MESSAGE,
        n,
    );
    Record::new(&header, Bytes::from(format!("{case} {n}").into_bytes()))
}

async fn bounds(log: &Arc<dyn Log>, partition: Partition) -> Bounds {
    let bounds = log.bounds(partition).await.expect("bounds are answered");
    let rising = bounds.windows(2);
    assert!(
        rising
            .into_iter()
            .all(|b| b[0].generation < b[1].generation),
        "{bounds:?}"
    );
    *bounds.last().expect("a log has a generation")
}

/// Where the next record will be.
async fn end(log: &Arc<dyn Log>, partition: Partition) -> Position {
    let bounds = bounds(log, partition).await;
    Position {
        generation: bounds.generation,
        partition,
        offset: bounds.end,
    }
}

async fn append(log: &Arc<dyn Log>, partition: Partition, record: Record) -> Position {
    let append = log.append(partition, record).await;
    append.expect("a record is appended")
}

/// Reads `count` records, at most `max` at a time.
async fn read(
    log: &Arc<dyn Log>,
    mut from: Position,
    count: usize,
    max: usize,
) -> Vec<(Position, Record)> {
    let mut out = Vec::new();
    while out.len() < count {
        let records = soon("a record", log.read(from, max)).await;
        let records = records.expect("records are read");
        assert!(!records.is_empty() && records.len() <= max);
        for (at, record) in records {
            assert_eq!(at, from, "without a hole");
            from = at.next();
            out.push((at, record));
        }
    }
    out
}

/// Records that were awaited in turn come back in that order, byte for byte, as often as asked.
pub async fn records_come_back_in_order<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let from = end(&log, Partition(0)).await;
    let mut wanted = Vec::new();
    for n in 0..50 {
        let record = record("order", n);
        let at = append(&log, Partition(0), record.clone()).await;
        wanted.push((at, record));
    }
    for max in [1, 7, 1_000] {
        let other = bench.open().await;
        for log in [&log, &other] {
            let mut found = read(log, from, 50, max).await;
            found.truncate(50);
            assert_eq!(found, wanted, "{max} at a time");
        }
    }
    assert_eq!(end(&log, Partition(0)).await.offset.0, from.offset.0 + 50);
}

/// Appends of many callers at once are all there, once, and those of each caller in its order.
pub async fn appends_at_once_are_all_there_once<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let from = end(&log, Partition(1)).await;
    let callers = (0..8u64).map(|caller| {
        let log = log.clone();
        async move {
            let mut at = Vec::new();
            for n in 0..40 {
                let record = record("at once", caller * 1_000 + n);
                at.push(append(&log, Partition(1), record).await);
            }
            at
        }
    });
    let told = at_once(callers.collect::<Vec<_>>()).await;
    let found: HashMap<Position, Record> = read(&log, from, 320, 64).await.into_iter().collect();
    assert_eq!(found.len(), 320);
    for (caller, at) in (0..).zip(told) {
        assert!(at.windows(2).all(|two| two[0].offset < two[1].offset));
        for (n, at) in (0..).zip(at) {
            assert_eq!(found[&at], record("at once", caller * 1_000 + n));
        }
    }
}

/// A reader at the end waits, and every one that waits is told of the next record.
pub async fn a_reader_waits_for_more<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let from = end(&log, Partition(0)).await;
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let log = log.clone();
            tokio::spawn(async move { log.read(from, 10).await })
        })
        .collect();
    // Each has had its turn, most likely; the case holds if not.
    for _ in 0..50 {
        tokio::task::yield_now().await;
    }
    assert!(readers.iter().all(|reader| !reader.is_finished()));
    let wanted = record("waits", 0);
    let at = append(&log, Partition(0), wanted.clone()).await;
    for reader in readers {
        let found = soon("a record", reader).await.expect("the reader ended");
        assert_eq!(found.expect("records are read")[0], (at, wanted.clone()));
    }
}

/// Each partition has an order of its own.
pub async fn partitions_are_apart<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    assert!(log.partitions() >= 2, "the suite needs two partitions");
    let from = [end(&log, Partition(0)).await, end(&log, Partition(1)).await];
    for n in 0..20 {
        append(&log, Partition((n % 2) as u16), record("apart", n)).await;
    }
    for (first, from) in (0..).zip(from) {
        let found = read(&log, from, 10, 100).await;
        for (n, (_, found)) in (0..).zip(found) {
            assert_eq!(found, record("apart", first + 2 * n));
        }
    }
    let beyond = log
        .append(Partition(log.partitions()), record("apart", 99))
        .await;
    assert!(matches!(beyond, Err(Error::Broken { .. })), "{beyond:?}");
}

/// What is done may be forgotten; what is not done stays.
pub async fn what_is_done_may_be_forgotten<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let mut at = Vec::new();
    for n in 0..20 {
        at.push(append(&log, Partition(0), record("done", n)).await);
    }
    for up_to in [at[4], at[11], at[7]] {
        log.done(up_to).await.expect("the log is told what is done");
    }
    let found = read(&log, at[12], 8, 3).await;
    assert_eq!(found[0].1, record("done", 12));
    assert!(bounds(&log, Partition(0)).await.first <= at[12].offset);
    // More than there is.
    log.done(at[19])
        .await
        .expect("the log is told what is done");
    assert_eq!(end(&log, Partition(0)).await, at[19].next());
    let next = append(&log, Partition(0), record("done", 20)).await;
    assert_eq!(next, at[19].next());
    assert_eq!(read(&log, next, 1, 9).await[0].1, record("done", 20));
}

/// A place that expired is never a silent jump to one that did not: it stops, and says what to do.
pub async fn a_place_that_expired_stops_with_the_remedy<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let mut at = Vec::new();
    for n in 0..10 {
        at.push(append(&log, Partition(1), record("expired", n)).await);
    }
    if !bench.expire(&log, at[6]).await {
        return;
    }
    let first = bounds(&log, Partition(1)).await.first;
    let found = soon("an answer", log.read(at[2], 10)).await;
    assert_eq!(found, Err(Missing::Expired(first).error(at[2])));
    assert_eq!(read(&log, at[7], 1, 1).await[0].1, record("expired", 7));
}

/// A place beyond the end is in no log that this one continues: it stops, and says what to do.
pub async fn a_place_beyond_the_end_stops_with_the_remedy<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    append(&log, Partition(0), record("beyond", 0)).await;
    let end = end(&log, Partition(0)).await;
    let beyond = Position {
        offset: Offset(end.offset.0 + 5),
        ..end
    };
    let found = soon("an answer", log.read(beyond, 10)).await;
    let wanted = Missing::Beyond(end.offset).error(beyond);
    assert!(wanted.to_string().contains("Restore the log"));
    assert_eq!(found, Err(wanted));
}

/// A generation that the log does not have.
pub async fn an_unknown_generation_stops_with_the_remedy<B: Bench>(bench: &mut B) {
    let log = bench.open().await;
    let mut from = end(&log, Partition(0)).await;
    from.generation.0 += 1_000;
    let found = soon("an answer", log.read(from, 10)).await;
    assert_eq!(found, Err(Missing::Unknown.error(from)));
}

/// After a restart the log is the same, with every record that was acknowledged, or it is another
/// generation, whose number is higher, and the old one's places are no places of it.
pub async fn after_a_restart_it_is_the_same_log_or_a_later_one<B: Bench>(bench: &mut B) {
    let mut log = bench.open().await;
    for round in 0..3 {
        let at = append(&log, Partition(0), record("restart", round)).await;
        let before = bounds(&log, Partition(0)).await;
        log = bench.reopen(log).await;
        let after = bounds(&log, Partition(0)).await;
        if after.generation == before.generation {
            assert_eq!(after.end, before.end);
            assert_eq!(read(&log, at, 1, 1).await[0].1, record("restart", round));
        } else {
            assert!(after.generation > before.generation, "numbers only rise");
            let found = soon("an answer", log.read(at, 1)).await;
            match found {
                // An older generation that can still be read.
                Ok(records) => assert_eq!(records[0], (at, record("restart", round))),
                Err(error) => assert_eq!(error, Missing::Unknown.error(at)),
            }
        }
    }
}
