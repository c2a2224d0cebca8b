//! Groups: made, named, joined, left.

use parlour_protocol::error::Code;
use parlour_sdk::{Ended, Request, draft};
use parlour_tests::Node;

use crate::{person, place, soon, text, until};

#[tokio::test]
async fn a_group_is_made_named_and_changes_its_members() {
    let node = Node::start();
    let (ada, ben, cy) = (
        person(&node, "ada").await,
        person(&node, "ben").await,
        person(&node, "cy").await,
    );
    let group = ada
        .create_group("gardeners", &[ben.user()])
        .await
        .unwrap()
        .conversation;
    let (_, seq) = place(&ada, text(group, "welcome")).await;
    until(&ben, "the group and its name", async |c| {
        let summary = c.summary(group).await.unwrap();
        summary.is_some_and(|s| {
            s.name.as_deref() == Some("gardeners") && s.members == 2 && s.unread == 1
        })
    })
    .await;
    assert!(cy.summary(group).await.unwrap().is_none());

    ada.add_members(group, &[cy.user()]).await.unwrap();
    until(
        &cy,
        "what was said before, since its history is for all",
        async |c| c.event(group, seq).await.unwrap().is_some(),
    )
    .await;
    place(&cy, text(group, "thank you")).await;
    until(&ben, "three members and two messages", async |c| {
        let summary = c.summary(group).await.unwrap().unwrap();
        summary.members == 3 && summary.unread == 2
    })
    .await;

    place(
        &ada,
        Request::Send(Box::new(draft::remove(group, &[cy.user()]))),
    )
    .await;
    let (_, ended) = soon(cy.deliver(text(group, "one more thing")))
        .await
        .unwrap();
    match ended {
        Ended::Refused { code, .. } => assert!(
            [Code::NOT_MEMBER, Code::NOT_FOUND].contains(&code),
            "{code}"
        ),
        other => panic!("{other:?}"),
    }
    until(&cy, "told that it is over", async |c| {
        let summary = c.summary(group).await.unwrap().unwrap();
        summary.standing.is_some_and(|s| !s.is_member())
    })
    .await;
    place(&ben, Request::Send(Box::new(draft::leave(group)))).await;
    until(&ada, "alone again", async |c| {
        c.summary(group).await.unwrap().unwrap().members == 1
    })
    .await;
}
