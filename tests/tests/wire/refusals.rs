//! That a refusal says what was wrong, whichever way was asked: at the first try and at a later
//! one, on the socket and over HTTP.

use parlour_protocol::body::Body;
use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{Client, Server, client, server};
use parlour_protocol::http::{Conversation, Health, LoggedIn, Placed, Profiles};
use parlour_protocol::id::{ConversationId, UserId};
use parlour_protocol::seq::Seq;
use parlour_tests::socket::plain;
use parlour_tests::{Node, Socket, message_id};
use serde_json::{Value, json};

use crate::CODECS;
use crate::bad_sends::group;

/// The error that comes for this send.
async fn refusal(socket: &mut Socket, mut send: client::Send) -> server::Error {
    send.r#ref = socket.next_ref();
    let at = send.r#ref;
    socket.send(&Client::Send(send)).await;
    let error = |f: &Server| match f {
        Server::Error(e) if e.r#ref == at => Some(e.clone()),
        _ => None,
    };
    socket.expect(error).await
}

fn details(error: &server::Error) -> &str {
    let details = error.details.as_ref().and_then(Value::as_str);
    details.unwrap_or_else(|| panic!("no details: {error:?}"))
}

#[tokio::test]
async fn what_is_wrong_is_said_at_every_try_and_over_http() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let in_group = |body: Body| {
        let mut send = plain("");
        send.conversation = Some(group);
        send.body = body;
        send
    };
    let wrongs = [
        (
            Body::text("x".repeat(70_000)),
            Code::TOO_LARGE,
            "70021 bytes",
        ),
        (
            Body::text(""),
            Code::BAD_REQUEST,
            "`body.plain.text` is empty",
        ),
        (Body::default(), Code::BAD_REQUEST, "`body` is empty"),
        (
            Body::field("text", 5),
            Code::BAD_REQUEST,
            "`body.plain.text` is no string",
        ),
    ];
    for codec in CODECS {
        let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, codec).await;
        for (body, code, why) in &wrongs {
            for retry in [false, true] {
                let mut send = in_group(body.clone());
                send.retry = retry;
                let error = refusal(&mut socket, send).await;
                assert_eq!(error.code, *code);
                assert!(details(&error).contains(why), "{error:?}");
            }
        }
    }
    let http = node.http().with(&ada.token.0);
    let path = format!("/v1/conversations/{group}/messages");
    for (body, code, why) in &wrongs {
        let answer = http
            .post(&path, &json!({"id": message_id(), "body": body}))
            .await;
        let error = answer.error();
        assert_eq!(error.code, *code);
        assert!(details(&error).contains(why), "{error:?}");
        assert!(!answer.body.contains("\"ref\""), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_id_is_not_used_again_for_something_else() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let path = format!("/v1/conversations/{group}/messages");
    let mut first = plain("one");
    first.conversation = Some(group);
    let mut other = first.clone();
    other.body = Body::text("two");
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let placed = socket.place(first.clone()).await;
    for codec in CODECS {
        let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, codec).await;
        assert_eq!(
            refusal(&mut socket, other.clone()).await.code,
            Code::ID_REUSED
        );
        assert_eq!(socket.place(first.clone()).await.seq, placed.seq);
        let http = node.http().with(&ada.token.0);
        let body = |body| json!({"id": first.id, "body": body});
        let refused = http.post(&path, &body(&other.body)).await;
        assert_eq!(refused.error().code, Code::ID_REUSED);
        let again: Placed = http.post(&path, &body(&first.body)).await.ok();
        assert_eq!(again.seq, placed.seq);
        node.restart();
    }
    // In one breath: one of them is sent, and the other is not.
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let mut two = [plain("left"), plain("right")];
    two[1].id = two[0].id;
    for send in &mut two {
        send.conversation = Some(group);
        send.r#ref = socket.next_ref();
        socket.send(&Client::Send(send.clone())).await;
    }
    let [left, right] = [two[0].r#ref, two[1].r#ref];
    let mut sent = 0;
    for _ in 0..2 {
        sent += socket
            .expect(|f| match f {
                Server::Sent(s) if s.r#ref == left || s.r#ref == right => Some(1),
                Server::Error(e) if e.r#ref == left || e.r#ref == right => {
                    assert_eq!(e.code, Code::ID_REUSED);
                    Some(0)
                }
                _ => None,
            })
            .await;
    }
    assert_eq!(sent, 1);
}

/// A request over HTTP may be made again, and does nothing twice; another under its id is refused.
#[tokio::test]
async fn requests_over_http_are_made_again() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let cat = node.sign_up("cat").await;
    let http = node.http().with(&ada.token.0);
    let id = ConversationId::from_bytes(*message_id().as_bytes());
    let of = |name: &str, who: &LoggedIn| json!({"id": id, "shape": "group", "name": name, "members": [{"user": who.user}]});
    for _ in 0..2 {
        let made: Conversation = http.post("/v1/conversations", &of("us", &bob)).await.ok();
        assert_eq!((made.conversation, made.members), (id, 2));
        assert_eq!(made.name.as_deref(), Some("us"));
    }
    for other in [of("us", &cat), of("them", &bob)] {
        let refused = http.post("/v1/conversations", &other).await.error();
        assert_eq!(refused.code, Code::ID_REUSED, "{refused:?}");
    }
    let path = format!("/v1/conversations/{id}/members");
    let add = json!({"id": message_id(), "members": [{"user": cat.user}]});
    let first: Placed = http.post(&path, &add).await.ok();
    let again: Placed = http.post(&path, &add).await.ok();
    assert_eq!(again.seq, first.seq);
    // Everyone is in: now it is their role that is meant.
    let role = json!({"id": message_id(), "members": [{"user": cat.user, "role": "admin"}]});
    let changed: Placed = http.post(&path, &role).await.ok();
    let again: Placed = http.post(&path, &role).await.ok();
    assert_eq!(again.seq, changed.seq);
    // What it came to stays, whoever is in by then.
    let gone = http.delete(&format!("{path}/{}", cat.user)).await;
    let _: Placed = gone.ok();
    for (request, seq) in [(&add, first.seq), (&role, changed.seq)] {
        let again: Placed = http.post(&path, request).await.ok();
        assert_eq!(again.seq, seq);
    }
    let one: Conversation = http.get(&format!("/v1/conversations/{id}")).await.ok();
    assert_eq!(one.members, 2, "and brings nobody in again");

    // Oneself alone is a join: of what is open, and once.
    let new = json!({"shape": "channel", "join": "open"});
    let open: Conversation = http.post("/v1/conversations", &new).await.ok();
    let closed: Conversation = http
        .post("/v1/conversations", &json!({"shape": "channel"}))
        .await
        .ok();
    let hers = node.http().with(&cat.token.0);
    let join = json!({"id": message_id(), "members": [{"user": cat.user}]});
    let path = |c: &Conversation| format!("/v1/conversations/{}/members", c.conversation);
    let first: Placed = hers.post(&path(&open), &join).await.ok();
    let again: Placed = hers.post(&path(&open), &join).await.ok();
    assert_eq!(again.seq, first.seq);
    let refused = hers.post(&path(&closed), &join).await.error();
    assert_eq!(refused.code, Code::NOT_FOUND);
}

#[tokio::test]
async fn nobody_comes_in_who_does_not_exist() {
    let node = Node::start();
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let nobody = UserId::from_bytes(*message_id().as_bytes());
    let both = json!([{"user": bob.user}, {"user": nobody}]);
    let http = node.http().with(&ada.token.0);
    for shape in ["group", "channel"] {
        let new = json!({"shape": shape, "members": both});
        let refused = http.post("/v1/conversations", &new).await.error();
        assert_eq!(refused.code, Code::BAD_REQUEST);
        assert!(
            details(&refused).contains(&nobody.to_string()),
            "{refused:?}"
        );
    }
    let group = group(&node, &ada, &[]).await;
    let path = format!("/v1/conversations/{group}/members");
    let refused = http.post(&path, &json!({"members": both})).await.error();
    assert!(
        details(&refused).contains(&nobody.to_string()),
        "{refused:?}"
    );
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for retry in [false, true] {
        let mut add = plain("");
        add.conversation = Some(group);
        add.kind = Some("add".to_owned());
        add.named = serde_json::from_value(both.clone()).expect("users");
        add.retry = retry;
        let refused = refusal(&mut socket, add).await;
        assert!(
            details(&refused).contains(&nobody.to_string()),
            "{refused:?}"
        );
    }
    let one: Conversation = http.get(&format!("/v1/conversations/{group}")).await.ok();
    assert_eq!(one.members, 1);
    // Whoever is not in it hears of nothing, of users neither.
    let his = node.http().with(&bob.token.0);
    let refused = his.post(&path, &json!({"members": both})).await.error();
    assert_eq!((refused.code, refused.details), (Code::NOT_FOUND, None));
    // Nor is there anybody to say something to.
    let mut send = plain("hello?");
    send.to = Some(nobody);
    send.conversation = None;
    assert_eq!(socket.refused(send).await, Code::NOT_FOUND);
}

#[tokio::test]
async fn a_group_is_not_made_larger_than_it_can_be() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let names: Vec<String> = (0..501).map(|n| format!("user{n}")).collect();
    let made = node.bulk(&names, 0).await;
    let members = |count: usize| {
        let some = made.devices.iter().take(count);
        json!(some.map(|d| json!({"user": d.user})).collect::<Vec<_>>())
    };
    let http = node.http().with(&ada.token.0);
    let make = async |count| {
        let new = json!({"shape": "group", "members": members(count)});
        http.post("/v1/conversations", &new).await
    };
    let full: Conversation = make(499).await.ok();
    assert_eq!(full.members, 500);
    for count in [500, 501] {
        assert_eq!(make(count).await.error().code, Code::GROUP_FULL, "{count}");
    }
}

#[tokio::test]
async fn history_is_asked_for_in_words_that_there_are() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let http = node.http().with(&ada.token.0);
    for (query, code) in [
        ("after=1", None),
        ("before=9999", None),
        ("after=9999", None),
        ("changes_since=9999", None),
        ("before=0", Some(Code::BAD_REQUEST)),
        ("of-a-later-version=1", None),
        ("limit=x", Some(Code::BAD_REQUEST)),
    ] {
        let path = format!("/v1/conversations/{group}/history?{query}");
        let answer = http.get(&path).await;
        match code {
            None => assert_eq!(answer.status, 200, "{query}"),
            Some(code) => {
                assert_eq!(answer.error().code, code, "{query}");
                assert!(!details(&answer.error()).is_empty());
            }
        }
    }
    // What is told early is asked from behind early. How far there is anything, `as_of` says.
    let path = format!("/v1/conversations/{group}/history?after=9999");
    let page: server::Stretch = http.get(&path).await.ok();
    assert!(page.events.is_empty() && !page.more);
    assert_eq!(page.as_of, Seq(1));
}

#[tokio::test]
async fn names_that_pass_for_others_are_refused() {
    let node = Node::start();
    node.sign_up("coco").await;
    let sign_up = async |name: &str| {
        let body = json!({"name": name, "password": "long enough"});
        node.http().post("/v1/accounts", &body).await
    };
    for name in ["admin", "Isaac", "coco1"] {
        node.sign_up(name).await;
    }
    for bad in [
        "сосо",
        "сосо1",
        "admın",
        "Іѕаас",
        "cосо",
        "coco\u{200b}",
        "\u{202e}ococ",
        "..",
    ] {
        let error = sign_up(bad).await.error();
        assert_eq!(error.code, Code::BAD_NAME, "{bad:?}");
        assert!(!details(&error).is_empty());
    }
    let _: LoggedIn = sign_up("Маша").await.ok();
    // In ASCII a name is as it is, whoever it looks like.
    let _: LoggedIn = sign_up("Mawa").await.ok();
    // One spelling, whichever way it is typed.
    let jose: LoggedIn = sign_up("jose\u{301}").await.ok();
    assert_eq!(jose.name, "jos\u{e9}");
    assert_eq!(sign_up("JOS\u{c9}").await.error().code, Code::NAME_TAKEN);
    let log_in = json!({"name": "jose\u{301}", "password": "long enough"});
    let again: LoggedIn = node.http().post("/v1/login", &log_in).await.ok();
    assert_eq!(again.user, jose.user);
    // In bulk, none is made if one may not be.
    let bulk = json!({"accounts": [{"name": "new", "devices": 1}, {"name": "сосо"}]});
    let made = node.admin().post("/v1/admin/accounts", &bulk).await;
    assert_eq!(made.error().code, Code::BAD_NAME);
    assert!(details(&made.error()).contains("`сосо`: the name looks like `coco`"));
    let http = node.http().with(&jose.token.0);
    let found: Profiles = http.get("/v1/users?name=new").await.ok();
    assert!(found.users.is_empty());
    // What people are shown does not steer what is around it.
    let shown = http
        .patch("/v1/me", &json!({"display": "a\u{202e}b"}))
        .await;
    assert_eq!(shown.error().code, Code::BAD_REQUEST);
    let named = json!({"shape": "group", "name": "a\u{1b}[2Jb"});
    let named = http.post("/v1/conversations", &named).await.error();
    assert_eq!(named.code, Code::BAD_REQUEST);
    assert_eq!(details(&named), "`name` has the control character U+001B");
}

/// No name, however long or however it grows, is more than a name that nobody has.
#[tokio::test]
async fn names_of_any_length_are_nobodys() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let http = node.http().with(&ada.token.0);
    let long = "x".repeat(70_000);
    let grows = "\u{1d160}".repeat(13_000);
    let small = "\u{23a}".repeat(30_000);
    for name in [&long, &grows, &small] {
        let log_in = json!({"name": name, "password": "long enough"});
        let refused = http.post("/v1/login", &log_in).await.error();
        assert_eq!(refused.code, Code::BAD_CREDENTIALS);
        let sign_up = http.post("/v1/accounts", &log_in).await.error();
        assert_eq!(sign_up.code, Code::BAD_NAME);
        let bulk = json!({"accounts": [{"name": name}]});
        let refused = node.admin().post("/v1/admin/accounts", &bulk).await.error();
        assert_eq!(refused.code, Code::BAD_NAME);
        let short: String = name.chars().take(500).collect();
        for key in ["name", "prefix"] {
            let found: Profiles = http.get(&format!("/v1/users?{key}={short}")).await.ok();
            assert!(found.users.is_empty());
        }
    }
    let health: Health = http.get("/health").await.ok();
    assert_eq!(health.status, "ok");
}

/// What is answered must be there: in the place before, at the earliest.
#[tokio::test]
async fn an_answer_is_to_something_that_is_there() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let group = group(&node, &ada, &[]).await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let first = socket.say(group, "a question").await;
    let answer = |place| {
        let mut send = plain("an answer");
        send.conversation = Some(group);
        send.reply_to = Some(Seq(place));
        send
    };
    for ahead in [first.seq.0 + 1, 99_999] {
        assert_eq!(socket.refused(answer(ahead)).await, Code::SEQ_AHEAD);
    }
    let placed = socket.place(answer(first.seq.0)).await;
    assert_eq!(placed.seq, first.seq.next());
}
