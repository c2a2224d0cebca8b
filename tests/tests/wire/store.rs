//! Stores that are full, newer, damaged, checked, backed up and restored.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use parlour_protocol::codec::Codec;
use parlour_protocol::error::Code;
use parlour_protocol::frame::server::Stretch;
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::http::{Health, LoggedIn};
use parlour_protocol::id::ConversationId;
use parlour_protocol::seq::Seq;
use parlour_tests::node::binary;
use parlour_tests::socket::{Came, plain};
use parlour_tests::{Node, Socket};

use crate::table::{damage_events, in_events, to_table};

fn run(command: &mut Command) -> (Option<i32>, String) {
    let done = command.output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    (done.status.code(), String::from_utf8(said).unwrap())
}

#[tokio::test]
async fn a_restored_store_is_another_one_and_clients_see_it() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, before) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let kept = socket.say(own, "kept").await;
    node.kill();

    let (data, file) = (node.data(), node.dir.path().join("chat.backup"));
    let (code, said) = run(Command::new(binary()).arg("verify").arg(&data));
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = run(Command::new(binary()).arg("backup").arg(&data).arg(&file));
    assert_eq!(code, Some(0), "{said}");
    node.restart();
    let (mut socket, same) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    assert_eq!(same.store, before.store);
    let lost = socket.say(own, "after the backup").await;
    assert!(lost.seq > kept.seq);
    node.kill();
    std::fs::rename(&data, node.dir.path().join("old")).unwrap();
    let (code, said) = run(Command::new(binary()).arg("restore").arg(&file).arg(&data));
    assert_eq!(code, Some(0), "{said}");

    node.restart();
    let (mut socket, after) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    assert_ne!(after.store, before.store);
    let history: Stretch = node
        .http()
        .with(&ada.token.0)
        .get(&format!("/v1/conversations/{own}/history"))
        .await
        .ok();
    assert_eq!(history.as_of, kept.seq);
    assert_eq!(socket.say(own, "goes on").await.seq, kept.seq.next());
}

#[tokio::test]
async fn verify_backup_and_restore_refuse_what_they_must() {
    let node = Node::start();
    let file = node.dir.path().join("chat.backup");
    for command in ["verify", "backup"] {
        let mut parlour = Command::new(binary());
        parlour.arg(command).arg(node.data());
        if command == "backup" {
            parlour.arg(&file);
        }
        let (code, said) = run(&mut parlour);
        if command == "verify" {
            assert_eq!(code, Some(1), "{command} of a store in use: {said}");
            assert!(said.contains(&node.pid().to_string()), "{said}");
        } else {
            // A store in use is copied, and the server goes on.
            assert_eq!(code, Some(0), "{command} of a store in use: {said}");
            std::fs::remove_file(&file).unwrap();
        }
        let (code, said) =
            run(Command::new(binary())
                .arg(command)
                .arg("nowhere")
                .args(if command == "backup" {
                    &["x.backup"][..]
                } else {
                    &[]
                }));
        assert_eq!(code, Some(1));
        assert!(said.contains("nowhere"), "{said}");
    }
    std::fs::write(&file, b"no backup at all").unwrap();
    let (code, said) = run(Command::new(binary())
        .arg("restore")
        .arg(&file)
        .arg(node.dir.path().join("new")));
    assert_eq!(code, Some(1));
    assert!(said.contains("chat.backup"), "{said}");
    let (code, said) = run(Command::new(binary())
        .arg("restore")
        .arg(&file)
        .arg(node.data()));
    assert_eq!(code, Some(1), "{said}");
}

#[tokio::test]
async fn a_store_in_use_is_copied_with_everything_that_was_sent() {
    let node = Node::start();
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let mut copied = Vec::new();
    for round in 0..3 {
        let before = socket.say(own, "before").await.seq;
        let file = node.dir.path().join(format!("{round}.backup"));
        let (code, said) = run(Command::new(binary())
            .arg("backup")
            .arg(node.data())
            .arg(&file));
        assert_eq!(code, Some(0), "{said}");
        copied.push((before, file));
    }
    // The server knows nothing of it.
    socket.say(own, "goes on").await;
    for (before, file) in copied {
        let made = file.with_extension("made");
        let (code, said) = run(Command::new(binary()).arg("restore").arg(&file).arg(&made));
        assert_eq!(code, Some(0), "{said}");
        let (code, said) = run(Command::new(binary()).arg("verify").arg(&made));
        assert_eq!(code, Some(0), "{said}");
        assert!(said.contains(&format!("{} events", before.0)), "{said}");
    }
}

#[tokio::test]
async fn a_damaged_store_is_refused_by_name_and_left_as_it_is() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for _ in 0..5 {
        socket.say(own, "kept").await;
    }
    // SIGKILL: nothing tells where the journal ends but what is written with each batch.
    node.kill();
    let journal = std::fs::read_dir(node.data().join("store"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "jnl"))
        .unwrap();
    let mut bytes = std::fs::read(&journal).unwrap();
    // The tag that begins the end of the last batch.
    let end = bytes.iter().rposition(|b| *b != 0).unwrap() - 12;
    bytes[end] ^= 4;
    std::fs::write(&journal, &bytes).unwrap();
    let name = journal.file_name().unwrap().to_string_lossy();
    let (code, said) = run(&mut node.command());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&*name) && said.contains("parlour restore"),
        "{said}"
    );
    let (code, said) = run(Command::new(binary()).arg("verify").arg(node.data()));
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(&*name), "{said}");
    let copy = node.dir.path().join("chat.backup");
    let (code, said) = run(Command::new(binary())
        .arg("backup")
        .arg(node.data())
        .arg(&copy));
    assert_eq!(code, Some(1), "{said}");
    assert!(std::fs::read(&journal).unwrap() == bytes);
}

/// A node that ended with 200 messages of one to oneself in a table. Answers it, who that is, and the
/// table.
async fn with_a_table() -> (Node, LoggedIn, PathBuf) {
    let mut node = Node::with(&["--set", "limits.sends_burst=100000"]);
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for n in 0..200 {
        socket
            .say(own, &format!("kept {n}, {}", "x".repeat(n)))
            .await;
    }
    node.signal("TERM");
    node.wait();
    let table = to_table(&node.data());
    (node, ada, table)
}

#[tokio::test]
async fn a_damaged_table_is_named_and_its_rows_are_never_said_to_be_absent() {
    let (mut node, ada, table) = with_a_table().await;
    let own = ConversationId::own(ada.user);
    let name = table.display().to_string();
    let whole = std::fs::read(&table).unwrap();
    let (code, said) = run(Command::new(binary()).arg("verify").arg(node.data()));
    assert_eq!(code, Some(0), "{said}");

    let refused = |node: &Node, at: usize| {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        std::fs::write(&table, &bytes).unwrap();
        let (code, said) = run(Command::new(binary()).arg("verify").arg(node.data()));
        assert_eq!(code, Some(1), "{said}");
        for word in [&*name, "1 damaged", "parlour restore"] {
            assert!(said.contains(word), "{word} is missing in: {said}");
        }
        assert!(std::fs::read(&table).unwrap() == bytes);
    };
    // The end says what is where: a server does not begin without it.
    refused(&node, whole.len() - 20);
    let (code, said) = run(&mut node.command());
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains(&name) && said.contains("parlour restore"),
        "{said}"
    );

    refused(&node, in_events(&whole));
    node.restart();
    let mut met = 0;
    for before in (2..=201).step_by(10) {
        let path = format!("/v1/conversations/{own}/history?before={before}&limit=1");
        let answer = node.http().with(&ada.token.0).get(&path).await;
        match answer.status {
            200 => {
                let stretch: Stretch = answer.ok();
                assert_eq!(stretch.events.len(), 1, "before {before}");
            }
            status => {
                assert_eq!(status, 500, "before {before}");
                assert_eq!(answer.error().code, Code::FAILED);
                met += 1;
            }
        }
    }
    assert!(met > 0, "no read came to the damaged block");
    // Over a socket it is that request's trouble alone.
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let mut met = 0;
    for before in (2..=201).step_by(10) {
        socket
            .send(&Client::History(client::History {
                r#ref: before,
                conversation: own,
                before: Some(Seq(before)),
                after: None,
                changes_since: None,
                limit: Some(1),
            }))
            .await;
        met += socket
            .expect(|frame| match frame {
                Server::Page(page) if page.r#ref == before => Some(0),
                Server::Error(error) if error.r#ref == before => {
                    assert_eq!(error.code, Code::FAILED);
                    Some(1)
                }
                _ => None,
            })
            .await;
    }
    assert!(met > 0, "no read came to the damaged block");
    let logs = node.until_logged("a file of the store is damaged");
    assert!(
        logs.contains(&name) && logs.contains("parlour restore"),
        "{logs}"
    );
    let health: Health = node.http().get("/health").await.ok();
    assert!(health.parts["store"].contains("tables/"), "{health:?}");
    let metrics = node.http().get("/metrics").await.body;
    assert!(
        metrics.contains("parlour_store_damaged_files 1"),
        "{metrics}"
    );
}

#[tokio::test]
async fn a_router_that_meets_a_damaged_block_ends_the_process_and_the_file_is_named_before() {
    let (mut node, ada, table) = with_a_table().await;
    let own = ConversationId::own(ada.user);
    damage_events(&table);

    // Reactions to each in turn: what they are to is asked for by the router alone.
    node.restart();
    let other = node.log_in("ada").await;
    let (mut other, _) = Socket::connect(&node.url, &other.token.0, Codec::Json).await;
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    for seq in 1..=200 {
        let mut react = plain("");
        react.conversation = Some(own);
        react.kind = Some("reaction".into());
        react.key = Some("+".into());
        react.target = Some(Seq(seq));
        react.r#ref = socket.next_ref();
        socket.send(&Client::Send(react)).await;
    }
    // A node that failed serves nobody while it looks for the name.
    assert_eq!(other.closed().await, Came::Closed(Code::GOING_AWAY.0));
    let ended = node.wait();
    assert_eq!(ended.code(), Some(1));
    let logs = node.logs();
    let named = logs.find("a file of the store is damaged");
    let name = table.display().to_string();
    let last = logs.rfind("parlour: ");
    assert!(named.is_some() && named < last, "{logs}");
    assert!(
        logs.contains(&name) && logs.contains("parlour verify"),
        "{logs}"
    );
}

/// Puts 32 MiB into a store that no server reads.
fn more(data: &Path) {
    let store = fjall::Database::builder(data.join("store")).open().unwrap();
    let rows = store
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    let mut value = vec![0; 1 << 18];
    for n in 0..128u8 {
        getrandom::fill(&mut value).unwrap();
        rows.insert([b'~', n], &value).unwrap();
    }
    store.persist(fjall::PersistMode::SyncAll).unwrap();
}

/// The keys of a store's rows that begin so.
fn keys(data: &Path, table: &[u8]) -> Vec<Vec<u8>> {
    let store = fjall::Database::builder(data.join("store")).open().unwrap();
    let rows = store
        .keyspace("data", fjall::KeyspaceCreateOptions::default)
        .unwrap();
    let keys = rows.prefix(table).map(|item| item.key().unwrap().to_vec());
    keys.collect()
}

#[tokio::test]
async fn damage_that_is_met_before_a_node_listens_is_named_before_it_ends() {
    let mut node = Node::start();
    node.signal("TERM");
    node.wait();
    // The first start made the administrator's token, whose row has its hash for a key.
    let token = keys(&node.data(), b"T");
    let [token] = &token[..] else {
        panic!("{token:?}");
    };
    node.restart();
    // Others around it: the block of that row has nothing that the store itself reads at its start.
    let names: Vec<_> = (0..300).map(|n| format!("someone{n}")).collect();
    node.bulk(&names, 1).await;
    node.signal("TERM");
    node.wait();
    let table = to_table(&node.data());
    // And so much in another that the search takes a while.
    more(&node.data());
    to_table(&node.data());
    let mut bytes = std::fs::read(&table).unwrap();
    let tail = &token[token.len() - 16..];
    let at = bytes.windows(16).position(|window| window == tail).unwrap();
    bytes[at] ^= 1;
    std::fs::write(&table, bytes).unwrap();
    let (code, said) = run(&mut node.command());
    assert_eq!(code, Some(1), "{said}");
    assert!(!said.contains("listening on"), "{said}");
    let named = said.find("a file of the store is damaged");
    let last = said.rfind("parlour: ");
    assert!(named.is_some() && named < last, "{said}");
    let name = table.display().to_string();
    assert!(
        said.contains(&name) && said.contains("parlour verify"),
        "{said}"
    );
}

#[tokio::test]
async fn a_full_disk_refuses_sends_as_retryable_and_reading_goes_on() {
    // A small file system of its own. Without the right to mount one there is no disk to fill.
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    let mount = format!(
        "mount -t tmpfs -o size=200m tmpfs {0} && exec \"$@\"",
        data.display()
    );
    let mut node = Node::wrapped(
        dir,
        &[
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            &mount,
            "sh",
        ],
        &["--set", "limits.sends_burst=1000000"],
    );
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::MessagePack).await;
    let first = socket.say(own, "before").await;
    // Something else that takes room, and gives it back later. The file system is the node's own.
    let seen = format!("/proc/{}/root{}", node.pid(), node.data().display());
    let other = std::path::Path::new(&seen).join("other");
    std::fs::write(&other, vec![1; 60 << 20]).unwrap();
    // Text that no compression makes small.
    let mut noise = vec![0u8; 24_000];
    let refused = loop {
        getrandom::fill(&mut noise).unwrap();
        let text: String = noise.iter().map(|b| format!("{b:02x}")).collect();
        let mut send = plain(&text);
        send.conversation = Some(own);
        send.r#ref = socket.next_ref();
        socket.send(&Client::Send(send)).await;
        let answer = socket.expect(|f| match f {
            Server::Sent(s) => Some(Ok(s.seq)),
            Server::Error(e) => Some(Err(e.code)),
            _ => None,
        });
        // What is in the log when the disk fills gets no answer until there is room: then the next
        // one is tried.
        match tokio::time::timeout(Duration::from_secs(1), answer).await {
            Ok(Ok(seq)) => assert!(seq.0 < 10_000, "the disk never filled"),
            Ok(Err(code)) => break code,
            Err(_) => {}
        }
    };
    assert_eq!(refused, Code::STORAGE_FULL);
    let history: Stretch = node
        .http()
        .with(&ada.token.0)
        .get(&format!("/v1/conversations/{own}/history?after=0&limit=1"))
        .await
        .ok();
    assert_eq!(history.events[0].seq, first.seq);

    std::fs::remove_file(&other).unwrap();
    let healed = async {
        loop {
            let mut send = plain("after");
            send.conversation = Some(own);
            send.r#ref = socket.next_ref();
            socket.send(&Client::Send(send)).await;
            let answer = socket.expect(|f| match f {
                Server::Sent(s) => Some(Ok(s.seq)),
                Server::Error(e) => Some(Err(e.code)),
                _ => None,
            });
            match answer.await {
                Ok(seq) => break seq,
                Err(code) => assert_eq!(code, Code::STORAGE_FULL),
            }
        }
    };
    let healed = tokio::time::timeout(Duration::from_secs(60), healed).await;
    assert!(healed.expect("room came back, and sends were refused on") > first.seq);
    node.kill();
}

#[tokio::test]
async fn a_store_of_a_newer_version_is_refused_in_a_plain_sentence() {
    let mut node = Node::start();
    node.kill();
    {
        let store = fjall::Database::builder(node.data().join("store"))
            .open()
            .unwrap();
        let data = store
            .keyspace("data", fjall::KeyspaceCreateOptions::default)
            .unwrap();
        let key = data
            .iter()
            .filter_map(|item| item.key().ok())
            .find(|key| key.windows(6).any(|w| w == b"format"))
            .expect("the store says its format");
        data.insert(key, parlour_protocol::row::to_bytes(&99u64))
            .unwrap();
        store.persist(fjall::PersistMode::SyncAll).unwrap();
    }
    let (code, said) = run(&mut node.command());
    assert_eq!(code, Some(1));
    for word in ["99", "newer", &node.data().display().to_string()] {
        assert!(said.contains(word), "{word} is missing in: {said}");
    }
}

#[tokio::test]
async fn a_want_of_descriptors_is_said_as_that_and_not_as_damage() {
    let mut node = Node::start();
    let ada = node.sign_up("ada").await;
    let own = ConversationId::own(ada.user);
    let (mut socket, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    socket.say(own, "kept").await;
    node.signal("TERM");
    node.wait();
    to_table(&node.data());
    let (data, copy) = (node.data(), node.dir.path().join("chat.backup"));
    let logs = node.dir.path().join("logs");
    std::fs::create_dir(&logs).unwrap();
    std::fs::write(logs.join("2021-01-02.log"), "[10:00] <ann> hello\n").unwrap();
    let mut short = std::collections::BTreeMap::new();
    for files in 4..24 {
        for command in ["serve", "verify", "backup", "import"] {
            // With fewer the runtime of `import` does not begin, and its store is never asked for.
            if command == "import" && files < 9 {
                continue;
            }
            let mut limited = Command::new("sh");
            limited.args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"]);
            limited.arg(binary()).arg(command);
            match command {
                "serve" => limited
                    .args(["--listen", "127.0.0.1:0", "--data"])
                    .arg(&data),
                "backup" => limited.arg(&data).arg(&copy),
                "import" => limited
                    .args(["irc", "--conversation", "#c", "--data"])
                    .arg(&data)
                    .arg(&logs),
                _ => limited.arg(&data),
            };
            let (code, said) = run(&mut limited);
            for word in ["is damaged:", "parlour restore", "panicked"] {
                assert!(!said.contains(word), "{command}, {files} files: {said}");
            }
            if said.contains("ulimit -n") {
                assert_eq!(code, Some(1), "{said}");
                *short.entry(command).or_insert(0) += 1;
            }
            let _ = std::fs::remove_file(&copy);
        }
    }
    // Each came to it, and the store of those that open it in the midst of that.
    println!("short of files: {short:?}");
    assert_eq!(short["serve"], 20);
    assert_eq!(short.len(), 4, "{short:?}");
    let (code, said) = run(Command::new(binary()).arg("verify").arg(&data));
    assert_eq!(code, Some(0), "{said}");
}
