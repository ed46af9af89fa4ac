//! Synced commits per second by payments per turn, beside the least that a synced turn can cost:
//! one append of the same bytes and one fdatasync. Both alternate in one run, because the speed of
//! a shared disk changes from minute to minute; read the ratios.
//!
//! A turn is what the payee of many channels commits: per payment a message for a peer, the
//! removal of one that was delivered, and the newest total of one of a few channels.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use engine::crypto::Signature;
use engine::ports::Store;
use engine::step::{Batch, Paid, Write};
use engine::types::{Address, B256, ChannelId, MessageId};
use engine::vouchers::Voucher;
use store::{Config, FjallStore};

/// Payments per turn.
const TURNS: [u64; 6] = [1, 8, 64, 250, 500, 1_000];
/// Of each kind, in turn.
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(400);
/// A voucher in a message.
const MESSAGE_BYTES: usize = 150;
const CHANNELS: u64 = 4;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    if !std::env::args().any(|argument| argument == "--bench") {
        println!("run by cargo bench only: it measures nothing in a debug build");
        return Ok(());
    }
    let place = tempfile::tempdir()?;
    println!("payments | raw turns/s | turns/s | of raw | payments/s | witness cost | mean, max");
    for payments in TURNS {
        report(place.path(), payments)?;
    }
    Ok(())
}

fn report(place: &Path, payments: u64) -> Result<(), Failure> {
    let bounded = Config::default();
    let each = Config { witness_commits: 1, ..Config::default() };
    let never = Config { witness_commits: u32::MAX, witness_millis: u64::MAX, ..Config::default() };
    let mut raw = File::create(place.join(format!("raw-{payments}")))?;
    let mut stores = Vec::new();
    for (name, config) in [("bounded", bounded), ("each", each), ("never", never)] {
        let folder = place.join(format!("{name}-{payments}"));
        stores.push((FjallStore::open(folder, &config)?, 0, Vec::new()));
    }
    let bytes = vec![0x5a; usize::try_from(payments)? * (MESSAGE_BYTES + 80)];
    let mut appends = Vec::new();
    for _ in 0..ROUNDS {
        appends.push(rate(|| Ok(raw.write_all(&bytes).and_then(|()| raw.sync_data())?))?);
        for (store, turn, rates) in &mut stores {
            rates.push(rate(|| {
                *turn += 1;
                Ok(store.commit(&batch(*turn, payments))?)
            })?);
        }
    }
    let append = median(appends);
    let metrics = stores[0].0.metrics();
    let load = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let mean = load(&metrics.commit_nanos) / load(&metrics.commits) / 1_000;
    let worst = load(&metrics.commit_nanos_max) / 1_000;
    let [turns, each, never] = [0, 1, 2].map(|at| median(stores[at].2.clone()));
    println!(
        "{payments:8} | {append:11.0} | {turns:7.0} | {:6.2} | {:10.0} | {:.2} (each: {:.2}) | \
         {mean} us, {worst} us",
        turns / append,
        turns * payments as f64,
        never / turns,
        never / each,
    );
    Ok(())
}

/// How often `act` runs in a second.
fn rate(mut act: impl FnMut() -> Result<(), Failure>) -> Result<f64, Failure> {
    let began = Instant::now();
    let mut count = 0.0;
    while began.elapsed() < ROUND {
        act()?;
        count += 1.0;
    }
    Ok(count / began.elapsed().as_secs_f64())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn batch(turn: u64, payments: u64) -> Batch {
    let mut batch = Batch::default();
    let to = Address::repeat_byte(1);
    for payment in turn * payments..(turn + 1) * payments {
        let message = vec![payment.to_le_bytes()[0]; MESSAGE_BYTES];
        batch.push(Write::Message(to, MessageId(payment), Some(message)));
        if let Some(old) = payment.checked_sub(payments) {
            batch.push(Write::Message(to, MessageId(old), None));
        }
        let channel = ChannelId(B256::with_last_byte((payment % CHANNELS).to_le_bytes()[0]));
        let voucher = Voucher { channel, total: payment.into(), signature: Signature([0x1b; 65]) };
        let paid = Paid { total: payment.into(), voucher: Some(voucher) };
        batch.push(Write::Paid(channel, Some(paid)));
    }
    batch
}
