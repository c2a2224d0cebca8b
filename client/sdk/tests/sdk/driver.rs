//! The driver: what it does when the server, the network or this process goes away.

use std::path::{Path, PathBuf};
use std::time::Duration;

use parlour_protocol::error::Code;
use parlour_protocol::seq::Seq;
use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{
    Client, Config, Data, Ended, Error, Fetch, Item, Request, State, Store, Update, draft,
};

use crate::peer::{Peer, TOKEN, room, session};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

fn text(text: &str) -> Request {
    Request::Send(Box::new(draft::text(room(), text)))
}

async fn open(peer: &Peer, folder: &Path) -> Client {
    let mut data = Data::open(folder).unwrap();
    data.keep(&peer.endpoint(), &session("one")).unwrap();
    Client::connect(Config::stored(data).unwrap())
        .await
        .unwrap()
}

async fn texts(client: &Client) -> Vec<String> {
    let timeline = client.timeline(room(), None, 1_000).await.unwrap();
    timeline
        .items
        .iter()
        .map(|item| match item {
            Item::Placed { event, .. } => event
                .body
                .as_ref()
                .and_then(|b| b.as_text())
                .unwrap_or_default()
                .to_owned(),
            Item::Pending { state, .. } => format!("({state:?})"),
            Item::Withheld { .. } => "-".to_owned(),
        })
        .collect()
}

#[tokio::test]
async fn a_send_is_placed_and_its_event_comes_once() {
    let peer = Peer::start().await;
    let config = Config::new(peer.endpoint(), session("one"), Store::Memory);
    let client = Client::connect(config).await.unwrap();
    let mut updates = client.updates();
    soon(client.live()).await.unwrap();
    let (accepted, ended) = soon(client.deliver(text("hello"))).await.unwrap();
    assert!(
        matches!(ended, Ended::Sent { seq: Seq(1), .. }),
        "{ended:?}"
    );
    let event = soon(async {
        loop {
            if let Some(Update::Core(CoreUpdate::Event { event, .. })) = updates.next().await {
                return event;
            }
        }
    })
    .await;
    assert_eq!(event.id, accepted.id);
    assert_eq!(texts(&client).await, ["hello"]);
    client.close().await;
    assert!(matches!(
        client.send(room(), "late").await,
        Err(Error::Closed)
    ));
}

fn on_disk(folder: &Path, id: parlour_protocol::MessageId) -> bool {
    let sql = rusqlite::Connection::open_with_flags(
        folder.join("client.sqlite"),
        rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY,
    )
    .unwrap();
    let count: i64 = sql
        .query_row(
            "SELECT count(*) FROM outbox WHERE id = ?1",
            [&id.as_bytes()[..]],
            |r| r.get(0),
        )
        .unwrap();
    count == 1
}

#[tokio::test(flavor = "multi_thread")]
async fn a_send_is_on_disk_before_the_server_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let folder: PathBuf = dir.path().to_owned();
    let peer = Peer::with(
        "127.0.0.1:0",
        Box::new(move |send| assert!(on_disk(&folder, send.id), "not stored yet")),
        None,
    )
    .await;
    let client = open(&peer, dir.path()).await;
    soon(client.live()).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..50 {
        ids.push(client.send(room(), n.to_string()).await.unwrap().id);
    }
    let (_, ended) = soon(client.deliver(text("last"))).await.unwrap();
    assert!(
        matches!(ended, Ended::Sent { seq: Seq(51), .. }),
        "{ended:?}"
    );
    client.close().await;
    // And gone from there once its outcome is known.
    assert!(ids.iter().all(|id| !on_disk(dir.path(), *id)));
    let seen: Vec<_> = peer
        .state
        .seen
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.id)
        .collect();
    assert_eq!(seen[..50], ids[..]);
}

#[tokio::test]
async fn what_was_asked_for_offline_is_sent_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let (address, accepted) = {
        let peer = Peer::start().await;
        let address = peer.address;
        let client = open(&peer, dir.path()).await;
        drop(peer);
        let accepted = client.send(room(), "from before").await.unwrap();
        client.close().await;
        (address, accepted)
    };
    let peer = Peer::with(&address.to_string(), Box::new(|_| {}), None).await;
    let client = open(&peer, dir.path()).await;
    let mut updates = client.updates();
    let how = soon(async {
        loop {
            if let Some(Update::Core(CoreUpdate::Ended { id, how, .. })) = updates.next().await {
                assert_eq!(id, accepted.id);
                return how;
            }
        }
    })
    .await;
    assert!(matches!(how, Ended::Sent { seq: Seq(1), .. }), "{how:?}");
    {
        let seen = peer.state.seen.lock().unwrap();
        // A socket of the process before may have had it.
        assert!(seen.iter().all(|s| s.retry && s.id == accepted.id));
    }
    soon(client.live()).await.unwrap();
    client.close().await;
    drop(peer);
    // What is held is there without a server too.
    let data = Data::open(dir.path()).unwrap();
    let places = data.places().unwrap();
    assert_eq!(places[&room()].came, [(Seq(1), Seq(1))]);
    assert_eq!(places[&room()].head, Seq(1));
    let client = Client::connect(Config::stored(data).unwrap())
        .await
        .unwrap();
    assert_eq!(texts(&client).await, ["from before"]);
    assert_eq!(client.conversations().await.unwrap().len(), 1);
    client.close().await;
}

#[tokio::test]
async fn an_answer_lost_with_its_connection_is_learned_on_the_next() {
    let peer = Peer::start().await;
    let config = Config::new(peer.endpoint(), session("one"), Store::Memory);
    let client = Client::connect(config).await.unwrap();
    soon(client.live()).await.unwrap();
    *peer.state.mute.lock().unwrap() = true;
    peer.say("before");
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.deliver(text("hello")).await.unwrap() }
    });
    let mut greeted = peer.state.greeted.subscribe();
    soon(async {
        // Placed, but the event alone tells: cut the line at once, before or after it.
        while peer.state.seen.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    peer.sever();
    *peer.state.mute.lock().unwrap() = false;
    soon(greeted.wait_for(|n| *n >= 2)).await.unwrap();
    let (accepted, ended) = soon(waiting).await.unwrap();
    assert!(
        matches!(ended, Ended::Sent { seq: Seq(2), .. }),
        "{ended:?}"
    );
    soon(client.live()).await.unwrap();
    soon(async {
        while texts(&client).await.len() < 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(texts(&client).await, ["before", "hello"]);
    let seen = peer.state.seen.lock().unwrap();
    assert!(seen.iter().all(|s| s.id == accepted.id));
}

#[tokio::test]
async fn a_reader_that_is_too_slow_is_told_and_holds_nothing_up() {
    let peer = Peer::start().await;
    let mut config = Config::new(peer.endpoint(), session("one"), Store::Memory);
    config.updates_max = 8;
    let client = Client::connect(config.fetch(Fetch::Everything))
        .await
        .unwrap();
    let mut updates = client.updates();
    soon(client.live()).await.unwrap();
    for n in 0..200 {
        peer.say(&n.to_string());
    }
    soon(async {
        while texts(&client).await.len() < 200 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let first = soon(updates.next()).await;
    assert!(
        matches!(first, Some(Update::Lagged(n)) if n > 100),
        "{first:?}"
    );
    client.close().await;
    let mut left = 0;
    while let Some(update) = soon(updates.next()).await {
        left += usize::from(!matches!(update, Update::Lagged(_)));
    }
    assert!(left <= 8, "{left}");
}

#[tokio::test]
async fn a_revoked_device_stops_and_says_so() {
    let peer = Peer::with("127.0.0.1:0", Box::new(|_| {}), Some(Code::REVOKED)).await;
    let config = Config::new(peer.endpoint(), session("one"), Store::Memory);
    let client = Client::connect(config).await.unwrap();
    match soon(client.live()).await {
        Err(Error::SignedOut { code, .. }) => assert_eq!(code, Code::REVOKED),
        other => panic!("{other:?}"),
    }
    // What was written is not lost for it.
    client.send(room(), "kept").await.unwrap();
    assert_eq!(texts(&client).await, [format!("({:?})", State::Sending)]);
    assert!(!format!("{client:?}").contains(TOKEN));
}

#[tokio::test]
async fn a_disk_that_does_not_take_it_is_told_of_and_the_send_waits() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start().await;
    let client = open(&peer, dir.path()).await;
    let mut updates = client.updates();
    soon(client.live()).await.unwrap();
    client.deliver(text("before")).await.unwrap();
    let mut sql = rusqlite::Connection::open(dir.path().join("client.sqlite")).unwrap();
    let taken = sql
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .unwrap();
    let waiting = tokio::spawn({
        let client = client.clone();
        async move { client.deliver(text("during")).await.unwrap() }
    });
    let mut store = async || {
        soon(async {
            loop {
                if let Some(Update::Store { problem }) = updates.next().await {
                    return problem;
                }
            }
        })
        .await
    };
    let problem = store().await.expect("a problem");
    assert!(problem.contains("locked"), "{problem}");
    assert_eq!(peer.state.seen.lock().unwrap().len(), 1);
    drop(taken);
    assert_eq!(store().await, None);
    let (_, ended) = soon(waiting).await.unwrap();
    assert!(
        matches!(ended, Ended::Sent { seq: Seq(2), .. }),
        "{ended:?}"
    );
}

#[tokio::test]
async fn what_is_stored_is_on_disk() {
    let dir = tempfile::tempdir().unwrap();
    let peer = Peer::start().await;
    let client = open(&peer, dir.path()).await;
    drop(peer);
    for n in 0..20 {
        let accepted = client.send(room(), n.to_string()).await.unwrap();
        soon(client.stored()).await.unwrap();
        assert!(on_disk(dir.path(), accepted.id));
    }
}
