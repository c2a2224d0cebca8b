//! The loop of the client for people: what the terminal, the SDK and the clock say goes into the
//! [`Model`]; what that wants is done; then it is drawn.
//!
//! Promises: nothing here decides what is shown; whatever takes long (HTTP, a search) runs beside
//! the loop and comes back as a [`Msg`]; between two drawings everything that waits is taken.

mod beside;
mod make;
mod session;
mod views;

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt as _;
use parlour_sdk::core::Update as Core;
use parlour_sdk::protocol::error::Code;
use parlour_sdk::{Client, Data, Endpoint, Error, Link, Session, Update, Updates};
use tokio::sync::mpsc;

use crate::kept::Kept;
use crate::model::{Command, Model, Msg, Question};
use crate::terminal::Screen;
use crate::view;

#[cfg(test)]
pub(crate) use make::made_in_part;

/// What runs beside the loop and has not come back; past it the next waits.
const BESIDE: usize = 64;
/// What is taken between two drawings at most.
const BATCH: usize = 512;
/// How often time passes, and how often what is kept is written if it is another.
const TICK: Duration = Duration::from_secs(1);
/// How long the end may take.
const END: Duration = Duration::from_secs(5);

/// What comes back from beside the loop.
pub(crate) enum Reply {
    Msg(Msg),
    /// Logged in.
    Session(Box<(Endpoint, Session)>),
    /// Logged out, or the device is at least forgotten here: then why.
    LoggedOut(Option<String>),
}

/// What wakes the loop.
enum Wake {
    Terminal(Option<std::io::Result<Event>>),
    Update(Option<Update>),
    Reply(Reply),
    Tick,
    End,
}

struct Run {
    folder: PathBuf,
    /// Authorities that are trusted beside the system's.
    ca: Vec<PathBuf>,
    model: Model,
    /// Until somebody is logged in.
    data: Option<Data>,
    client: Option<Client>,
    updates: Option<Updates>,
    replies: mpsc::Sender<Reply>,
    list_stale: bool,
    window_stale: bool,
    saved: Kept,
    /// What was written by who was put out and could not be kept.
    unkept: Option<Kept>,
    /// The server is being told that this device logs out.
    leaving: bool,
    /// What the folder keeps is to be deleted, as soon as it can be opened.
    forget: bool,
    quit: bool,
}

/// Runs until it is quit.
pub(crate) async fn run(
    folder: PathBuf,
    ca: Vec<PathBuf>,
    server: &str,
    mouse: bool,
) -> anyhow::Result<()> {
    // Whatever is wrong with the folder is said while the terminal is still as it was.
    let mut data = Data::open(&folder)?;
    crate::script::trust(&mut data, &ca)?;
    let colour = std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let zone = jiff::tz::TimeZone::system();
    let mut model = Model::new(zone, colour, server, now_ms());
    let kept = match data.session()? {
        Some((_, session)) => Kept::read_own(&folder, session.user).with(data.store()?),
        None => Kept::default(),
    };
    model.restore(kept.clone());
    let (replies, mut replied) = mpsc::channel(BESIDE);
    let mut run = Run {
        folder,
        ca,
        model,
        data: Some(data),
        client: None,
        updates: None,
        replies,
        list_stale: false,
        window_stale: false,
        saved: kept,
        unkept: None,
        leaving: false,
        forget: false,
        quit: false,
    };
    let mut screen = Screen::take(mouse)?;
    // What is kept may be much.
    screen
        .terminal
        .draw(|frame| frame.render_widget(" Opening…", frame.area()))?;
    run.connect().await?;
    let size = screen.terminal.size()?;
    run.take(Msg::Resize(size.width, size.height)).await;
    let mut events = events();
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    let mut ended = std::pin::pin!(told_to_end());
    while !run.quit {
        run.read().await;
        screen
            .terminal
            .draw(|frame| view::draw(&run.model, frame))?;
        let wake = tokio::select! {
            event = events.recv() => Wake::Terminal(event),
            update = next(&mut run.updates) => Wake::Update(update),
            Some(reply) = replied.recv() => Wake::Reply(reply),
            _ = ticks.tick() => Wake::Tick,
            () = &mut ended => Wake::End,
        };
        run.wake(wake).await?;
        // Whatever waits already is taken before anything is drawn.
        for _ in 0..BATCH {
            let ready = run.updates.as_mut().and_then(Updates::try_next);
            match ready {
                Some(update) => run.update(update).await,
                None => break,
            }
        }
        for _ in 0..BATCH {
            match events.try_recv() {
                Ok(event) if !run.quit => run.wake(Wake::Terminal(Some(event))).await?,
                _ => break,
            }
        }
    }
    drop(screen);
    run.end(replied).await
}

impl Run {
    async fn wake(&mut self, wake: Wake) -> anyhow::Result<()> {
        match wake {
            Wake::Terminal(Some(Ok(event))) => self.terminal(event).await,
            // Without a terminal there is nobody to show anything to.
            Wake::Terminal(Some(Err(error))) => return Err(error.into()),
            Wake::Terminal(None) | Wake::End => self.quit = true,
            Wake::Update(Some(update)) => self.update(update).await,
            Wake::Update(None) => self.updates = None,
            Wake::Reply(reply) => self.reply(reply).await?,
            Wake::Tick => {
                self.take(Msg::Tick).await;
                if let Err(error) = self.save() {
                    self.model.say(format!("drafts cannot be kept: {error}"));
                }
            }
        }
        Ok(())
    }

    async fn terminal(&mut self, event: Event) {
        let msg = match event {
            Event::Key(key) => Msg::Key(key),
            Event::Mouse(mouse) => Msg::Mouse(mouse),
            Event::Paste(text) => Msg::Paste(text),
            Event::Resize(w, h) => Msg::Resize(w, h),
            Event::FocusGained => Msg::Looked(true),
            Event::FocusLost => Msg::Looked(false),
        };
        self.take(msg).await;
    }

    async fn update(&mut self, update: Update) {
        let open = self.model.chat.as_ref().map(|c| c.conversation);
        match update {
            Update::Core(Core::Link(Link::Stopped(Some((code, why)))))
                if matches!(code, Code::BAD_TOKEN | Code::REVOKED) =>
            {
                // Who logs out is put out by the server too; it is told once, by that.
                if self.leaving {
                    return;
                }
                // What was written is there again when the same user logs in.
                let unsent = self.take_back().await;
                let known = code.entry().map(|e| e.about.to_owned());
                let why = [Some(known.unwrap_or(why)), unsent].into_iter().flatten();
                let why: Vec<String> = why.collect();
                self.out(Some(why.join(" "))).await;
            }
            Update::Core(Core::Link(link)) => self.take(Msg::Link(link)).await,
            Update::Core(Core::Presence(users)) => self.take(Msg::Presence(users)).await,
            Update::Core(Core::Typing {
                conversation,
                users,
            }) => self.take(Msg::Typing(conversation, users)).await,
            Update::Core(Core::Problem { message, .. }) => {
                self.take(Msg::Refused(message, None)).await;
            }
            Update::Core(
                Core::Timeline(conversation)
                | Core::Receipts { conversation, .. }
                | Core::Withheld { conversation, .. },
            ) => self.window_stale |= open == Some(conversation),
            Update::Core(Core::Changed { event }) => {
                self.list_stale = true;
                self.window_stale |= open == Some(event.conversation);
            }
            Update::Core(Core::Mail { .. }) => {}
            Update::Lagged(_) => {
                // The state of the connection may be among what was dropped.
                if let Some(link) = self.client.as_ref().map(Client::link) {
                    self.take(Msg::Link(link)).await;
                }
                self.list_stale = true;
                self.window_stale = true;
            }
            Update::Store { problem } => self.take(Msg::Store(problem)).await,
            _ => {
                self.list_stale = true;
                self.window_stale = true;
            }
        }
    }

    /// Gives the model what happened, and does what it wants.
    async fn take(&mut self, msg: Msg) {
        let mut waiting = vec![msg];
        while let Some(msg) = waiting.pop() {
            for command in self.model.update(msg, now_ms()) {
                waiting.extend(self.perform(command).await);
            }
        }
    }

    /// Does one thing. Gives what it came to, if that is known at once.
    async fn perform(&mut self, command: Command) -> Option<Msg> {
        match command {
            Command::Quit => self.quit = true,
            Command::ReadList => self.list_stale = true,
            Command::ReadWindow => self.window_stale = true,
            // It was answered meanwhile.
            Command::Enter(_) | Command::Open if self.client.is_some() => {}
            Command::Open => return Some(self.reopen().await),
            Command::Enter(entry) => {
                // Who comes again need not name the authorities again.
                let named = self.ca.clone();
                let data = match self.folder() {
                    Ok(data) => data,
                    Err(error) => return Some(Msg::NotIn(session::not_open(&error))),
                };
                if entry.new
                    && let Err(error) = crate::unsent::refuse_others(data, None)
                {
                    return Some(Msg::NotIn(format!("{error:#}")));
                }
                let ca = crate::trusted(data, &entry.server, named);
                beside::enter(*entry, ca, self.replies.clone());
            }
            other => return self.with_client(other).await,
        }
        None
    }

    async fn with_client(&mut self, command: Command) -> Option<Msg> {
        let client = self.client.clone()?;
        let done = match command {
            Command::Core(command) => client.command(command).await,
            Command::Hurry if matches!(client.link(), Link::Stopped(_)) => {
                return self.again(client).await;
            }
            Command::Hurry => client.hurry().await,
            Command::Request(request, text) => match client.request(*request).await {
                Ok(_) => Ok(()),
                Err(error) => return Some(Msg::Refused(error.to_string(), text)),
            },
            Command::Make(number, request, settings) => {
                match make::make(&client, *request, settings).await {
                    Ok((conversation, problem)) => {
                        return Some(Msg::Made(number, conversation, problem));
                    }
                    Err((Error::Closed, _)) => Err(Error::Closed),
                    Err((_, why)) => {
                        return Some(Msg::NotTaken(Question { number, on: None }, why));
                    }
                }
            }
            other => {
                self.leaving |= other == Command::LogOut;
                beside::ask(other, client, self.replies.clone());
                Ok(())
            }
        };
        match done {
            // It is being closed; there is nothing to tell.
            Ok(()) | Err(Error::Closed) => None,
            Err(error) => Some(Msg::Refused(error.to_string(), None)),
        }
    }

    /// Writes what is kept, if it is other than what was written last.
    fn save(&mut self) -> std::io::Result<()> {
        if self.client.is_none() {
            return Ok(());
        }
        let kept = self.model.kept();
        if kept != self.saved {
            kept.write(&self.folder)?;
            self.saved = kept;
        }
        Ok(())
    }
}

/// What the terminal says. Past the bound it waits in the terminal.
fn events() -> mpsc::Receiver<std::io::Result<Event>> {
    let (tell, told) = mpsc::channel(BESIDE);
    tokio::spawn(async move {
        // The stream remembers the first who waits for it, and no other: one task alone may.
        let mut events = EventStream::new();
        while let Some(event) = events.next().await {
            if tell.send(event).await.is_err() {
                return;
            }
        }
    });
    told
}

async fn next(updates: &mut Option<Updates>) -> Option<Update> {
    match updates {
        Some(updates) => updates.next().await,
        None => std::future::pending().await,
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// Waits until the system wants the client to end.
async fn told_to_end() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (term, hangup) = (
            signal(SignalKind::terminate()),
            signal(SignalKind::hangup()),
        );
        if let (Ok(mut term), Ok(mut hangup)) = (term, hangup) {
            tokio::select! {
                _ = term.recv() => return,
                _ = hangup.recv() => return,
            }
        }
    }
    std::future::pending().await
}
