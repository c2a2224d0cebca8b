//! Reads a conversation back with devices that have seen nothing of it.
//!
//! Promises: what a device asked for is recorded beside what it got, so that the checker misses
//! what did not come, and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use parlour_checker::frames::{memberships, read_back};
use parlour_checker::{Op, ReadBack};
use parlour_sdk::protocol::error::Action;
use parlour_sdk::protocol::frame::server::{Event, Stretch};
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Endpoint, Error, Http, Session};

use crate::record::Record;

/// Events asked for at once.
pub(crate) const PAGE: u32 = 200;

/// Repeats what may fail while the server is down, for a minute.
pub(crate) async fn patiently<T, F>(mut call: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = Result<T, Error>>,
{
    let until = Instant::now() + Duration::from_secs(60);
    loop {
        let error = match call().await {
            Ok(value) => return Ok(value),
            Err(error) => error,
        };
        let passing = match &error {
            Error::Unreachable { .. } | Error::Answer { .. } => true,
            Error::Server { code, .. } => code.action() != Action::GiveUp,
            _ => false,
        };
        if !passing || Instant::now() >= until {
            return Err(error.into());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Reads a conversation from its first place to its head, and records what was there. Answers the
/// head and the events.
pub(crate) async fn whole(
    endpoint: &Endpoint,
    reader: &Session,
    conversation: ConversationId,
    record: &Record,
) -> anyhow::Result<(Seq, Vec<Event>)> {
    let mut pages = Vec::new();
    let head = pages_of(
        endpoint,
        reader,
        conversation,
        (Seq(1), Seq::MAX),
        &mut pages,
    )
    .await?;
    record.add(&Op::ReadBack(read_back(
        reader.device,
        reader.user,
        conversation,
        head,
        &pages,
    )));
    let events = pages.into_iter().flat_map(|p| p.events).collect();
    Ok((head, events))
}

/// Records who was in a conversation when, as all its events say.
pub(crate) fn members(conversation: ConversationId, events: &[Event], record: &Record) {
    for op in memberships(conversation, events) {
        record.add(&op);
    }
}

/// Reads these places, which rise and do not overlap, and records what was there.
pub(crate) async fn parts(
    endpoint: &Endpoint,
    reader: &Session,
    conversation: ConversationId,
    places: &[(Seq, Seq)],
    record: &Record,
) -> anyhow::Result<()> {
    let (mut pages, mut head) = (Vec::new(), Seq::ZERO);
    for part in places {
        head = pages_of(endpoint, reader, conversation, *part, &mut pages).await?;
    }
    let read = read_back(reader.device, reader.user, conversation, head, &pages);
    record.add(&Op::ReadBack(ReadBack {
        parts: Some(places.to_vec()),
        ..read
    }));
    Ok(())
}

/// Pages that hold `from` to `to`, or to the head. Answers the head.
async fn pages_of(
    endpoint: &Endpoint,
    reader: &Session,
    conversation: ConversationId,
    (from, to): (Seq, Seq),
    pages: &mut Vec<Stretch>,
) -> anyhow::Result<Seq> {
    let http = Http::with_token(endpoint, &reader.token);
    let mut after = from.prev();
    loop {
        let left = to.0.saturating_sub(after.0).min(u64::from(PAGE));
        let limit = u32::try_from(left).unwrap_or(PAGE);
        let page = patiently(|| http.history(conversation, None, Some(after), limit))
            .await
            .with_context(|| {
                format!(
                    "{} cannot read the history back behind {after}",
                    reader.name
                )
            })?;
        let (head, upto, more) = (page.as_of, page.to, page.more);
        pages.push(page);
        if !more || upto >= to {
            return Ok(head);
        }
        if upto <= after {
            bail!(
                "the history of {conversation} stands still behind {after} but says there is more"
            );
        }
        after = upto;
    }
}
