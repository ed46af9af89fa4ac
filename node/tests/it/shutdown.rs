//! Stopping in order, under load and again and again.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use engine::types::{Amount, Asset, ChannelId};
use futures::future::join_all;
use node::CallError;
use tokio::task::JoinHandle;

use crate::support::route::{CAPACITY, End, check_ledgers, open_ledgers, settled};
use crate::support::{Network, TestNode, amount};

/// Far more than a stop takes, and less than the limit of one of its stages.
const BOUND: Duration = Duration::from_secs(4);

/// Programs that pay one unit after the other until the node stops.
struct Load {
    /// Payments of which somebody was told that the payee has them.
    delivered: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<CallError>>,
}

impl Load {
    fn start(payer: &TestNode, channel: ChannelId) -> Self {
        let delivered = Arc::new(AtomicU64::new(0));
        let pay = || {
            let (handle, delivered) = (payer.handle(), Arc::clone(&delivered));
            tokio::spawn(async move {
                loop {
                    match handle.pay(channel, amount(1), true).await {
                        Ok(_) => delivered.fetch_add(1, Ordering::SeqCst),
                        Err(reason) => return reason,
                    };
                }
            })
        };
        let tasks = (0..8).map(|_| pay()).collect();
        Self { delivered, tasks }
    }

    /// How many payments were reported as delivered until the payer stopped.
    async fn finish(self) -> u128 {
        for end in join_all(self.tasks).await {
            let reason = end.expect("no panic");
            assert!(!matches!(reason, CallError::Refused(_)), "{reason}");
        }
        self.delivered.load(Ordering::SeqCst).into()
    }
}

async fn stop_in_time(node: &mut TestNode) {
    let begin = Instant::now();
    node.stop().await;
    assert!(begin.elapsed() < BOUND, "a stop took {:?}", begin.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payer_that_stops_while_it_pays_loses_nothing_that_was_acknowledged() {
    stop_while_paying(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payee_that_stops_while_it_is_paid_loses_nothing_that_was_acknowledged() {
    stop_while_paying(1).await;
}

async fn stop_while_paying(stopped: usize) {
    let network = Network::start().await;
    let mut nodes = network.nodes::<2>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Left]).await;
    let channel = nodes[0].open_payment(&[&nodes[1]], Asset::NATIVE, CAPACITY).await;
    let load = Load::start(&nodes[0], channel);
    nodes[1]
        .until("some payments", async || {
            (nodes[1].payment(channel).await.paid >= amount(100)).then_some(())
        })
        .await;
    stop_in_time(&mut nodes[stopped]).await;
    if stopped == 1 {
        stop_in_time(&mut nodes[0]).await;
    }
    let delivered = load.finish().await;
    assert!(delivered >= 1);
    nodes[0].ensure_running().await;
    let paid = nodes[0].payment(channel).await.paid;
    nodes[1].ensure_running().await;
    let received = nodes[1].payment(channel).await.paid;
    assert!(received >= amount(delivered), "{received} received, {delivered} acknowledged");
    assert!(paid >= received, "{paid} paid, {received} received");

    // What was under way arrives, and the two agree in the end.
    nodes[0].pay(channel, 1).await;
    let total = paid.checked_add(amount(1)).expect("a small sum");
    assert_eq!(nodes[1].payment(channel).await.paid, total);
    let closing = nodes[1].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    let view = nodes[1].ledger(ledgers[0]).await;
    let gained = view.mine.checked_sub(amount(crate::support::route::DEPOSIT));
    assert_eq!((gained, view.locked), (Some(total), Amount::ZERO));
}

/// Files of a folder that this process has open.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").expect("Linux");
    files
        .filter_map(|file| std::fs::read_link(file.ok()?.path()).ok())
        .filter(|target| target.starts_with(folder))
        .count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_starts_and_stops_again_and_again_in_one_process() {
    let network = Network::start().await;
    let mut nodes = network.nodes::<2>().await;
    let ledgers = open_ledgers(&nodes, Asset::NATIVE, &[End::Right]).await;
    let channel = nodes[0].open_payment(&[&nodes[1]], Asset::NATIVE, CAPACITY).await;
    for _ in 0..5 {
        nodes[0].pay(channel, 2).await;
        let old = nodes[0].handle();
        stop_in_time(&mut nodes[0]).await;
        // An old handle neither works nor blocks, but it can read history.
        let refused = old.pay(channel, amount(1), true).await;
        assert!(matches!(refused, Err(CallError::Stopped)), "{refused:?}");
        drop(old);
        #[cfg(target_os = "linux")]
        assert_eq!(open_files(&nodes[0].settings.data_dir), 0, "the store is closed");
        nodes[0].resume().await;
        nodes[0].pay(channel, 3).await;
    }
    let closing = nodes[0].begin_close_payment(channel).await;
    settled(&nodes, closing).await;
    check_ledgers(&nodes, &ledgers, 25).await;
}
