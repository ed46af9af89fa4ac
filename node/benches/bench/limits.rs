//! What the machine can do at best: signatures, synced writes, round trips.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, Instant};

use engine::crypto::{LocalSigner, Signer};
use engine::types::{Address, Amount, B256, ChannelId};
use engine::vouchers::Voucher;
use fjall::{Database, KeyspaceCreateOptions, PersistMode};
use p2p::{Event, P2p, P2pConfig};
use tokio_util::sync::CancellationToken;

use crate::report::{Report, rate};

/// Counts per second.
pub(crate) struct Limits {
    pub(crate) signatures: f64,
    pub(crate) recoveries: f64,
    pub(crate) database_commits: f64,
    pub(crate) round_trips: f64,
    pub(crate) cores: f64,
}

impl Limits {
    /// Vouchers that all cores could make and check per second if there were nothing else to do.
    pub(crate) fn vouchers(&self) -> f64 {
        self.cores / (1.0 / self.signatures + 1.0 / self.recoveries)
    }
}

pub(crate) async fn measure(report: &mut Report) -> Limits {
    let window = report.window();
    report.section("limits of this machine, now");
    let (signatures, recoveries) = signatures(window);
    report.row("vouchers signed, one core", &rate(signatures));
    report.row("vouchers checked (recovered), one core", &rate(recoveries));
    let dir = tempfile::tempdir().expect("a folder");
    let appends = appends(dir.path(), window);
    report.row("appends of 500 B with fdatasync", &rate(appends));
    let database_commits = database_commits(dir.path(), window);
    report.row("synced database batches of 3 x 200 B", &rate(database_commits));
    let round_trips = round_trips(window).await;
    report.row("round trips between two nodes, one at a time", &rate(round_trips));
    let cores = std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64);
    let limits = Limits { signatures, recoveries, database_commits, round_trips, cores };
    report.row("vouchers signed and checked, all cores", &rate(limits.vouchers()));
    limits
}

/// Repeats `work` for about `window`; returns how often it ran per second.
fn repeat(window: Duration, mut work: impl FnMut(u64)) -> f64 {
    let start = Instant::now();
    let mut count = 0;
    while start.elapsed() < window {
        work(count);
        count += 1;
    }
    count as f64 / start.elapsed().as_secs_f64()
}

fn signatures(window: Duration) -> (f64, f64) {
    let signer = LocalSigner::new([7; 32]).expect("a key");
    let channel = ChannelId(B256::repeat_byte(1));
    let mut made = Vec::new();
    let signed = repeat(window, |count| {
        made.push(Voucher::sign(channel, Amount::from(count), &signer));
    });
    let recovered = repeat(window, |count| {
        let voucher = &made[count as usize % made.len()];
        let found = voucher.signature.recover(voucher.hash());
        assert_eq!(found, Ok(signer.address()));
    });
    (signed, recovered)
}

/// Processor time to sign and check one voucher, which a busy machine changes less than the rate.
pub(crate) fn voucher_time(window: Duration) -> Duration {
    let signer = LocalSigner::new([7; 32]).expect("a key");
    let (began, mut pairs) = (processor_time(), 0_u32);
    repeat(window, |count| {
        let voucher = Voucher::sign(ChannelId::default(), Amount::from(count), &signer);
        assert_eq!(voucher.signature.recover(voucher.hash()), Ok(signer.address()));
        pairs += 1;
    });
    (processor_time() - began) / pairs
}

/// Processor time that this process has used so far.
pub(crate) fn processor_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("a system with /proc");
    // The name of the program is in parentheses and may hold anything; what follows is numbers.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("a number"))
        .sum();
    // The kernel counts in hundredths of a second wherever it tells user programs.
    Duration::from_millis(ticks * 10)
}

fn appends(dir: &std::path::Path, window: Duration) -> f64 {
    let mut file = File::create(dir.join("appends")).expect("a file");
    repeat(window, |_| {
        file.write_all(&[7; 500]).expect("written");
        file.sync_data().expect("synced");
    })
}

fn database_commits(dir: &std::path::Path, window: Duration) -> f64 {
    let db = Database::builder(dir.join("database")).open().expect("a database");
    let tables = ["a", "b", "c"]
        .map(|name| db.keyspace(name, KeyspaceCreateOptions::default).expect("a keyspace"));
    repeat(window, |count| {
        let mut batch = db.batch().durability(Some(PersistMode::SyncAll));
        for table in &tables {
            batch.insert(table, count.to_be_bytes(), [7; 200]);
        }
        batch.commit().expect("committed");
    })
}

/// One message in flight, acknowledged as soon as it is heard.
async fn round_trips(window: Duration) -> f64 {
    let stop = CancellationToken::new();
    let config = || P2pConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".parse().expect("an address")],
        ..P2pConfig::default()
    };
    let start = |key| P2p::start(config(), [key; 32], stop.clone());
    let (alice, mut deliveries, _) = start(1).await.expect("starts");
    let (bob, mut frames, _) = start(2).await.expect("starts");
    let to: Address = bob.address();
    let address = bob.listen_addresses().await.expect("listens").swap_remove(0);
    alice.dial(address).await.expect("dials");
    tokio::spawn(async move {
        while let Some(event) = frames.recv().await {
            if let Event::Frame { token, .. } = event {
                bob.ack(token).expect("runs");
            }
        }
    });
    let (began, mut count) = (Instant::now(), 0_u64);
    while began.elapsed() < window {
        alice.send(to, count, vec![7; 200]).expect("runs");
        while !matches!(deliveries.recv().await, Some(Event::Delivered { .. }) | None) {}
        count += 1;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    stop.cancel();
    rate
}
