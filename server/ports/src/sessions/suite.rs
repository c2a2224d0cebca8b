//! What every session store must do. All of it may be lost; what is there is never wrong.

use std::sync::Arc;

use parlour_protocol::id::{ConversationId, SessionId, UserId};
use parlour_protocol::node::{Incarnation, Location, NodeId};
use tokio::sync::broadcast;

use crate::sessions::{Moved, Sessions};
use crate::suite::{self, conversation, device, soon, user};

/// A session store that can be tried.
pub trait Bench: suite::Bench<Part = Arc<dyn Sessions>> {
    /// Lets so much time pass. False: here a lease lasts as long as its process, and never lapses.
    fn pass(&mut self, ms: u64) -> bool;
}

/// Makes a test of each case. The bench is a [`Bench`].
#[macro_export]
macro_rules! sessions_suite {
    ($bench:expr) => {
        $crate::suite_tests! { sessions, $bench,
            who_registered_is_found
            registering_again_is_no_second_session
            what_a_device_left_behind_hides_nothing
            a_lease_is_renewed_until_it_lapses
            a_lapsed_node_is_not_found
            watchers_of_a_channel
            last_seen_by_clocks_a_day_apart
            coming_and_going_is_told
            everything_may_be_lost
        }
    };
}

const TTL_MS: u64 = 10_000;
const OF: Incarnation = Incarnation(5);

fn node(case: &str, n: u64) -> NodeId {
    NodeId(u64::from(user(case, n).low32()))
}

/// Session `n` of user `n / 10` on node `on`.
fn location(case: &str, n: u64, on: u64) -> Location {
    Location {
        user: user(case, n / 10),
        device: device(case, n),
        session: SessionId::derived("suite", &[case.as_bytes(), &n.to_be_bytes()]),
        node: node(case, on),
        incarnation: OF,
    }
}

async fn lease(store: &Arc<dyn Sessions>, node: NodeId, incarnation: Incarnation) -> bool {
    let lease = store.lease(node, incarnation, TTL_MS).await;
    lease.expect("a lease is answered")
}

async fn register(store: &Arc<dyn Sessions>, location: Location) {
    let done = store.register(location).await;
    done.expect("a session is registered");
}

async fn unregister(store: &Arc<dyn Sessions>, location: Location, now_ms: u64) {
    let done = store.unregister(location, now_ms).await;
    done.expect("a session is taken away");
}

async fn locate(store: &Arc<dyn Sessions>, users: &[UserId]) -> Vec<Location> {
    let found = store.locate(users.to_vec()).await;
    let mut found = found.expect("sessions are found");
    found.sort_by_key(|l| (l.user, l.session));
    found
}

fn sorted(mut locations: Vec<Location>) -> Vec<Location> {
    locations.sort_by_key(|l| (l.user, l.session));
    locations
}

async fn watchers(store: &Arc<dyn Sessions>, channel: ConversationId) -> Vec<NodeId> {
    let found = store.watchers(channel).await;
    let mut found = found.expect("watchers are found");
    found.sort();
    found
}

/// A `locate` that begins after `register` returned sees it, from whichever node it asks.
pub async fn who_registered_is_found<B: Bench>(bench: &mut B) {
    let (store, other) = (bench.open().await, bench.open().await);
    let case = "found";
    for n in 0..2 {
        assert!(lease(&store, node(case, n), OF).await);
    }
    let all = [
        location(case, 0, 0),
        location(case, 1, 1),
        location(case, 10, 0),
    ];
    for one in all {
        register(&store, one).await;
        assert!(locate(&other, &[one.user]).await.contains(&one));
    }
    let users = [user(case, 0), user(case, 1), user(case, 2)];
    assert_eq!(locate(&other, &users).await, sorted(all.to_vec()));
    assert_eq!(locate(&other, &users[2..]).await, []);
    unregister(&store, all[0], 1).await;
    assert_eq!(locate(&other, &users[..1]).await, [all[1]]);
    let nodes = other.nodes().await.expect("nodes are found");
    assert!([0, 1].iter().all(|n| nodes.contains(&node(case, *n))));
}

/// Registering the same session again renews it; taking it away twice is taking it away.
pub async fn registering_again_is_no_second_session<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "again";
    assert!(lease(&store, node(case, 0), OF).await);
    let one = location(case, 0, 0);
    for _ in 0..3 {
        register(&store, one).await;
    }
    assert_eq!(locate(&store, &[one.user]).await, [one]);
    for _ in 0..2 {
        unregister(&store, one, 1).await;
    }
    assert_eq!(locate(&store, &[one.user]).await, []);
}

/// A device that moved is found where it is, also when its old session is taken away late.
pub async fn what_a_device_left_behind_hides_nothing<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "moved";
    for n in 0..2 {
        assert!(lease(&store, node(case, n), OF).await);
    }
    let old = location(case, 0, 0);
    let new = Location {
        device: old.device,
        ..location(case, 1, 1)
    };
    register(&store, old).await;
    register(&store, new).await;
    unregister(&store, old, 1).await;
    assert_eq!(locate(&store, &[old.user]).await, [new]);
}

/// A node renews its own lease; an older incarnation of it gets none.
pub async fn a_lease_is_renewed_until_it_lapses<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "lease";
    let node = node(case, 0);
    for _ in 0..3 {
        assert!(lease(&store, node, OF).await);
        bench.pass(TTL_MS / 2);
    }
    assert!(!lease(&store, node, Incarnation(OF.0 - 1)).await);
    assert!(lease(&store, node, OF).await);
    if bench.pass(TTL_MS + 1) {
        assert!(!lease(&store, node, OF).await, "it lapsed");
        assert!(!lease(&store, node, OF).await, "and is not begun again");
    }
    assert!(lease(&store, node, Incarnation(OF.0 + 1)).await);
}

/// Sessions of a node whose lease lapsed are not found until it registers them again under a new
/// incarnation, nor what it watches, nor the node.
pub async fn a_lapsed_node_is_not_found<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "lapsed";
    let channel = conversation(case, 0);
    let (dead, alive) = (node(case, 0), node(case, 1));
    for node in [dead, alive] {
        assert!(lease(&store, node, OF).await);
        let watch = store.interest(node, OF, channel, true).await;
        watch.expect("an interest is stored");
    }
    let (lost, kept) = (location(case, 0, 0), location(case, 1, 1));
    register(&store, lost).await;
    register(&store, kept).await;
    if !bench.pass(TTL_MS - 1) {
        return;
    }
    assert!(lease(&store, alive, OF).await);
    bench.pass(2);
    assert_eq!(locate(&store, &[lost.user]).await, [kept]);
    assert_eq!(watchers(&store, channel).await, [alive]);
    let nodes = store.nodes().await.expect("nodes are found");
    assert!(!nodes.contains(&dead) && nodes.contains(&alive));
    // A new life. What it does not register again stays away.
    let next = Incarnation(OF.0 + 1);
    assert!(lease(&store, dead, next).await);
    assert_eq!(locate(&store, &[lost.user]).await, [kept]);
    assert_eq!(watchers(&store, channel).await, [alive]);
    let again = Location {
        incarnation: next,
        ..lost
    };
    register(&store, again).await;
    let watch = store.interest(dead, next, channel, true).await;
    watch.expect("an interest is stored");
    assert_eq!(
        locate(&store, &[lost.user]).await,
        sorted(vec![again, kept])
    );
    let mut both = vec![dead, alive];
    both.sort();
    assert_eq!(watchers(&store, channel).await, both);
}

/// Which nodes watch a channel.
pub async fn watchers_of_a_channel<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "watch";
    let channel = conversation(case, 0);
    let mut wanted = Vec::new();
    for n in 0..4 {
        assert!(lease(&store, node(case, n), OF).await);
        for _ in 0..2 {
            let watch = store.interest(node(case, n), OF, channel, true).await;
            watch.expect("an interest is stored");
        }
        wanted.push(node(case, n));
    }
    wanted.sort();
    assert_eq!(watchers(&store, channel).await, wanted);
    assert_eq!(watchers(&store, conversation(case, 1)).await, []);
    let off = store.interest(node(case, 2), OF, channel, false).await;
    off.expect("an interest is taken away");
    wanted.retain(|w| *w != node(case, 2));
    assert_eq!(watchers(&store, channel).await, wanted);
}

/// Last seen is shown, and only goes up, whichever node's clock said it.
pub async fn last_seen_by_clocks_a_day_apart<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "seen";
    assert!(lease(&store, node(case, 0), OF).await);
    let (day_ms, now_ms) = (86_400_000, 1_700_000_000_000);
    let (one, two) = (location(case, 0, 0), location(case, 1, 0));
    let never = user(case, 9);
    register(&store, one).await;
    register(&store, two).await;
    unregister(&store, one, now_ms + day_ms).await;
    let presence = store.presence(vec![one.user, never]).await;
    let presence = presence.expect("presence is answered");
    assert!(presence[0].1, "a device is still here");
    assert_eq!(presence[1], (never, false, None));
    unregister(&store, two, now_ms - day_ms).await;
    let presence = store.presence(vec![one.user]).await;
    assert_eq!(
        presence.expect("presence is answered"),
        [(one.user, false, Some(now_ms + day_ms))]
    );
}

/// The first device that comes and the last that goes are told as presence, and each change as a
/// stale route. A stream may break, and then says so.
pub async fn coming_and_going_is_told<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "told";
    assert!(lease(&store, node(case, 0), OF).await);
    let mut changes = store.changes();
    let (one, two) = (location(case, 0, 0), location(case, 1, 0));
    register(&store, one).await;
    register(&store, two).await;
    unregister(&store, one, 1).await;
    unregister(&store, two, 2).await;
    let (mut presence, mut routes) = (Vec::new(), 0);
    // Of other cases there may be more.
    while presence.last() != Some(&false) || routes < 4 {
        match soon("a change", changes.recv()).await {
            Ok(Moved::Presence { user, online }) if user == one.user => presence.push(online),
            Ok(Moved::Route(user)) if user == one.user => routes += 1,
            Ok(Moved::Broken) | Err(broadcast::error::RecvError::Lagged(_)) => return,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => panic!("the stream ended"),
        }
    }
    assert_eq!(presence, [true, false]);
}

/// Everything may be lost; then nothing is found, and a node begins a new life.
pub async fn everything_may_be_lost<B: Bench>(bench: &mut B) {
    let store = bench.open().await;
    let case = "lost";
    assert!(lease(&store, node(case, 0), OF).await);
    register(&store, location(case, 0, 0)).await;
    let store = bench.reopen(store).await;
    let found = locate(&store, &[user(case, 0)]).await;
    assert!(found.is_empty() || found == [location(case, 0, 0)]);
    let next = Incarnation(OF.0 + 1);
    assert!(lease(&store, node(case, 0), next).await);
    let again = Location {
        incarnation: next,
        ..location(case, 0, 0)
    };
    register(&store, again).await;
    assert_eq!(locate(&store, &[again.user]).await, [again]);
}
