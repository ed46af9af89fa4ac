//! Starts the tasks of the service and connects them: a scout per endpoint, watcher, submitter.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use alloy::primitives::B256;
use alloy::signers::local::PrivateKeySigner;
use engine::chain::{Account, BlockRef};
use futures::FutureExt;
use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::config::{AccountKey, ChainConfig};
use crate::endpoint::Endpoint;
use crate::error::ChainError;
use crate::event::Event;
use crate::handle::{ChainHandle, ChannelCalls};
use crate::journal::{Journal, Part};
use crate::metrics::Metrics;
use crate::roster::{Patience, Roster};
use crate::rpc::Rpc;
use crate::scout::{ABSENCE, Report, SILENCE, Scout, backoff};
use crate::status::{CallStatus, ChainStatus};
use crate::submitter::{Submitter, Wiring};
use crate::watcher::{Cursor, History, Watched, Watcher};

/// Events on their way to the node. Enough that a backfill does not wait for every commit.
const EVENTS: usize = 256;

/// The chain service.
#[derive(Debug)]
pub struct Chain;

impl Chain {
    /// Starts the service. It continues after `cursor`, the last block that the engine has
    /// applied; `recent` are applied blocks before it, for finding the common ancestor after a
    /// reorganisation. Where `history` is irrelevant it begins near the newest block. The tasks run on `tracker` until `cancel`.
    ///
    /// An endpoint that is down is no error: it is tried again and again, and reported.
    ///
    /// # Errors
    /// When the endpoint, the key or the journal cannot be used, when the endpoint serves
    /// another chain, or when a configured contract does not exist.
    pub async fn start(
        config: ChainConfig,
        cursor: Option<BlockRef>,
        recent: Vec<BlockRef>,
        history: History,
        journal: Box<dyn Journal>,
        cancel: CancellationToken,
        tracker: &TaskTracker,
    ) -> Result<(ChainHandle, mpsc::Receiver<Event>), ChainError> {
        let endpoints = parse(&config)?;
        let signer = signer_of(&config.key)?;
        let account = signer.address();
        let metrics = Arc::new(Metrics::default());
        let (events, node) = mpsc::channel(EVENTS);
        let fatal = events.clone();
        // Without a bound of its own: every call is a row of the engine's outbox, which is
        // offered once, and a row that found no room here would wait for the next start.
        let (calls, inbox) = mpsc::unbounded_channel();
        let (connection, connected) = watch::channel(None);
        let delivered = ChainStatus { delivered: cursor, ..ChainStatus::default() };
        let (chain, chain_seen) = watch::channel(delivered);
        let (call_status, calls_seen) = watch::channel(CallStatus::default());
        let (gas, gas_seen) = watch::channel(None);
        let (doubts, doubted) = watch::channel(None);
        let news = Arc::new(Notify::new());

        let journal: Arc<dyn Journal> = Arc::from(journal);
        let part = |account| Arc::new(Part { journal: Arc::clone(&journal), account });
        let wiring = |inbox, status, doubts| Wiring {
            inbox,
            events: events.clone(),
            connection: connected.clone(),
            chain: chain_seen.clone(),
            status,
            doubts,
            metrics: Arc::clone(&metrics),
        };
        // One key is one account with one row of nonces, and with records of its own: whichever account
        // pays from now on, nonces of the other one are none of its business.
        let channel_key = config.channel_key.as_ref().map(signer_of).transpose()?;
        let is_channel = |signer: &PrivateKeySigner| signer.address() == account;
        let own = match &channel_key {
            Some(signer) if is_channel(signer) => Account::Channel,
            Some(_) | None => Account::Chain,
        };
        // A transfer must not be made by one account while the other one still has it on its way.
        let held = match own {
            Account::Channel if !part(Account::Chain).unfinished()?.is_empty() => {
                return Err(ChainError::AccountBusy);
            }
            Account::Channel => BTreeSet::new(),
            Account::Chain => part(Account::Channel).unfinished()?,
        };
        let submitter =
            Submitter::new(config.clone(), signer, part(own), wiring(inbox, call_status, doubts))?;
        let channel = match channel_key.filter(|_| own == Account::Chain) {
            Some(signer) => {
                let (calls, inbox) = mpsc::unbounded_channel();
                let (status, seen) = watch::channel(CallStatus::default());
                // It makes no deposits, and so doubts nothing.
                let (doubts, _) = watch::channel(None);
                let wiring = wiring(inbox, status, doubts);
                let submitter =
                    Submitter::new(config.clone(), signer, part(Account::Channel), wiring)?;
                Some((submitter, ChannelCalls { calls, status: seen, held: Arc::new(held) }))
            }
            None => None,
        };
        let (channel, channel_calls) = channel.unzip();
        let (scouts, watched) = scouts(&config, endpoints, &news, &metrics);
        let first = first_connections(&scouts, &chain).await?;
        let patience = Patience {
            lag: config.max_lag,
            stall: config.stall_after,
            absence: ABSENCE.min(config.stall_after),
            least: config.quorum,
        };
        let watcher = Watcher {
            account,
            roster: Roster::new(watched.len(), patience, &backoff(config.poll_interval)),
            scouts: watched,
            news,
            cursor: Cursor::new(
                cursor,
                recent,
                config.confirmations,
                config.start_block,
                history,
                config.max_range,
            ),
            events,
            status: chain,
            connection,
            gas,
            metrics: Arc::clone(&metrics),
            seen: None,
            doubted,
            read_again: None,
            way: None,
            awaiting: None,
            calls: calls_seen.clone(),
            account_seen: None,
            config,
        };
        let handle = ChainHandle {
            account,
            adjudicator: watcher.config.deployment.adjudicator,
            calls,
            channel_calls,
            connection: connected,
            chain: chain_seen,
            call_status: calls_seen,
            gas: gas_seen,
            metrics,
        };
        info!(endpoints = scouts.len(), %account, "chain service starts");
        for (scout, first) in scouts.into_iter().zip(first) {
            tracker.spawn(contained(Box::pin(scout.run(first)), fatal.clone(), cancel.clone()));
        }
        tracker.spawn(contained(Box::pin(watcher.run()), fatal.clone(), cancel.clone()));
        if let Some(channel) = channel {
            tracker.spawn(contained(Box::pin(channel.run()), fatal.clone(), cancel.clone()));
        }
        tracker.spawn(contained(Box::pin(submitter.run()), fatal, cancel));
        Ok((handle, node))
    }
}

fn signer_of(key: &AccountKey) -> Result<PrivateKeySigner, ChainError> {
    PrivateKeySigner::from_bytes(&B256::from(*key.bytes())).map_err(|_| ChainError::Key)
}

/// Runs a part of the service. A panic is a bug, and a node that follows no chain must not live on.
async fn contained(
    part: impl Future<Output = ()> + Send,
    events: mpsc::Sender<Event>,
    cancel: CancellationToken,
) {
    let part = AssertUnwindSafe(part).catch_unwind();
    if let Some(Err(_)) = cancel.run_until_cancelled(part).await {
        let why = "a task of the chain service panicked, which is a bug".to_owned();
        // A closed inbox means that the node is stopping anyway.
        let _ = events.send(Event::Fatal(why)).await;
    }
}

/// The configured endpoints. One that is listed twice would confirm itself.
fn parse(config: &ChainConfig) -> Result<Vec<Endpoint>, ChainError> {
    let mut endpoints: Vec<Endpoint> = Vec::new();
    for text in config.endpoints() {
        let endpoint = Endpoint::parse(text)?;
        if endpoints.iter().any(|other| other.is(&endpoint)) {
            return Err(ChainError::Endpoint {
                endpoint: endpoint.shown().to_owned(),
                reason: "it is listed twice".to_owned(),
            });
        }
        endpoints.push(endpoint);
    }
    Ok(endpoints)
}

fn scouts(
    config: &ChainConfig,
    endpoints: Vec<Endpoint>,
    news: &Arc<Notify>,
    metrics: &Arc<Metrics>,
) -> (Vec<Scout>, Vec<Watched>) {
    endpoints
        .into_iter()
        .map(|endpoint| {
            let (report, seen) = watch::channel(Report::default());
            let watched = Watched { shown: endpoint.shown().to_owned(), report: seen };
            let (config, news) = (config.clone(), Arc::clone(news));
            let scout = Scout { endpoint, config, report, news, metrics: Arc::clone(metrics) };
            (scout, watched)
        })
        .unzip()
}

/// Tries every endpoint once, so that wrong settings are refused at start and not later. Once one is
/// usable, those that do not answer are waited for no longer than later.
async fn first_connections(
    scouts: &[Scout],
    status: &watch::Sender<ChainStatus>,
) -> Result<Vec<Option<Rpc>>, ChainError> {
    let mut asked: FuturesUnordered<_> = scouts
        .iter()
        .enumerate()
        .map(|(seat, scout)| async move { (seat, scout.connect().await) })
        .collect();
    let mut connections: Vec<Option<Rpc>> = scouts.iter().map(|_| None).collect();
    let mut patience = Duration::MAX;
    while let Ok(Some((seat, tried))) = timeout(patience, asked.next()).await {
        let endpoint = scouts.get(seat).map_or("", |scout| scout.endpoint.shown());
        match tried {
            Ok(rpc) => {
                patience = SILENCE;
                if let Some(connection) = connections.get_mut(seat) {
                    *connection = Some(rpc);
                }
            }
            Err(error) if error.is_retryable() => {
                warn!(endpoint, %error, "chain endpoint is not usable yet");
                status.send_modify(|status| status.set_down(error.to_string()));
            }
            Err(error) if scouts.len() > 1 => {
                let endpoint = endpoint.to_owned();
                return Err(ChainError::One { endpoint, error: Box::new(error) });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(connections)
}
