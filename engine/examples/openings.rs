//! How the time to open many payment channels over one ledger grows with their number. Two engines
//! without a world, a disk or a network; the time to recover signatures is left out.
//!
//! `cargo run --release -p engine --features testing --example openings`

#![allow(clippy::disallowed_methods, reason = "what is measured here is real time")]

use std::time::{Duration, Instant};

use engine::effect::Effect;
use engine::engine::Engine;
use engine::input::Input;
use engine::policy::Policy;
use engine::testing::{Climate, Party, Setup, fixtures};
use engine::types::{FrameToken, RequestId, Timestamp};
use engine::wire::{self, Envelope};

/// Messages in one frame.
const FRAME: usize = 512;

fn main() {
    let mut half: Option<f64> = None;
    for count in [50_usize, 100, 200, 400, 800] {
        let took = open(count).as_secs_f64();
        let ratio = half.map_or(1.0, |half| took / half);
        println!("{count:>4} channels: {:.3} s, {ratio:.1} times the half of them", took);
        half = Some(took);
    }
}

fn open(count: usize) -> Duration {
    let policy = Policy { max_guarantees: 1_000, ..fixtures::policy() };
    let names = ["alice", "bob"];
    let mut setup = Setup::new(1).climate(Climate::CALM);
    for name in names {
        setup = setup.node(name, policy.clone());
    }
    let mut world = setup.build();
    world.open_ledger(Party(0), Party(1), 100_000, 0);
    world.run_until_quiet();
    let now = world.now();
    let requests: Vec<_> =
        (0..count).map(|_| world.payment_request(&[Party(0), Party(1)], 1)).collect();
    let mut engines = [0, 1].map(|index| {
        let rows = world.store(Party(index)).rows();
        let signer = Box::new(fixtures::key(names[index]));
        Engine::restore(fixtures::DEPLOYMENT, policy.clone(), signer, &rows)
    });
    let mut took = Duration::ZERO;
    let mut waiting: [Vec<Envelope>; 2] = [Vec::new(), Vec::new()];
    for request in requests {
        let input = Input::Request(RequestId(0), request);
        handle(&mut engines, 0, now, input, &mut waiting, &mut took);
    }
    while waiting.iter().any(|waiting| !waiting.is_empty()) {
        for index in [0, 1] {
            let frame = waiting[index].len().min(FRAME);
            let envelopes = waiting[index].drain(..frame).collect();
            let input = Input::Frame { token: FrameToken(0), envelopes };
            handle(&mut engines, index, now, input, &mut waiting, &mut took);
        }
    }
    let status = engines.map(|engine| engine.status());
    assert!(status.iter().all(|status| status.payments == count && status.objectives == 0));
    took
}

fn handle(
    engines: &mut [Engine; 2],
    index: usize,
    now: Timestamp,
    input: Input,
    waiting: &mut [Vec<Envelope>; 2],
    took: &mut Duration,
) {
    let from = engines[index].address();
    let began = Instant::now();
    let step = engines[index].handle(now, input);
    *took += began.elapsed();
    for effect in step.effects {
        if let Effect::Send(_, _, message) = effect {
            waiting[1 - index].push(wire::open(from, &message).expect("engines send messages"));
        }
    }
}
