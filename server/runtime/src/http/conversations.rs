//! Conversations over HTTP: how they stand, who is in them, what was said, and sending.
//!
//! What may be read or sent is judged by the engine, as on the socket. A conversation that does
//! not exist answers like one that is not the caller's.

use std::sync::Arc;

use axum::extract::State;
use futures_util::{StreamExt as _, stream};
use parlour_ports::roster::Entry;
use parlour_protocol::check;
use parlour_protocol::error::Code;
use parlour_protocol::frame::{client, server};
use parlour_protocol::http as wire;
use parlour_protocol::http::Scope;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::kind::{self, Shape};
use parlour_protocol::record::{Create, Named};
use parlour_protocol::seq::{Head, Seq};
use serde::Deserialize;

use super::answer::{Answer, Caller, Failure, Json, Params, Path};
use crate::clock;
use crate::gateway::{placed_before, submit};
use crate::node::Node;

/// Members in one answer.
const MEMBERS_MAX: usize = 500;
/// Entries asked for at once.
const INBOX_PAGE: usize = 500;
/// Members looked up at once.
const ENTRIES: usize = 32;

/// Whether the user is in it now: a direct conversation is for ever.
fn is_member(entry: &Entry) -> bool {
    match &entry.member {
        None => entry.standing.direct.is_some(),
        Some(interval) => interval.until.is_none(),
    }
}

/// The newest place that the user may read: whoever left sees it as it stood then.
async fn head(node: &Node, entry: &Entry) -> Answer<Head> {
    let head = entry.standing.head;
    let until = entry.member.and_then(|m| m.until);
    let Some(end) = until.filter(|end| end.seq < head.seq) else {
        return Ok(head);
    };
    let (conversation, at) = (entry.standing.conversation, end.seq);
    let range = node
        .ports
        .history
        .range(conversation, at.prev(), at.next(), false, 1)
        .await?;
    Ok(Head {
        seq: at,
        n: range.events.first().map_or(0, |e| e.carried.n),
    })
}

fn shown(entry: Entry, head: Head) -> wire::Conversation {
    let standing = entry.standing;
    wire::Conversation {
        conversation: standing.conversation,
        shape: standing.shape,
        history: standing.history,
        name: standing
            .name
            .map(|(_, name)| name)
            .filter(|n| !n.is_empty()),
        topic: standing
            .topic
            .map(|(_, topic)| topic)
            .filter(|t| !t.is_empty()),
        head,
        members: standing.members,
    }
}

async fn entry(node: &Node, user: UserId, conversation: ConversationId) -> Answer<Entry> {
    let entry = node.ports.roster.entry(user, conversation).await?;
    entry.ok_or_else(|| Code::NOT_FOUND.into())
}

/// `GET /v1/conversations`: those that one is in.
pub async fn list(
    State(node): State<Arc<Node>>,
    caller: Caller,
) -> Answer<Json<wire::Conversations>> {
    caller.needs(Scope::Read)?;
    let (mut conversations, mut after) = (Vec::new(), None);
    loop {
        let page = node
            .ports
            .roster
            .inbox(caller.user(), after, INBOX_PAGE)
            .await?;
        after = page.last().map(|e| e.standing.conversation);
        let full = page.len() == INBOX_PAGE;
        conversations.extend(page.into_iter().filter(is_member).map(|entry| {
            let head = entry.standing.head;
            shown(entry, head)
        }));
        if !full {
            return Ok(Json(wire::Conversations { conversations }));
        }
    }
}

/// `GET /v1/conversations/{conversation}`.
pub async fn one(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(conversation): Path<ConversationId>,
) -> Answer<Json<wire::Conversation>> {
    caller.needs(Scope::Read)?;
    let entry = entry(&node, caller.user(), conversation).await?;
    let head = head(&node, &entry).await?;
    Ok(Json(shown(entry, head)))
}

/// Which members.
#[derive(Deserialize)]
pub struct Page {
    after: Option<UserId>,
    limit: Option<usize>,
}

/// `GET /v1/conversations/{conversation}/members`: for members.
pub async fn members(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(conversation): Path<ConversationId>,
    Params(page): Params<Page>,
) -> Answer<Json<wire::Members>> {
    caller.needs(Scope::Read)?;
    let entry = entry(&node, caller.user(), conversation).await?;
    if !is_member(&entry) {
        return Err(Code::NOT_MEMBER.into());
    }
    if let Some((a, b)) = entry.standing.direct {
        let role = kind::Role::Member;
        let mut members = vec![Named { user: a, role }];
        if a != b {
            members.push(Named { user: b, role });
        }
        return Ok(Json(wire::Members {
            members,
            next: None,
        }));
    }
    let limit = page.limit.unwrap_or(MEMBERS_MAX).clamp(1, MEMBERS_MAX);
    // One more than asked for says whether there is another page.
    let mut found = node
        .ports
        .roster
        .members(conversation, page.after, limit + 1)
        .await?;
    let more = found.len() > limit;
    found.truncate(limit);
    Ok(Json(wire::Members {
        next: found.last().map(|(user, _, _)| *user).filter(|_| more),
        members: found
            .into_iter()
            .map(|(user, role, _)| Named { user, role })
            .collect(),
    }))
}

/// A send of this kind with nothing else in it.
fn ask(conversation: ConversationId, id: MessageId, kind: &str) -> client::Send {
    // A retry: the id may have been used by an earlier try of the same request.
    client::Send {
        conversation: Some(conversation),
        kind: Some(kind.to_owned()),
        ..client::Send::empty(id)
    }
}

/// An id of our own for a step of a request that has an id: the same at every try.
fn step(conversation: ConversationId, name: &str) -> MessageId {
    MessageId::derived("parlour.http", &[conversation.as_bytes(), name.as_bytes()])
}

/// `POST /v1/conversations`.
pub async fn make(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Json(new): Json<wire::NewConversation>,
) -> Answer<Json<wire::Conversation>> {
    caller.needs(Scope::Send)?;
    if new.shape == Shape::Direct {
        return Err(Failure::new(Code::BAD_REQUEST)
            .why("a direct conversation needs no making: send to the user"));
    }
    // All of it, before any of it is done.
    check::new_conversation(&new, &node.config.limits)?;
    let conversation = new.id.unwrap_or_else(clock::conversation);
    let mut create = ask(conversation, step(conversation, "create"), kind::CREATE);
    create.create = Some(Create {
        shape: new.shape,
        history: new.history,
    });
    create.named = new.members;
    submit(&node, &caller.0, create).await?;
    for (kind, value) in [(kind::NAME, new.name), (kind::TOPIC, new.topic)] {
        if let Some(value) = value {
            let mut setting = ask(conversation, step(conversation, kind), kind);
            setting.value = Some(value);
            submit(&node, &caller.0, setting).await?;
        }
    }
    let settings = [
        (kind::setting::POST, new.post),
        (kind::setting::JOIN, new.join),
    ];
    for (key, value) in settings {
        if let Some(value) = value {
            let mut setting = ask(conversation, step(conversation, key), kind::SETTING);
            setting.key = Some(key.to_owned());
            setting.value = Some(value);
            submit(&node, &caller.0, setting).await?;
        }
    }
    let entry = entry(&node, caller.user(), conversation).await?;
    let head = head(&node, &entry).await?;
    Ok(Json(shown(entry, head)))
}

/// `POST /v1/conversations/{conversation}/members`: adds, or changes roles of those who are in;
/// oneself alone, who is not in: joins.
pub async fn add(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(conversation): Path<ConversationId>,
    Json(new): Json<wire::AddMembers>,
) -> Answer<Json<wire::Placed>> {
    caller.needs(Scope::Send)?;
    check::add_members(&new, &node.config.limits)?;
    let user = caller.user();
    let given = new.id;
    let id = given.unwrap_or_else(|| MessageId::from_bytes(clock::random()));
    let mut add = ask(conversation, id, kind::ADD);
    add.named = new.members;
    let role = client::Send {
        kind: Some(kind::ROLE.to_owned()),
        ..add.clone()
    };
    let join = client::Send {
        kind: Some(kind::JOIN.to_owned()),
        named: Vec::new(),
        ..add.clone()
    };
    // What it does is decided once: who is in may be out at the next try.
    let done = async || match given {
        None => Ok(None),
        Some(_) => placed_before(&node, user, conversation, &[&add, &role, &join]).await,
    };
    if let Some(placed) = done().await? {
        return Ok(Json(placed));
    }
    let users: Vec<UserId> = add.named.iter().map(|named| named.user).collect();
    let oneself = users == [user];
    let mut entries = stream::iter(users)
        .map(|user| node.ports.roster.entry(user, conversation))
        .buffered(ENTRIES);
    let mut all_in = true;
    while let Some(entry) = entries.next().await {
        all_in &= entry?.as_ref().is_some_and(is_member);
    }
    let send = match (all_in, oneself) {
        (true, _) => role.clone(),
        (false, true) => join.clone(),
        (false, false) => add.clone(),
    };
    match submit(&node, &caller.0, send).await {
        // An earlier try came to its place meanwhile.
        Err(failure) if failure.code() == Code::ID_REUSED => done().await?.map(Json).ok_or(failure),
        answer => answer.map(Json),
    }
}

/// `DELETE /v1/conversations/{conversation}/members/{user}`: removes; oneself: leaves.
pub async fn remove(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path((conversation, user)): Path<(ConversationId, UserId)>,
) -> Answer<Json<wire::Placed>> {
    caller.needs(Scope::Send)?;
    let id = MessageId::from_bytes(clock::random());
    let gone = if user == caller.user() {
        ask(conversation, id, kind::LEAVE)
    } else {
        let mut gone = ask(conversation, id, kind::REMOVE);
        gone.named = vec![Named {
            user,
            role: kind::Role::Member,
        }];
        gone
    };
    match submit(&node, &caller.0, gone).await {
        Err(failure) if failure.code() == Code::CONFLICT => {
            Err(failure.why(format!("{user} is no member, or not any more")))
        }
        answer => answer.map(Json),
    }
}

/// `POST /v1/conversations/{conversation}/messages`.
pub async fn send(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(conversation): Path<ConversationId>,
    Json(mut send): Json<client::Send>,
) -> Answer<Json<wire::Placed>> {
    caller.needs(Scope::Send)?;
    let named = match (send.conversation, send.to) {
        (Some(named), _) => named,
        (None, Some(to)) => ConversationId::direct(caller.user(), to),
        (None, None) => conversation,
    };
    if named != conversation {
        return Err(Failure::new(Code::BAD_CONVERSATION)
            .why("the path names another than `conversation` or `to` does"));
    }
    // `to` says that it is direct, and with whom.
    send.conversation = send.to.is_none().then_some(conversation);
    submit(&node, &caller.0, send).await.map(Json)
}

/// Which events.
#[derive(Deserialize)]
pub struct Which {
    before: Option<u64>,
    after: Option<u64>,
    changes_since: Option<u64>,
    limit: Option<u32>,
}

/// `GET /v1/conversations/{conversation}/history`.
pub async fn history(
    State(node): State<Arc<Node>>,
    caller: Caller,
    Path(conversation): Path<ConversationId>,
    Params(which): Params<Which>,
) -> Answer<Json<server::Stretch>> {
    caller.needs(Scope::Read)?;
    let ask = client::History {
        r#ref: 0,
        conversation,
        before: which.before.map(Seq),
        after: which.after.map(Seq),
        changes_since: which.changes_since.map(Seq),
        limit: which.limit,
    };
    crate::gateway::history(&node, &caller, ask).await.map(Json)
}
