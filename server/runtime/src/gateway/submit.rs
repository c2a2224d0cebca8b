//! From a judged send to the log, and from a signal to the nodes that it concerns.

use std::collections::BTreeMap;
use std::time::Duration;

use parlour_engine::gateway::admit::{Identity, Judged, Submission, judge};
use parlour_engine::gateway::need::{Have, Need};
use parlour_ports::accounts::Device;
use parlour_protocol::contents;
use parlour_protocol::error::Code;
use parlour_protocol::fact::{Fact, Question};
use parlour_protocol::frame::{client, server};
use parlour_protocol::http::Placed;
use parlour_protocol::id::{ConversationId, MessageId, UserId};
use parlour_protocol::node::{NodeId, Signal};
use parlour_protocol::position::{Generation, Offset, Partition, Position};
use parlour_protocol::record::RULES;
use parlour_protocol::row::Outcome;

use super::ask;
use crate::clock;
use crate::http::answer::{Answer, Failure};
use crate::log::append;
use crate::node::Node;
use crate::ports::Ports;

/// Tells a signal to the nodes that hold sessions of those concerned; at most once.
pub(super) async fn tell(ports: &Ports, signal: Signal) {
    let users: Vec<UserId> = match &signal {
        Signal::Event { to, .. }
        | Signal::Raised { to, .. }
        | Signal::Marked { to, .. }
        | Signal::Typing { to, .. } => to.clone(),
        Signal::Answer { .. } | Signal::Mail { .. } | Signal::Behind | Signal::Revoked { .. } => {
            Vec::new()
        }
    };
    if users.is_empty() {
        // Whom it concerns, each node finds by itself.
        for node in ports.sessions.nodes().await.unwrap_or_default() {
            ports.relay.send(node, vec![signal.clone()]);
        }
        return;
    }
    let Ok(found) = ports.sessions.locate(users).await else {
        // What is told so may be lost.
        return;
    };
    let mut by_node: BTreeMap<NodeId, Vec<UserId>> = BTreeMap::new();
    for location in found {
        let users = by_node.entry(location.node).or_default();
        if !users.contains(&location.user) {
            users.push(location.user);
        }
    }
    for (node, users) in by_node {
        let mut signal = signal.clone();
        match &mut signal {
            Signal::Event { to, .. }
            | Signal::Raised { to, .. }
            | Signal::Marked { to, .. }
            | Signal::Typing { to, .. } => *to = users,
            _ => {}
        }
        ports.relay.send(node, vec![signal]);
    }
}

fn refuse(
    code: Code,
    details: Option<serde_json::Value>,
    conversation: ConversationId,
    id: MessageId,
) -> Failure {
    let mut error = server::Error::new(0, code).of(conversation, id);
    error.details = details;
    error.into()
}

/// Submits a send over HTTP: judged as on the socket, appended, and answered with its place.
///
/// # Errors
/// It was refused; or 1007, if it has no outcome within the configured while.
pub async fn submit(node: &Node, device: &Device, send: client::Send) -> Answer<Placed> {
    if node.drain.draining().is_cancelled() {
        return Err(Code::DRAINING.into());
    }
    let identity = Identity {
        user: device.user,
        device: device.device,
        scopes: device.scopes.clone(),
    };
    node.meters
        .of(device.device)
        .send(clock::now_ms())
        .map_err(|ms| Failure::new(Code::RATE_LIMITED).retry(ms))?;
    let user = identity.user;
    let submission = Submission::send(send, user, &node.config.limits);
    let (Some(conversation), Some(need)) = (submission.conversation(user), submission.need(user))
    else {
        return Err(Failure::new(Code::BAD_REQUEST).why("`conversation` or `to` is missing"));
    };
    let id = submission.send.id;
    if let Some(after) = submission.send.after {
        // A refusal for its sake leaves no outcome to wait for. What is placed before this record
        // is appended counts for it.
        outcome(node, conversation, user, after)
            .await?
            .ok_or(Code::AFTER_UNKNOWN)?;
    }
    let digest = submission.digest;
    let have = ask::get(&node.ports, user, identity.device, need).await?;
    let Have::Admit(admit) = have else {
        return Err(Code::FAILED.into());
    };
    let now_ms = clock::now_ms();
    let refused = |code, details| refuse(code, details, conversation, id);
    let judged = judge(&submission, &identity, conversation, &admit, now_ms, RULES);
    let verdict = match judged {
        Judged::Refuse(refusal) => return Err(refused(refusal.code, refusal.details)),
        Judged::Append { record, verdict } => {
            if verdict.is_none() {
                put_mail(node, &identity, &submission.send).await?;
            }
            append(node, conversation, *record)
                .await
                .map_err(|code| Failure::new(code.unwrap_or(Code::NOT_YET)).retry(500))?;
            verdict
        }
    };
    // It may have its place whatever comes of the question: the same id asks again.
    let not_yet = || refused(Code::NOT_YET, None).retry(1_000);
    let found = outcome(node, conversation, user, id).await;
    match found.map_err(|_| not_yet())? {
        Some(Outcome::Placed { digest: placed, .. }) if !contents::fits(placed, digest) => {
            Err(refused(Code::ID_REUSED, None))
        }
        Some(Outcome::Placed {
            seq, n, time_ms, ..
        }) => Ok(Placed {
            conversation,
            id,
            seq,
            n,
            time_ms,
        }),
        Some(Outcome::Refused { code }) => {
            let details = verdict.filter(|v| v.code == code).and_then(|v| v.details);
            Err(refused(code, details))
        }
        None => Err(not_yet()),
    }
}

/// Keys for single devices are durable before what they open.
async fn put_mail(node: &Node, identity: &Identity, send: &client::Send) -> Answer<()> {
    if send.mail.is_empty() {
        return Ok(());
    }
    let mail = identity.mail(send);
    let need = Need::PutMail { mail: mail.clone() };
    ask::get(&node.ports, identity.user, identity.device, need).await?;
    for (device, mail) in mail {
        tell(&node.ports, Signal::Mail { device, mail }).await;
    }
    Ok(())
}

/// The place that one of these very sends has already, all of one id.
///
/// # Errors
/// The store cannot be asked.
pub async fn placed_before(
    node: &Node,
    sender: UserId,
    conversation: ConversationId,
    sends: &[&client::Send],
) -> Answer<Option<Placed>> {
    let Some(id) = sends.first().map(|send| send.id) else {
        return Ok(None);
    };
    let found = stored(node, conversation, sender, id).await?;
    let Some(Outcome::Placed {
        seq,
        n,
        time_ms,
        digest,
    }) = found
    else {
        return Ok(None);
    };
    let fits = |send: &&client::Send| {
        let asked = contents::digest(send, sender, conversation);
        contents::fits(digest, Some(asked))
    };
    let placed = Placed {
        conversation,
        id,
        seq,
        n,
        time_ms,
    };
    Ok(sends.iter().any(fits).then_some(placed))
}

/// The outcome of a send, where it is durable.
async fn stored(
    node: &Node,
    conversation: ConversationId,
    sender: UserId,
    id: MessageId,
) -> Answer<Option<Outcome>> {
    // As of the end of time: every row counts.
    let ever = Position {
        generation: Generation(u64::MAX),
        partition: Partition::of(conversation, node.ports.log.partitions()),
        offset: Offset(u64::MAX),
    };
    let question = Question::Outcome {
        conversation,
        sender,
        id,
    };
    let facts = node.ports.history.facts(ever, vec![question]).await?;
    Ok(match facts.into_iter().next() {
        Some(Fact::Outcome(outcome)) => outcome,
        _ => None,
    })
}

/// Waits for the outcome of a send. None: not in time.
async fn outcome(
    node: &Node,
    conversation: ConversationId,
    sender: UserId,
    id: MessageId,
) -> Answer<Option<Outcome>> {
    let end = tokio::time::Instant::now() + Duration::from_millis(node.config.http.placed_ms);
    let mut pause = Duration::from_millis(1);
    loop {
        if let Some(outcome) = stored(node, conversation, sender, id).await? {
            return Ok(Some(outcome));
        }
        if tokio::time::Instant::now() >= end {
            return Ok(None);
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}
