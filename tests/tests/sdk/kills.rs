//! The node is killed again and again while two talk, and everything arrives once and in order.

use std::sync::{Arc, Mutex};

use parlour_protocol::id::ConversationId;
use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{Client, Fetch, Update};
use parlour_tests::Node;
use tokio::net::{TcpListener, TcpStream};

use crate::{connect, person, sign_up, soon, text, until};

/// One address for a node that comes back on another port each time.
pub(crate) async fn gate(node: &Node) -> (String, Arc<Mutex<String>>) {
    let bare = |url: &str| url.trim_start_matches("http://").to_owned();
    let target = Arc::new(Mutex::new(bare(&node.url)));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let to = Arc::clone(&target);
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let address = to.lock().unwrap().clone();
            tokio::spawn(async move {
                if let Ok(mut far) = TcpStream::connect(address).await {
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                }
            });
        }
    });
    (url, target)
}

pub(crate) async fn said(client: &Client, group: ConversationId) -> Vec<String> {
    client
        .with(move |core| {
            let timeline = core.timeline(group, None, 10_000);
            timeline
                .items
                .iter()
                .filter_map(|i| match i {
                    parlour_sdk::Item::Placed { event, .. } => {
                        event.body.as_ref()?.as_text().map(str::to_owned)
                    }
                    _ => None,
                })
                .collect()
        })
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn over_kills_nothing_is_lost_doubled_or_reordered() {
    let mut node = Node::with(&["--set", "limits.sends_burst=100000"]);
    let (url, target) = gate(&node).await;
    let ben_session = sign_up(&node, "ben").await;
    let ada = connect(&url, &sign_up(&node, "ada").await, Fetch::Everything).await;
    let ben = connect(&url, &ben_session, Fetch::Everything).await;
    soon(ada.live()).await.unwrap();
    soon(ben.live()).await.unwrap();
    let mut his = ben.updates();
    let group = ada
        .create_group("g", &[ben.user()])
        .await
        .unwrap()
        .conversation;
    let mut expected = Vec::new();
    for kill in 0..3 {
        for n in 0..60 {
            let word = format!("{kill}-{n}");
            ada.send(group, word.clone()).await.unwrap();
            expected.push(word);
        }
        // In the midst of it: as soon as some of these have come.
        until(&ben, "some of it", async |c| {
            said(c, group).await.len() > kill * 60 + 5
        })
        .await;
        node.restart();
        *target.lock().unwrap() = node.url.trim_start_matches("http://").to_owned();
    }
    for client in [&ada, &ben] {
        until(client, "all of it", async |c| {
            said(c, group).await.len() >= expected.len()
        })
        .await;
        assert_eq!(said(client, group).await, expected);
    }
    // And what was told one by one is the same.
    ben.close().await;
    let mut told = Vec::new();
    while let Some(update) = his.next().await {
        if let Update::Core(CoreUpdate::Event { event, .. }) = update
            && let Some(text) = event.body.as_ref().and_then(|b| b.as_text())
        {
            told.push((event.seq, text.to_owned()));
        }
    }
    told.sort();
    let told: Vec<String> = told.into_iter().map(|(_, text)| text).collect();
    assert_eq!(told, expected);
    let fresh = person(&node, "cy").await;
    assert!(fresh.summary(group).await.unwrap().is_none());
    ada.request(text(group, "done")).await.unwrap();
}
