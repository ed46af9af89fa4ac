//! Virtual channels over relays: how long until they are open, and until the first payment.

use std::time::{Duration, Instant};

use engine::effect::Update;
use engine::types::Asset;
use tokio::sync::broadcast::error::RecvError;

use crate::proxy;
use crate::report::{Report, median, millis};
use crate::support::{ETHER, Network, TestNode, amount};

const RELAYS: [usize; 3] = [1, 2, 4];
const DELAY: Duration = Duration::from_millis(10);

/// Payer and payee join the most relays.
const NODES: u8 = 6;

/// One-way delays more than on the shortest path are growth; a part of one is noise.
const SLACK: f64 = 1.0;

/// How long it takes until a channel is open at the payer, and its first payment is committed.
struct Times {
    open: Duration,
    paid: Duration,
}

pub(crate) async fn run(report: &mut Report) {
    report.section(&format!("virtual channels over relays; {NODES} nodes share the cores"));
    let without = measure_all(report, Duration::ZERO).await;
    let one_way = proxy::one_way(DELAY).await;
    report.row("a link of 10 ms one way takes, measured", &millis(one_way));
    let with = measure_all(report, DELAY).await;
    let mut delays = Vec::new();
    for ((relays, without), with) in RELAYS.iter().zip(&without).zip(&with) {
        let share = |with: Duration, without: Duration| {
            with.saturating_sub(without).as_secs_f64() / one_way.as_secs_f64()
        };
        let (open, paid) = (share(with.open, without.open), share(with.paid, without.paid));
        report.row(
            &format!("{relays} relays: one-way delays in it"),
            &format!("open after {open:.1}, first payment after {paid:.1}"),
        );
        delays.push(open);
    }
    let growth = delays[RELAYS.len() - 1] - delays[0];
    let aim = "opening over 4 relays waits for links no longer than over 1";
    report.aim(growth <= SLACK, &format!("{aim}: {growth:+.1} one-way delays"));
}

async fn measure_all(report: &Report, delay: Duration) -> Vec<Times> {
    let network = Network::start().await;
    let nodes = line(&network, delay).await;
    let mut all = Vec::new();
    for relays in RELAYS {
        let times = measure(&nodes[..relays + 2], report.repeats()).await;
        report.row(
            &format!("{relays} relays, links of {} ms", delay.as_millis()),
            &format!("open {}, first payment {}", millis(times.open), millis(times.paid)),
        );
        all.push(times);
    }
    all
}

/// Nodes in a row with a ledger between neighbours; everyone is connected with everyone by a link.
async fn line(network: &Network, delay: Duration) -> Vec<TestNode> {
    let mut nodes = Vec::new();
    for index in 1..=NODES {
        let (mut settings, dir) = network.settings(index);
        // Blocks matter for the ledgers only; asking for them must not disturb what is timed.
        settings.chain.poll_interval = Duration::from_millis(250);
        nodes.push(TestNode::start(settings, dir).await);
    }
    for (index, node) in nodes.iter().enumerate() {
        for other in &nodes[index + 1..] {
            proxy::connect(node, other, delay).await;
        }
    }
    for pair in nodes.windows(2) {
        pair[0].open_ledger(&pair[1], Asset::NATIVE, 20 * ETHER, 20 * ETHER).await;
    }
    nodes
}

async fn measure(path: &[TestNode], repeats: usize) -> Times {
    let (payer, rest) = path.split_first().expect("a payer");
    let payee = rest.last().expect("a payee");
    let rest: Vec<&TestNode> = rest.iter().collect();
    let (mut opened, mut paid) = (Vec::new(), Vec::new());
    for _ in 0..=repeats {
        let mut heard = payee.handle().updates();
        let began = Instant::now();
        let objective = payer.begin_payment(&rest, Asset::NATIVE, ETHER / 100).await;
        payer.completed(objective).await;
        opened.push(began.elapsed());
        let channel = objective.channel();
        payer.handle().pay(channel, amount(1), false).await.expect("paid");
        loop {
            match heard.recv().await {
                Ok(Update::Received { channel: of, .. }) if of == channel => break,
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => panic!("the payee has stopped"),
            }
        }
        paid.push(began.elapsed());
        // The next opening must not meet the tail of this one.
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // The first one pays for caches and connections.
    Times { open: median(opened.split_off(1)), paid: median(paid.split_off(1)) }
}
