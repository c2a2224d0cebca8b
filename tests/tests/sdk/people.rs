//! Two people: messages, edits, reactions, deletions, marks, typing, presence.

use parlour_protocol::frame::server;
use parlour_sdk::core::Update as CoreUpdate;
use parlour_sdk::{Client, Config, Data, Endpoint, Error, Item, Request, State, draft};
use parlour_tests::Node;

use crate::{next, person, place, sign_up, soon, until};

#[tokio::test]
async fn two_people_talk_and_see_the_same() {
    let node = Node::start();
    let (ada, ben) = (person(&node, "ada").await, person(&node, "ben").await);
    let mut his = ben.updates();
    assert_eq!(ada.find_user("ben").await.unwrap().user, ben.user());
    assert!(matches!(
        ada.find_user("nobody").await,
        Err(Error::NoUser(_))
    ));
    let hello = Request::Send(Box::new(draft::text_to(ben.user(), "hello ben")));
    let (direct, first) = place(&ada, hello).await;
    let event = next(&mut his, |u| match u {
        CoreUpdate::Event { event, .. } => Some(event),
        _ => None,
    })
    .await;
    assert_eq!((event.conversation, event.seq), (direct, first));
    assert_eq!(event.body.as_ref().unwrap().as_text(), Some("hello ben"));

    until(&ben, "the line is known", async |c| {
        let summary = c.summary(direct).await.unwrap();
        summary.is_some_and(|s| s.unread == 1 && s.peer == Some(ada.user()))
    })
    .await;
    ben.focus(Some(direct), false).await.unwrap();
    ada.focus(Some(direct), false).await.unwrap();
    ben.mark_read(direct, first).await.unwrap();
    until(&ada, "read by ben", async |c| {
        let timeline = c.timeline(direct, None, 10).await.unwrap();
        matches!(
            timeline.items.last(),
            Some(Item::Placed {
                state: Some(State::Read),
                ..
            })
        )
    })
    .await;
    let summary = ben.summary(direct).await.unwrap().unwrap();
    assert_eq!((summary.unread, summary.mentions), (0, 0));

    ben.react(direct, first, "+1", true).await.unwrap();
    until(&ada, "the reaction", async |c| {
        let event = c.event(direct, first).await.unwrap().unwrap();
        event
            .reactions
            .iter()
            .any(|r| r.key == "+1" && r.user == ben.user())
    })
    .await;
    ada.edit(direct, first, "hello, Ben").await.unwrap();
    until(&ben, "the edit", async |c| {
        let event = c.event(direct, first).await.unwrap().unwrap();
        event.edited.is_some() && event.body.as_ref().unwrap().as_text() == Some("hello, Ben")
    })
    .await;
    ada.delete(direct, first).await.unwrap();
    until(&ben, "the deletion", async |c| {
        let event = c.event(direct, first).await.unwrap().unwrap();
        event.deleted.is_some() && event.body.is_none()
    })
    .await;

    ben.typing(direct).await.unwrap();
    let mut hers = ada.updates();
    next(&mut hers, |u| match u {
        CoreUpdate::Typing {
            conversation,
            users,
        } => (conversation == direct && users == [ben.user()]).then_some(()),
        _ => None,
    })
    .await;
}

#[tokio::test]
async fn presence_is_told_and_ends_with_the_connection() {
    let node = Node::start();
    let (ada, ben) = (person(&node, "ada").await, person(&node, "ben").await);
    let hello = Request::Send(Box::new(draft::text_to(ben.user(), "hello")));
    place(&ada, hello).await;
    ada.watch(vec![ben.user()]).await.unwrap();
    let state = async |c: &Client| {
        let presence = c.presence(ben.user()).await.unwrap();
        presence.map(|p| p.state)
    };
    until(&ada, "online", async |c| {
        state(c).await == Some(server::State::Online)
    })
    .await;
    let user = ben.user();
    ben.close().await;
    until(&ada, "offline", async |c| {
        let presence = c.presence(user).await.unwrap();
        presence.is_some_and(|p| p.state == server::State::Offline)
    })
    .await;
}

#[tokio::test]
async fn who_logs_out_is_signed_out_and_what_is_kept_opens_nothing() {
    let node = Node::start();
    let session = sign_up(&node, "ada").await;
    let dir = tempfile::tempdir().unwrap();
    let mut data = Data::open(dir.path()).unwrap();
    data.keep(&Endpoint::new(&node.url).unwrap(), &session)
        .unwrap();
    let client = Client::connect(Config::stored(data).unwrap())
        .await
        .unwrap();
    soon(client.live()).await.unwrap();
    soon(client.log_out()).await.unwrap();
    let data = Data::open(dir.path()).unwrap();
    let client = Client::connect(Config::stored(data).unwrap())
        .await
        .unwrap();
    assert!(matches!(
        soon(client.live()).await,
        Err(Error::SignedOut { .. })
    ));
    client.close().await;
    let mut data = Data::open(dir.path()).unwrap();
    data.forget().unwrap();
    assert!(matches!(
        Config::stored(data),
        Err(Error::NotLoggedIn { .. })
    ));
}
