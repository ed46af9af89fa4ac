//! A long simulation: nodes open, use and close channels while everything goes wrong, and after
//! every turn the world checks what must always hold.
//!
//! ```sh
//! cargo run -p engine --features testing --example sim -- --seed 1 --steps 20000
//! ```

use std::process::ExitCode;
use std::time::Duration;

use engine::input::Request;
use engine::testing::{Climate, Crash, Party, Setup, Weather, World};
use engine::types::{Asset, ChannelId};

const NAMES: [&str; 4] = ["alice", "irene", "ivan", "bob"];

struct Options {
    seed: u64,
    steps: u64,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(problem) => {
            eprintln!("{problem}\nusage: sim [--seed NUMBER] [--steps NUMBER]");
            return ExitCode::FAILURE;
        }
    };
    println!("seed {} for {} steps", options.seed, options.steps);
    let mut world = Setup::new(options.seed).climate(Climate::ROUGH).nodes(&NAMES).build();
    let mut tally = Tally::default();
    while world.steps() < options.steps {
        act(&mut world, &mut tally);
        for _ in 0..20 {
            world.step();
        }
    }
    wind_up(&mut world);
    println!("{tally:?}");
    println!("digest {:016x} after {} steps", world.digest(), world.steps());
    ExitCode::SUCCESS
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seed: 1, steps: 20_000 };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            let value = value.parse().map_err(|_| format!("{name}: {value} is not a number"))?;
            match name.as_str() {
                "--seed" => options.seed = value,
                "--steps" => options.steps = value,
                _ => return Err(format!("{name} is not an option")),
            }
        }
        Ok(options)
    }
}

/// What was asked for and not refused.
#[derive(Debug, Default)]
struct Tally {
    ledgers: u64,
    channels: u64,
    payments: u64,
    closings: u64,
    crashes: u64,
    partitions: u64,
}

/// One thing of chance. Most are refused, because they make no sense at that moment.
fn act(world: &mut World, tally: &mut Tally) {
    let party = Party(world.random().below(NAMES.len() as u64) as usize);
    let choice = world.random().below(100);
    match choice {
        0..10 => tally.ledgers += ask_for_ledger(world, party),
        10..35 => tally.channels += ask_for_channel(world, party),
        35..75 => tally.payments += pay(world, party),
        75..88 => tally.closings += close_channel(world, party),
        88..91 => tally.closings += close_ledger(world, party),
        91..95 => {
            let turn = world.turns(party) + world.random().below(6);
            let crashes = [Crash::BeforeCommit, Crash::AfterCommit, Crash::Dispatching(1)];
            let crash = *world.random().pick(&crashes);
            world.crash_at(party, turn, crash);
            tally.crashes += 1;
        }
        95..97 => {
            world.partition(&[party]);
            tally.partitions += 1;
        }
        _ => world.heal(),
    }
}

fn accepted(world: &mut World, party: Party, request: Request) -> u64 {
    u64::from(world.try_request(party, request).is_some_and(|answer| answer.is_ok()))
}

fn ask_for_ledger(world: &mut World, party: Party) -> u64 {
    let neighbour = Party((party.0 + 1) % NAMES.len());
    let request = world.ledger_request(neighbour, 1_000, 1_000);
    accepted(world, party, request)
}

/// Along the circle, over up to two relays, in either direction.
fn ask_for_channel(world: &mut World, party: Party) -> u64 {
    let (relays, forward) = (world.random().below(3) as usize, world.random().chance(50));
    let count = NAMES.len();
    let step = if forward { 1 } else { count - 1 };
    let path: Vec<Party> =
        (0..relays + 2).map(|hop| Party((party.0 + hop * step) % count)).collect();
    let capacity = world.random().between(1, 300);
    let request = world.payment_request(&path, capacity);
    accepted(world, party, request)
}

fn some_channel(world: &mut World, party: Party) -> Option<ChannelId> {
    let channels = world.is_up(party).then(|| world.payment_ids(party))?;
    (!channels.is_empty()).then(|| *world.random().pick(&channels))
}

fn pay(world: &mut World, party: Party) -> u64 {
    let Some(channel) = some_channel(world, party) else { return 0 };
    let amount = world.random().between(1, 20).into();
    accepted(world, party, Request::Pay { channel, amount })
}

fn close_channel(world: &mut World, party: Party) -> u64 {
    let Some(channel) = some_channel(world, party) else { return 0 };
    accepted(world, party, Request::ClosePayment { channel })
}

fn close_ledger(world: &mut World, party: Party) -> u64 {
    let ledgers = if world.is_up(party) { world.ledger_ids(party) } else { Vec::new() };
    let Some(ledger) = ledgers.first().copied() else { return 0 };
    accepted(world, party, Request::CloseLedger { ledger })
}

/// The faults end; everything is closed, and all money is back in purses.
fn wind_up(world: &mut World) {
    world.heal();
    world.set_weather(Weather::CALM);
    world.run_for(Duration::from_secs(2 * 3_600));
    for round in 0..20 {
        for party in world.parties() {
            for channel in world.payment_ids(party) {
                accepted(world, party, Request::ClosePayment { channel });
            }
            for ledger in world.ledger_ids(party) {
                accepted(world, party, Request::CloseLedger { ledger });
            }
            world.run_until_quiet();
        }
        if world.parties().all(|party| world.ledger_ids(party).is_empty()) {
            break;
        }
        assert!(round < 19, "something never closes\n{}", world.describe());
        world.run_for(Duration::from_secs(700));
    }
    let purses: Vec<String> =
        world.parties().map(|party| world.purse(party, Asset::NATIVE).to_string()).collect();
    println!("purses {}", purses.join(" "));
}
