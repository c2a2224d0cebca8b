//! `parlour-sim`: runs seeds, tells the story of one, and plants bugs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use std::io::Write as _;

use clap::Parser;
use indicatif::ProgressBar;
use parlour_protocol::mutant::Mutant;
use parlour_sim::Outcome;

/// The world by seed.
#[derive(Parser)]
#[command(after_help = "Examples:
  parlour-sim --seeds 1000 --from 1        runs a thousand worlds
  parlour-sim --seed 42 --trace            tells the story of one
  parlour-sim --kept                       runs the seeds that once found something
  parlour-sim --mutants                    plants bugs, and says which seed shows each
  parlour-sim --mutants --only NoDedup     plants one of them

Exit codes: 0 every rule held, or every bug was caught; 1 a breach, or a bug that escaped; 2 what
was asked for cannot be done: the message says why.")]
struct Options {
    /// How many seeds to run.
    /// With `--mutants`: for each bug, at most.
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=SEEDS_MAX))]
    seeds: u64,
    /// The first of them.
    #[arg(long, value_name = "SEED", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    from: u64,
    /// One seed alone.
    #[arg(long, conflicts_with_all = ["seeds", "from", "kept"], value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    seed: Option<u64>,
    /// Tells its story.
    #[arg(long, requires = "seed", conflicts_with = "mutants")]
    trace: bool,
    /// The seeds of tools/sim/seeds.txt, which once found something.
    #[arg(long, conflicts_with_all = ["seeds", "from"])]
    kept: bool,
    /// Plants bugs one at a time; one that no seed shows fails the run.
    #[arg(long, conflicts_with_all = ["seed", "kept"])]
    mutants: bool,
    /// With `--mutants`: only the bug of this name; may be given again.
    #[arg(long, value_name = "NAME", requires = "mutants", value_parser = named)]
    only: Vec<Mutant>,
    /// Threads.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    threads: u16,
}

/// A run of more would not end in a year.
const SEEDS_MAX: u64 = 1_000_000_000;
/// So that no seed is beyond what a number holds.
const SEED_MAX: u64 = u64::MAX - SEEDS_MAX;

/// The planted bug of a name, however it is written.
fn named(text: &str) -> Result<Mutant, String> {
    let plain = |name: &str| name.replace(['-', '_'], "").to_lowercase();
    let name = |m: &Mutant| format!("{m:?}");
    let mut near: Vec<(usize, String)> = Vec::new();
    for mutant in Mutant::ALL {
        let (given, known) = (plain(text), plain(&name(mutant)));
        if given == known {
            return Ok(*mutant);
        }
        near.push((strsim::damerau_levenshtein(&given, &known), name(mutant)));
    }
    near.sort();
    // Beyond half of its letters a name is no slip of another one.
    let far = text.chars().count().div_ceil(2);
    let like: Vec<&str> = near
        .iter()
        .take_while(|(distance, _)| *distance <= far)
        .take(3)
        .map(|(_, name)| name.as_str())
        .collect();
    let like = match like.as_slice() {
        [] => String::new(),
        like => format!("; did you mean {}?", like.join(" or ")),
    };
    let mut all: Vec<String> = Mutant::ALL.iter().map(name).collect();
    all.sort();
    Err(format!(
        "no planted bug has that name{like}\n\nThere are {}:\n  {}",
        all.len(),
        all.chunks(4)
            .map(|line| line.iter().map(|n| format!("{n:<20}")).collect::<String>())
            .map(|line| line.trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n  ")
    ))
}

/// Seeds that once found something: `seed  # what`.
const KEPT: &str = include_str!("../seeds.txt");

fn listed(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split('#').next()?.trim().parse().ok())
        .collect()
}

fn main() -> std::process::ExitCode {
    let options = Options::parse();
    if options.mutants {
        return mutants(&options);
    }
    if let Some(seed) = options.seed {
        let outcome = parlour_sim::run(seed, options.trace);
        let mut out = std::io::stdout().lock();
        for line in &outcome.trace {
            // Whoever reads may have had enough.
            if writeln!(out, "{line}").is_err() {
                return std::process::ExitCode::SUCCESS;
            }
        }
        drop(out);
        return report(&[outcome]);
    }
    let seeds: Vec<u64> = if options.kept {
        listed(KEPT)
    } else {
        (options.from..options.from + options.seeds).collect()
    };
    let outcomes = run(&seeds, options.threads);
    report(&outcomes)
}

fn run(seeds: &[u64], threads: u16) -> Vec<Outcome> {
    let next = Arc::new(AtomicU64::new(0));
    let done = Arc::new(Mutex::new(Vec::new()));
    let bar = ProgressBar::new(seeds.len() as u64);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (next, done, bar) = (next.clone(), done.clone(), bar.clone());
            scope.spawn(move || {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(seed) = usize::try_from(at).ok().and_then(|at| seeds.get(at)) else {
                        return;
                    };
                    let outcome = parlour_sim::run(*seed, false);
                    bar.inc(1);
                    if let Ok(mut done) = done.lock() {
                        done.push(outcome);
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let mut outcomes = done
        .lock()
        .map(|mut d| std::mem::take(&mut *d))
        .unwrap_or_default();
    outcomes.sort_by_key(|o| o.seed);
    outcomes
}

fn report(outcomes: &[Outcome]) -> std::process::ExitCode {
    let (mut events, mut messages, mut faults, mut breaches) = (0, 0, 0, 0);
    for outcome in outcomes {
        events += outcome.figures.events;
        messages += outcome.figures.messages;
        faults += outcome.figures.faults;
        breaches += outcome.breaches.len();
        for breach in &outcome.breaches {
            println!("seed {}: {breach}", outcome.seed);
        }
    }
    println!(
        "{} seeds, {events} events, {messages} messages, {faults} faults, {breaches} breaches",
        outcomes.len()
    );
    if breaches > 0 {
        println!("tell the story of one with --seed N --trace; keep it in tools/sim/seeds.txt");
        std::process::ExitCode::FAILURE
    } else {
        std::process::ExitCode::SUCCESS
    }
}

#[cfg(feature = "mutants")]
fn mutants(options: &Options) -> std::process::ExitCode {
    let mut escaped = 0;
    let fates = parlour_sim::mutants::run(
        options.from,
        options.seeds,
        options.threads.into(),
        &options.only,
        |fate| {
            let name = format!("{:?}", fate.mutant);
            let (rule, what) = (fate.mutant.rule(), fate.mutant.what());
            match &fate.caught {
                Some((seed, shown)) => {
                    let shown: String = shown.chars().take(90).collect();
                    println!("caught   {name:<20} {rule:<4} seed {seed:<4} {what}: {shown}");
                }
                None => {
                    escaped += 1;
                    println!("ESCAPED  {name:<20} {rule:<4} {} seeds  {what}", fate.seeds);
                }
            }
        },
    );
    println!(
        "{} planted bugs, {} caught, {escaped} escaped",
        fates.len(),
        fates.len() - escaped
    );
    if escaped > 0 {
        std::process::ExitCode::FAILURE
    } else {
        std::process::ExitCode::SUCCESS
    }
}

#[cfg(not(feature = "mutants"))]
fn mutants(_: &Options) -> std::process::ExitCode {
    eprintln!(
        "this build has no planted bugs: run `cargo xtask sim --mutants`, or build with \
         `--features mutants`"
    );
    std::process::ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::{KEPT, Mutant, Options, listed, named};
    use clap::Parser as _;

    fn refused(given: &[&str]) -> Option<String> {
        let all = ["parlour-sim"].iter().chain(given);
        let error = Options::try_parse_from(all).err()?;
        assert_eq!(error.exit_code(), 2);
        Some(error.to_string())
    }

    #[test]
    fn a_name_is_found_however_it_is_written() {
        for text in ["NoDedup", "nodedup", "no-dedup", "no_dedup"] {
            assert_eq!(named(text), Ok(Mutant::NoDedup), "{text}");
        }
    }

    #[test]
    fn a_wrong_name_is_told_the_nearest_and_all() {
        let text = refused(&["--mutants", "--only", "NoDedupe"]).unwrap_or_default();
        assert!(text.contains("did you mean NoDedup?"), "{text}");
        for mutant in Mutant::ALL {
            assert!(text.contains(&format!("{mutant:?}")), "{mutant:?}: {text}");
        }
        let text = refused(&["--mutants", "--only", "xyzzy"]).unwrap_or_default();
        assert!(!text.contains("did you mean"), "{text}");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        assert_eq!(
            refused(&["--seeds", "10", "--from", "0", "--threads", "1"]),
            None
        );
        assert_eq!(
            refused(&["--mutants", "--only", "NoDedup", "--seeds", "5"]),
            None
        );
        for given in [
            &["--seeds", "0"][..],
            &["--seeds", "-1"],
            &["--seeds", "many"],
            &["--from", "18446744073709551615"],
            &["--seed", "x"],
            &["--trace"],
            &["--seed", "1", "--seeds", "5"],
            &["--seed", "1", "--kept"],
            &["--kept", "--from", "5"],
            &["--kept", "--mutants"],
            &["--only", "NoDedup"],
            &["--mutants", "--trace"],
            &["--threads", "0"],
            &["seven"],
        ] {
            assert!(refused(given).is_some(), "{given:?} is taken");
        }
    }

    #[test]
    fn every_kept_line_is_read() {
        let lines = KEPT.lines().map(str::trim);
        let wanted = lines
            .filter(|l| !l.is_empty() && !l.starts_with('#'))
            .count();
        assert!(wanted > 10);
        assert_eq!(listed(KEPT).len(), wanted);
    }
}
