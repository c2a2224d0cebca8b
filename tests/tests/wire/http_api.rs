//! The HTTP API as a table, and conversations over it.

use parlour_protocol::error::Code;
use parlour_protocol::frame::server::Stretch;
use parlour_protocol::http::{Auth, Conversation, Conversations, Members, Placed, ROUTES};
use parlour_protocol::kind::Role;
use parlour_protocol::seq::Seq;
use parlour_tests::{Node, message_id};
use serde_json::json;

/// A route's path with made-up ids in it.
fn filled(path: &str) -> String {
    let mut path = path.to_owned();
    while let Some(start) = path.find('{') {
        let end = path.find('}').unwrap();
        path.replace_range(start..=end, &message_id().to_string());
    }
    path
}

#[tokio::test]
async fn every_route_asks_who_calls() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let nobody = node.http();
    let made_up = nobody.with("made up");
    let someone = nobody.with(&ada.token.0);
    for route in ROUTES {
        let path = filled(route.path);
        let body = || route.request.map(|_| b"{}".to_vec());
        let without = nobody.raw(route.method, &path, body()).await;
        let wrong = made_up.raw(route.method, &path, body()).await;
        match route.auth {
            Auth::None => assert_ne!(without.status, 401, "{} {path}", route.method),
            Auth::Token | Auth::Admin => {
                assert_eq!(
                    without.error().code,
                    Code::BAD_TOKEN,
                    "{} {path}",
                    route.method
                );
                assert_eq!(
                    wrong.error().code,
                    Code::BAD_TOKEN,
                    "{} {path}",
                    route.method
                );
            }
        }
        if route.auth == Auth::Admin {
            let body = Some(br#"{"accounts":[]}"#.to_vec());
            let refused = someone.raw(route.method, &path, body).await;
            assert_eq!(refused.error().code, Code::SCOPE, "{} {path}", route.method);
        }
    }
    let refused = someone.raw("PUT", "/v1/me", None).await;
    assert_eq!(refused.error().code, Code::METHOD);
    assert_eq!(
        someone.get("/v1/nothing").await.error().code,
        Code::NOT_FOUND
    );
}

#[tokio::test]
async fn bad_bodies_are_told_apart() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let http = node.http().with(&ada.token.0);
    for bad in [&b""[..], b"{", b"[]", b"\xff\xfe", br#"{"shape":"blob"}"#] {
        let answer = http
            .raw("POST", "/v1/conversations", Some(bad.to_vec()))
            .await;
        let error = answer.error();
        assert_eq!(error.code, Code::BAD_REQUEST, "{bad:?}");
        assert!(error.details.is_some(), "{error:?}");
    }
    let large = vec![b' '; 300_000];
    let answer = http.raw("POST", "/v1/conversations", Some(large)).await;
    assert_eq!(answer.error().code, Code::TOO_LARGE);
}

#[tokio::test]
async fn a_group_is_made_managed_and_left() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let eve = node.sign_up("eve").await;
    let (hers, his) = (
        node.http().with(&ada.token.0),
        node.http().with(&bob.token.0),
    );
    let id = message_id();
    let ask = json!({
        "shape": "group", "name": "The Analysts", "topic": "engines", "id": id,
        "members": [{"user": bob.user, "role": "admin"}],
    });
    let made: Conversation = hers.post("/v1/conversations", &ask).await.ok();
    assert_eq!(made.conversation.to_string(), id.to_string());
    assert_eq!(made.name.as_deref(), Some("The Analysts"));
    assert_eq!(made.topic.as_deref(), Some("engines"));
    assert_eq!(made.members, 2);
    // The same again finds the same.
    let again: Conversation = hers.post("/v1/conversations", &ask).await.ok();
    assert_eq!(again, made);
    // Someone else cannot take the id.
    let taken = node
        .http()
        .with(&eve.token.0)
        .post("/v1/conversations", &ask)
        .await;
    assert!((400..500).contains(&taken.status), "{taken:?}");

    let path = format!("/v1/conversations/{}", made.conversation);
    let members: Members = his.get(&format!("{path}/members")).await.ok();
    let role = |m: &Members, u| m.members.iter().find(|n| n.user == u).map(|n| n.role);
    assert_eq!(role(&members, ada.user), Some(Role::Owner));
    assert_eq!(role(&members, bob.user), Some(Role::Admin));

    let add = json!({"members": [{"user": eve.user}], "id": message_id()});
    let added: Placed = his.post(&format!("{path}/members"), &add).await.ok();
    let repeated: Placed = his.post(&format!("{path}/members"), &add).await.ok();
    assert_eq!(added, repeated);
    let list: Conversations = node
        .http()
        .with(&eve.token.0)
        .get("/v1/conversations")
        .await
        .ok();
    assert!(
        list.conversations
            .iter()
            .any(|c| c.conversation == made.conversation)
    );

    // Paged.
    let first: Members = hers.get(&format!("{path}/members?limit=2")).await.ok();
    assert_eq!(first.members.len(), 2);
    let next = first.next.unwrap();
    let rest: Members = hers
        .get(&format!("{path}/members?limit=2&after={next}"))
        .await
        .ok();
    assert_eq!((rest.members.len(), rest.next), (1, None));

    let left: Placed = node
        .http()
        .with(&eve.token.0)
        .delete(&format!("{path}/members/{}", eve.user))
        .await
        .ok();
    assert!(left.seq > added.seq);
    let list: Conversations = node
        .http()
        .with(&eve.token.0)
        .get("/v1/conversations")
        .await
        .ok();
    assert!(
        !list
            .conversations
            .iter()
            .any(|c| c.conversation == made.conversation)
    );
    let none = hers
        .delete(&format!("{path}/members/{}", eve.user))
        .await
        .error();
    assert_eq!(none.code, Code::CONFLICT);
    let why = format!("{} is no member, or not any more", eve.user);
    assert_eq!(none.details, Some(why.into()));
    // A member may not remove the owner.
    let refused = his.delete(&format!("{path}/members/{}", ada.user)).await;
    assert_eq!(refused.error().code, Code::FORBIDDEN);
}

#[tokio::test]
async fn a_script_sends_and_reads() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let (hers, his) = (
        node.http().with(&ada.token.0),
        node.http().with(&bob.token.0),
    );
    let direct = parlour_protocol::ConversationId::direct(ada.user, bob.user);
    let path = format!("/v1/conversations/{direct}");
    let send =
        json!({"id": message_id(), "to": bob.user, "body": {"plain": {"text": "by script"}}});
    let placed: Placed = hers.post(&format!("{path}/messages"), &send).await.ok();
    let again: Placed = hers.post(&format!("{path}/messages"), &send).await.ok();
    assert_eq!(placed, again);
    assert_eq!(placed.seq, Seq(1));
    let read: Stretch = his.get(&format!("{path}/history")).await.ok();
    assert_eq!(
        read.events[0].body.as_ref().unwrap().as_text(),
        Some("by script")
    );
    let one: Conversation = his.get(&path).await.ok();
    assert_eq!((one.head.seq, one.members), (Seq(1), 2));
    let refused = hers.get(&format!("{path}/history?before=x")).await;
    assert_eq!(refused.error().code, Code::BAD_REQUEST);
    // A person alone with their notes.
    let own = parlour_protocol::ConversationId::own(ada.user);
    let note = json!({"id": message_id(), "body": {"plain": {"text": "a note"}}});
    let _: Placed = hers
        .post(&format!("/v1/conversations/{own}/messages"), &note)
        .await
        .ok();
}

/// A body that does not come holds its connection for so long, and is told as that.
#[tokio::test]
async fn a_body_that_does_not_come_is_told_after_a_while() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let node = Node::with(&["--set", "http.body_ms=200"]);
    let at = node.url.trim_start_matches("http://");
    let mut stream = tokio::net::TcpStream::connect(at).await.unwrap();
    let half = "POST /v1/accounts HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\
                Connection: close\r\n\r\n{\"name\":";
    stream.write_all(half.as_bytes()).await.unwrap();
    let mut said = Vec::new();
    stream.read_to_end(&mut said).await.unwrap();
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 408"), "{said}");
    let (_, body) = said.split_once("\r\n\r\n").unwrap();
    let error: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(error["code"], Code::IDLE.0);
    let why = "the body did not come whole within 200 ms";
    assert_eq!(error["details"], why);
}
