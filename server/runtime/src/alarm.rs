//! The one timer of a loop. A machine names a time with every output, nearly always later than the
//! one before: the timer is set anew only for an earlier one, and looks again when it rings.

use std::pin::Pin;
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use crate::clock;

/// Rings at a time by the clock.
#[derive(Default)]
pub struct Alarm {
    at_ms: Option<u64>,
    armed: Option<(u64, Pin<Box<Sleep>>)>,
}

impl Alarm {
    /// It shall ring then, and not when it was to ring before.
    pub fn set(&mut self, at_ms: u64) {
        self.at_ms = Some(at_ms);
    }

    /// It shall ring then, or earlier if it was to.
    pub fn set_earlier(&mut self, at_ms: u64) {
        self.at_ms = Some(self.at_ms.map_or(at_ms, |at| at.min(at_ms)));
    }

    /// Waits until it rings, which it does once. Safe to be dropped and called again.
    pub async fn ring(&mut self) {
        loop {
            let Some(at_ms) = self.at_ms else {
                return std::future::pending().await;
            };
            let now_ms = clock::now_ms();
            if now_ms >= at_ms {
                self.at_ms = None;
                return;
            }
            if self.armed.as_ref().is_none_or(|(armed, _)| *armed > at_ms) {
                let at = Instant::now() + Duration::from_millis(at_ms - now_ms);
                self.armed = Some((at_ms, Box::pin(tokio::time::sleep_until(at))));
            }
            if let Some((_, sleep)) = &mut self.armed {
                sleep.await;
                self.armed = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_rings_at_the_time_set_last() {
        let mut alarm = Alarm::default();
        let now_ms = clock::now_ms();
        alarm.set(now_ms + 10);
        // Armed for the earlier time, and then put off.
        let early = tokio::time::timeout(Duration::from_millis(1), alarm.ring()).await;
        assert!(early.is_err());
        alarm.set(now_ms + 40);
        alarm.ring().await;
        assert!(clock::now_ms() >= now_ms + 40);
        alarm.set(now_ms + 60_000);
        alarm.set_earlier(now_ms + 50);
        alarm.ring().await;
        assert!(clock::now_ms() < now_ms + 60_000);
    }
}
