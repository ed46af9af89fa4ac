//! Virtual channels over relays: how long until they are open, and until the first payment.

use std::time::{Duration, Instant};

use engine::effect::Update;
use engine::types::Asset;
use tokio::sync::broadcast::error::RecvError;

use crate::proxy;
use crate::report::{Report, median, millis};
use crate::support::{ETHER, Network, TestNode, amount};

const RELAYS: [usize; 3] = [1, 2, 4];
const DELAYS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(10)];

/// Payer and payee join the most relays.
const NODES: u8 = 6;

/// More than this beside the links' own delay, from the shortest path to the longest, is growth.
const SLACK: f64 = 1.5;

pub(crate) async fn run(report: &mut Report) {
    for delay in DELAYS {
        report.section(&format!(
            "virtual channels over relays, links of {} ms one way",
            delay.as_millis()
        ));
        let one_way = proxy::one_way(delay).await;
        report.row("one way over such a link, measured", &millis(one_way));
        let network = Network::start().await;
        let nodes = line(&network, delay).await;
        let mut opened = Vec::new();
        for relays in RELAYS {
            let times = measure(&nodes[..relays + 2], report.repeats()).await;
            let (open, first) = (median(times.0), median(times.1));
            let shown = |time: Duration| {
                if delay.is_zero() {
                    millis(time)
                } else {
                    let ways = time.as_secs_f64() / one_way.as_secs_f64();
                    format!("{} ({ways:.1} one-way delays)", millis(time))
                }
            };
            report.row(&format!("{relays} relays: open at the payer"), &shown(open));
            report.row(&format!("{relays} relays: first payment committed"), &shown(first));
            opened.push(open);
        }
        let growth = opened[RELAYS.len() - 1].as_secs_f64() / opened[0].as_secs_f64();
        // Without a delay only the work of more nodes on the same cores is seen.
        if !delay.is_zero() {
            let aim =
                format!("opening does not take longer over 4 relays than over 1: {growth:.2} x");
            report.aim(growth <= SLACK, &aim);
        }
    }
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

async fn measure(path: &[TestNode], repeats: usize) -> (Vec<Duration>, Vec<Duration>) {
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
    (opened.split_off(1), paid.split_off(1))
}
