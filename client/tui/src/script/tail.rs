//! `tail`: events as they come, and those missed before.
//!
//! Promises: every event behind the last place that the folder knew when it first ran is printed
//! once, over later runs too, however fast they come: those that overtook this reader are read from
//! the server's history. After a kill the last line may come again. Within a conversation they
//! rise, but for what fills a gap late. When the server's store is another, all of it is printed.
//! What cannot be read, and that the server is away or back, is said on standard error; that nobody
//! reads that ends nothing. A reader that takes nothing does not hold up its end.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use parlour_sdk::protocol::error::{Action, Code};
use parlour_sdk::protocol::frame::server::{Event, Stretch};
use parlour_sdk::protocol::{ConversationId, Seq, StoreId};
use parlour_sdk::{Client, Config, Data, Error, Fetch, Link, Summary, Updates};

use super::came::take;
use super::heard::{again, fault, problem};
use super::out::{self, Printer, Teller};
use super::printed::Printed;
use super::record::Record;
use super::told::Told;
use super::{people_of, trust};

/// Events of a page of history.
const PAGE: u64 = 100;
/// After how long a history that could not be read is asked for again: twice as long each time.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_MAX: Duration = Duration::from_secs(30);
/// How often in a row an answer that is not Parlour's is taken for a passing fault.
const ODD_MAX: u32 = 6;
/// After how long it is said that the server is not there.
const LATE: Duration = Duration::from_secs(3);

pub(super) async fn run(
    folder: PathBuf,
    ca: &[PathBuf],
    json: bool,
    updates_max: usize,
) -> anyhow::Result<ExitCode> {
    let mut data = Data::open(&folder)?;
    trust(&mut data, ca)?;
    let Some((_, session)) = data.session()? else {
        return Err(Error::NotLoggedIn { path: folder }.into());
    };
    // Before anything new can come.
    let record = Record::open(&folder, session.user, || {
        let mut held = Printed::default();
        for (conversation, places) in data.places()? {
            // Not what came alone: of a long conversation that is its newest part, and all before
            // it would be printed as if it had been missed.
            held.add(conversation, Seq(1), places.head);
        }
        Ok((data.store()?, held))
    })?;
    let mut config = Config::stored(data)?.fetch(Fetch::Everything);
    config.updates_max = updates_max;
    let client = Client::connect(config).await?;
    let mut tail = Tail::new(client, &folder, json, record)?;
    let done = tokio::select! {
        done = tail.follow() => done.map(|()| ExitCode::SUCCESS),
        code = told_to_end() => {
            // What is printed already is known to the next run. A reader that takes nothing even
            // now gets that line then.
            let last = tokio::time::timeout(out::LAST, tail.settle()).await;
            last.unwrap_or(Ok(true)).map(|_| ExitCode::from(code))
        }
    };
    // The folder is this one's own until it is closed.
    tail.told.keep(&folder);
    tail.client.close().await;
    tail.teller.end().await;
    done
}

/// Waits until the system wants it to end. Gives the code to end with.
async fn told_to_end() -> u8 {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (interrupt, term) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        if let (Ok(mut interrupt), Ok(mut term)) = (interrupt, term) {
            return tokio::select! {
                _ = interrupt.recv() => 130,
                _ = term.recv() => 143,
            };
        }
    }
    if tokio::signal::ctrl_c().await.is_err() {
        // Then the system ends it.
        std::future::pending::<()>().await;
    }
    130
}

/// Which places are read from the server's history.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Places {
    /// Those that the folder holds: the others come by themselves.
    Held,
    /// All that the client knows of.
    All,
}

/// What came of reading on.
enum Read {
    Done,
    /// Nobody reads what is printed any more.
    Unread,
    /// The connection broke: what was read last may be another store's.
    Moved,
}

struct Tail {
    client: Client,
    updates: Updates,
    /// The same, for while those wait: what is wrong meanwhile.
    meanwhile: Updates,
    told: Told,
    json: bool,
    record: Record,
    printer: Printer,
    teller: Teller,
    /// The line that is being printed: its place, and what becomes of it.
    underway: Option<(ConversationId, Seq, out::Printed)>,
    /// How often in a row the history could not be read.
    failed: u32,
    /// What was said on standard error, and is not said again: that the server is away until it is
    /// back.
    said_gone: bool,
    said_behind: bool,
    said_closed: BTreeSet<ConversationId>,
    said_problem: Option<String>,
}

impl Tail {
    fn new(client: Client, folder: &Path, json: bool, record: Record) -> anyhow::Result<Self> {
        Ok(Self {
            updates: client.updates(),
            meanwhile: client.updates(),
            told: Told::new(folder, &client),
            client,
            json,
            record,
            printer: Printer::start()?,
            teller: Teller::start()?,
            underway: None,
            failed: 0,
            said_gone: false,
            said_behind: false,
            said_closed: BTreeSet::new(),
            said_problem: None,
        })
    }

    /// Prints until nobody reads any more, or the connection ended for good.
    async fn follow(&mut self) -> anyhow::Result<()> {
        // What an earlier run, or another command, fetched and nobody printed.
        if !self.catch_up(Places::Held).await? {
            return Ok(());
        }
        loop {
            let came = take(&mut self.updates).await;
            if !self.print(&came.events).await? {
                return Ok(());
            }
            for (conversation, from, to) in came.withheld {
                self.record.add(conversation, from, to)?;
            }
            if came.store.is_some() {
                // All of it comes by itself.
                self.record.is_of(came.store)?;
            }
            for (conversation, code, why) in came.problems {
                self.refused(conversation, code, why).await?;
            }
            if let Some(why) = came.stopped {
                bail!(why);
            }
            if came.link {
                self.tell_link(came.gone);
            }
            if came.ended {
                return Ok(());
            }
            if came.behind {
                if !std::mem::replace(&mut self.said_behind, true) {
                    self.teller.tell(
                        "more came than could be printed at once; the rest is read from the \
                         server's history"
                            .to_owned(),
                    );
                }
                if !self.catch_up(Places::All).await? {
                    return Ok(());
                }
            }
        }
    }

    /// Reads and prints what was not printed, for as long as that takes. Says whether anybody
    /// still reads.
    async fn catch_up(&mut self, which: Places) -> anyhow::Result<bool> {
        let mut which = which;
        loop {
            self.live().await?;
            match self.read_on(&mut which).await {
                Ok(Read::Done) => return Ok(true),
                Ok(Read::Unread) => return Ok(false),
                Ok(Read::Moved) => {}
                Err(error) => self.wait(error).await?,
            }
        }
    }

    /// Waits until the client is caught up.
    async fn live(&mut self) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                biased;
                live = self.client.live() => {
                    live?;
                    self.tell_link(None);
                    return Ok(());
                }
                // What waits in the other updates is printed first, and this may be why there is
                // no end of it.
                (conversation, code, why) = problem(&mut self.meanwhile) => {
                    self.refused(conversation, code, why).await?;
                }
                () = tokio::time::sleep(LATE) => {
                    if let Link::Waiting { why, .. } = self.client.link() {
                        self.tell_link(Some(why));
                    }
                }
            }
        }
    }

    /// Says that the server is away, and why, or that it is back: each once. What has passed
    /// already is not told.
    fn tell_link(&mut self, gone: Option<String>) {
        let live = self.client.link() == Link::Live;
        match gone {
            Some(why) if !live && !self.said_gone => {
                self.said_gone = true;
                self.teller.tell(again(&why));
            }
            _ if live && self.said_gone => {
                self.said_gone = false;
                self.teller.tell("the server is there again".to_owned());
            }
            _ => {}
        }
    }

    /// Waits before the history is asked for again; an error if that is of no use.
    async fn wait(&mut self, error: anyhow::Error) -> anyhow::Result<()> {
        self.failed += 1;
        let again = error.downcast_ref().is_some_and(|e| passes(e, self.failed));
        if !again {
            return Err(error);
        }
        if self.failed == 1 {
            let why = crate::shown::line(&error.to_string());
            self.teller.tell(format!(
                "what was missed cannot be read yet: {why}; trying again (Ctrl+C ends)"
            ));
        }
        // What comes meanwhile waits, or is dropped and read on too.
        let times = 1u32.checked_shl(self.failed - 1).unwrap_or(u32::MAX);
        tokio::time::sleep(AGAIN.saturating_mul(times).min(AGAIN_MAX)).await;
        Ok(())
    }

    async fn read_on(&mut self, which: &mut Places) -> anyhow::Result<Read> {
        let store = self.client.with(|core| core.store()).await?;
        if self.record.is_of(store)? {
            // What waits to be taken is the other store's, and all of this one is to be printed.
            self.updates = self.client.updates();
            *which = Places::All;
        }
        let places = self.client.with(|core| core.places()).await?;
        for (conversation, places) in places {
            let ranges = match which {
                Places::Held => places.came,
                Places::All => vec![(Seq(1), places.head)],
            };
            for (from, to) in ranges {
                match self.read(conversation, from, to, store).await? {
                    Read::Done => {}
                    other => return Ok(other),
                }
            }
        }
        Ok(Read::Done)
    }

    /// Reads and prints what was not printed of these places.
    async fn read(
        &mut self,
        conversation: ConversationId,
        from: Seq,
        to: Seq,
        store: Option<StoreId>,
    ) -> anyhow::Result<Read> {
        let printed = |tail: &Self| tail.record.printed().hole(conversation, from, to);
        while let Some((first, last)) = printed(self) {
            let after = Seq(first.0.saturating_sub(1));
            let places = last.0.saturating_sub(after.0).min(PAGE);
            let limit = u32::try_from(places).unwrap_or(u32::MAX);
            let page = self.client.history(conversation, None, Some(after), limit);
            let page: Stretch = match page.await {
                Ok(page) => page,
                Err(Error::Server { code, message }) if code.action() == Action::GiveUp => {
                    self.closed(conversation, &message).await?;
                    if matches!(code, Code::NOT_FOUND | Code::NOT_MEMBER | Code::FORBIDDEN) {
                        // It is not one's own to see any more: it is not asked for again.
                        self.record.add(conversation, from, to)?;
                    }
                    break;
                }
                // Something is broken there: the others are not held up by it, and the next run asks again.
                Err(Error::Server { code, message }) if code == Code::FAILED => {
                    self.closed(conversation, &message).await?;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            // A server that was put back to an earlier day in between breaks the connection first.
            tokio::task::yield_now().await;
            let now = self.client.with(|core| core.store()).await?;
            if now != store || self.client.link() != Link::Live {
                return Ok(Read::Moved);
            }
            self.failed = 0;
            if page.to < first {
                let why = format!("the server has nothing from place {first} on");
                self.closed(conversation, &why).await?;
                break;
            }
            let events: Vec<Arc<Event>> = page.events.into_iter().map(Arc::new).collect();
            if !self.print(&events).await? {
                return Ok(Read::Unread);
            }
            self.record.add(conversation, first, page.to)?;
        }
        Ok(Read::Done)
    }

    /// Says, once, that what was missed of a conversation cannot be read.
    async fn closed(&mut self, conversation: ConversationId, why: &str) -> anyhow::Result<()> {
        if !self.said_closed.insert(conversation) {
            return Ok(());
        }
        let place = match self.client.summary(conversation).await? {
            Some(summary) => self.told.title(&summary),
            None => conversation.to_string(),
        };
        let why = crate::shown::line(why);
        let said = format!("{place}: what was missed there cannot be read: {why}");
        self.teller.tell(said);
        Ok(())
    }

    /// Says that something that the client asked for was refused: of a conversation once, else once
    /// in a row.
    async fn refused(
        &mut self,
        conversation: Option<ConversationId>,
        code: Code,
        why: String,
    ) -> anyhow::Result<()> {
        match conversation {
            Some(conversation) => self.closed(conversation, &why).await?,
            None if self.said_problem.as_ref() != Some(&why) => {
                self.teller.tell(fault(code, &why));
                self.said_problem = Some(why);
            }
            None => {}
        }
        Ok(())
    }

    /// Prints those that were not printed. Says whether anybody still reads.
    async fn print(&mut self, events: &[Arc<Event>]) -> anyhow::Result<bool> {
        let fresh = |e: &&Arc<Event>| !self.record.printed().has(e.conversation, e.seq);
        let events: Vec<&Arc<Event>> = events.iter().filter(fresh).collect();
        let mut places: BTreeMap<ConversationId, Option<Summary>> = BTreeMap::new();
        if !self.json {
            for event in &events {
                if let Entry::Vacant(place) = places.entry(event.conversation) {
                    place.insert(self.client.summary(event.conversation).await?);
                }
            }
            let people = events.iter().flat_map(|event| {
                let place = places.get(&event.conversation);
                people_of(event, place.and_then(Option::as_ref))
            });
            let people: Vec<_> = people.collect();
            self.told.learn(&self.client, people).await;
        }
        for event in events {
            if self.record.printed().has(event.conversation, event.seq) {
                continue;
            }
            let place = places.get(&event.conversation).and_then(Option::as_ref);
            let line = if self.json {
                out::json(event.as_ref())?
            } else {
                self.told.line(event, place)
            };
            let printed = self.printer.print(line).await?;
            self.underway = Some((event.conversation, event.seq, printed));
            if !self.settle().await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Waits until the line on its way is printed, and keeps that it was. Says whether anybody
    /// still reads. Who stops waiting may wait again.
    async fn settle(&mut self) -> anyhow::Result<bool> {
        let Some((conversation, seq, printed)) = &mut self.underway else {
            return Ok(true);
        };
        let (conversation, seq) = (*conversation, *seq);
        let read = printed.await.context("the thread that prints has ended")?;
        self.underway = None;
        if read? {
            self.record.add(conversation, seq, seq)?;
            return Ok(true);
        }
        Ok(false)
    }
}

/// Whether what went wrong so many times in a row is taken for something that passes.
fn passes(error: &Error, failed: u32) -> bool {
    match error {
        Error::Unreachable { .. } => true,
        // A server on its way up or down may have another in front of it that answers so.
        Error::Answer { .. } => failed < ODD_MAX,
        Error::Server { code, .. } => matches!(code.action(), Action::Retry | Action::Reconnect),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_passes_is_waited_for() {
        let server = |code: Code| Error::Server {
            code,
            message: code.about().to_owned(),
        };
        for code in [Code::INTERNAL, Code::GOING_AWAY, Code::OVERLOADED] {
            assert!(passes(&server(code), 100), "{code:?}");
        }
        for code in [Code::NOT_FOUND, Code::REVOKED] {
            assert!(!passes(&server(code), 1), "{code:?}");
        }
        let odd = Error::Answer {
            server: String::new(),
            why: String::new(),
        };
        assert!(passes(&odd, 1) && !passes(&odd, ODD_MAX));
    }
}
