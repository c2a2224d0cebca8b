//! `parlour-load`: real clients against a real server that is killed again and again.

mod accounts;
mod day;
mod device;
mod dice;
mod killer;
mod readback;
mod reading;
mod record;
mod replay;
mod server;
mod spoil;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand, ValueEnum};

use crate::spoil::Spoil;

/// Real clients against a real server, judged by the history checker.
#[derive(Parser)]
#[command(
    version,
    after_help = "Example:
  parlour-load replay logs/ --spawn target/release/parlour --kill-server-every 5s

`parlour-load replay --help` explains every option.
Exit codes: 0 nothing is wrong; 1 the judge found a breach, or the run broke off; 2 it could not
begin: the message says what to give."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Replays IRC logs through real WebSockets, kills the server meanwhile, reads everything
    /// back with fresh devices, and judges the whole record.
    #[command(after_help = "Examples:
  parlour-load replay logs/ --spawn target/release/parlour --kill-server-every 5s
        every day a group of its speakers, the server killed at least 30 times
  parlour-load replay logs/ --spawn target/release/parlour --as channel --kill-server-every 5s
        all days in one channel
  parlour-load replay logs/ --spawn target/release/parlour --days 1 --messages 200
        a quick look
  parlour-load replay logs/ --spawn target/release/parlour --days 1 --spoil lost
        breaks the record by hand: the judge must find it, and the exit code must be 1

The last line has what came of it: messages of the logs, deliveries to devices, kills, what was
lost, duplicated, reordered and phantom, and the time. The exit code is 1 on any breach, and 2 if
it could not begin.")]
    Replay(Replay),
}

/// As what the days are replayed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Shape {
    /// Each day as a group of its speakers; each tenth filled to 500 members who watch.
    Group,
    /// All days in one channel; each day's speakers join, open it at its end, and follow it.
    Channel,
}

#[derive(clap::Args, Clone)]
struct Replay {
    /// The folder of logs, one file `YYYY-MM-DD.log` for each day.
    dir: PathBuf,
    /// The server to start, on an empty store of its own and a free port.
    ///
    /// Build one with `cargo build --release -p parlour-node`, and give
    /// `--spawn target/release/parlour`.
    #[arg(long, value_name = "PATH")]
    spawn: PathBuf,
    /// Kills the server with SIGKILL at random times around this interval; without it, never.
    ///
    /// `--kill-server-every 5s` kills after 2.5 to 7.5 s, again and again. `500ms` and `2m` are
    /// times too. The replay is slowed until `--kills-min` fit.
    #[arg(long, value_name = "TIME", value_parser = time)]
    kill_server_every: Option<Duration>,
    /// With kills: slows the replay until so many fit.
    ///
    /// `--kills-min 5` beside `--kill-server-every 5s` ends sooner.
    #[arg(
        long,
        default_value_t = 30,
        value_name = "N",
        requires = "kill_server_every"
    )]
    kills_min: u32,
    /// Devices of each user, any of which speaks.
    ///
    /// `--devices-per-user 3`; at most 9, as one that reads back comes on top of them and a user
    /// has at most 10.
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=9))]
    devices_per_user: u32,
    /// Messages per second at most; 0 is as fast as it goes.
    ///
    /// `--speed 100` says 100 messages a second.
    #[arg(long, default_value_t = 0, value_name = "N")]
    speed: u64,
    /// As what the days are replayed: a group each, or one channel for all.
    ///
    /// `--as channel` puts everyone into one channel, which is read whole by `--whole-readers`
    /// fresh devices at the end, and in parts by a fresh device of everyone else.
    #[arg(long = "as", value_enum, default_value = "group", value_name = "SHAPE")]
    shape: Shape,
    /// Only the first so many days; 0 is all.
    ///
    /// `--days 3` replays the three earliest files.
    #[arg(long, default_value_t = 0, value_name = "N")]
    days: usize,
    /// Only the first so many messages of each day; 0 is all.
    ///
    /// `--messages 200 --days 2` is a quick look.
    #[arg(long, default_value_t = 0, value_name = "N")]
    messages: usize,
    /// With `--as group`: members that each tenth day is filled to; they watch.
    ///
    /// `--fill 0` fills none.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=500))]
    fill: u32,
    /// With `--as channel`: users whose fresh device reads the whole channel back.
    ///
    /// `--whole-readers 1` reads it whole once; everyone else still reads parts of it.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    whole_readers: u32,
    /// Sends that wait for their answer at a time, over all devices.
    ///
    /// `--window 1` sends the next message only once the last has its place.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    window: u32,
    /// What the dice begin with, for devices, pauses, kills, and who reads what back.
    ///
    /// `--seed 7` draws otherwise than the default.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Breaks the record in one place by hand, to see that the judge finds it.
    ///
    /// `--spoil lost` keeps one message of one device from the judge; the exit code must be 1.
    #[arg(long, value_enum, value_name = "HOW")]
    spoil: Option<Spoil>,
}

/// A time such as `5s`, `250ms` or `2m`.
fn time(text: &str) -> Result<Duration, String> {
    let at = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(at);
    let bad = || "write a time as 5s, 250ms or 2m".to_owned();
    let number: u64 = number.parse().map_err(|_| bad())?;
    let ms = match unit {
        "ms" => Some(number),
        "s" | "" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        _ => None,
    };
    match ms {
        None => Err(bad()),
        Some(0..100) => Err("less than 100ms: the server would never be up".to_owned()),
        Some(3_600_001..) => Err("more than an hour: it would never be killed".to_owned()),
        Some(ms) => Ok(Duration::from_millis(ms)),
    }
}

fn main() -> ExitCode {
    let Command::Replay(options) = Cli::parse().command;
    let begun = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let passed = runtime.block_on(replay::run(options));
            runtime.shutdown_timeout(Duration::from_secs(1));
            passed
        });
    match begun {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Without the trace that RUST_BACKTRACE asks for: it is of no use to who gave a path.
            eprintln!("parlour-load: {error:#}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cli, time};
    use clap::{CommandFactory as _, Parser as _};
    use std::time::Duration;

    #[test]
    fn times() {
        let ms = |text| time(text).map(|t| t.as_millis());
        assert_eq!(ms("5s"), Ok(5_000));
        assert_eq!(ms("5"), Ok(5_000));
        assert_eq!(ms("250ms"), Ok(250));
        assert_eq!(time("2m"), Ok(Duration::from_secs(120)));
        for bad in [
            "",
            "s",
            "5h",
            "-1s",
            "1.5s",
            "0s",
            "50ms",
            "999999999999m",
            "18446744073709551615s",
        ] {
            assert!(time(bad).is_err(), "{bad} is taken");
        }
    }

    #[test]
    fn every_option_has_an_example() {
        Cli::command().debug_assert();
        let mut cli = Cli::command();
        let replay = cli.find_subcommand_mut("replay");
        for option in replay.into_iter().flat_map(|r| r.get_opts()) {
            let name = option.get_long().unwrap_or_default();
            let help = option.get_long_help().map(ToString::to_string);
            let help = help.unwrap_or_default();
            assert!(help.contains(&format!("`--{name} ")), "--{name}: {help}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let run = |more: &[&str]| {
            let given = ["parlour-load", "replay", "logs", "--spawn", "parlour"];
            Cli::try_parse_from(given.iter().chain(more))
                .err()
                .map(|e| e.to_string())
        };
        assert_eq!(run(&[]), None);
        for bad in [
            &["--devices-per-user", "0"][..],
            &["--devices-per-user", "10"],
            &["--window", "0"],
            &["--whole-readers", "0"],
            &["--fill", "501"],
            &["--kills-min", "5"],
            &["--as", "room"],
            &["--spoil", "all"],
            &["--seed", "x"],
        ] {
            assert!(run(bad).is_some(), "{bad:?} is taken");
        }
    }
}
