//! `parlour-sim`: runs seeds, tells the story of one, and plants bugs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use clap::Parser;
use indicatif::ProgressBar;
use parlour_sim::Outcome;

/// The world by seed.
#[derive(Parser)]
#[command(after_help = "Examples:
  parlour-sim --seeds 1000 --from 1     runs a thousand worlds
  parlour-sim --seed 42 --trace         tells the story of one
  parlour-sim --kept                    runs the seeds that once found something
  parlour-sim --mutants                 plants bugs, and says which seed shows each")]
struct Options {
    /// How many seeds to run.
    /// With `--mutants`: for each bug, at most.
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    from: u64,
    /// One seed alone.
    #[arg(long)]
    seed: Option<u64>,
    /// Tells its story.
    #[arg(long, requires = "seed")]
    trace: bool,
    /// The seeds of tools/sim/seeds.txt, which once found something.
    #[arg(long)]
    kept: bool,
    /// Plants bugs one at a time; one that no seed shows fails the run.
    #[arg(long, conflicts_with_all = ["seed", "kept"])]
    mutants: bool,
    /// With `--mutants`: only the bug of this name; may be given again.
    #[arg(long, value_name = "NAME", requires = "mutants")]
    only: Vec<String>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
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
        for line in &outcome.trace {
            println!("{line}");
        }
        return report(&[outcome]);
    }
    let seeds: Vec<u64> = if options.kept {
        listed(KEPT)
    } else {
        (options.from..options.from.saturating_add(options.seeds)).collect()
    };
    let outcomes = run(&seeds, options.threads);
    report(&outcomes)
}

fn run(seeds: &[u64], threads: usize) -> Vec<Outcome> {
    let next = Arc::new(AtomicU64::new(0));
    let done = Arc::new(Mutex::new(Vec::new()));
    let bar = ProgressBar::new(seeds.len() as u64);
    std::thread::scope(|scope| {
        for _ in 0..threads.max(1) {
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
    let threads = u64::try_from(options.threads).unwrap_or(1);
    let mut escaped = 0;
    let fates = parlour_sim::mutants::run(
        options.from,
        options.seeds,
        threads,
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
    if fates.is_empty() {
        eprintln!("no planted bug has that name");
        return std::process::ExitCode::FAILURE;
    }
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
    std::process::ExitCode::FAILURE
}
