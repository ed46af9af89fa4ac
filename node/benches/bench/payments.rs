//! Durable payments between two nodes: from the call to the payee's committed acknowledgement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use engine::types::{Asset, ChannelId};
use jsonrpsee::core::client::ClientT;
use jsonrpsee::core::params::ObjectParams;
use jsonrpsee::ws_client::{HeaderMap, HeaderValue, WsClient, WsClientBuilder};
use node::NodeHandle;
use node::config::RpcSection;
use node::rpc::{RpcOptions, RpcServer, Token};
use tokio_util::sync::CancellationToken;

use crate::limits::{self, Limits, processor_time};
use crate::report::{Report, millis, percentile, rate};
use crate::support::{ETHER, Network, amount};

/// Payments that wait for their end at the same time.
const LEVELS: [usize; 4] = [1, 64, 512, 2_048];

/// What the project wants on two cores.
const AIM: f64 = 10_000.0;

const TOKEN: &str = "benchmark";

pub(crate) async fn run(report: &mut Report, limits: &Limits) {
    let network = Network::start().await;
    let bob = network.node(1, &[]).await;
    let alice = network.node(0, &[&bob]).await;
    alice.open_ledger(&bob, Asset::NATIVE, 50 * ETHER, 50 * ETHER).await;
    let channel = alice.open_payment(&[&bob], Asset::NATIVE, 40 * ETHER).await;

    report.section("durable payments between two nodes, in process");
    let best = levels(report, |level, window| in_process(alice.handle(), channel, level, window));
    let best = best.await;
    compare(report, limits, &best);
    let got = format!("got {}; idle cores have time for {}", rate(best.per_second), {
        rate(limits.cores / best.each().as_secs_f64())
    });
    report.aim(best.per_second >= AIM, &format!("{} durable payments, {got}", rate(AIM)));

    report.section("durable payments between two nodes, by JSON-RPC over one WebSocket");
    let (server, client) = serve(alice.handle()).await;
    let best = levels(report, |level, window| by_rpc(Arc::clone(&client), channel, level, window));
    let best = best.await;
    compare(report, limits, &best);
    server.shutdown().await;
}

/// Runs every level; returns the one with the best rate. What signing and checking takes is
/// measured around each, because a shared machine is not as fast in one minute as in the next.
async fn levels<F: Future<Output = Outcome>>(
    report: &Report,
    run: impl Fn(usize, Duration) -> F,
) -> Outcome {
    let mut best = Outcome::default();
    for level in LEVELS {
        // What comes first pays for caches and connections.
        run(level, report.window() / 4).await;
        let before = limits::voucher_time(report.window() / 8);
        let mut outcome = run(level, report.window()).await;
        outcome.voucher_time = (before + limits::voucher_time(report.window() / 8)) / 2;
        outcome.tell(report, level);
        if outcome.per_second > best.per_second {
            best = outcome;
        }
    }
    best
}

/// What many payments took.
#[derive(Default)]
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    /// Of this whole process: both nodes and the callers.
    processor_time: Duration,
    /// Processor time to sign and check one voucher, in the same seconds.
    voucher_time: Duration,
    /// From the call to its answer, sorted.
    pub(crate) latencies: Vec<Duration>,
}

impl Outcome {
    fn tell(&self, report: &Report, level: usize) {
        let part = |part| millis(percentile(&self.latencies, part));
        let text = format!("{}, p50 {}, p99 {}", rate(self.per_second), part(0.5), part(0.99));
        report.row(&format!("{level} in flight"), &text);
    }

    /// Processor time per payment.
    fn each(&self) -> Duration {
        self.processor_time.div_f64(self.latencies.len().max(1) as f64)
    }
}

fn compare(report: &Report, limits: &Limits, best: &Outcome) {
    let ratio = |limit: f64| format!("{:.2}", best.per_second / limit);
    report.row("best, as a part of signing and checking", &ratio(limits.vouchers()));
    report.row("best, per synced database batch", &ratio(limits.database_commits));
    report.row("best, per round trip", &ratio(limits.round_trips));
    let (each, least) = (best.each().as_secs_f64(), best.voucher_time.as_secs_f64());
    report.row(
        "processor time per payment, all in this process",
        &format!("{:.0} us, of it signing and checking {:.0} us", each * 1e6, least * 1e6),
    );
    report.row("payments that idle cores have time for", &rate(limits.cores / each));
}

pub(crate) async fn in_process(
    payer: NodeHandle,
    channel: ChannelId,
    level: usize,
    window: Duration,
) -> Outcome {
    repeat(level, window, move || {
        let payer = payer.clone();
        async move {
            payer.pay(channel, amount(1), true).await.expect("paid");
        }
    })
    .await
}

async fn serve(node: NodeHandle) -> (RpcServer, Arc<WsClient>) {
    let listen = "127.0.0.1:0".parse().expect("an address");
    // Half of the connections is what may wait.
    let section =
        RpcSection { listen, max_queue: 4_096, max_connections: 8_192, ..RpcSection::default() };
    let stop = CancellationToken::new();
    let options =
        RpcOptions { token: Token::new(TOKEN), socket: None, challenge_duration: 3_600, stop };
    let server = RpcServer::start(&section, options, node).await.expect("listens");
    let mut headers = HeaderMap::new();
    let bearer = HeaderValue::from_str(&format!("Bearer {TOKEN}")).expect("a header");
    headers.insert("authorization", bearer);
    let client = WsClientBuilder::new()
        .set_headers(headers)
        .max_concurrent_requests(4_096)
        .build(format!("ws://{}", server.address()))
        .await
        .expect("connects");
    (server, Arc::new(client))
}

async fn by_rpc(
    client: Arc<WsClient>,
    channel: ChannelId,
    level: usize,
    window: Duration,
) -> Outcome {
    repeat(level, window, move || {
        let client = Arc::clone(&client);
        async move {
            let mut params = ObjectParams::new();
            params.insert("channel", channel.to_string()).expect("a parameter");
            params.insert("amount", "1").expect("a parameter");
            params.insert("wait", true).expect("a parameter");
            let paid: serde_json::Value = client.request("nitro_pay", params).await.expect("paid");
            assert_eq!(paid["delivered"], true);
        }
    })
    .await
}

/// Pays with `level` callers at once for about `window`.
async fn repeat<F: Future<Output = ()> + Send>(
    level: usize,
    window: Duration,
    pay: impl Fn() -> F + Clone + Send + 'static,
) -> Outcome {
    let stop = Arc::new(AtomicBool::new(false));
    let (began, used) = (Instant::now(), processor_time());
    let callers: Vec<_> = (0..level)
        .map(|_| {
            let (pay, stop) = (pay.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut latencies = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    let call = Instant::now();
                    pay().await;
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
    let per_second = latencies.len() as f64 / began.elapsed().as_secs_f64();
    let processor_time = processor_time() - used;
    latencies.sort_unstable();
    Outcome { per_second, processor_time, voucher_time: Duration::ZERO, latencies }
}
