//! What every relay must do: `send` never waits, and what `raise` answered is in hand.

use std::sync::Arc;

use parlour_protocol::node::{NodeId, Signal};
use parlour_protocol::seq::{Head, Seq};

use crate::Error;
use crate::relay::Relay;
use crate::suite::{Bench, conversation, soon, user};

/// Two ends, or one node that speaks to itself.
#[derive(Clone)]
pub struct Ends {
    /// Who speaks.
    pub from: Arc<dyn Relay>,
    /// Who is spoken to.
    pub to: Arc<dyn Relay>,
    /// The latter's number.
    pub node: NodeId,
}

/// Makes a test of each case. The bench's part is [`Ends`], new ones at every `open`.
#[macro_export]
macro_rules! relay_suite {
    ($bench:expr) => {
        $crate::suite_tests! { relay, $bench,
            a_node_takes_its_queue_once
            signals_of_one_call_stay_in_order
            what_was_raised_is_in_hand
            a_full_queue_never_holds_up_who_sends
            a_raise_waits_for_room
            a_raise_to_a_node_that_is_gone_says_so
        }
    };
}

fn raised(n: u64) -> Signal {
    Signal::Raised {
        conversation: conversation("relay", n),
        head: Head { seq: Seq(n), n },
        to: vec![user("relay", n)],
        named: false,
    }
}

/// The queue belongs to the node's own loop.
pub async fn a_node_takes_its_queue_once<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    assert!(ends.to.receive().is_some());
    assert!(ends.to.receive().is_none());
}

/// Signals of one call come together or not at all, and in their order.
pub async fn signals_of_one_call_stay_in_order<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    let mut queue = ends.to.receive().expect("the node's queue");
    let signals: Vec<Signal> = (0..100).map(raised).collect();
    ends.from.send(ends.node, signals.clone());
    // What is sent may be lost; this is told in turn, and shows that nothing is to come.
    let end = vec![raised(1_000)];
    let raise = ends.from.raise(ends.node, end.clone()).await;
    raise.expect("the node is there");
    let mut found = Vec::new();
    while !found.ends_with(&end) {
        found.extend(soon("a signal", queue.recv()).await.expect("the queue"));
    }
    found.retain(|s| *s != end[0]);
    assert!(found.is_empty() || found == signals, "{found:?}");
}

/// What `raise` answered, the node has.
pub async fn what_was_raised_is_in_hand<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    let mut queue = ends.to.receive().expect("the node's queue");
    for n in 0..20 {
        let raise = ends.from.raise(ends.node, vec![raised(n)]).await;
        raise.expect("the node is there");
    }
    let mut found = Vec::new();
    while found.len() < 20 {
        found.extend(soon("a signal", queue.recv()).await.expect("the queue"));
    }
    for n in 0..20 {
        assert!(found.contains(&raised(n)), "{n}");
    }
}

/// A node that does not read holds nobody up: `send` drops, and what does come is what was sent.
pub async fn a_full_queue_never_holds_up_who_sends<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    let mut queue = ends.to.receive().expect("the node's queue");
    for n in 0..50_000 {
        ends.from.send(ends.node, vec![raised(n)]);
    }
    let mut last = None;
    // Room again: what is raised now comes behind what there was room for.
    let end = vec![raised(1_000_000)];
    let (relay, node, signals) = (ends.from.clone(), ends.node, end.clone());
    let raise = tokio::spawn(async move { relay.raise(node, signals).await });
    loop {
        let found = soon("a signal", queue.recv()).await.expect("the queue");
        if found == end {
            break;
        }
        for signal in found {
            match signal {
                // An adapter may say that it dropped.
                Signal::Behind => {}
                Signal::Raised { head, .. } => {
                    assert!(last < Some(head.seq), "what was dropped stays dropped");
                    last = Some(head.seq);
                }
                other => panic!("nobody sent {other:?}"),
            }
        }
    }
    let raise = soon("an answer", raise).await.expect("the call ended");
    raise.expect("the node is there");
    assert!(last.is_some(), "what there was room for came");
}

/// A raise is not dropped where there is no room: it waits.
pub async fn a_raise_waits_for_room<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    let mut queue = ends.to.receive().expect("the node's queue");
    for n in 0..50_000 {
        ends.from.send(ends.node, vec![raised(n)]);
    }
    let calls: Vec<_> = (0..10u64)
        .map(|n| {
            let (relay, node) = (ends.from.clone(), ends.node);
            tokio::spawn(async move { relay.raise(node, vec![raised(1_000_000 + n)]).await })
        })
        .collect();
    let mut left: Vec<Signal> = (0..10).map(|n| raised(1_000_000 + n)).collect();
    while !left.is_empty() {
        let found = soon("a signal", queue.recv()).await.expect("the queue");
        left.retain(|signal| !found.contains(signal));
    }
    for call in calls {
        let raise = soon("an answer", call).await.expect("the call ended");
        raise.expect("the node is there");
    }
}

/// A node whose loop has ended has nothing in hand.
pub async fn a_raise_to_a_node_that_is_gone_says_so<B: Bench<Part = Ends>>(bench: &mut B) {
    let ends = bench.open().await;
    drop(ends.to.receive());
    let raise = soon("an answer", ends.from.raise(ends.node, vec![raised(1)])).await;
    assert!(
        matches!(
            raise,
            Err(Error::Unavailable { .. } | Error::Unknown { .. })
        ),
        "{raise:?}"
    );
    // And what is sent is lost, which is no fault.
    ends.from.send(ends.node, vec![raised(2)]);
}
