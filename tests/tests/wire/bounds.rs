//! Clients that behave badly for long: what they cost is bounded, and others do not feel it.

use std::time::Duration;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::id::ConversationId;
use parlour_tests::socket::{Came, plain};
use parlour_tests::{Node, Socket};

use crate::bad_sends::group;

#[tokio::test]
async fn a_client_that_never_reads_is_disconnected_and_loses_nothing() {
    let node = Node::with(&[
        "--set",
        "limits.idle_ms=2000",
        "--set",
        "limits.ping_ms=1000",
        "--set",
        "limits.sends_burst=100000",
    ]);
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let group = group(&node, &ada, &[&bob]).await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    // More than what two kernels hold for a socket.
    let text = "x".repeat(60_000);
    let mut last = parlour_protocol::seq::Seq::ZERO;
    for i in 0..400 {
        last = hers.say(group, &text).await.seq;
        // He lives, and says so, but reads nothing.
        if i % 20 == 0 {
            his.send(&Client::Ping(client::Ping { r#ref: 0 })).await;
        }
    }
    // She is not held up; he is closed once his socket took nothing for the idle time.
    let mut beat = tokio::time::interval(Duration::from_millis(200));
    let mut closed = false;
    for _ in 0..100 {
        beat.tick().await;
        his.send(&Client::Ping(client::Ping { r#ref: 0 })).await;
        hers.send(&Client::Ping(client::Ping { r#ref: 1 })).await;
        let metrics = node.http().get("/metrics").await.body;
        if metrics.contains("parlour_sessions_closed_total{code=\"4501\"} 1") {
            closed = true;
            break;
        }
    }
    assert!(closed, "he was fed for ever");
    assert!(matches!(his.closed().await, Came::Closed(_) | Came::Gone));
    let (mut again, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    again
        .send(&Client::Sync(client::Sync {
            r#ref: 1,
            digests: None,
        }))
        .await;
    again
        .expect(|f| match f {
            Server::Page(p) => p
                .lines
                .iter()
                .find(|l| l.conversation == group && l.head.seq == last)
                .map(|_| ()),
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn a_flood_of_requests_is_answered_or_ended_and_others_go_on() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let (mut flood, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for i in 0..2_000 {
        let ask = client::History {
            r#ref: i,
            conversation: ConversationId::own(bob.user),
            before: None,
            after: None,
            changes_since: None,
            limit: None,
        };
        flood.send(&Client::History(ask)).await;
    }
    // Bob talks meanwhile.
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    his.say(ConversationId::own(bob.user), "undisturbed").await;
    // None is answered with what is not hers, and most with "too many".
    let (mut limited, mut refused) = (0, 0);
    while limited == 0 {
        match flood.next().await {
            Came::Frame(Server::Error(e)) if e.code == Code::RATE_LIMITED => limited += 1,
            Came::Frame(Server::Error(e)) => {
                assert_eq!(e.code, Code::NOT_FOUND);
                refused += 1;
            }
            Came::Frame(frame) => panic!("an answer: {frame:?}"),
            // Who asks faster than it reads is disconnected.
            Came::Closed(code) => {
                assert_eq!(code, Code::SLOW_READER.0);
                break;
            }
            Came::Gone => break,
        }
    }
    assert!(refused <= 400, "{refused} requests were taken at once");
}

#[tokio::test]
async fn a_storm_of_connections_is_taken() {
    let node = Node::start();
    let names: Vec<String> = (0..300).map(|i| format!("user{i}")).collect();
    let made = node.bulk(&names, 1).await;
    let url = &node.url;
    let sockets = futures_util::future::join_all(made.devices.iter().map(|d| async move {
        let token = d.token.clone().unwrap().0;
        Socket::connect(url, &token, Codec::MessagePack).await.0
    }))
    .await;
    assert_eq!(sockets.len(), 300);
    let metrics = node.http().get("/metrics").await.body;
    assert!(metrics.contains("parlour_sessions_open 300"), "{metrics}");
}

#[tokio::test]
async fn a_channel_is_heard_by_those_who_look_and_told_to_the_others() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let eve = node.sign_up("eve").await;
    let http = node.http().with(&ada.token.0);
    let made: parlour_protocol::http::Conversation = http
        .post(
            "/v1/conversations",
            &serde_json::json!({
                "shape": "channel", "name": "news",
                "members": [{"user": bob.user}, {"user": eve.user}],
            }),
        )
        .await
        .ok();
    let channel = made.conversation;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let (mut looks, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let (mut other, _) = Socket::connect(&node.url, &eve.token.0, Codec::Json).await;
    looks
        .send(&Client::Focus(client::Focus {
            r#ref: 0,
            conversation: Some(channel),
            members: false,
        }))
        .await;
    // What follows on the same connection comes after the focus took hold at the node.
    let mut note = plain("a note");
    note.conversation = Some(ConversationId::own(bob.user));
    looks.place(note).await;
    let said = hers.say(channel, "read all about it").await;
    looks
        .expect(|f| match f {
            Server::Event(e) if e.conversation == channel && e.seq == said.seq => Some(()),
            Server::Heads(h) if h.heads.iter().any(|m| m.conversation == channel) => Some(()),
            _ => None,
        })
        .await;
    other
        .expect(|f| match f {
            Server::Heads(h) => h
                .heads
                .iter()
                .find(|m| m.conversation == channel && m.head.seq >= said.seq)
                .map(|_| ()),
            Server::Event(e) if e.conversation == channel && e.kind == "message" => {
                panic!("an event for one who does not look: {e:?}")
            }
            _ => None,
        })
        .await;
}

#[tokio::test]
async fn strangers_never_take_the_files_that_the_store_needs() {
    for files in [60, 100] {
        strangers(files).await;
    }
}

/// Whether a node answers whoever asks from this address.
async fn answers(at: &str, from: [u8; 4]) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind((from, 0).into()).unwrap();
    let mut stream = socket.connect(at.parse().unwrap()).await.unwrap();
    let ask = b"GET /health HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n";
    // One who is not wanted may find the socket closed already.
    let _ = stream.write_all(ask).await;
    let mut said = Vec::new();
    let _ = stream.read_to_end(&mut said).await;
    said.starts_with(b"HTTP/1.1 200")
}

async fn strangers(files: u32) {
    let dir = tempfile::tempdir().unwrap();
    let limited = format!("ulimit -n {files} && exec \"$@\"");
    // Both limits: the node cannot raise it. Sockets that say nothing are there to the end.
    let mut node = Node::wrapped(
        dir,
        &["sh", "-c", &limited, "sh"],
        &[
            "--set",
            "limits.sends_burst=100000",
            "--set",
            "http.upgrade_ms=600000",
        ],
    );
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let at = node.url.trim_start_matches("http://").to_owned();
    let mut strangers = Vec::new();
    for _ in 0..200 {
        strangers.push(tokio::net::TcpStream::connect(&at).await.unwrap());
    }
    // Enough that the store begins journals and tables anew, for which it opens files.
    let text = "x".repeat(60_000);
    let mut last = parlour_protocol::seq::Seq::ZERO;
    for _ in 0..1_200 {
        last = socket.say(own, &text).await.seq;
    }
    let tables = node.data().join("store/keyspaces/1/tables");
    assert!(std::fs::read_dir(tables).unwrap().count() > 1);
    socket
        .send(&Client::History(client::History {
            r#ref: 1 << 40,
            conversation: own,
            before: None,
            after: Some(parlour_protocol::seq::Seq::ZERO),
            changes_since: None,
            limit: Some(1),
        }))
        .await;
    let events = socket
        .expect(|f| match f {
            Server::Page(p) if p.r#ref == 1 << 40 => p.stretch.as_ref().map(|s| s.events.len()),
            Server::Error(e) => panic!("{e:?}"),
            _ => None,
        })
        .await;
    assert_eq!(events, 1);
    assert!(last.0 >= 1_200);
    // Whoever stands idle at the door of one address keeps nobody of another out.
    if files >= 100 {
        assert!(
            answers(&at, [127, 0, 0, 2]).await,
            "one address has every place"
        );
        assert!(
            !answers(&at, [127, 0, 0, 1]).await,
            "one address has no bound"
        );
    }
    // It says that it takes fewer than it was set to; and once the strangers are gone, it takes more.
    node.until_logged("raise `ulimit -n`");
    drop(strangers);
    let other = async {
        loop {
            if let Ok(socket) = Socket::try_open(&node.url, Codec::Json).await {
                break socket;
            }
        }
    };
    let other = tokio::time::timeout(Duration::from_secs(20), other).await;
    assert!(other.is_ok(), "nobody can connect");
    node.signal("TERM");
    assert!(node.wait().success());
}
