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
  parlour-sim --kept                    runs the seeds that once found something")]
struct Options {
    /// How many seeds to run.
    #[arg(long, default_value_t = 100)]
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
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
}

/// Seeds that once found something: `seed  # what`.
const KEPT: &str = include_str!("../seeds.txt");

/// Seeds whose cause is not found yet: `seed  # what`.
const OPEN: &str = include_str!("../open.txt");

fn listed(text: &str) -> Vec<u64> {
    text.lines()
        .filter_map(|line| line.split('#').next()?.trim().parse().ok())
        .collect()
}

fn main() -> std::process::ExitCode {
    let options = Options::parse();
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
    let known = listed(OPEN);
    let mut open = 0;
    for outcome in outcomes {
        events += outcome.figures.events;
        messages += outcome.figures.messages;
        faults += outcome.figures.faults;
        let is_open = known.contains(&outcome.seed);
        match (is_open, outcome.breaches.is_empty()) {
            (true, false) => open += 1,
            (true, true) => {
                breaches += 1;
                println!(
                    "seed {} passes: take it out of tools/sim/open.txt",
                    outcome.seed
                );
            }
            (false, _) => breaches += outcome.breaches.len(),
        }
        let mark = if is_open { " (open)" } else { "" };
        for breach in &outcome.breaches {
            println!("seed {}{mark}: {breach}", outcome.seed);
        }
    }
    if open > 0 {
        println!("{open} seeds fail for causes not found yet: see tools/sim/open.txt");
    }
    println!(
        "{} seeds, {events} events, {messages} messages, {faults} faults, {breaches} breaches, \
         {open} open",
        outcomes.len()
    );
    if breaches > 0 {
        println!("tell the story of one with --seed N --trace; keep it in tools/sim/seeds.txt");
        std::process::ExitCode::FAILURE
    } else {
        std::process::ExitCode::SUCCESS
    }
}
