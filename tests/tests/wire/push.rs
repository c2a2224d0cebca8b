//! Who is woken for what, as the adapter's log has it.

use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client, Server, client};
use parlour_protocol::http::Conversation;
use parlour_tests::socket::plain;
use parlour_tests::{Node, Socket};
use serde_json::json;

fn woken(logs: &str, device: parlour_protocol::DeviceId) -> usize {
    let device = device.to_string();
    let of = |l: &&str| l.contains("would be woken") && l.contains(&device);
    logs.lines().filter(of).count()
}

#[tokio::test]
async fn only_members_who_do_not_block_are_woken_and_a_read_clears_it() {
    let node = Node::with(&[
        "--set",
        "push.delay_ms=300",
        "--set",
        "telemetry.level=debug",
    ]);
    let (ada, bob) = (node.sign_up("ada").await, node.sign_up("bob").await);
    let (cat, dan) = (node.sign_up("cat").await, node.sign_up("dan").await);
    let members = json!([{"user": bob.user}, {"user": cat.user}]);
    let made: Conversation = node
        .http()
        .with(&ada.token.0)
        .post(
            "/v1/conversations",
            &json!({"shape": "channel", "members": members}),
        )
        .await
        .ok();
    // Cat blocks Ada.
    let (mut hers, _) = Socket::connect(&node.url, &cat.token.0, Codec::Json).await;
    let mut block = plain("");
    block.to = Some(cat.user);
    block.kind = Some("block".to_owned());
    block.key = Some(ada.user.to_string());
    block.value = Some("on".to_owned());
    hers.place(block).await;
    drop(hers);
    let (mut says, _) = Socket::connect(&node.url, &ada.token.0, Codec::Json).await;
    let mut send = plain("look here");
    send.conversation = Some(made.conversation);
    send.mentions.users = vec![cat.user, dan.user, bob.user];
    let sent = says.place(send).await;
    // They are decided in one, in this order: once he is woken, the others were not.
    node.until_logged("would be woken");
    // And one to him alone, in another conversation.
    let mut send = plain("and here");
    send.to = Some(bob.user);
    says.place(send).await;
    let both = async {
        while woken(&node.logs(), bob.device) < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(parlour_tests::PATIENCE, both)
        .await
        .expect("he was not woken twice");
    let logs = node.logs();
    assert_eq!(woken(&logs, cat.device), 0, "she blocks the sender");
    assert_eq!(woken(&logs, dan.device), 0, "he is no member");
    // He reads the first, on another device.
    let other = node.log_in("bob").await;
    let (mut his, _) = Socket::connect(&node.url, &other.token.0, Codec::Json).await;
    let marks = [(sent.conversation, sent.seq)].into();
    his.send(&Client::Read(client::Marks { r#ref: 0, marks }))
        .await;
    his.expect(|f| match f {
        Server::Receipt(r) if r.conversation == sent.conversation => Some(()),
        _ => None,
    })
    .await;
    let logs = node.until_logged("would be cleared");
    let cleared: Vec<&str> = logs
        .lines()
        .filter(|l| l.contains("would be cleared"))
        .collect();
    assert_eq!(cleared.len(), 1, "only what was read: {cleared:?}");
    assert!(cleared[0].contains(&bob.device.to_string()), "{cleared:?}");
}
