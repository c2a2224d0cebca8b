//! Going away: [`Drain`] tells every task to end, counts them, and bounds how long that may take.
//!
//! Two steps. *Draining*: nothing new is taken, clients are told to reconnect. *Stopped*: stages
//! end. What still runs at the bound is left, counted, and the process goes anyway.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::telemetry;

/// Why the process must end before it was told to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fatal {
    /// A part is damaged.
    #[error("{0}")]
    Broken(String),
    /// A task panicked: a fault of the program.
    #[error("the task `{task}` failed, which is a fault of the program: {what}")]
    Panicked {
        /// The task.
        task: &'static str,
        /// The panic's own words.
        what: String,
    },
}

/// Tracks tasks and tells them to end. Clones are the same one.
#[derive(Clone, Default)]
pub struct Drain {
    draining: CancellationToken,
    stopped: CancellationToken,
    sockets: TaskTracker,
    stages: TaskTracker,
    fatal: Arc<Mutex<Option<Fatal>>>,
    failed: CancellationToken,
}

impl Drain {
    /// One for a node.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Ends when draining begins.
    #[must_use]
    pub fn draining(&self) -> CancellationToken {
        self.draining.clone()
    }

    /// Ends when stages are to end.
    #[must_use]
    pub fn stopped(&self) -> CancellationToken {
        self.stopped.clone()
    }

    /// Runs a socket's task. Its panic ends the process: it may have left shared state halfway.
    pub fn socket(&self, task: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        self.sockets.spawn(this.watch(task, future));
    }

    /// Runs a stage's task.
    pub fn stage(&self, task: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        let this = self.clone();
        self.stages.spawn(this.watch(task, future));
    }

    async fn watch(self, task: &'static str, future: impl Future<Output = ()> + Send + 'static) {
        use futures_util::FutureExt as _;
        if let Err(panic) = std::panic::AssertUnwindSafe(future).catch_unwind().await {
            let what = panic
                .downcast_ref::<&str>()
                .map(|s| (*s).to_owned())
                .or_else(|| panic.downcast_ref::<String>().cloned())
                .unwrap_or_default();
            self.fail(Fatal::Panicked { task, what });
        }
    }

    /// The process must end: the first reason given is the one told.
    pub fn fail(&self, why: Fatal) {
        let mut fatal = self.fatal.lock().unwrap_or_else(PoisonError::into_inner);
        if fatal.is_none() {
            *fatal = Some(why);
        }
        self.failed.cancel();
    }

    /// Waits until something failed for good.
    pub async fn failed(&self) -> Fatal {
        self.failed.cancelled().await;
        self.reason()
            .unwrap_or_else(|| Fatal::Broken("a part failed".to_owned()))
    }

    /// What failed for good, if something did.
    #[must_use]
    pub fn reason(&self) -> Option<Fatal> {
        self.fatal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Drains: sockets first, then stages, within `bound` altogether. Answers how many tasks were
    /// left running.
    pub async fn run(&self, bound: Duration) -> usize {
        let end = tokio::time::Instant::now() + bound;
        self.draining.cancel();
        self.sockets.close();
        let _ = tokio::time::timeout_at(end, self.sockets.wait()).await;
        self.stopped.cancel();
        self.stages.close();
        let _ = tokio::time::timeout_at(end, self.stages.wait()).await;
        let late = self.sockets.len() + self.stages.len();
        metrics::gauge!(telemetry::TASKS_LATE).set(late as f64);
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn sockets_end_before_stages_and_nothing_is_left() {
        let drain = Drain::new();
        let order = Arc::new(Mutex::new(Vec::new()));
        let (d, o) = (drain.clone(), order.clone());
        drain.socket("socket", async move {
            d.draining().cancelled().await;
            o.lock().unwrap().push("socket");
        });
        let (d, o) = (drain.clone(), order.clone());
        drain.stage("stage", async move {
            d.stopped().cancelled().await;
            o.lock().unwrap().push("stage");
        });
        assert_eq!(drain.run(Duration::from_secs(5)).await, 0);
        assert_eq!(*order.lock().unwrap(), ["socket", "stage"]);
    }

    #[tokio::test]
    async fn a_task_that_does_not_end_is_counted_and_left() {
        let drain = Drain::new();
        drain.socket("stuck", std::future::pending());
        assert_eq!(drain.run(Duration::from_millis(20)).await, 1);
    }

    #[tokio::test]
    async fn a_panic_is_fatal_and_named() {
        let drain = Drain::new();
        drain.stage("router", async { panic!("on purpose") });
        assert_eq!(
            drain.failed().await,
            Fatal::Panicked {
                task: "router",
                what: "on purpose".into()
            }
        );
    }
}
