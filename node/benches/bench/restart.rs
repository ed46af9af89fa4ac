//! How long a node with many channels takes to start, and how much memory it holds then.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use chain::{AccountKey, ChainConfig};
use engine::effect::Response;
use engine::input::Request;
use engine::policy::Policy;
use engine::state::Deployment;
use node::{ChannelKey, Node, NodeSettings};
use p2p::P2pConfig;

use crate::ledgers::Builder;
use crate::report::{Report, median, millis};
use crate::support::Network;
use chain::testing::ACCOUNTS;

/// First argument of the process that is started anew for each measurement.
pub(crate) const CHILD: &str = "--restart-child";

const SIZES: [usize; 3] = [1, 1_000, 10_000];

/// What the project wants with the most channels.
const AIM: Duration = Duration::from_secs(2);

const KEY: [u8; 32] = [1; 32];

pub(crate) async fn run(report: &mut Report) {
    report.section("restart with open payment channels, in a fresh process");
    let network = Network::start().await;
    let deployment = network.deployed.deployment;
    let mut builder = Builder::new(&network, KEY).await;
    let mut first = None;
    for size in SIZES {
        builder.open_channels(size);
        let dir = tempfile::tempdir().expect("a folder");
        builder.save(&dir.path().join("store"));
        let runs: Vec<Run> = (0..report.repeats().div_ceil(3))
            .map(|_| Run::of_child(dir.path(), &network.anvil.url(), &deployment))
            .collect();
        let start = median(runs.iter().map(|run| run.start).collect());
        let kilobytes = runs.iter().map(|run| run.kilobytes).max().unwrap_or_default();
        let found = runs.iter().map(|run| run.channels).min().unwrap_or_default();
        assert_eq!(found, size, "the node has all its channels again");
        let base = *first.get_or_insert(kilobytes);
        let each = kilobytes.saturating_sub(base) as f64 / (size - 1).max(1) as f64;
        report.row(
            &format!("{size} channels"),
            &format!(
                "{} until the first answer, {:.0} MB resident ({each:.1} KB per channel)",
                millis(start),
                kilobytes as f64 / 1e3
            ),
        );
        if size == SIZES[SIZES.len() - 1] {
            let aim = format!("restart with {size} channels in {}", millis(AIM));
            report.aim(start <= AIM, &format!("{aim}, took {}", millis(start)));
        }
    }
}

struct Run {
    start: Duration,
    kilobytes: u64,
    channels: usize,
}

impl Run {
    fn of_child(dir: &Path, url: &str, deployment: &Deployment) -> Self {
        let output = Command::new(std::env::current_exe().expect("this program"))
            .arg(CHILD)
            .arg(dir)
            .arg(url)
            .arg(deployment.chain_id.to_string())
            .args(
                [deployment.adjudicator, deployment.consensus_app, deployment.payment_app]
                    .map(|address| address.to_string()),
            )
            .output()
            .expect("the child runs");
        let text = String::from_utf8_lossy(&output.stdout);
        let mut numbers = text.split_whitespace().map_while(|word| word.parse().ok());
        let mut next = || -> u64 {
            numbers.next().unwrap_or_else(|| {
                panic!("the child failed: {text} {}", String::from_utf8_lossy(&output.stderr))
            })
        };
        Self { start: Duration::from_micros(next()), kilobytes: next(), channels: next() as usize }
    }
}

/// Starts the node, asks it for something and prints what [`Run::of_child`] reads.
pub(crate) async fn child(arguments: &[String]) {
    let [dir, url, chain_id, adjudicator, consensus_app, payment_app] = arguments else {
        panic!("{CHILD} is for this program itself");
    };
    let deployment = Deployment {
        chain_id: chain_id.parse().expect("a number"),
        adjudicator: adjudicator.parse().expect("an address"),
        consensus_app: consensus_app.parse().expect("an address"),
        payment_app: payment_app.parse().expect("an address"),
    };
    let mut chain = ChainConfig::new(url.clone(), deployment, AccountKey::new(ACCOUNTS[1].0));
    chain.confirmations = 0;
    let settings = NodeSettings {
        data_dir: dir.into(),
        store: store::Config::default(),
        deployment,
        policy: Policy::default(),
        p2p: P2pConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
            ..P2pConfig::default()
        },
        chain,
        channel_key: ChannelKey(KEY),
        payout_address: None,
        tower: None,
    };
    let began = Instant::now();
    let node = Node::start(settings).await.expect("the node starts");
    let answer = node.handle().request(Request::GetStatus).await;
    let start = began.elapsed().as_micros();
    assert!(matches!(answer, Ok(Response::Status(_))));
    let kilobytes = resident();
    let Ok(Response::Payments(channels)) =
        node.handle().request(Request::ListPayments { ledger: None }).await
    else {
        panic!("the node lists its channels");
    };
    println!("{start} {kilobytes} {}", channels.len());
    node.shutdown().await;
}

fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("a system with /proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
