//! The real SDK against a real node: what a program that uses it sees.

mod bot;
mod groups;
mod history;
mod kills;
mod people;
mod restored;
mod tls;

use std::time::Duration;

use parlour_protocol::id::ConversationId;
use parlour_protocol::seq::Seq;
use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{
    Client, Config, Ended, Endpoint, Fetch, Request, Session, Store, Update, Updates, draft,
};
use parlour_tests::{Node, PATIENCE};

/// What must come, comes.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Waits until something is so. Looked at again after each update, and every now and then.
async fn until(client: &Client, what: &str, mut so: impl AsyncFnMut(&Client) -> bool) {
    let mut updates = client.updates();
    let done = tokio::time::timeout(PATIENCE, async {
        while !so(client).await {
            let _ = tokio::time::timeout(Duration::from_millis(100), updates.next()).await;
        }
    })
    .await;
    assert!(done.is_ok(), "not in time: {what}");
}

async fn sign_up(node: &Node, name: &str) -> Session {
    node.sign_up(name).await.into()
}

async fn connect(url: &str, session: &Session, fetch: Fetch) -> Client {
    let endpoint = Endpoint::new(url).unwrap();
    let mut config = Config::new(endpoint, session.clone(), Store::Memory).fetch(fetch);
    // No test here reads slowly on purpose.
    config.updates_max = 10_000;
    config.settings.held_max = 10_000;
    Client::connect(config).await.unwrap()
}

/// Someone new, connected and caught up.
async fn person(node: &Node, name: &str) -> Client {
    let client = connect(&node.url, &sign_up(node, name).await, Fetch::Newest).await;
    soon(client.live()).await.unwrap();
    client
}

fn text(conversation: ConversationId, text: impl Into<String>) -> Request {
    Request::Send(Box::new(draft::text(conversation, text)))
}

/// Delivers a request that must be placed.
async fn place(client: &Client, request: Request) -> (ConversationId, Seq) {
    let (accepted, ended) = soon(client.deliver(request)).await.unwrap();
    match ended {
        Ended::Sent { seq, .. } => (accepted.conversation, seq),
        other => panic!("{other:?}"),
    }
}

/// The next update of the core that is looked for.
async fn next<T>(updates: &mut Updates, mut pick: impl FnMut(CoreUpdate) -> Option<T>) -> T {
    soon(async {
        loop {
            match updates.next().await.expect("the client runs") {
                Update::Core(update) => {
                    if let Some(found) = pick(update) {
                        return found;
                    }
                }
                other => panic!("{other:?}"),
            }
        }
    })
    .await
}
