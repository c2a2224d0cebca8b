//! What is folded as it comes is what a page folds; and any amount is paged back.

use parlour_protocol::body::Body;
use parlour_protocol::kind::{self, Class};
use parlour_protocol::record::Mentions;
use parlour_protocol::seq::Seq;
use parlour_sdk::{Before, Ended, Fetch, Item, Request, draft};
use parlour_tests::Node;

use crate::{connect, person, place, soon, text, until};

const FAST: &[&str] = &[
    "--set",
    "limits.sends_burst=100000",
    "--set",
    "limits.requests_burst=100000",
];

#[tokio::test]
async fn a_live_fold_is_a_page_s_fold() {
    let node = Node::with(FAST);
    let (ada, ben) = (person(&node, "ada").await, person(&node, "ben").await);
    let group = ada
        .create_group("g", &[ben.user()])
        .await
        .unwrap()
        .conversation;
    let mut messages = Vec::new();
    for n in 0..8 {
        messages.push(place(&ada, text(group, format!("message {n}"))).await.1);
    }
    until(&ben, "all messages", async |c| {
        c.event(group, messages[7]).await.unwrap().is_some()
    })
    .await;
    let react = |target: Seq, key: &str, on| Request::React {
        conversation: group,
        target,
        key: key.to_owned(),
        on,
    };
    let edit = |target: Seq, text: &str| Request::Edit {
        conversation: group,
        target,
        body: Body::text(text),
        mentions: Mentions::default(),
    };
    let pin = |target: Seq, on| {
        let mut pin = draft::event(group, kind::PIN);
        pin.target = Some(target);
        pin.on = on;
        Request::Send(Box::new(pin))
    };
    let delete = |target: Seq| Request::Delete {
        conversation: group,
        target,
    };
    let changes = vec![
        (&ada, edit(messages[0], "first edit")),
        (&ben, react(messages[0], "a", true)),
        (&ada, edit(messages[0], "second edit")),
        (&ben, react(messages[1], "a", true)),
        (&ada, react(messages[1], "a", true)),
        (&ben, react(messages[1], "a", false)),
        (&ben, react(messages[1], "b", true)),
        (&ada, pin(messages[2], true)),
        (&ada, pin(messages[3], true)),
        (&ada, pin(messages[3], false)),
        (&ada, edit(messages[4], "to be deleted")),
        (&ben, react(messages[4], "a", true)),
        (&ada, pin(messages[4], true)),
        (&ada, delete(messages[4])),
        (&ada, delete(messages[5])),
    ];
    let mut last = Seq::ZERO;
    for (who, change) in changes {
        last = place(who, change).await.1;
    }
    let (_, ended) = soon(ada.deliver(edit(messages[5], "too late")))
        .await
        .unwrap();
    assert!(matches!(ended, Ended::Refused { .. }), "{ended:?}");
    for client in [&ada, &ben] {
        until(client, "every change", async |c| {
            c.event(group, last).await.unwrap().is_some()
        })
        .await;
    }
    let fresh = connect(
        &node.url,
        &node.log_in("ben").await.into(),
        Fetch::Everything,
    )
    .await;
    until(&fresh, "everything", async |c| {
        c.event(group, last).await.unwrap().is_some()
    })
    .await;
    for client in [&ada, &ben] {
        for seq in 1..=last.0 {
            let mut live = client
                .event(group, Seq(seq))
                .await
                .unwrap()
                .unwrap()
                .as_ref()
                .clone();
            let paged = fresh.event(group, Seq(seq)).await.unwrap().unwrap();
            if live.class == Class::Change {
                // What an edit says lies beside its target; who heard it come knows it anyway.
                live.body = None;
                let mut paged = paged.as_ref().clone();
                paged.body = None;
                assert_eq!(live, paged);
            } else {
                assert_eq!(&live, paged.as_ref());
            }
        }
    }
}

#[tokio::test]
async fn any_amount_is_paged_back_without_a_hole() {
    let node = Node::with(FAST);
    let ada = person(&node, "ada").await;
    let group = ada.create_group("g", &[]).await.unwrap().conversation;
    let mut last = Seq::ZERO;
    for n in 0..350 {
        let request = text(group, n.to_string());
        if n == 349 {
            last = place(&ada, request).await.1;
        } else {
            ada.request(request).await.unwrap();
        }
    }
    let other = connect(&node.url, &node.log_in("ada").await.into(), Fetch::Newest).await;
    soon(other.live()).await.unwrap();
    other.focus(Some(group), false).await.unwrap();
    until(&other, "the newest page", async |c| {
        c.event(group, last).await.unwrap().is_some()
    })
    .await;
    let first = other.timeline(group, None, 1_000).await.unwrap();
    assert!(first.items.len() <= 200, "{}", first.items.len());
    until(&other, "the beginning", async |c| {
        let timeline = c.timeline(group, None, 1_000).await.unwrap();
        if timeline.before == Before::More {
            c.older(group).await.unwrap();
        }
        timeline.before == Before::Nothing
    })
    .await;
    let timeline = other.timeline(group, None, 1_000).await.unwrap();
    let said: Vec<String> = timeline
        .items
        .iter()
        .filter_map(|i| match i {
            Item::Placed { event, .. } => event.body.as_ref()?.as_text().map(str::to_owned),
            _ => None,
        })
        .collect();
    let expected: Vec<String> = (0..350).map(|n| n.to_string()).collect();
    assert_eq!(said, expected);
    // A window in the middle.
    let window = other.timeline(group, Some(Seq(100)), 10).await.unwrap();
    assert_eq!((window.items.len(), window.before), (10, Before::Held));
}
