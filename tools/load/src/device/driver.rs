//! The loop of one device: the SDK's core over a real socket, with everything that it says and
//! hears recorded at the moment that it does.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

use parlour_checker::frames::{asked, hash_body, marks_set, seen, why};
use parlour_checker::{Intent, Op, Via, Why};
use parlour_sdk::core::saved::Asked;
use parlour_sdk::core::{Client as Core, Ended, Input, Output, Settings, Update};
use parlour_sdk::protocol::codec::Codec;
use parlour_sdk::protocol::error::Action;
use parlour_sdk::protocol::frame::{Client as Frame, Server as Answer};
use parlour_sdk::protocol::{ConversationId, MessageId, Seq, SessionId};
use parlour_sdk::{Command, Endpoint, Fetch, Item, Request, Session, Socket};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::stay::Stay;
use super::{Job, Reads, Settled, Told, unix_ms};
use crate::record::Record;

struct Waiting {
    id: MessageId,
    permit: Option<OwnedSemaphorePermit>,
    tell: Option<oneshot::Sender<Told>>,
}

pub(super) struct Driver {
    core: Core,
    session: Session,
    record: Record,
    endpoint: Endpoint,
    from: Instant,
    unix_ms: u64,
    socket: Option<Socket>,
    opening: Option<tokio::task::JoinHandle<Option<Socket>>>,
    frames: VecDeque<Frame>,
    connection: Option<SessionId>,
    waiting: Vec<Waiting>,
    state: watch::Sender<Settled>,
    away_until: Option<Instant>,
    /// The newest place had of each conversation.
    newest: BTreeMap<ConversationId, Seq>,
    /// The one whose newest place is told.
    follows: Option<ConversationId>,
    /// A person's stay in a channel; none for a device that reads everything.
    stay: Option<Stay>,
    called: HashSet<MessageId>,
}

enum Event {
    Job(Option<Job>),
    Opened(Option<Box<Socket>>),
    Frame(Box<Answer>),
    Closed(Option<u16>, String),
    Tick,
}

impl Driver {
    pub(super) fn new(
        endpoint: Endpoint,
        session: Session,
        reads: Reads,
        record: Record,
        state: watch::Sender<Settled>,
    ) -> Self {
        let mut settings = Settings::new(session.user, session.device, session.token.clone());
        settings.fetch = match reads {
            Reads::All => Fetch::Everything,
            Reads::FromTheEnd { .. } => Fetch::Newest,
        };
        settings.held_max = 100_000;
        settings.answer_ms = 5_000;
        settings.backoff_ms_max = 2_000;
        settings.client = "parlour-load".to_owned();
        let mut seed = [0u8; 32];
        let _ = getrandom::fill(&mut seed);
        Self {
            core: Core::new(settings, seed),
            session,
            record,
            endpoint,
            from: Instant::now(),
            unix_ms: unix_ms(),
            socket: None,
            opening: None,
            frames: VecDeque::new(),
            connection: None,
            waiting: Vec::new(),
            state,
            newest: BTreeMap::new(),
            follows: None,
            stay: match reads {
                Reads::All => None,
                Reads::FromTheEnd { channel, had } => Some(Stay::new(channel, had)),
            },
            called: HashSet::new(),
            away_until: None,
        }
    }

    fn now_ms(&self) -> u64 {
        self.unix_ms + u64::try_from(self.from.elapsed().as_millis()).unwrap_or(0)
    }

    pub(super) async fn run(mut self, mut jobs: mpsc::Receiver<Job>) {
        self.feed(Input::Start);
        let (leave, upto) = loop {
            match self.next(&mut jobs).await {
                // Nobody waits for it any more, and nobody knows how far it should be.
                Event::Job(None) => break (true, Seq::ZERO),
                Event::Job(Some(Job::End { leave, upto })) => break (leave, upto),
                Event::Job(Some(Job::Follow(conversation))) => self.follows = Some(conversation),
                Event::Job(Some(Job::ScrollBack)) => {
                    if let Some(stay) = &mut self.stay {
                        stay.scroll();
                    }
                }
                Event::Job(Some(Job::Ask(request, permit, tell))) => {
                    self.ask(*request, permit, tell);
                }
                Event::Job(Some(Job::Do(command))) => self.feed(Input::Command(command)),
                Event::Job(Some(Job::Away(time))) => {
                    self.hung_up(None, "in a tunnel".to_owned());
                    self.away_until = Some(Instant::now() + time);
                }
                Event::Opened(Some(socket)) => {
                    self.socket = Some(*socket);
                    self.feed(Input::Connected);
                }
                Event::Opened(None) => self.feed(Input::Disconnected {
                    code: None,
                    why: "the server cannot be reached".to_owned(),
                }),
                Event::Frame(frame) => {
                    if let Answer::Welcome(welcome) = &*frame {
                        self.connection = Some(welcome.session);
                        self.record.add(&Op::Connect {
                            device: self.session.device,
                            user: self.session.user,
                            connection: welcome.session,
                        });
                    }
                    let opens = match (&*frame, &mut self.stay) {
                        (Answer::Page(page), Some(stay)) => stay.opens(page.r#ref),
                        _ => false,
                    };
                    self.feed(Input::Frame(frame));
                    if opens {
                        self.opened();
                    }
                }
                Event::Closed(code, why) => self.hung_up(code, why),
                Event::Tick => {
                    if self.away_until.is_some_and(|at| at <= Instant::now()) {
                        self.away_until = None;
                    }
                    self.feed(Input::Tick);
                }
            }
            let quiet = self.core.quiet() && self.away_until.is_none();
            let quiet = !self.scrolls(quiet) && quiet;
            let newest = self.follows.and_then(|f| self.newest.get(&f));
            let state = Settled {
                quiet,
                newest: newest.copied().unwrap_or_default(),
            };
            self.state
                .send_if_modified(|s| std::mem::replace(s, state) != state);
        };
        self.end(leave, upto);
    }

    /// It has opened its channel: what it leaves on the server is recorded.
    fn opened(&mut self) {
        let Some(stay) = &mut self.stay else { return };
        let conversation = stay.channel;
        if let Some((from, to)) = stay.opened(self.core.held(conversation)) {
            self.record.add(&Op::Jump {
                device: self.session.device,
                user: self.session.user,
                conversation,
                from,
                to,
                why: Why::Unfetched,
            });
        }
    }

    /// Scrolls back by a page, if it is to and nothing is on its way. Says whether it still has to.
    fn scrolls(&mut self, quiet: bool) -> bool {
        let Some(stay) = &self.stay else { return false };
        let channel = stay.channel;
        let scrolls = stay.is_scrolling(self.core.held(channel));
        if scrolls && quiet {
            self.feed(Input::Command(Command::Older(channel)));
        }
        scrolls
    }

    async fn next(&mut self, jobs: &mut mpsc::Receiver<Job>) -> Event {
        let wake = match (self.away_until, self.core.wake_at()) {
            (Some(at), _) => Some(at),
            (None, Some(ms)) => {
                Some(self.from + Duration::from_millis(ms.saturating_sub(self.unix_ms)))
            }
            (None, None) => None,
        };
        let (socket, frames, opening) = (&mut self.socket, &mut self.frames, &mut self.opening);
        let away = self.away_until.is_some();
        tokio::select! {
            job = jobs.recv() => Event::Job(job),
            opened = async {
                match opening {
                    Some(task) => task.await.ok().flatten(),
                    None => std::future::pending().await,
                }
            }, if !away => {
                self.opening = None;
                Event::Opened(opened.map(Box::new))
            }
            received = async {
                match socket {
                    Some(socket) => socket.drive(frames).await,
                    None => std::future::pending().await,
                }
            } => match received {
                Ok(frame) => Event::Frame(Box::new(frame)),
                Err(closed) => Event::Closed(closed.code, closed.why),
            },
            () = async {
                match wake {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            } => Event::Tick,
        }
    }

    fn feed(&mut self, input: Input) {
        let mut out = Vec::new();
        self.core.handle(self.now_ms(), input, &mut out);
        self.act(out);
    }

    fn ask(
        &mut self,
        request: Request,
        permit: Option<OwnedSemaphorePermit>,
        tell: Option<oneshot::Sender<Told>>,
    ) {
        let mut out = Vec::new();
        match self.core.request(self.now_ms(), request, &mut out) {
            Ok(accepted) => {
                self.waiting.push(Waiting {
                    id: accepted.id,
                    permit,
                    tell,
                });
                // Recorded before any of it is handed to a socket.
                let hash = self
                    .core
                    .outbox()
                    .find(|row| row.id == accepted.id)
                    .and_then(|row| match &row.asked {
                        Asked::Send(send) => Some(hash_body(&send.body)),
                        _ => None,
                    });
                self.called.insert(accepted.id);
                self.record.add(&Op::Invoke {
                    device: self.session.device,
                    user: self.session.user,
                    conversation: accepted.conversation,
                    id: accepted.id,
                    hash,
                    intent: Intent::Send,
                });
            }
            Err(refused) => eprintln!("{}: {refused}", self.session.name),
        }
        self.act(out);
    }

    fn act(&mut self, out: Vec<Output>) {
        let mut queue = VecDeque::from(out);
        while let Some(output) = queue.pop_front() {
            match output {
                Output::Connect => {
                    let endpoint = self.endpoint.clone();
                    let away = self.away_until;
                    self.opening = Some(tokio::spawn(async move {
                        if let Some(at) = away {
                            tokio::time::sleep_until(at.into()).await;
                        }
                        Socket::open(&endpoint, Codec::MessagePack).await.ok()
                    }));
                }
                Output::Close => self.close(),
                Output::Send(frame) => {
                    self.marks(&frame);
                    self.own_accord(&frame);
                    if let (Frame::History(ask), Some(stay)) = (&*frame, &mut self.stay) {
                        stay.asks(ask);
                    }
                    if self.socket.is_some() {
                        self.frames.push_back(*frame);
                    }
                }
                Output::Persist { ticket, .. } => {
                    let mut more = Vec::new();
                    self.core
                        .handle(self.now_ms(), Input::Persisted(ticket), &mut more);
                    queue.extend(more);
                }
                Output::Update(update) => self.note(update),
            }
        }
    }

    /// What the core sends of its own accord, such as the name of a group just made, is called too.
    fn own_accord(&mut self, frame: &Frame) {
        if let Some((id, op)) = asked(self.session.user, self.session.device, frame)
            && self.called.insert(id)
        {
            self.record.add(&op);
        }
    }

    /// Records the marks that a frame states.
    fn marks(&self, frame: &Frame) {
        for op in marks_set(self.session.user, self.session.device, frame) {
            self.record.add(&op);
        }
    }

    /// Records what the core tells.
    fn note(&mut self, update: Update) {
        let (device, user) = (self.session.device, self.session.user);
        match update {
            Update::Event { event, via } => {
                let newest = self.newest.entry(event.conversation).or_default();
                *newest = (*newest).max(event.seq);
                if let Some(connection) = self.connection {
                    self.record.add(&Op::Receive {
                        device,
                        user,
                        connection,
                        conversation: event.conversation,
                        event: seen(&event),
                        via: match via {
                            parlour_sdk::Via::Live => Via::Live,
                            parlour_sdk::Via::Page => Via::Page,
                        },
                    });
                }
            }
            Update::Withheld {
                conversation,
                places,
            } => self.record.add(&Op::Jump {
                device,
                user,
                conversation,
                from: places.from,
                to: places.to,
                why: why(places.why),
            }),
            Update::Ended {
                conversation,
                id,
                how,
            } => {
                match &how {
                    Ended::Sent { seq, n, .. } => self.record.add(&Op::Ok {
                        device,
                        conversation,
                        id,
                        seq: *seq,
                        n: *n,
                    }),
                    Ended::Refused { code, .. } => self.record.add(&Op::Refused {
                        device,
                        conversation,
                        id,
                        code: *code,
                        finally: code.action() == Action::GiveUp,
                    }),
                    Ended::GivenUp => {}
                }
                if let Some(at) = self.waiting.iter().position(|w| w.id == id) {
                    let waiting = self.waiting.swap_remove(at);
                    drop(waiting.permit);
                    if let Some(tell) = waiting.tell {
                        let _ = tell.send((conversation, id, how));
                    }
                }
            }
            Update::Receipts {
                conversation,
                members,
            } => {
                for (of, mark) in members {
                    self.record.add(&Op::MarkSeen {
                        observer: device,
                        of,
                        conversation,
                        delivered: mark.delivered().seq,
                        read: mark.read.seq,
                    });
                }
            }
            Update::Marks { conversation, own } => self.record.add(&Op::MarkSeen {
                observer: device,
                of: user,
                conversation,
                delivered: own.delivered().seq,
                read: own.read.seq,
            }),
            _ => {}
        }
    }

    fn hung_up(&mut self, code: Option<u16>, why: String) {
        self.close();
        self.feed(Input::Disconnected { code, why });
    }

    fn close(&mut self) {
        self.frames.clear();
        if let Some(opening) = self.opening.take() {
            opening.abort();
        }
        self.socket = None;
        if let Some(connection) = self.connection.take() {
            self.record.add(&Op::Disconnect {
                device: self.session.device,
                connection,
            });
        }
    }

    /// What it says at the end: which places it has whole, what its screen shows, and what never
    /// had an answer.
    fn end(mut self, leave: bool, upto: Seq) {
        if leave {
            self.close();
        }
        let device = self.session.device;
        let claim = match (&self.stay, self.follows) {
            (Some(stay), _) => Some((stay.channel, stay.from())),
            (None, follows) => follows.map(|follows| (follows, Seq(1))),
        };
        if let Some((conversation, from)) = claim.filter(|_| upto > Seq::ZERO) {
            self.record.add(&Op::Whole {
                device,
                user: self.session.user,
                conversation,
                from,
                to: upto,
            });
        }
        let conversations: Vec<ConversationId> =
            self.core.lines().map(|l| l.conversation).collect();
        for conversation in conversations {
            let timeline = self.core.timeline(conversation, None, usize::MAX);
            let events = timeline
                .items
                .iter()
                .filter_map(|item| match item {
                    Item::Placed { event, .. } => Some((event.seq, event.id)),
                    _ => None,
                })
                .collect();
            self.record.add(&Op::Timeline {
                device,
                conversation,
                events,
            });
        }
        let rows: Vec<_> = self.core.outbox().map(|r| (r.conversation, r.id)).collect();
        for (conversation, id) in rows {
            self.record.add(&Op::Unknown {
                device,
                conversation,
                id,
            });
        }
        // What is still connected at the end must have had everything: no `Disconnect` here.
    }
}
