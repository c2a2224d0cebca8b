//! `tail`: events as they come, and those missed before.
//!
//! Promises: of what this device did not hold when it began, every event once, however fast they
//! come: those that overtook this reader are read from the server's history. Within a conversation
//! they rise, but for what fills a gap late. What was fetched but not printed before an earlier end,
//! or by another command in the same folder, is held, and not printed again: `history` has it.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use parlour_sdk::core::Update as Core;
use parlour_sdk::protocol::error::Action;
use parlour_sdk::protocol::frame::server::Event;
use parlour_sdk::protocol::{ConversationId, Seq, StoreId};
use parlour_sdk::{Client, Config, Data, Error, Fetch, Link, Summary, Update, Updates};

use super::printed::Printed;
use super::told::Told;
use super::{out, people_of, trust};

/// Events printed together: names are asked for once for all of them.
const BATCH: usize = 256;
/// Events of a page of history.
const PAGE: u32 = 100;
/// After how long a history that could not be read is asked for again.
const AGAIN: Duration = Duration::from_secs(1);

pub(super) async fn run(
    folder: PathBuf,
    ca: &[PathBuf],
    json: bool,
    updates_max: usize,
) -> anyhow::Result<()> {
    let mut data = Data::open(&folder)?;
    trust(&mut data, ca)?;
    let mut config = Config::stored(data)?.fetch(Fetch::Everything);
    config.updates_max = updates_max;
    let client = Client::connect(config).await?;
    let mut updates = client.updates();
    let mut tail = Tail::new(client, &folder, json).await?;
    let done = tokio::select! {
        done = tail.follow(&mut updates) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    tail.client.close().await;
    tail.told.keep(&folder);
    done
}

/// What came with the updates that waited.
#[derive(Default)]
struct Came {
    events: Vec<Arc<Event>>,
    /// Places that have nothing to print.
    withheld: Vec<(ConversationId, Seq, Seq)>,
    /// Some were dropped, or everything is another store's.
    behind: bool,
    stopped: Option<String>,
    ended: bool,
}

struct Tail {
    client: Client,
    told: Told,
    json: bool,
    printed: Printed,
    store: Option<StoreId>,
}

impl Tail {
    async fn new(client: Client, folder: &Path, json: bool) -> anyhow::Result<Self> {
        // What is here already is taken as printed, though an earlier run may have ended before.
        let (store, places) = client.with(|core| (core.store(), core.places())).await?;
        let mut printed = Printed::default();
        for (conversation, places) in places {
            for (from, to) in places.came {
                printed.add(conversation, from, to);
            }
        }
        Ok(Self {
            told: Told::new(folder, &client),
            client,
            json,
            printed,
            store,
        })
    }

    /// Prints until nobody reads any more, or the connection ended for good.
    async fn follow(&mut self, updates: &mut Updates) -> anyhow::Result<()> {
        loop {
            let came = take(updates).await;
            if !self.print(&came.events).await? {
                return Ok(());
            }
            for (conversation, from, to) in came.withheld {
                self.printed.add(conversation, from, to);
            }
            if came.behind && !self.catch_up().await? {
                return Ok(());
            }
            if let Some(why) = came.stopped {
                bail!(why);
            }
            if came.ended {
                return Ok(());
            }
        }
    }

    /// Reads and prints what was not printed up to the newest that the client knows of, for as long
    /// as that takes. Says whether anybody still reads.
    async fn catch_up(&mut self) -> anyhow::Result<bool> {
        loop {
            match self.read_on().await {
                Ok(reads) => return Ok(reads),
                Err(error) if is_for_a_while(&error) => {
                    if let Link::Stopped(Some((code, why))) = self.client.link() {
                        bail!("{why} ({code})");
                    }
                    // What comes meanwhile waits, or is dropped and read on too.
                    tokio::time::sleep(AGAIN).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn read_on(&mut self) -> anyhow::Result<bool> {
        let known = self.client.with(|core| (core.store(), core.places()));
        let (store, places) = known.await?;
        if self.store != store {
            if self.store.is_some() {
                self.printed = Printed::default();
            }
            self.store = store;
        }
        for (conversation, places) in places {
            loop {
                let after = self.printed.end(conversation);
                if after >= places.head {
                    break;
                }
                let page = self.client.history(conversation, None, Some(after), PAGE);
                let page = match page.await {
                    Ok(page) => page,
                    // It is not one's own to see any more.
                    Err(Error::Server { code, .. }) if code.action() == Action::GiveUp => break,
                    Err(error) => return Err(error.into()),
                };
                if page.to <= after {
                    break;
                }
                let events: Vec<Arc<Event>> = page.events.into_iter().map(Arc::new).collect();
                if !self.print(&events).await? {
                    return Ok(false);
                }
                self.printed.add(conversation, after.next(), page.to);
            }
        }
        Ok(true)
    }

    /// Prints those that were not printed. Says whether anybody still reads.
    async fn print(&mut self, events: &[Arc<Event>]) -> anyhow::Result<bool> {
        let fresh = |e: &&Arc<Event>| !self.printed.has(e.conversation, e.seq);
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
            if self.printed.has(event.conversation, event.seq) {
                continue;
            }
            let place = places.get(&event.conversation).and_then(Option::as_ref);
            let line = if self.json {
                serde_json::to_string(event.as_ref())?
            } else {
                self.told.line(event, place)
            };
            if !out(&line)? {
                return Ok(false);
            }
            self.printed.add(event.conversation, event.seq, event.seq);
        }
        Ok(true)
    }
}

/// Waits for an update, and takes those that wait with it: not past one that says that some were
/// dropped, as what follows it comes after those.
async fn take(updates: &mut Updates) -> Came {
    let mut came = Came::default();
    let Some(mut update) = updates.next().await else {
        came.ended = true;
        return came;
    };
    loop {
        match update {
            Update::Core(Core::Event { event, .. }) => came.events.push(event),
            Update::Core(Core::Withheld {
                conversation,
                places,
            }) => came.withheld.push((conversation, places.from, places.to)),
            Update::Core(Core::Link(Link::Stopped(Some((code, why))))) => {
                came.stopped = Some(format!("{why} ({code})"));
            }
            Update::Lagged(_) | Update::Core(Core::Reset(_)) => came.behind = true,
            _ => {}
        }
        if came.behind || came.stopped.is_some() || came.events.len() >= BATCH {
            return came;
        }
        match updates.try_next() {
            Some(next) => update = next,
            None => return came,
        }
    }
}

/// Whether it is of use to ask again.
fn is_for_a_while(error: &anyhow::Error) -> bool {
    match error.downcast_ref::<Error>() {
        Some(Error::Unreachable { .. } | Error::Answer { .. }) => true,
        Some(Error::Server { code, .. }) => code.action() == Action::Retry,
        _ => false,
    }
}
