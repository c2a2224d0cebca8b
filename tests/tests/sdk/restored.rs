//! A server restored from a backup, under connected clients: nothing that it forgot stays on any
//! screen, and what was not sent yet is sent.

use std::process::Command;

use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{Fetch, Update};
use parlour_tests::Node;
use parlour_tests::node::binary;

use crate::kills::{gate, said};
use crate::{connect, place, sign_up, soon, text, until};

fn parlour(args: &[&std::ffi::OsStr]) {
    let done = Command::new(binary()).args(args).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn both_devices_show_what_the_restored_server_has() {
    let mut node = Node::start();
    let (url, target) = gate(&node).await;
    let first = sign_up(&node, "ada").await;
    let second = node.log_in("ada").await.into();
    let one = connect(&url, &first, Fetch::Newest).await;
    let other = connect(&url, &second, Fetch::Newest).await;
    soon(one.live()).await.unwrap();
    soon(other.live()).await.unwrap();
    let group = one.create_group("g", &[]).await.unwrap().conversation;
    for n in 0..5 {
        place(&one, text(group, n.to_string())).await;
    }
    let file = node.dir.path().join("chat.backup");
    node.kill();
    parlour(&["backup".as_ref(), node.data().as_ref(), file.as_ref()]);
    node.restart();
    *target.lock().unwrap() = node.url.trim_start_matches("http://").to_owned();
    place(&one, text(group, "forgotten")).await;
    until(&other, "what will be forgotten", async |c| {
        said(c, group).await.contains(&"forgotten".to_owned())
    })
    .await;

    let mut updates = other.updates();
    node.kill();
    std::fs::remove_dir_all(node.data()).unwrap();
    parlour(&["restore".as_ref(), file.as_ref(), node.data().as_ref()]);
    one.send(group, "kept in the outbox").await.unwrap();
    node.restart();
    *target.lock().unwrap() = node.url.trim_start_matches("http://").to_owned();
    let expected = ["0", "1", "2", "3", "4", "kept in the outbox"];
    for client in [&one, &other] {
        until(
            client,
            "the restored history and what was not sent yet",
            async |c| said(c, group).await == expected,
        )
        .await;
    }
    let mut resets = 0;
    while let Some(update) = updates.try_next() {
        resets += usize::from(matches!(update, Update::Core(CoreUpdate::Reset(_))));
    }
    assert_eq!(resets, 1);
}
