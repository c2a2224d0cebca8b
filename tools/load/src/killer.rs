//! Kills the server at random times around an interval, until it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::bail;

use crate::dice::Dice;
use crate::server::Server;

/// A killer at work.
pub(crate) struct Killer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Killer {
    /// Begins; with no interval it never kills.
    pub(crate) fn start(server: &Arc<Server>, every: Option<Duration>, seed: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (server, stopped) = (server.clone(), stop.clone());
        let task = tokio::spawn(async move {
            let Some(every) = every else { return Ok(()) };
            let mut dice = Dice::new(seed ^ 0xdead);
            loop {
                // Between a half and one and a half of the interval.
                let ms = u64::try_from(every.as_millis()).unwrap_or(u64::MAX / 2);
                let wait = ms / 2 + dice.below(ms);
                tokio::time::sleep(Duration::from_millis(wait)).await;
                if stopped.load(Ordering::Relaxed) {
                    return Ok(());
                }
                server.kill().await?;
            }
        });
        Self { stop, task }
    }

    /// Ends, once a kill that has begun is over and the server is up again.
    pub(crate) async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.task
            .await
            .unwrap_or_else(|_| bail!("the task that kills the server died"))
    }
}
