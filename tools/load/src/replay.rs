//! The replay: each day's speakers as users with devices of the real core, in the log's order,
//! while the server is killed; then everything read back and judged.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use parlour_sdk::core::Ended;
use parlour_sdk::protocol::frame::client::Token;
use parlour_sdk::protocol::http::{BulkAccount, BulkAccounts, BulkMade, UserType};
use parlour_sdk::protocol::kind::{self, HistoryRule, Role};
use parlour_sdk::protocol::record::Named;
use parlour_sdk::protocol::{ConversationId, Seq};
use parlour_sdk::{Command, Endpoint, Http, Request, Session, draft};
use tokio::sync::Semaphore;

use crate::day::{self, Day};
use crate::device::{Device, Job};
use crate::dice::Dice;
use crate::readback::{self, patiently};
use crate::record::Record;
use crate::server::Server;
use crate::{Replay, Shape};

/// Accounts made at once.
const BULK: usize = 100;
/// How long everything may take to settle once the last word of a day is said.
const SETTLE: Duration = Duration::from_secs(180);

/// How often a line says how far it is, where no bar can be drawn.
const LINES: Duration = Duration::from_secs(10);

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
    let record = Record::new();
    let killer = Killer::start(&server, &options);
    let bar = bar(messages as u64);
    let told = tokio::spawn(lines(bar.clone(), server.clone(), record.clone()));
    let mut run = Run {
        endpoint: Endpoint::new(&server.url)?,
        admin: server.admin_token()?,
        dice: Dice::new(options.seed),
        pace_ms: pace_ms(&options, messages),
        record: record.clone(),
        accounts: BTreeMap::new(),
        channel: None,
        bar: bar.clone(),
        server: server.clone(),
        options: options.clone(),
    };
    let mut done = Ok(());
    for (at, day) in days.iter().enumerate() {
        done = run.day(at, day, at + 1 == days.len()).await;
        if done.is_err() {
            break;
        }
    }
    let killed = killer.stop().await;
    told.abort();
    bar.finish_and_clear();
    let wall = began.elapsed();
    let kills = server.kills.load(Ordering::Relaxed);
    let deliveries = record.deliveries.load(Ordering::Relaxed);
    let report = record.finish().context("the record was lost")?;
    println!("{report}");
    if let Err(error) = &done {
        println!("the replay could not be finished: {error:#}");
    }
    if let Err(error) = &killed {
        println!("{error:#}");
    }
    let passed = report.passed() && done.is_ok() && killed.is_ok();
    println!(
        "messages {} deliveries {deliveries} kills {kills} lost {} duplicated {} reordered {} \
         phantom {} wall {:.1}s ({:.0} messages/s)",
        report.counts.messages,
        report.lost,
        report.duplicated,
        report.reordered,
        report.phantom,
        wall.as_secs_f64(),
        messages as f64 / wall.as_secs_f64(),
    );
    drop(run);
    if let Ok(server) = Arc::try_unwrap(server).map_err(|_| ()) {
        server.end(!passed).await;
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

struct Killer {
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Killer {
    fn start(server: &Arc<Server>, options: &Replay) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (server, every, seed) = (server.clone(), options.kill_server_every, options.seed);
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let Some(every) = every else { return Ok(()) };
            let mut dice = Dice::new(seed ^ 0xdead);
            loop {
                // Between a half and one and a half of the interval.
                let ms = every.as_millis() as u64;
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

    async fn stop(self) -> anyhow::Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap_or_else(|_| bail!("the killer died"))
    }
}

struct Run {
    endpoint: Endpoint,
    admin: String,
    dice: Dice,
    pace_ms: f64,
    record: Record,
    /// Sessions by user name, as far as they were made.
    accounts: BTreeMap<String, Vec<Session>>,
    channel: Option<ConversationId>,
    bar: ProgressBar,
    server: Arc<Server>,
    options: Replay,
}

impl Run {
    async fn day(&mut self, at: usize, day: &Day, last: bool) -> anyhow::Result<()> {
        let Some(maker) = day.speakers.first() else {
            return Ok(());
        };
        let mut members = day.speakers.clone();
        if self.options.shape == Shape::Group && at % 10 == 9 {
            for n in members.len()..self.options.fill {
                members.push(format!("watcher-{n}"));
            }
        }
        self.accounts(&members).await?;
        self.bar
            .set_message(format!("{}: {} members", day.file, members.len()));
        let devices: Vec<Vec<Device>> = members
            .iter()
            .map(|name| {
                let sessions = self
                    .accounts
                    .get(name)
                    .map(Vec::as_slice)
                    .unwrap_or_default();
                let of = sessions.iter().take(self.options.devices_per_user as usize);
                of.map(|s| Device::start(&self.endpoint, s.clone(), self.record.clone()))
                    .collect()
            })
            .collect();
        let conversation = self.gather(day, &devices).await?;
        for device in devices.iter().flatten() {
            if self.dice.one_in(2) {
                let focus = Command::Focus {
                    conversation: Some(conversation),
                    members: false,
                };
                device.give(Job::Do(focus)).await;
            }
        }
        self.say(day, conversation, &devices).await;
        let newest = self.settle(conversation, &devices).await?;
        let reader = self.extra_device(maker).await?;
        let head =
            readback::conversation(&self.endpoint, &reader, conversation, &self.record).await?;
        if head < newest {
            bail!(
                "{}: read back up to {head}, but {newest} was placed",
                day.file
            );
        }
        let leave = self.options.shape == Shape::Channel && !last;
        for device in devices.iter().flatten() {
            device.give(Job::End { leave }).await;
        }
        Ok(())
    }

    /// Makes accounts with devices for those who have none yet.
    async fn accounts(&mut self, names: &[String]) -> anyhow::Result<()> {
        let missing: Vec<&String> = names
            .iter()
            .filter(|n| !self.accounts.contains_key(*n))
            .collect();
        for chunk in missing.chunks(BULK) {
            self.make(
                chunk.iter().map(|n| (*n).clone()),
                self.options.devices_per_user,
            )
            .await?;
        }
        Ok(())
    }

    async fn make(
        &mut self,
        names: impl Iterator<Item = String>,
        devices: u32,
    ) -> anyhow::Result<()> {
        let accounts = names
            .map(|name| BulkAccount {
                name,
                display: None,
                r#type: UserType::Person,
                devices,
            })
            .collect();
        let ask = BulkAccounts { accounts };
        let http = Http::with_token(&self.endpoint, &Token(self.admin.clone()));
        let made: BulkMade = patiently(|| http.post("/v1/admin/accounts", &ask))
            .await
            .context("accounts cannot be made")?;
        for device in made.devices {
            if let (Some(id), Some(token)) = (device.device, device.token) {
                self.accounts
                    .entry(device.name.clone())
                    .or_default()
                    .push(Session {
                        user: device.user,
                        name: device.name,
                        device: id,
                        token,
                    });
            }
        }
        Ok(())
    }

    /// A device of this user that has seen nothing.
    async fn extra_device(&mut self, name: &str) -> anyhow::Result<Session> {
        self.make(std::iter::once(name.to_owned()), 1).await?;
        let sessions = self
            .accounts
            .get_mut(name)
            .context("the reader has no account")?;
        sessions.pop().context("the reader has no device")
    }

    /// Makes the day's group, or brings its speakers into the channel.
    async fn gather(
        &mut self,
        day: &Day,
        devices: &[Vec<Device>],
    ) -> anyhow::Result<ConversationId> {
        let maker = devices
            .first()
            .and_then(|d| d.first())
            .context("a day without devices")?;
        let role = Role::Member;
        let named: Vec<Named> = devices
            .iter()
            .filter_map(|d| d.first())
            .map(|d| Named {
                user: d.session.user,
                role,
            })
            .collect();
        let create = |shape, members| Request::Create {
            shape,
            history: HistoryRule::All,
            name: Some(day.file.clone()),
            topic: None,
            members,
            conversation: None,
        };
        match (self.options.shape, self.channel) {
            (Shape::Group, _) => {
                let members = named
                    .into_iter()
                    .filter(|n| n.user != maker.session.user)
                    .collect();
                placed(maker, create(kind::Shape::Group, members)).await
            }
            (Shape::Channel, None) => {
                let members = named
                    .into_iter()
                    .filter(|n| n.user != maker.session.user)
                    .collect();
                let channel = placed(maker, create(kind::Shape::Channel, members)).await?;
                let open = draft::setting(channel, kind::setting::JOIN, kind::setting::OPEN);
                placed(maker, Request::Send(Box::new(open))).await?;
                self.channel = Some(channel);
                Ok(channel)
            }
            (Shape::Channel, Some(channel)) => {
                for device in devices.iter().filter_map(|d| d.first()) {
                    // One who was in on an earlier day is told so, and stays.
                    device
                        .ask(Request::Send(Box::new(draft::join(channel))))
                        .await;
                }
                Ok(channel)
            }
        }
    }

    /// The day's words, in the log's order, pipelined; with marks, typing, and devices that go
    /// away and come back.
    async fn say(&mut self, day: &Day, conversation: ConversationId, devices: &[Vec<Device>]) {
        let window = Arc::new(Semaphore::new(self.options.window.max(1)));
        let mut due = Instant::now();
        for (speaker, text) in &day.said {
            let Some(of) = devices.get(*speaker) else {
                continue;
            };
            let Some(device) = of.get(self.dice.below(of.len() as u64) as usize) else {
                continue;
            };
            let Ok(permit) = window.clone().acquire_owned().await else {
                return;
            };
            if self.dice.one_in(4) {
                device.give(Job::Do(Command::Typing(conversation))).await;
            }
            let send = Request::Send(Box::new(draft::text(conversation, text.clone())));
            device
                .give(Job::Ask(Box::new(send), Some(permit), None))
                .await;
            if let Some(other) = self.any(devices) {
                if self.dice.one_in(8) {
                    let upto = self.record.newest(conversation);
                    other
                        .give(Job::Do(Command::Read { conversation, upto }))
                        .await;
                } else if self.dice.one_in(100) {
                    let time = Duration::from_millis(100 + self.dice.below(3_000));
                    other.give(Job::Away(time)).await;
                }
            }
            self.bar.inc(1);
            due += Duration::from_secs_f64(self.pace_ms / 1_000.0);
            tokio::time::sleep_until(due.into()).await;
        }
        // The last words' answers.
        let _ = window
            .acquire_many(u32::try_from(self.options.window).unwrap_or(1))
            .await;
    }

    fn any<'a>(&mut self, devices: &'a [Vec<Device>]) -> Option<&'a Device> {
        let of = devices.get(self.dice.below(devices.len() as u64) as usize)?;
        of.get(self.dice.below(of.len() as u64) as usize)
    }

    /// Waits until every device has everything. The checker says what is missing if it does not.
    async fn settle(
        &self,
        conversation: ConversationId,
        devices: &[Vec<Device>],
    ) -> anyhow::Result<Seq> {
        let newest = self.record.newest(conversation);
        let all = async {
            for device in devices.iter().flatten() {
                device.holds(newest).await;
            }
        };
        if tokio::time::timeout(SETTLE, all).await.is_err() {
            let late = devices.iter().flatten().filter(|d| !d.is_settled()).count();
            let log = self.server.log();
            bail!(
                "{late} devices were not caught up with {newest} after {} s; the server's log: {}",
                SETTLE.as_secs(),
                log.display()
            );
        }
        Ok(newest)
    }
}

/// Asks, and waits for a place.
async fn placed(device: &Device, request: Request) -> anyhow::Result<ConversationId> {
    match device.ask(request).await {
        Some((conversation, _, Ended::Sent { .. })) => Ok(conversation),
        Some((_, _, ended)) => bail!("a request to set the day up was not placed: {ended:?}"),
        None => bail!("a device ended before its answer"),
    }
}
