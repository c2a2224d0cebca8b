//! Signing up, logging in, devices, profiles, administration.

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::http::{Devices, Invitation, LoggedIn, Profile, Profiles};
use parlour_tests::socket::Came;
use parlour_tests::{Node, Socket};
use serde_json::json;

#[tokio::test]
async fn signs_up_logs_in_and_out() {
    let node = Node::start();
    let first = node.sign_up("ada").await;
    let second = node.log_in("ADA").await;
    assert_eq!(
        first.user, second.user,
        "names are one without regard to case"
    );
    assert_eq!(second.name, "ada");
    assert_ne!(first.device, second.device);

    let ada = node.http().with(&first.token.0);
    let devices: Devices = ada.get("/v1/devices").await.ok();
    assert_eq!(devices.devices.len(), 2);
    assert_eq!(
        devices.devices.iter().find(|d| d.this).map(|d| d.device),
        Some(first.device)
    );

    let other = node.http().with(&second.token.0);
    assert_eq!(other.raw("POST", "/v1/logout", None).await.status, 204);
    assert_eq!(other.get("/v1/me").await.error().code, Code::REVOKED);
    let me: Profile = ada.get("/v1/me").await.ok();
    assert_eq!((me.user, me.name.as_str()), (first.user, "ada"));
}

#[tokio::test]
async fn known_and_unknown_accounts_answer_alike() {
    let node = Node::start();
    node.sign_up("ada").await;
    let mut told = Vec::new();
    for (name, password) in [
        ("ada", "not her password"),
        ("nobody", "not a password"),
        ("not a name", "not a password"),
    ] {
        let answer = node
            .http()
            .post("/v1/login", &json!({"name": name, "password": password}))
            .await;
        assert_eq!(answer.error().code, Code::BAD_CREDENTIALS);
        told.push(answer.body);
    }
    // A system account without a password, too.
    node.bulk(&["bot".into()], 0).await;
    let answer = node
        .http()
        .post(
            "/v1/login",
            &json!({"name": "bot", "password": "password of bot"}),
        )
        .await;
    told.push(answer.body);
    assert!(told.windows(2).all(|w| w[0] == w[1]), "{told:?}");
}

#[tokio::test]
async fn duplicate_and_bad_names_are_told_apart() {
    let node = Node::start();
    node.sign_up("ada").await;
    let sign_up = async |name: &str, password: &str| {
        node.http()
            .post("/v1/accounts", &json!({"name": name, "password": password}))
            .await
            .error()
            .code
    };
    assert_eq!(sign_up("Ada", "long enough").await, Code::NAME_TAKEN);
    for bad in ["", "a b", "a@b", "a:b", "a\u{7}", &"x".repeat(65)] {
        assert_eq!(sign_up(bad, "long enough").await, Code::BAD_NAME, "{bad:?}");
    }
    assert_eq!(sign_up("bob", "short").await, Code::WEAK_PASSWORD);
    assert_eq!(sign_up("bob", &"x".repeat(1025)).await, Code::WEAK_PASSWORD);
}

#[tokio::test]
async fn one_name_for_one_of_many_who_race() {
    let node = Node::start();
    let (http, body) = (
        node.http(),
        json!({"name": "ada", "password": "long enough"}),
    );
    let made =
        futures_util::future::join_all((0..8).map(|_| http.post("/v1/accounts", &body))).await;
    let won = made.iter().filter(|a| a.status == 200).count();
    assert_eq!(won, 1, "{made:?}");
    for answer in made.iter().filter(|a| a.status != 200) {
        assert_eq!(answer.error().code, Code::NAME_TAKEN);
    }
}

#[tokio::test]
async fn sign_up_can_be_closed_or_by_invitation() {
    let closed = Node::with(&["--sign-up", "closed"]);
    let body = json!({"name": "ada", "password": "long enough"});
    let refused = closed.http().post("/v1/accounts", &body).await;
    assert_eq!(refused.error().code, Code::SIGN_UP_CLOSED);

    let node = Node::with(&["--sign-up", "invitation"]);
    let sign_up = async |name: &str, invitation: Option<&str>| {
        let body = json!({"name": name, "password": "long enough", "invitation": invitation});
        node.http().post("/v1/accounts", &body).await
    };
    let invited: Invitation = node
        .admin()
        .post("/v1/admin/invitations", &json!({"uses": 1}))
        .await
        .ok();
    let invitation = invited.invitation.0.as_str();
    assert_eq!(
        sign_up("ada", None).await.error().code,
        Code::INVITATION_NEEDED
    );
    assert_eq!(
        sign_up("ada", Some("made up")).await.error().code,
        Code::INVITATION_NEEDED
    );
    let _: LoggedIn = sign_up("ada", Some(invitation)).await.ok();
    assert_eq!(
        sign_up("bob", Some(invitation)).await.error().code,
        Code::INVITATION_NEEDED
    );
}

#[tokio::test]
async fn a_revoked_device_is_out_at_once_and_for_ever() {
    let mut node = Node::start();
    let one = node.sign_up("ada").await;
    let two = node.log_in("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &two.token.0, Codec::Json).await;
    let ada = node.http().with(&one.token.0);
    let gone = ada.delete(&format!("/v1/devices/{}", two.device)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(socket.closed().await, Came::Closed(Code::REVOKED.0));

    for _ in 0..2 {
        let mut again = Socket::open(&node.url, Codec::Json).await;
        again.hello(&two.token.0).await;
        assert_eq!(again.closed().await, Came::Closed(Code::REVOKED.0));
        node.restart();
    }
    // A device of someone else is none of one's own.
    let bob = node.sign_up("bob").await;
    let bob = node.http().with(&bob.token.0);
    let refused = bob.delete(&format!("/v1/devices/{}", one.device)).await;
    assert_eq!(refused.error().code, Code::NOT_FOUND);
}

#[tokio::test]
async fn devices_have_a_bound() {
    let node = Node::with(&["--set", "limits.devices=2"]);
    node.sign_up("ada").await;
    node.log_in("ada").await;
    let third = node
        .http()
        .post(
            "/v1/login",
            &json!({"name": "ada", "password": "password of ada"}),
        )
        .await;
    assert_eq!(third.error().code, Code::TOO_MANY_DEVICES);
}

#[tokio::test]
async fn profiles_change_and_are_found() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    node.sign_up("adam").await;
    let bob = node.sign_up("bob").await;
    let http = node.http().with(&ada.token.0);
    let change = json!({"display": "Ada L.", "status": "thinking"});
    let me: Profile = http.patch("/v1/me", &change).await.ok();
    assert_eq!(
        (me.display.as_str(), me.status.as_deref()),
        ("Ada L.", Some("thinking"))
    );
    let me: Profile = http.patch("/v1/me", &json!({"status": ""})).await.ok();
    assert_eq!((me.display.as_str(), me.status), ("Ada L.", None));
    let refused = http
        .patch("/v1/me", &json!({"display": "a\u{1b}[2J"}))
        .await;
    assert_eq!(refused.error().code, Code::BAD_REQUEST);

    let names = async |path: String| {
        let found: Profiles = http.get(&path).await.ok();
        found.users.into_iter().map(|u| u.name).collect::<Vec<_>>()
    };
    assert_eq!(names("/v1/users?name=ADA".into()).await, ["ada"]);
    assert_eq!(names("/v1/users?prefix=ad".into()).await, ["ada", "adam"]);
    assert_eq!(names("/v1/users?name=nobody".into()).await, [""; 0]);
    let ids = format!("/v1/users?ids={},{}", bob.user, ada.user);
    assert_eq!(names(ids).await, ["bob", "ada"]);
    assert_eq!(http.get("/v1/users").await.error().code, Code::BAD_REQUEST);
    assert_eq!(
        http.get("/v1/users/nonsense").await.error().code,
        Code::NOT_FOUND
    );
}

#[tokio::test]
async fn an_address_has_so_many_attempts() {
    let node = Node::with(&[
        "--set",
        "accounts.attempts_burst=3",
        "--set",
        "accounts.attempts_per_min=1",
    ]);
    let body = json!({"name": "nobody", "password": "no password"});
    for _ in 0..3 {
        let answer = node.http().post("/v1/login", &body).await;
        assert_eq!(answer.error().code, Code::BAD_CREDENTIALS);
    }
    let error = node.http().post("/v1/login", &body).await.error();
    assert_eq!(error.code, Code::RATE_LIMITED);
    assert!(error.retry_ms.is_some_and(|ms| ms > 30_000), "{error:?}");
}

#[tokio::test]
async fn an_administrator_makes_accounts_in_bulk() {
    let node = Node::start();
    let names: Vec<String> = (0..50).map(|i| format!("user{i}")).collect();
    let made = node.bulk(&names, 2).await;
    assert_eq!(made.devices.len(), 100);
    let tokens: std::collections::BTreeSet<_> = made
        .devices
        .iter()
        .map(|d| d.token.clone().unwrap().0)
        .collect();
    assert_eq!(tokens.len(), 100);
    // Again: the same users, further devices.
    let again = node.bulk(&names[..1], 1).await;
    assert_eq!(again.devices[0].user, made.devices[0].user);
    assert_ne!(again.devices[0].device, made.devices[0].device);
    let me: Profile = node
        .http()
        .with(&again.devices[0].token.as_ref().unwrap().0)
        .get("/v1/me")
        .await
        .ok();
    assert_eq!(me.name, "user0");

    let ada = node.sign_up("ada").await;
    let refused = node
        .http()
        .with(&ada.token.0)
        .post("/v1/admin/accounts", &json!({"accounts": []}))
        .await;
    assert_eq!(refused.error().code, Code::SCOPE);
}
