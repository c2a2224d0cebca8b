//! What every key store must do: mail is forgotten by acknowledgement alone, and a one-time key is
//! given out once.

use std::sync::Arc;

use parlour_protocol::bytes::Bytes;
use parlour_protocol::id::DeviceId;
use parlour_protocol::node::Mail;
use parlour_protocol::seq::Seq;

use crate::keys::Keys;
use crate::suite::{Bench, at_once, device, shuffled, user};

/// Makes a test of each case. The bench's part is an `Arc<dyn Keys>`.
#[macro_export]
macro_rules! keys_suite {
    ($bench:expr) => {
        $crate::suite_tests! { keys, $bench,
            mail_comes_in_order_and_in_pages
            mail_that_comes_again_stays_as_it_was
            a_mailbox_forgets_only_what_was_acknowledged
            a_mailbox_never_takes_again_what_it_forgot
            a_one_time_key_is_claimed_once
            a_claim_that_comes_again_gets_the_same_key
            of_device_lists_the_higher_seq_wins
            keys_survive_a_restart
        }
    };
}

type Part = Arc<dyn Keys>;

fn mail(case: &str, from: u64, k: u64) -> Mail {
    Mail {
        from_user: user(case, from),
        from: device(case, from),
        k,
        bytes: Bytes::from(format!("sealed {from} {k}").into_bytes()),
    }
}

async fn put(keys: &Part, to: DeviceId, mail: Mail) {
    let done = keys.put(vec![(to, mail)]).await;
    done.expect("mail is stored");
}

/// What waits, as (sender, k), read in pages.
async fn waits(keys: &Part, case: &str, to: DeviceId, limit: usize) -> Vec<(u64, u64)> {
    let (mut out, mut after) = (Vec::new(), None);
    loop {
        let page = keys.mail(to, after, limit).await;
        let page = page.expect("mail is read");
        assert!(page.len() <= limit);
        let Some(last) = page.last() else { return out };
        after = Some((last.from, last.k));
        for found in page {
            let from = (0..100).find(|n| device(case, *n) == found.from);
            let from = from.expect("a sender of this case");
            assert_eq!(found, mail(case, from, found.k), "byte for byte");
            out.push((from, found.k));
        }
    }
}

/// What should wait: by sending device, then by k.
fn wanted(case: &str, senders: &[u64], ks: &[u64]) -> Vec<(u64, u64)> {
    let mut senders = senders.to_vec();
    senders.sort_by_key(|n| device(case, *n));
    let of = |from: u64| ks.iter().map(move |k| (from, *k));
    senders.into_iter().flat_map(of).collect()
}

/// Mail is read by sending device, then by rising k, whatever order it came in.
pub async fn mail_comes_in_order_and_in_pages<B: Bench<Part = Part>>(bench: &mut B) {
    let (keys, other) = (bench.open().await, bench.open().await);
    let case = "order";
    let to = device(case, 99);
    let all: Vec<(u64, u64)> = (1..4).flat_map(|n| (0..20).map(move |k| (n, k))).collect();
    for (from, k) in shuffled(&all, 5) {
        put(&keys, to, mail(case, from, k)).await;
    }
    put(&keys, device(case, 98), mail(case, 1, 7)).await;
    let ks: Vec<u64> = (0..20).collect();
    for limit in [1, 7, 100] {
        let found = waits(&other, case, to, limit).await;
        assert_eq!(found, wanted(case, &[1, 2, 3], &ks), "{limit} at a time");
    }
    assert_eq!(waits(&other, case, device(case, 97), 9).await, []);
}

/// Under one (from, to, k) the first bytes stay.
pub async fn mail_that_comes_again_stays_as_it_was<B: Bench<Part = Part>>(bench: &mut B) {
    let keys = bench.open().await;
    let case = "first";
    let to = device(case, 99);
    put(&keys, to, mail(case, 1, 4)).await;
    let other = Mail {
        bytes: Bytes::from(b"another".as_slice()),
        ..mail(case, 1, 4)
    };
    for again in [other, mail(case, 1, 4)] {
        put(&keys, to, again).await;
    }
    assert_eq!(waits(&keys, case, to, 9).await, [(1, 4)]);
}

/// Nothing but an acknowledgement forgets mail, and each forgets that of its pair alone.
pub async fn a_mailbox_forgets_only_what_was_acknowledged<B: Bench<Part = Part>>(bench: &mut B) {
    let mut keys = bench.open().await;
    let case = "forgets";
    let (to, neighbour) = (device(case, 99), device(case, 98));
    for k in 0..10 {
        for from in [1, 2] {
            put(&keys, to, mail(case, from, k)).await;
            put(&keys, neighbour, mail(case, from, k)).await;
        }
    }
    let ks: Vec<u64> = (0..10).collect();
    for _ in 0..2 {
        assert_eq!(
            waits(&keys, case, to, 100).await,
            wanted(case, &[1, 2], &ks)
        );
        keys = bench.reopen(keys).await;
    }
    let done = keys.acknowledge(to, device(case, 1), 6).await;
    done.expect("an acknowledgement is stored");
    let mut left = wanted(case, &[1, 2], &ks);
    left.retain(|(from, k)| *from == 2 || *k > 6);
    assert_eq!(waits(&keys, case, to, 100).await, left);
    let other = waits(&keys, case, neighbour, 100).await;
    assert_eq!(other, wanted(case, &[1, 2], &ks));
}

/// What was forgotten is never taken again: a repetition that comes late, one that never came
/// before the acknowledgement, over a restart, and after an older acknowledgement that comes late.
pub async fn a_mailbox_never_takes_again_what_it_forgot<B: Bench<Part = Part>>(bench: &mut B) {
    let mut keys = bench.open().await;
    let case = "never";
    let to = device(case, 99);
    for k in [3, 1, 2] {
        put(&keys, to, mail(case, 1, k)).await;
    }
    for k in [5, 2] {
        let done = keys.acknowledge(to, device(case, 1), k).await;
        done.expect("an acknowledgement is stored");
    }
    for _ in 0..2 {
        for k in [0, 1, 3, 4, 5] {
            put(&keys, to, mail(case, 1, k)).await;
        }
        assert_eq!(waits(&keys, case, to, 100).await, []);
        keys = bench.reopen(keys).await;
    }
    put(&keys, to, mail(case, 1, 6)).await;
    assert_eq!(waits(&keys, case, to, 100).await, [(1, 6)]);
}

fn one_time(n: u64) -> (u64, Bytes) {
    (n, Bytes::from(format!("key {n}").into_bytes()))
}

/// A one-time key is given out once, however many claim at once; published again it is not given
/// again.
pub async fn a_one_time_key_is_claimed_once<B: Bench<Part = Part>>(bench: &mut B) {
    let stores = [bench.open().await, bench.open().await];
    let case = "one time";
    let of = device(case, 0);
    let published: Vec<_> = (0..20).map(one_time).collect();
    let added = stores[0].add_one_time(of, published.clone()).await;
    added.expect("keys are stored");
    let calls = (1..41).map(|n| {
        let keys = stores[n % 2].clone();
        async move {
            let claimed = keys.claim(of, device(case, n as u64)).await;
            claimed.expect("a claim is answered")
        }
    });
    let claimed = at_once(calls.collect::<Vec<_>>()).await;
    let mut given: Vec<_> = claimed.into_iter().flatten().collect();
    given.sort();
    assert_eq!(given, published, "each once");
    let added = stores[1].add_one_time(of, published).await;
    added.expect("keys are stored");
    let none = stores[0].claim(of, device(case, 77)).await;
    assert_eq!(none.expect("a claim is answered"), None);
    // A new one is given; of another device's, none.
    let added = stores[0].add_one_time(of, vec![one_time(30)]).await;
    added.expect("keys are stored");
    let none = stores[0].claim(device(case, 50), of).await;
    assert_eq!(none.expect("a claim is answered"), None);
    let one = stores[1].claim(of, device(case, 77)).await;
    assert_eq!(one.expect("a claim is answered"), Some(one_time(30)));
}

/// The same claim, as after an answer that was lost, gets the same key, at once and later.
pub async fn a_claim_that_comes_again_gets_the_same_key<B: Bench<Part = Part>>(bench: &mut B) {
    let mut keys = bench.open().await;
    let case = "claim";
    let of = device(case, 0);
    let added = keys.add_one_time(of, (0..9).map(one_time).collect()).await;
    added.expect("keys are stored");
    let claim = |keys: Part, n: u64| async move {
        let claimed = keys.claim(of, device(case, n)).await;
        claimed.expect("a claim is answered")
    };
    let calls = (0..8).map(|_| claim(keys.clone(), 1));
    let same = at_once(calls.collect::<Vec<_>>()).await;
    assert!(same[0].is_some());
    assert!(same.iter().all(|key| *key == same[0]), "{same:?}");
    let other = claim(keys.clone(), 2).await;
    assert!(other.is_some() && other != same[0]);
    keys = bench.reopen(keys).await;
    assert_eq!(claim(keys.clone(), 1).await, same[0]);
    assert_eq!(claim(keys.clone(), 2).await, other);
}

/// Of a user's device lists the one of the higher seq wins, in any order of arrival.
pub async fn of_device_lists_the_higher_seq_wins<B: Bench<Part = Part>>(bench: &mut B) {
    let stores = [bench.open().await, bench.open().await];
    let case = "lists";
    let list = |n: u64| Bytes::from(format!("list {n}").into_bytes());
    let calls = shuffled(&(1..30).collect::<Vec<u64>>(), 4)
        .into_iter()
        .map(|n| {
            let keys = stores[(n % 2) as usize].clone();
            async move {
                let set = keys.set_list(user(case, 0), Seq(n), list(n)).await;
                set.expect("a list is stored");
            }
        });
    at_once(calls.collect::<Vec<_>>()).await;
    let set = stores[0].set_list(user(case, 2), Seq(3), list(3)).await;
    set.expect("a list is stored");
    let asked = vec![user(case, 0), user(case, 1), user(case, 2)];
    let found = stores[1].lists(asked).await.expect("lists are answered");
    let wanted = [
        (user(case, 0), Seq(29), list(29)),
        (user(case, 2), Seq(3), list(3)),
    ];
    assert_eq!(found, wanted);
}

/// Everything that was answered is there after a restart.
pub async fn keys_survive_a_restart<B: Bench<Part = Part>>(bench: &mut B) {
    let keys = bench.open().await;
    let case = "survive";
    let to = device(case, 0);
    put(&keys, to, mail(case, 1, 1)).await;
    let set = keys.set_list(user(case, 0), Seq(1), Bytes::from(b"list".as_slice()));
    set.await.expect("a list is stored");
    let added = keys.add_one_time(to, vec![one_time(1)]).await;
    added.expect("keys are stored");
    let keys = bench.reopen(keys).await;
    assert_eq!(waits(&keys, case, to, 9).await, [(1, 1)]);
    let lists = keys.lists(vec![user(case, 0)]).await;
    assert_eq!(lists.expect("lists are answered").len(), 1);
    let claimed = keys.claim(to, device(case, 5)).await;
    assert_eq!(claimed.expect("a claim is answered"), Some(one_time(1)));
}
