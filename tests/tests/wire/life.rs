//! Starting, going away, and being killed.

use std::process::Command;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::Server;
use parlour_protocol::http::Health;
use parlour_tests::node::binary;
use parlour_tests::socket::Came;
use parlour_tests::{Node, Socket};

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let done = command.output().unwrap();
    (
        done.status.code(),
        String::from_utf8(done.stdout).unwrap(),
        String::from_utf8(done.stderr).unwrap(),
    )
}

#[tokio::test]
async fn a_first_start_says_what_to_do_next() {
    let node = Node::start();
    let health: Health = node.http().get("/health").await.ok();
    assert_eq!(health.status, "ok");
    let ready: Health = node.http().get("/ready").await.ok();
    assert_eq!(ready.status, "ok");
    let logs = node.until_logged("admin.token");
    for word in ["/v1/accounts", &node.url, "admin.token"] {
        assert!(logs.contains(word), "{word} is missing in\n{logs}");
    }
    let token = node.data().join("admin.token");
    let mode = std::os::unix::fs::PermissionsExt::mode(&token.metadata().unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert!(!logs.contains(std::fs::read_to_string(token).unwrap().trim()));
}

#[tokio::test]
async fn the_administrators_token_stays_over_restarts_and_is_made_anew_when_lost() {
    let mut node = Node::start();
    let path = node.data().join("admin.token");
    let first = std::fs::read_to_string(&path).unwrap();
    node.restart();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), first);
    std::fs::remove_file(&path).unwrap();
    node.restart();
    assert_ne!(std::fs::read_to_string(&path).unwrap(), first);
    node.bulk(&["bot".into()], 1).await;
    // One that an operator sets is used instead.
    node.set_env("PARLOUR_ACCOUNTS_ADMIN_TOKEN", "set by the operator");
    node.restart();
    let http = node.http().with("set by the operator");
    let made = http
        .post("/v1/admin/invitations", &serde_json::json!({}))
        .await;
    assert_eq!(made.status, 200, "{}", made.body);
}

#[tokio::test]
async fn a_port_in_use_is_a_plain_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let dir = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = run(Command::new(binary())
        .args(["serve", "--listen", &address, "--data"])
        .arg(dir.path().join("data")));
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(&address) && stderr.contains("in use"),
        "{stderr}"
    );
    assert!(stderr.contains("--listen"), "{stderr}");
}

#[tokio::test]
async fn a_folder_in_use_is_named_with_the_pid() {
    let node = Node::start();
    let (code, stdout, stderr) = run(&mut node.command());
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(&node.data().display().to_string()),
        "{stderr}"
    );
    assert!(stderr.contains(&node.pid().to_string()), "{stderr}");
}

#[tokio::test]
async fn a_wrong_configuration_names_what_and_where() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("parlour.toml");
    std::fs::write(&file, "[http]\nlisen = \"127.0.0.1:0\"\n").unwrap();
    let (code, _, stderr) = run(Command::new(binary())
        .arg("serve")
        .arg("--config")
        .arg(&file));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("did you mean `http.listen`?"), "{stderr}");

    let (code, sample, _) = run(Command::new(binary()).args(["config", "sample"]));
    assert_eq!(code, Some(0));
    std::fs::write(&file, sample).unwrap();
    let (code, said, _) = run(Command::new(binary())
        .args(["config", "check", "--config"])
        .arg(&file));
    assert_eq!(code, Some(0));
    assert!(said.contains("nothing is wrong"), "{said}");
}

#[tokio::test]
async fn sigterm_drains() {
    let mut node = Node::with(&["--set", "drain.jitter_ms_max=500"]);
    let ada = node.sign_up("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    node.signal("TERM");
    let after = socket
        .expect(|f| match f {
            Server::GoingAway(g) => Some(g.after_ms),
            _ => None,
        })
        .await;
    assert!(after <= 500, "{after}");
    assert_eq!(socket.closed().await, Came::Closed(Code::GOING_AWAY.0));
    assert_eq!(node.wait().code(), Some(0), "{}", node.logs());
}

#[tokio::test]
async fn logs_can_be_json_and_have_no_secret() {
    let node = Node::with(&[
        "--set",
        "telemetry.format=json",
        "--set",
        "telemetry.level=trace",
    ]);
    let ada = node.sign_up("canary-name-ada").await;
    let (mut socket, welcome) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let own = parlour_protocol::ConversationId::own(welcome.user);
    let mut note = parlour_tests::socket::plain("canary-body-5150");
    note.conversation = Some(own);
    socket.place(note).await;
    let logs = node.logs();
    assert!(logs.lines().any(|l| l.starts_with('{')), "{logs}");
    for secret in ["canary-body-5150", "password of", ada.token.0.as_str()] {
        assert!(!logs.contains(secret), "{secret} is in the logs");
    }
    let metrics = node.http().get("/metrics").await.body;
    for secret in ["canary", &ada.user.to_string(), &own.to_string()] {
        assert!(!metrics.contains(secret), "{secret} is in the metrics");
    }
    assert!(metrics.contains("parlour_sessions_open 1"), "{metrics}");
}

#[tokio::test]
async fn tls_is_spoken_and_beyond_loopback_without_it_is_warned_of() {
    let dir = tempfile::tempdir().unwrap();
    let (cert, key) = (dir.path().join("cert.pem"), dir.path().join("key.pem"));
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ])
        .args([
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
        ])
        .arg("-keyout")
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .output()
        .unwrap();
    assert!(made.status.success());
    let text = |p: &std::path::Path| p.display().to_string();
    let node = Node::with(&["--tls-cert", &text(&cert), "--tls-key", &text(&key)]);
    assert!(node.url.starts_with("https://"), "{}", node.url);
    let said = Command::new("curl")
        .args(["--silent", "--show-error", "--cacert", &text(&cert)])
        .arg(format!("{}/health", node.url))
        .output()
        .unwrap();
    assert!(
        String::from_utf8_lossy(&said.stdout).contains("\"ok\""),
        "{}",
        String::from_utf8_lossy(&said.stderr)
    );

    let (code, _, stderr) = run(Command::new(binary())
        .args([
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--tls-cert",
            &text(&cert),
            "--data",
        ])
        .arg(dir.path().join("data")));
    assert_eq!(code, Some(1));
    assert!(stderr.contains("--tls-key"), "{stderr}");

    let open = Node::with(&["--listen", "0.0.0.0:0"]);
    open.until_logged("there is no TLS");
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let mut node = Node::with(&[
        "--set",
        "drain.jitter_ms_max=600000",
        "--set",
        "drain.drain_ms_max=600000",
    ]);
    let ada = node.sign_up("ada").await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    node.signal("TERM");
    socket
        .expect(|f| matches!(f, Server::GoingAway(_)).then_some(()))
        .await;
    node.signal("TERM");
    assert_eq!(node.wait().code(), Some(1));
}

#[tokio::test]
async fn a_device_that_was_not_reached_is_woken_and_one_that_was_is_not() {
    let node = Node::with(&[
        "--set",
        "push.delay_ms=300",
        "--set",
        "telemetry.level=debug",
    ]);
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let away = node.log_in("bob").await;
    let (mut hers, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let (mut his, _) = Socket::connect(&node.url, &bob.token.0, Codec::Json).await;
    let mut send = parlour_tests::socket::plain("are you there?");
    send.to = Some(bob.user);
    let sent = hers.place(send).await;
    his.expect(|f| match f {
        Server::Event(e) if e.seq == sent.seq => Some(()),
        _ => None,
    })
    .await;
    // What a live client does.
    his.send(&parlour_protocol::frame::Client::Delivered(
        parlour_protocol::frame::client::Marks {
            r#ref: 0,
            marks: [(sent.conversation, sent.seq)].into(),
        },
    ))
    .await;
    // And it goes on living: what comes within the very millisecond of the event proves nothing.
    for i in 1..=20 {
        his.send(&parlour_protocol::frame::Client::Ping(
            parlour_protocol::frame::client::Ping { r#ref: i },
        ))
        .await;
        his.expect(|f| matches!(f, Server::Pong(p) if p.r#ref == i).then_some(()))
            .await;
    }
    let woken = async {
        while !node
            .http()
            .get("/metrics")
            .await
            .body
            .contains("parlour_wakes_total{outcome=\"done\"}")
        {}
    };
    tokio::time::timeout(parlour_tests::PATIENCE, woken)
        .await
        .expect("nobody was woken");
    let logs = node.logs();
    let would = |device: &parlour_protocol::DeviceId| {
        logs.lines()
            .any(|l| l.contains("would be woken") && l.contains(&device.to_string()))
    };
    assert!(would(&away.device), "{logs}");
    assert!(!would(&bob.device), "{logs}");
    assert!(!would(&ada.device), "{logs}");
}

#[tokio::test]
async fn a_node_that_slept_past_its_lease_says_that_sessions_are_behind_and_goes_on() {
    let node = Node::with(&[
        "--set",
        "session.lease_ms=600",
        "--set",
        "session.renew_ms=200",
    ]);
    let ada = node.sign_up("ada").await;
    let (mut socket, welcome) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    node.signal("STOP");
    // tidy: sleep, because the lease lapses by time alone.
    tokio::time::sleep(std::time::Duration::from_millis(1_500)).await;
    node.signal("CONT");
    socket
        .expect(|f| matches!(f, Server::Behind(_)).then_some(()))
        .await;
    let own = parlour_protocol::ConversationId::own(welcome.user);
    socket.say(own, "still here").await;
    let ready: Health = node.http().get("/ready").await.ok();
    assert_eq!(ready.status, "ok");
}
