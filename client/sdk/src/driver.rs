//! The one task of a running client: it feeds the core and does what it says.
//!
//! It decides nothing: no order, no retry, no time. One loop, one socket, one store.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use parlour_client_core::saved::Ticket;
use parlour_client_core::{Client as Core, Ended, Input, Link, Output, Update as CoreUpdate};
use parlour_protocol::codec::Codec;
use parlour_protocol::frame::{Client as Frame, Server as Incoming};
use parlour_protocol::id::MessageId;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::{Duration, Instant};

use crate::config::{Config, Store};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::socket::{Closed, Socket};
use crate::store::{Batch, Writer, Written};
use crate::updates::Update;

/// Jobs of handles that wait for the driver; past it the caller waits.
const JOBS: usize = 64;
/// Batches that wait for the store; past it nothing more is read from the socket, and a server
/// that loses patience with that loses nothing else.
const BATCHES: usize = 1_024;
/// Frames that wait for the socket; past it the connection is taken for dead.
const FRAMES: usize = 4_096;

/// Something to be done with the core, by a handle.
pub(crate) type Job = Box<dyn for<'a> FnOnce(&mut Hands<'a>) + Send>;

/// What a job has in its hands.
pub(crate) struct Hands<'a> {
    pub(crate) core: &'a mut Core,
    pub(crate) now_ms: u64,
    pub(crate) out: &'a mut Vec<Output>,
    pub(crate) close: bool,
    /// The last batch that was given to the store.
    pub(crate) ticket: Ticket,
    waiters: &'a mut HashMap<MessageId, Vec<oneshot::Sender<Ended>>>,
}

impl Hands<'_> {
    /// The outcome of a request that was just accepted, when it comes.
    pub(crate) fn wait(&mut self, id: MessageId) -> oneshot::Receiver<Ended> {
        let (tell, told) = oneshot::channel();
        self.waiters.entry(id).or_default().push(tell);
        told
    }
}

pub(crate) struct Started {
    pub(crate) jobs: mpsc::Sender<Job>,
    pub(crate) updates: (
        broadcast::WeakSender<Arc<Update>>,
        broadcast::Receiver<Arc<Update>>,
    ),
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) ended: watch::Receiver<bool>,
    /// How far the store is; none without one.
    pub(crate) written: Option<watch::Receiver<Written>>,
}

pub(crate) async fn start(config: Config) -> Result<Started, Error> {
    let Config {
        endpoint,
        session,
        store,
        mut settings,
        updates_max,
    } = config;
    settings.user = session.user;
    settings.device = session.device;
    settings.token = session.token;
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|e| Error::Store {
        path: std::path::PathBuf::new(),
        why: format!("the system gives no randomness: {e}"),
    })?;
    let core = Core::new(settings, seed);
    let (restored, writer) = match store {
        Store::Memory => (None, None),
        Store::Folder(data) => {
            let opened = tokio::task::spawn_blocking(move || {
                let restored = data.restored()?;
                Ok::<_, Error>((restored, data.into_writer()?))
            });
            let (restored, writer) = opened.await.map_err(|_| Error::Closed)??;
            (Some(restored), Some(writer))
        }
    };
    let (jobs, taken) = mpsc::channel(JOBS);
    let (updates, first) = broadcast::channel(updates_max.max(1));
    let (tell_link, link) = watch::channel(Link::Stopped(None));
    let (tell_ended, ended) = watch::channel(false);
    let weak = updates.downgrade();
    let written = writer.as_ref().map(|w| w.written.clone());
    let driver = Driver {
        core,
        clock: Clock::new(),
        endpoint,
        jobs: taken,
        updates,
        link: tell_link,
        waiters: HashMap::new(),
        socket: None,
        opening: None,
        frames: VecDeque::new(),
        written: writer.as_ref().map(|w| w.written.clone()),
        writer,
        batches: VecDeque::new(),
        ticket: Ticket::default(),
        problem: false,
    };
    tokio::spawn(async move {
        driver.run(restored.map(Box::new)).await;
        let _ = tell_ended.send(true);
    });
    Ok(Started {
        jobs,
        updates: (weak, first),
        link,
        ended,
        written,
    })
}

/// Time that starts at the system's and never goes back or jumps.
struct Clock {
    unix_ms: u64,
    from: Instant,
}

impl Clock {
    fn new() -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Self {
            unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX),
            from: Instant::now(),
        }
    }
    fn now_ms(&self) -> u64 {
        let since = u64::try_from(self.from.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.unix_ms.saturating_add(since)
    }
    fn at(&self, ms: u64) -> Instant {
        self.from + Duration::from_millis(ms.saturating_sub(self.unix_ms))
    }
}

struct Driver {
    core: Core,
    clock: Clock,
    endpoint: Endpoint,
    jobs: mpsc::Receiver<Job>,
    updates: broadcast::Sender<Arc<Update>>,
    link: watch::Sender<Link>,
    waiters: HashMap<MessageId, Vec<oneshot::Sender<Ended>>>,
    socket: Option<Socket>,
    opening: Option<JoinHandle<Result<Socket, Error>>>,
    frames: VecDeque<Frame>,
    writer: Option<Writer>,
    written: Option<watch::Receiver<Written>>,
    batches: VecDeque<Batch>,
    ticket: Ticket,
    problem: bool,
}

/// What the loop waits for.
enum Event {
    Job(Option<Job>),
    Opened(Result<Box<Socket>, String>),
    Received(Result<Box<Incoming>, Closed>),
    Written,
    Unwritten,
    Room,
    Tick,
}

impl Driver {
    async fn run(mut self, restored: Option<Box<parlour_client_core::saved::Restored>>) {
        if let Some(restored) = restored {
            self.feed(Input::Restored(restored));
        }
        self.feed(Input::Start);
        loop {
            match self.next().await {
                Event::Job(None) => break,
                Event::Job(Some(job)) => {
                    if self.work(job) {
                        break;
                    }
                }
                Event::Opened(Ok(socket)) => {
                    self.socket = Some(*socket);
                    self.feed(Input::Connected);
                }
                Event::Opened(Err(why)) => self.feed(Input::Disconnected { code: None, why }),
                Event::Received(Ok(frame)) => self.feed(Input::Frame(frame)),
                Event::Received(Err(closed)) => self.hung_up(closed.code, closed.why),
                Event::Written => self.written(),
                Event::Unwritten => {
                    // Nothing more will be confirmed, and so nothing more be sent: say it.
                    let problem = Some("the store's thread has ended; start again".to_owned());
                    let _ = self.updates.send(Arc::new(Update::Store { problem }));
                }
                Event::Room => self.store(),
                Event::Tick => self.feed(Input::Tick),
            }
        }
        self.end().await;
    }

    async fn next(&mut self) -> Event {
        let wake = self.core.wake_at().map(|at| self.clock.at(at));
        let full = !self.batches.is_empty();
        let reads = self.batches.len() < BATCHES;
        let written = &mut self.written;
        let opening = &mut self.opening;
        let socket = &mut self.socket;
        let frames = &mut self.frames;
        let writer = &self.writer;
        tokio::select! {
            job = self.jobs.recv() => Event::Job(job),
            done = changed(written) => {
                if done {
                    Event::Written
                } else {
                    *written = None;
                    Event::Unwritten
                }
            }
            opened = opened(opening) => {
                *opening = None;
                Event::Opened(opened)
            }
            received = received(socket, frames), if reads => Event::Received(received),
            () = room(writer), if full => Event::Room,
            () = until(wake) => Event::Tick,
        }
    }

    fn work(&mut self, job: Job) -> bool {
        let mut out = Vec::new();
        let mut hands = Hands {
            core: &mut self.core,
            now_ms: self.clock.now_ms(),
            out: &mut out,
            close: false,
            ticket: self.ticket,
            waiters: &mut self.waiters,
        };
        job(&mut hands);
        let close = hands.close;
        self.act(out);
        close
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.core.handle(self.clock.now_ms(), input, &mut out);
        self.act(out);
    }

    /// Does what the core says, and tells it at once what is done at once.
    fn act(&mut self, out: Vec<Output>) {
        let mut queue = VecDeque::from(out);
        while let Some(output) = queue.pop_front() {
            match output {
                Output::Connect => {
                    let endpoint = self.endpoint.clone();
                    self.opening = Some(tokio::spawn(async move {
                        Socket::open(&endpoint, Codec::MessagePack).await
                    }));
                }
                Output::Close => self.close_socket(),
                Output::Send(frame) => {
                    if self.socket.is_some() {
                        self.frames.push_back(*frame);
                    }
                }
                Output::Persist { ticket, ops } => {
                    if self.writer.is_some() {
                        self.ticket = ticket;
                        self.batches.push_back(Batch { ticket, ops });
                        self.store();
                    } else {
                        let mut more = Vec::new();
                        let now = self.clock.now_ms();
                        self.core.handle(now, Input::Persisted(ticket), &mut more);
                        queue.extend(more);
                    }
                }
                Output::Update(update) => self.tell(update),
            }
        }
        if self.frames.len() > FRAMES {
            self.hung_up(None, "the server takes nothing any more".to_owned());
        }
    }

    fn tell(&mut self, update: CoreUpdate) {
        match &update {
            CoreUpdate::Link(link) => {
                tracing::debug!(link = name(link), "link");
                self.link.send_replace(link.clone());
            }
            CoreUpdate::Ended { id, how, .. } => {
                for waiter in self.waiters.remove(id).unwrap_or_default() {
                    let _ = waiter.send(how.clone());
                }
            }
            _ => {}
        }
        // Nobody listening is no fault.
        let _ = self.updates.send(Arc::new(Update::Core(update)));
    }

    fn hung_up(&mut self, code: Option<u16>, why: String) {
        self.close_socket();
        self.feed(Input::Disconnected { code, why });
    }

    fn close_socket(&mut self) {
        self.frames.clear();
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
        if let Some(socket) = self.socket.take() {
            tokio::spawn(socket.close());
        }
    }

    fn store(&mut self) {
        let Some(writer) = &self.writer else { return };
        while let Some(batch) = self.batches.pop_front() {
            match writer.batches.try_send(batch) {
                Ok(()) => {}
                Err(mpsc::error::TrySendError::Full(batch)) => {
                    self.batches.push_front(batch);
                    return;
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return,
            }
        }
    }

    fn written(&mut self) {
        let Some(written) = &self.written else { return };
        let Written { upto, problem } = written.borrow().clone();
        if problem.is_some() != self.problem {
            self.problem = problem.is_some();
            let _ = self.updates.send(Arc::new(Update::Store { problem }));
        }
        if upto > Ticket::default() {
            self.feed(Input::Persisted(upto));
        }
    }

    async fn end(mut self) {
        self.feed(Input::Stop);
        self.close_socket();
        if let Some(writer) = self.writer.take() {
            for batch in self.batches.drain(..) {
                if writer.batches.send(batch).await.is_err() {
                    break;
                }
            }
            drop(writer.batches);
            let _ = writer.ended.await;
        }
    }
}

/// The state alone: reasons can name hosts.
const fn name(link: &Link) -> &'static str {
    match link {
        Link::Stopped(_) => "stopped",
        Link::Waiting { .. } => "waiting",
        Link::Connecting => "connecting",
        Link::Greeting => "greeting",
        Link::Syncing => "syncing",
        Link::Live => "live",
    }
}

async fn changed(written: &mut Option<watch::Receiver<Written>>) -> bool {
    match written {
        Some(w) => w.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

async fn opened(
    opening: &mut Option<JoinHandle<Result<Socket, Error>>>,
) -> Result<Box<Socket>, String> {
    match opening {
        Some(task) => match task.await {
            Ok(done) => done.map(Box::new).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        },
        None => std::future::pending().await,
    }
}

async fn received(
    socket: &mut Option<Socket>,
    frames: &mut VecDeque<Frame>,
) -> Result<Box<Incoming>, Closed> {
    match socket {
        Some(socket) => socket.drive(frames).await.map(Box::new),
        None => std::future::pending().await,
    }
}

async fn room(writer: &Option<Writer>) {
    match writer {
        Some(w) => {
            // Room, or the thread is gone: either way there is something to find out.
            let _ = w.batches.reserve().await;
        }
        None => std::future::pending().await,
    }
}

async fn until(wake: Option<Instant>) {
    match wake {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
