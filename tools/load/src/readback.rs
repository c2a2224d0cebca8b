//! Reads a conversation back from end to end with a device that has seen nothing of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use parlour_checker::Op;
use parlour_checker::frames::{memberships, read_back};
use parlour_sdk::protocol::frame::server::{Event, Stretch};
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Endpoint, Error, Http, Session};

use crate::record::Record;

/// Events asked for at once.
const PAGE: u32 = 200;

/// Repeats what may fail while the server is down, for a minute.
pub(crate) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        match call().await {
            Ok(value) => return Ok(value),
            Err(error @ (Error::Unreachable { .. } | Error::Answer { .. }))
                if Instant::now() < until =>
            {
                let _ = error;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(Error::Server { code, .. })
                if code.action() != parlour_sdk::protocol::error::Action::GiveUp
                    && Instant::now() < until =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Reads it all, and records what was there and who was in it. Answers the newest place.
pub(crate) async fn conversation(
    endpoint: &Endpoint,
    reader: &Session,
    conversation: ConversationId,
    record: &Record,
) -> anyhow::Result<Seq> {
    let http = Http::with_token(endpoint, &reader.token);
    let mut pages: Vec<Stretch> = Vec::new();
    let mut after = Seq::ZERO;
    let head = loop {
        let page = patiently(|| http.history(conversation, None, Some(after), PAGE))
            .await
            .context("the history cannot be read back")?;
        let (as_of, to, more) = (page.as_of, page.to, page.more);
        pages.push(page);
        if !more {
            break as_of;
        }
        if to <= after {
            bail!(
                "the history of {conversation} stands still behind {after} but says there is more"
            );
        }
        after = to;
    };
    record.add(&Op::ReadBack(read_back(
        reader.device,
        reader.user,
        conversation,
        head,
        &pages,
    )));
    let events: Vec<Event> = pages.into_iter().flat_map(|p| p.events).collect();
    for op in memberships(conversation, &events) {
        record.add(&op);
    }
    Ok(head)
}
