//! Long simulations: everybody does anything at any time, and after every turn the world checks
//! what must always hold. See `docs/testing.md`.
//!
//! ```sh
//! cargo run --release -p engine --features testing --example sim -- --seeds 1..200 --jobs 2
//! cargo run --release -p engine --features testing --example sim -- --seed 7 --villains 2 --show
//! ```

use std::ops::RangeInclusive;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use engine::testing::random_world::{Failure, RandomWorld, Report, Scope, Tally, run_world};

const USAGE: &str =
    "usage: sim [--seed N | --seeds FIRST..LAST] [--steps N] [--jobs N] [--show] [--watch TEXT]
           [--plain | --exits --cancels --tokens --silence --strangers --gas --reorgs
            --rehearsals] [--villains 0|1|2]
Without parts the world has all of them, and the seed decides how many villains there are.
--plain has none. --show prints all that was said about a failure, --watch every turn that has to
do with an id as it is printed, such as 0x01234567.";

struct Options {
    seeds: RangeInclusive<u64>,
    steps: u64,
    jobs: u64,
    show: bool,
    watch: Option<String>,
    /// None while no part is named: the world has everything then.
    parts: Option<Scope>,
    villains: Option<usize>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\n{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    // A failure is said in one line below.
    std::panic::set_hook(Box::new(|_| {}));
    let outcome = Outcome::default();
    let next = AtomicU64::new(*options.seeds.start());
    std::thread::scope(|threads| {
        for _ in 0..options.jobs {
            threads.spawn(|| work(&options, &next, &outcome));
        }
    });
    outcome.conclude(&options)
}

/// Takes one seed after the other until none is left.
fn work(options: &Options, next: &AtomicU64, outcome: &Outcome) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if !options.seeds.contains(&seed) {
            return;
        }
        let mut world = RandomWorld::new(seed, options.scope(seed));
        if let Some(text) = &options.watch {
            world.watch(text);
        }
        outcome.tell(options, seed, run_world(world, seed, options.steps));
    }
}

#[derive(Default)]
struct Outcome(Mutex<(Vec<u64>, Tally)>);

impl Outcome {
    fn tell(&self, options: &Options, seed: u64, result: Result<Report, Failure>) {
        let mut total = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(report) => {
                total.1.merge(&report.tally);
                let (digest, steps) = (report.digest, report.steps);
                println!("seed {seed} ended well: digest {digest:016x} after {steps} steps");
                if options.seeds.start() == options.seeds.end() {
                    println!("purses {}", report.purses.join(" "));
                }
            }
            Err(failure) => {
                total.0.push(seed);
                println!("{failure}");
                if options.show {
                    println!("{}", failure.text);
                }
            }
        }
    }

    fn conclude(self, options: &Options) -> ExitCode {
        let (mut failed, tally) = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        failed.sort_unstable();
        println!("{tally}");
        let count = options.seeds.clone().count();
        if failed.is_empty() {
            println!("{count} worlds of {} steps ended well", options.steps);
            return ExitCode::SUCCESS;
        }
        let seeds: Vec<String> = failed.iter().map(u64::to_string).collect();
        println!("{} of {count} worlds failed: {}", failed.len(), seeds.join(" "));
        ExitCode::FAILURE
    }
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            seeds: 1..=1,
            steps: 20_000,
            jobs: 1,
            show: false,
            watch: None,
            parts: None,
            villains: None,
        };
        while let Some(name) = arguments.next() {
            match name.as_str() {
                "--show" => options.show = true,
                "--plain" => options.parts = Some(options.parts.unwrap_or(Scope::PLAIN)),
                "--seed" | "--seeds" => options.seeds = range(&value(&name, &mut arguments)?)?,
                "--watch" => options.watch = Some(value(&name, &mut arguments)?),
                "--steps" => options.steps = number(&value(&name, &mut arguments)?)?,
                "--jobs" => options.jobs = number(&value(&name, &mut arguments)?)?.max(1),
                "--villains" => {
                    let count = number(&value(&name, &mut arguments)?)?;
                    let count = usize::try_from(count).ok().filter(|count| *count <= 2);
                    options.villains = Some(count.ok_or("there are two villains at most")?);
                }
                part => {
                    let mut parts = options.parts.unwrap_or(Scope::PLAIN);
                    let known = part.strip_prefix("--").is_some_and(|part| parts.add(part));
                    if !known {
                        return Err(format!("{part} is not an option"));
                    }
                    options.parts = Some(parts);
                }
            }
        }
        Ok(options)
    }

    fn scope(&self, seed: u64) -> Scope {
        let all = Scope::of_seed(seed);
        let scope = self.parts.unwrap_or(all);
        Scope { villains: self.villains.unwrap_or(scope.villains), ..scope }
    }
}

fn value(name: &str, arguments: &mut impl Iterator<Item = String>) -> Result<String, String> {
    arguments.next().ok_or_else(|| format!("{name} needs a value"))
}

fn number(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{text} is not a number"))
}

/// `7`, or `1..200` with both ends.
fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    match text.split_once("..") {
        Some((first, last)) => Ok(number(first)?..=number(last.trim_start_matches('='))?),
        None => number(text).map(|seed| seed..=seed),
    }
}
