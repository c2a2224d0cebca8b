//! One device, as whoever runs the replay sees it: jobs go in, and it says how far it is.

mod driver;
mod stay;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parlour_sdk::core::Ended;
use parlour_sdk::protocol::{ConversationId, MessageId, Seq};
use parlour_sdk::{Command, Endpoint, Request, Session};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use self::driver::Driver;
use crate::record::Record;

/// What a device is asked to do.
pub(crate) enum Job {
    /// A request; the permit is given back with its outcome.
    Ask(
        Box<Request>,
        Option<OwnedSemaphorePermit>,
        Option<oneshot::Sender<Told>>,
    ),
    /// What needs no outcome.
    Do(Command),
    /// From now on, how far it is means how far it is here.
    Follow(ConversationId),
    /// Scrolls back to where it opened its channel, through what it may have left on the way.
    ScrollBack,
    /// Loses its connection for so long, as a telephone in a tunnel.
    Away(Duration),
    /// Records what its screen shows and which places it has whole, and ends.
    End {
        /// Whether it leaves: it is then not held to what comes later.
        leave: bool,
        /// The newest place that it is held to.
        upto: Seq,
    },
}

/// How a request ended.
pub(crate) type Told = (ConversationId, MessageId, Ended);

/// What a device reads of what was said before it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reads {
    /// Everything that it may, in order: an archive.
    All,
    /// The newest page of a channel that is opened at its end, and from there on all that comes:
    /// a person's device. It had read up to `had` when it was last here; what was said between
    /// that and the page it leaves on the server.
    FromTheEnd {
        /// The channel.
        channel: ConversationId,
        /// How far it was when it went; zero if it never was here.
        had: Seq,
    },
}

/// Speaks to a running device.
#[derive(Clone)]
pub(crate) struct Device {
    jobs: mpsc::Sender<Job>,
    state: watch::Receiver<Settled>,
    /// Who it is.
    pub(crate) session: Session,
}

/// How far a device is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Settled {
    /// Nothing is on its way.
    quiet: bool,
    /// The newest place that it has of what it follows.
    newest: Seq,
}

impl Device {
    /// Starts it.
    pub(crate) fn start(
        endpoint: &Endpoint,
        session: Session,
        reads: Reads,
        record: Record,
    ) -> Self {
        let (jobs, taken) = mpsc::channel(1_024);
        let (tell, state) = watch::channel(Settled::default());
        let driver = Driver::new(endpoint.clone(), session.clone(), reads, record, tell);
        tokio::spawn(driver.run(taken));
        Self {
            jobs,
            state,
            session,
        }
    }

    /// Hands it a job.
    pub(crate) async fn give(&self, job: Job) {
        let _ = self.jobs.send(job).await;
    }

    /// Asks, and waits for the outcome.
    pub(crate) async fn ask(&self, request: Request) -> Option<Told> {
        let (tell, told) = oneshot::channel();
        self.give(Job::Ask(Box::new(request), None, Some(tell)))
            .await;
        told.await.ok()
    }

    /// Opens this conversation on its screen, or another that is not there.
    pub(crate) async fn looks_at(&self, conversation: Option<ConversationId>) {
        let focus = Command::Focus {
            conversation,
            members: false,
        };
        self.give(Job::Do(focus)).await;
    }

    /// Waits until nothing is on its way and it has had this place.
    pub(crate) async fn holds(&self, seq: Seq) {
        let mut state = self.state.clone();
        let _ = state.wait_for(|s| s.quiet && s.newest >= seq).await;
    }

    /// Whether nothing is on its way at the moment, and it has had this place.
    pub(crate) fn has_settled(&self, seq: Seq) -> bool {
        let state = *self.state.borrow();
        state.quiet && state.newest >= seq
    }

    /// Waits until it has recorded what it had, and is gone.
    pub(crate) async fn ends(&self, leave: bool, upto: Seq) {
        self.give(Job::End { leave, upto }).await;
        self.jobs.closed().await;
    }
}

/// Milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
