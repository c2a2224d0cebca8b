//! The replay: each day's speakers as users with devices of the real core, in the log's order,
//! while the server is killed; then everything read back and judged.

mod gather;
mod say;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parlour_sdk::protocol::{ConversationId, DeviceId, Seq};
use parlour_sdk::{Endpoint, Session};

use crate::accounts::Accounts;
use crate::day::{self, Day};
use crate::device::{Device, Job, Reads};
use crate::dice::Dice;
use crate::killer::Killer;
use crate::reading;
use crate::record::Record;
use crate::server::Server;
use crate::spoil::Spoiler;
use crate::summary::Summary;
use crate::{Replay, Shape};

/// How long everything may take to settle once the last word of a day is said.
const SETTLE: Duration = Duration::from_secs(180);
/// How often a line says how far it is, where no bar can be drawn.
const LINES: Duration = Duration::from_secs(10);
/// Devices of a channel's first day that stay until the end, and read everything.
const STAYING: usize = 8;

/// Runs a replay. True: no breach.
pub(crate) async fn run(options: Replay) -> anyhow::Result<bool> {
    let days = day::read(&options.dir, options.days, options.messages)?;
    let messages: usize = days.iter().map(|d| d.said.len()).sum();
    eprintln!(
        "{} days, {messages} messages; starting {} on an empty store",
        days.len(),
        options.spawn.display()
    );
    let server = Arc::new(Server::start(&options.spawn)?);
    eprintln!("{} is up", server.url);
    let began = Instant::now();
    let record = Record::new(options.spoil.map(Spoiler::new));
    let killer = Killer::start(&server, options.kill_server_every, options.seed);
    let bar = bar(messages as u64);
    let told = tokio::spawn(lines(bar.clone(), server.clone(), record.clone()));
    let endpoint = Endpoint::new(&server.url)?;
    let mut run = Run {
        accounts: Accounts::new(&endpoint, &server.admin_token()?, options.devices_per_user),
        endpoint,
        dice: Dice::new(options.seed),
        pace_ms: pace_ms(&options, messages),
        record: record.clone(),
        channel: None,
        bar: bar.clone(),
        server: server.clone(),
        options: options.clone(),
        reading: Vec::new(),
    };
    let done = run.all(&days).await;
    let killed = killer.stop().await;
    told.abort();
    // Until it is gone it holds the server too.
    let _ = told.await;
    bar.finish_and_clear();
    let wall = began.elapsed();
    let (report, spoiled) = record.finish().context("the record was lost")?;
    for trouble in [&done, &killed]
        .into_iter()
        .filter_map(|r| r.as_ref().err())
    {
        println!("the replay could not be finished: {trouble:#}");
    }
    let passed = report.passed() && done.is_ok() && killed.is_ok();
    let summary = Summary {
        report: &report,
        said: usize::try_from(bar.position()).unwrap_or(messages),
        kills: server.kills.load(Ordering::Relaxed),
        wall,
        reading: &run.reading,
        spoiled: spoiled.as_deref(),
    };
    println!("{summary}");
    drop(run);
    if let Ok(server) = Arc::try_unwrap(server).map_err(|_| ()) {
        // What was spoiled by hand says nothing of the server.
        server.end(!passed && options.spoil.is_none());
    }
    Ok(passed)
}

fn bar(messages: u64) -> ProgressBar {
    let style = "{elapsed_precise} [{bar:40}] {pos}/{len} messages, {per_sec}, {msg}";
    let bar = ProgressBar::new(messages);
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar
}

/// Where no bar can be drawn, a line now and then says how far it is.
async fn lines(bar: ProgressBar, server: Arc<Server>, record: Record) {
    loop {
        tokio::time::sleep(LINES).await;
        if bar.is_hidden() {
            eprintln!(
                "{} of {} messages, {} deliveries, {} kills; {}",
                bar.position(),
                bar.length().unwrap_or_default(),
                record.deliveries.load(Ordering::Relaxed),
                server.kills.load(Ordering::Relaxed),
                bar.message()
            );
        }
    }
}

/// The pause between two messages: none, or what the speed or the kills ask for.
fn pace_ms(options: &Replay, messages: usize) -> f64 {
    let by_speed = match options.speed {
        0 => 0.0,
        speed => 1_000.0 / speed as f64,
    };
    let by_kills = options.kill_server_every.map_or(0.0, |every| {
        // A tenth over, as the first kill waits and restarts take their time.
        1.1 * every.as_secs_f64() * 1_000.0 * f64::from(options.kills_min) / messages.max(1) as f64
    });
    by_speed.max(by_kills)
}

/// The one channel that all days are said in.
pub(crate) struct Channel {
    /// Its id.
    pub(crate) id: ConversationId,
    /// Devices that stay from the first day to the last, and read everything.
    staying: HashMap<DeviceId, Device>,
    /// How far each device was when it went.
    had: HashMap<DeviceId, Seq>,
}

pub(crate) struct Run {
    pub(crate) endpoint: Endpoint,
    pub(crate) accounts: Accounts,
    pub(crate) dice: Dice,
    pace_ms: f64,
    pub(crate) record: Record,
    pub(crate) channel: Option<Channel>,
    pub(crate) bar: ProgressBar,
    server: Arc<Server>,
    pub(crate) options: Replay,
    /// How it was read back, for people.
    pub(crate) reading: Vec<String>,
}

impl Run {
    async fn all(&mut self, days: &[Day]) -> anyhow::Result<()> {
        for (at, day) in days.iter().enumerate() {
            self.day(at, day, at + 1 == days.len()).await?;
        }
        if self.options.shape == Shape::Channel {
            reading::channel(self).await?;
        }
        Ok(())
    }

    async fn day(&mut self, at: usize, day: &Day, last: bool) -> anyhow::Result<()> {
        if day.speakers.is_empty() {
            return Ok(());
        }
        let mut members = day.speakers.clone();
        if self.options.shape == Shape::Group && at % 10 == 9 {
            for n in members.len()..self.options.fill as usize {
                members.push(format!("watcher-{n}"));
            }
        }
        self.accounts.ensure(&members).await?;
        self.bar
            .set_message(format!("{}: {} members", day.file, members.len()));
        let first = self.channel.is_none();
        if self.options.shape == Shape::Channel && first {
            self.channel = Some(Channel {
                id: gather::new_id(),
                staying: HashMap::new(),
                had: HashMap::new(),
            });
        }
        let mut devices: Vec<Vec<Device>> = Vec::new();
        for (n, name) in members.iter().enumerate() {
            let sessions = self.accounts.of(name).to_vec();
            let of = sessions
                .into_iter()
                .take(self.options.devices_per_user as usize)
                .enumerate()
                .map(|(d, session)| self.start(session, first && d == 0 && n < STAYING))
                .collect();
            devices.push(of);
        }
        let conversation = self.gather(day, &devices, first).await?;
        for device in devices.iter().flatten() {
            device.give(Job::Follow(conversation)).await;
            // A person's device gets a channel's words only while it is open on the screen.
            let is_person = self.channel.is_some() && !self.stays(device);
            if is_person || self.dice.one_in(2) {
                device.looks_at(Some(conversation)).await;
            }
        }
        self.say(day, conversation, &devices).await;
        for device in devices.iter().flatten() {
            device.give(Job::ScrollBack).await;
        }
        let newest = self.settle(conversation, &devices).await?;
        if self.options.shape == Shape::Group {
            reading::group(self, conversation, &members, newest).await?;
        }
        self.end(&devices, newest, last).await;
        Ok(())
    }

    /// A device for the day. In a channel it opens at the end as a person's does, unless it is one
    /// that stays until the end.
    fn start(&mut self, session: Session, stays: bool) -> Device {
        let reads = match &self.channel {
            None => Reads::All,
            Some(channel) => {
                if let Some(device) = channel.staying.get(&session.device) {
                    return device.clone();
                }
                let had = channel.had.get(&session.device);
                Reads::FromTheEnd {
                    channel: channel.id,
                    had: had.copied().unwrap_or_default(),
                }
            }
        };
        let reads = if stays { Reads::All } else { reads };
        let device = Device::start(&self.endpoint, session, reads, self.record.clone());
        if let Some(channel) = self.channel.as_mut().filter(|_| stays) {
            channel
                .staying
                .insert(device.session.device, device.clone());
        }
        device
    }

    fn stays(&self, device: &Device) -> bool {
        self.channel
            .as_ref()
            .is_some_and(|c| c.staying.contains_key(&device.session.device))
    }

    /// Waits until every device has everything.
    async fn settle(
        &self,
        conversation: ConversationId,
        devices: &[Vec<Device>],
    ) -> anyhow::Result<Seq> {
        let newest = self.record.newest(conversation);
        let staying = self.channel.iter().flat_map(|c| c.staying.values());
        let every: Vec<&Device> = devices.iter().flatten().chain(staying).collect();
        let all = async {
            for device in &every {
                device.holds(newest).await;
            }
        };
        if tokio::time::timeout(SETTLE, all).await.is_err() {
            let late = every.iter().filter(|d| !d.has_settled(newest)).count();
            let log = self.server.log();
            bail!(
                "{late} devices were not caught up with {newest} after {} s; the server's log: {}",
                SETTLE.as_secs(),
                log.display()
            );
        }
        Ok(newest)
    }

    /// The day's devices say what they have, and go. On the last day they stay connected to the
    /// end, and are held to everything.
    async fn end(&mut self, devices: &[Vec<Device>], newest: Seq, last: bool) {
        let leave = self.channel.is_some() && !last;
        for device in devices.iter().flatten() {
            if !self.stays(device) {
                device.ends(leave, newest).await;
                if let Some(channel) = &mut self.channel {
                    channel.had.insert(device.session.device, newest);
                }
            }
        }
        if let Some(channel) = self.channel.as_mut().filter(|_| last) {
            for (_, device) in channel.staying.drain() {
                device.ends(false, newest).await;
            }
        }
    }
}
