//! A batch is seen whole or not at all, by whoever reads while it is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parlour_embedded::Store;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::position::Partition;
use parlour_protocol::seq::Seq;

use crate::rows::{at, conversation, id, message, user};

const CONVERSATIONS: u8 = 60;
const BATCHES: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_batch_is_seen_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let (history, roster) = (store.history(), store.roster());
    let done = Arc::new(AtomicBool::new(false));

    let reader = {
        let (history, done) = (history.clone(), done.clone());
        tokio::spawn(async move {
            let (mut looks, mut n) = (0u64, 0u8);
            while !done.load(Ordering::Relaxed) {
                looks += 1;
                n = n % CONVERSATIONS + 1;
                let c = conversation(n);
                let page = history
                    .range(c, Seq::ZERO, Seq::MAX, true, 3)
                    .await
                    .unwrap();
                let newest = page.events.last().map_or(Seq::ZERO, |e| e.seq);
                assert_eq!(newest, page.as_of.seq, "a head without its event");

                // Whoever reads an outcome reads how things stand with it.
                let next = page.as_of.seq.next();
                let question = Question::Outcome {
                    conversation: c,
                    sender: user(1),
                    id: id(next.0),
                };
                let facts = history.facts(at(u64::MAX), vec![question]).await.unwrap();
                if let Some(Fact::Outcome(Some(_))) = facts.first() {
                    let standing = roster.standing(c).await.unwrap().unwrap();
                    assert!(standing.head.seq >= next, "an outcome without its event");
                }
                tokio::task::yield_now().await;
            }
            looks
        })
    };
    for seq in 1..=BATCHES {
        let rows = (1..=CONVERSATIONS)
            .flat_map(|n| message(conversation(n), seq))
            .collect();
        history.append(Partition(0), rows).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    let looks = reader.await.unwrap();
    assert!(looks > BATCHES, "it looked {looks} times alone");
}
