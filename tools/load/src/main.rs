//! `parlour-load`: real clients against a real server that is killed again and again.

mod day;
mod device;
mod dice;
mod readback;
mod record;
mod replay;
mod server;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

/// Real clients against a real server, judged by the history checker.
#[derive(Parser)]
#[command(
    version,
    after_help = "Examples:
  parlour-load replay logs/ --spawn target/release/parlour --kill-server-every 5s
  parlour-load replay logs/ --spawn target/release/parlour --as channel --days 5

The last line has what came of it; the exit code is 1 on any breach."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replays IRC logs through real WebSockets, kills the server meanwhile, reads everything
    /// back with fresh devices, and judges the whole record.
    Replay(Replay),
}

/// As what the days are replayed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Each day as a group; each tenth filled to 500 members who watch.
    Group,
    /// All days in one channel.
    Channel,
}

#[derive(clap::Args, Clone)]
struct Replay {
    /// A folder of logs, `YYYY-MM-DD.log`.
    dir: PathBuf,
    /// The server binary to start.
    #[arg(long, value_name = "PATH")]
    spawn: PathBuf,
    /// Kill the server with SIGKILL at random times around this interval.
    #[arg(long, value_name = "TIME", value_parser = time)]
    kill_server_every: Option<Duration>,
    /// With kills: slow the replay so that so many fit.
    #[arg(long, default_value_t = 30, value_name = "N")]
    kills_min: u32,
    /// Devices of each user.
    #[arg(long, default_value_t = 2, value_name = "N")]
    devices_per_user: u32,
    /// Messages per second at most; 0 is as fast as it goes.
    #[arg(long, default_value_t = 0, value_name = "N")]
    speed: u64,
    /// Group or channel.
    #[arg(long = "as", value_enum, default_value = "group")]
    shape: Shape,
    /// Only the first so many days; 0 is all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    days: usize,
    /// Only the first so many messages of each day; 0 is all.
    #[arg(long, default_value_t = 0, value_name = "N")]
    messages: usize,
    /// Members that each tenth day is filled to.
    #[arg(long, default_value_t = 500, value_name = "N")]
    fill: usize,
    /// Sends that wait for their answer, over all devices.
    #[arg(long, default_value_t = 512, value_name = "N")]
    window: usize,
    /// What the dice begin with, for choices of devices, pauses and kills.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
}

/// A time such as `5s`, `250ms` or `2m`.
fn time(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let number: u64 = number
        .parse()
        .map_err(|_| format!("{text}: write a time as 5s or 250ms"))?;
    match unit {
        "ms" => Ok(Duration::from_millis(number)),
        "s" | "" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number * 60)),
        _ => Err(format!("{text}: write a time as 5s or 250ms")),
    }
}

fn main() -> anyhow::Result<()> {
    let Command::Replay(options) = Cli::parse().command;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let passed = runtime.block_on(replay::run(options))?;
    runtime.shutdown_timeout(Duration::from_secs(1));
    if !passed {
        std::process::exit(1);
    }
    Ok(())
}
