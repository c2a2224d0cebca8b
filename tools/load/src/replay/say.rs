//! A day's words, in the log's order, pipelined; with marks, typing, and devices that go away, look
//! away, and come back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use parlour_sdk::protocol::ConversationId;
use parlour_sdk::{Command, Request, draft};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::Run;
use crate::day::Day;
use crate::device::{Device, Job};

/// Devices that look at something else at a time.
const LOOKING_AWAY: usize = 4;

impl Run {
    pub(super) async fn say(
        &mut self,
        day: &Day,
        conversation: ConversationId,
        devices: &[Vec<Device>],
    ) {
        let window = Arc::new(Semaphore::new(self.options.window as usize));
        let mut due = Instant::now();
        let mut away: VecDeque<Device> = VecDeque::new();
        for (speaker, text) in &day.said {
            let Some(of) = devices.get(*speaker) else {
                continue;
            };
            let Some(device) = of.get(self.dice.below(of.len() as u64) as usize) else {
                continue;
            };
            let Ok(permit) = window.clone().acquire_owned().await else {
                return;
            };
            if self.dice.one_in(4) {
                device.give(Job::Do(Command::Typing(conversation))).await;
            }
            let send = Request::Send(Box::new(draft::text(conversation, text.clone())));
            device
                .give(Job::Ask(Box::new(send), Some(permit), None))
                .await;
            if let Some(other) = self.any(devices) {
                if self.dice.one_in(8) {
                    let upto = self.record.newest(conversation);
                    other
                        .give(Job::Do(Command::Read { conversation, upto }))
                        .await;
                } else if self.dice.one_in(100) {
                    let time = Duration::from_millis(100 + self.dice.below(3_000));
                    other.give(Job::Away(time)).await;
                } else if self.channel.is_some() && self.dice.one_in(20) {
                    other.looks_at(None).await;
                    away.push_back(other.clone());
                    if away.len() > LOOKING_AWAY
                        && let Some(back) = away.pop_front()
                    {
                        back.looks_at(Some(conversation)).await;
                    }
                }
            }
            self.bar.inc(1);
            due += Duration::from_secs_f64(self.pace_ms / 1_000.0);
            tokio::time::sleep_until(due).await;
        }
        for back in away {
            back.looks_at(Some(conversation)).await;
        }
        // The last words' answers.
        let _ = window.acquire_many(self.options.window).await;
    }

    fn any<'a>(&mut self, devices: &'a [Vec<Device>]) -> Option<&'a Device> {
        let of = devices.get(self.dice.below(devices.len() as u64) as usize)?;
        of.get(self.dice.below(of.len() as u64) as usize)
    }
}
