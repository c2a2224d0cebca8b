//! Makes a day's group, or the channel, and brings the day's speakers in.

use anyhow::{Context as _, bail};
use parlour_sdk::core::Ended;
use parlour_sdk::protocol::ConversationId;
use parlour_sdk::protocol::kind::{self, HistoryRule, Role};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::{Request, draft};
use tokio::task::JoinSet;

use super::Run;
use crate::day::Day;
use crate::device::{Device, unix_ms};

/// Members who come into the channel at once.
const AT_ONCE: usize = 32;

/// An id for a conversation that is not made yet.
pub(super) fn new_id() -> ConversationId {
    let mut random = [0; 10];
    let _ = getrandom::fill(&mut random);
    ConversationId::v7(unix_ms(), random)
}

impl Run {
    /// Makes the day's group, or brings its speakers into the channel.
    pub(super) async fn gather(
        &mut self,
        day: &Day,
        devices: &[Vec<Device>],
        first: bool,
    ) -> anyhow::Result<ConversationId> {
        let channel = self.channel.as_ref().map(|c| c.id);
        let mut of = devices.iter().filter_map(|d| d.first());
        if let Some(channel) = channel.filter(|_| !first) {
            join(channel, of).await?;
            return Ok(channel);
        }
        let maker = of.next().context("a day without devices")?;
        let shape = match channel {
            Some(_) => kind::Shape::Channel,
            None => kind::Shape::Group,
        };
        let create = Request::Create {
            shape,
            history: HistoryRule::All,
            name: Some(day.file.clone()),
            topic: None,
            members: of
                .map(|d| Named {
                    user: d.session.user,
                    role: Role::Member,
                })
                .collect(),
            conversation: channel,
        };
        let conversation = placed(maker, create).await?;
        if channel.is_some() {
            let open = draft::setting(conversation, kind::setting::JOIN, kind::setting::OPEN);
            placed(maker, Request::Send(Box::new(open))).await?;
        }
        Ok(conversation)
    }
}

/// One who was in on an earlier day is told so, and stays.
async fn join<'a>(
    channel: ConversationId,
    devices: impl Iterator<Item = &'a Device>,
) -> anyhow::Result<()> {
    let mut joining = JoinSet::new();
    for device in devices {
        if joining.len() >= AT_ONCE {
            joining.join_next().await;
        }
        let device = device.clone();
        joining.spawn(async move {
            device
                .ask(Request::Send(Box::new(draft::join(channel))))
                .await
        });
    }
    while let Some(told) = joining.join_next().await {
        if told?.is_none() {
            bail!("a device ended before it was told whether it is in the channel");
        }
    }
    Ok(())
}

/// Asks, and waits for a place.
async fn placed(device: &Device, request: Request) -> anyhow::Result<ConversationId> {
    match device.ask(request).await {
        Some((conversation, _, Ended::Sent { .. })) => Ok(conversation),
        Some((_, _, ended)) => bail!("a request to set the day up was not placed: {ended:?}"),
        None => bail!("a device ended before its answer"),
    }
}
