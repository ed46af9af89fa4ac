//! Durable payments between two nodes: from the call to the payee's committed acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::types::{Asset, ChannelId};
use node::NodeHandle;

use crate::limits::Limits;
use crate::report::{Report, millis, percentile, rate};
use crate::support::{ETHER, Network, amount};

/// Payments that wait for their end at the same time.
const LEVELS: [usize; 4] = [1, 64, 512, 2_048];

/// What the project wants on two cores.
const AIM: f64 = 10_000.0;

pub(crate) async fn run(report: &mut Report, limits: &Limits) {
    report.section("durable payments between two nodes, in process");
    let network = Network::start().await;
    let bob = network.node(1, &[]).await;
    let alice = network.node(0, &[&bob]).await;
    alice.open_ledger(&bob, Asset::NATIVE, 50 * ETHER, 50 * ETHER).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 40 * ETHER).await;

    let mut best: f64 = 0.0;
    for level in LEVELS {
        // What comes first pays for caches and connections.
        pay(&alice.handle(), channel, level, report.window() / 4).await;
        let (rate, latencies) = pay(&alice.handle(), channel, level, report.window()).await;
        tell(report, level, rate, &latencies);
        best = best.max(rate);
    }
    compare(report, limits, best);
    report.aim(best >= AIM, &format!("{} durable payments, got {}", rate(AIM), rate(best)));
}

fn tell(report: &Report, level: usize, per_second: f64, sorted: &[Duration]) {
    let (half, worst) = (percentile(sorted, 0.5), percentile(sorted, 0.99));
    let text = format!("{}, p50 {}, p99 {}", rate(per_second), millis(half), millis(worst));
    report.row(&format!("{level} in flight"), &text);
}

fn compare(report: &Report, limits: &Limits, best: f64) {
    let ratio = |limit: f64| format!("{:.2}", best / limit);
    report.row("best, as a part of signing and checking", &ratio(limits.vouchers()));
    report.row("best, per synced database batch", &ratio(limits.database_commits));
    report.row("best, per round trip", &ratio(limits.round_trips));
}

/// Pays with `level` callers for about `window`: payments per second, and their sorted latencies.
pub(crate) async fn pay(
    payer: &NodeHandle,
    channel: ChannelId,
    level: usize,
    window: Duration,
) -> (f64, Vec<Duration>) {
    let stop = Arc::new(AtomicBool::new(false));
    let began = Instant::now();
    let callers: Vec<_> = (0..level)
        .map(|_| {
            let (payer, stop) = (payer.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let call = Instant::now();
                    payer.pay(channel, amount(1), true).await.expect("paid");
                    latencies.push(call.elapsed());
                }
                latencies
            })
        })
        .collect();
    tokio::time::sleep(window).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for caller in callers {
        latencies.extend(caller.await.expect("the caller ends"));
    }
    let rate = latencies.len() as f64 / began.elapsed().as_secs_f64();
    latencies.sort_unstable();
    (rate, latencies)
}
