//! Keeps up the connection to one endpoint and tells its newest block.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::OptionFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::{sleep, timeout};
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::cadence::Cadence;
use crate::config::ChainConfig;
use crate::endpoint::{Endpoint, verify};
use crate::error::ChainError;
use crate::heads::{Heads, Shown};
use crate::metrics::Metrics;
use crate::rpc::{Header, Rpc};

/// First wait after the endpoint failed.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Longest wait between two attempts to reach the endpoint. A challenge may be about to run out when
/// it is back.
const LONGEST_RETRY: Duration = Duration::from_secs(5);

/// Where requests are limited, one in so many may be a look at the head: what is done about what it
/// shows must have its turn too.
const LOOK_SHARE: u32 = 8;

/// Looks in a row that must fail before the endpoint is down. Each has been repeated by then.
const FAILED_LOOKS: u32 = 2;

/// A look that waits longer than this is not waited for by those that have other endpoints: one that
/// takes connections and never answers must stop nobody.
pub(crate) const SILENCE: Duration = Duration::from_secs(5);

/// How long an endpoint that is gone counts as one that could contradict.
pub(crate) const ABSENCE: Duration = Duration::from_secs(10);

/// Waits between attempts to use an endpoint.
pub(crate) fn backoff(poll_interval: Duration) -> Backoff {
    Backoff::new(FIRST_RETRY, LONGEST_RETRY.max(poll_interval))
}

/// The task that looks after one endpoint.
pub(crate) struct Scout {
    pub(crate) endpoint: Endpoint,
    pub(crate) config: ChainConfig,
    pub(crate) report: watch::Sender<Report>,
    /// Wakes whoever reads the reports of all scouts.
    pub(crate) news: Arc<Notify>,
    pub(crate) metrics: Arc<Metrics>,
}

/// How the endpoint is.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// A verified connection, while there is one.
    pub(crate) rpc: Option<Rpc>,
    /// Its newest blocks.
    pub(crate) heads: Arc<Heads>,
    /// When that changed last, or the connection came or went.
    pub(crate) since: Instant,
    /// Why there is no connection.
    pub(crate) error: Option<Arc<ChainError>>,
    /// It has served our contracts before: whatever it answers now may pass.
    pub(crate) proven: bool,
    /// False while a look waits for long.
    pub(crate) answers: bool,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            rpc: None,
            heads: Arc::default(),
            since: Instant::now(),
            error: None,
            proven: false,
            answers: true,
        }
    }
}

impl Report {
    /// The newest block, while the endpoint answers.
    pub(crate) fn live_head(&self) -> Option<Header> {
        self.rpc.as_ref().and_then(|_| self.heads.newest())
    }

    /// True when only the operator can help.
    pub(crate) fn is_hopeless(&self) -> bool {
        !self.proven && self.error.as_ref().is_some_and(|error| !error.is_retryable())
    }
}

impl Scout {
    /// Runs until the endpoint turns out to be one that only new settings can repair. `first` is
    /// a connection that was verified already.
    pub(crate) async fn run(self, mut first: Option<Rpc>) {
        let mut backoff = backoff(self.config.poll_interval);
        loop {
            let Err(error) = self.session(first.take(), &mut backoff).await;
            let hopeless = !error.is_retryable() && !self.report.borrow().proven;
            self.metrics.endpoint_failures.increment();
            let wait = backoff.next();
            warn!(endpoint = self.endpoint.shown(), %error, ?wait, "chain endpoint is not usable");
            self.tell(|report| {
                if report.rpc.take().is_some() {
                    report.since = Instant::now();
                }
                report.error = Some(Arc::new(error));
            });
            if hopeless {
                return;
            }
            sleep(wait).await;
        }
    }

    /// A connection to our chain.
    pub(crate) async fn connect(&self) -> Result<Rpc, ChainError> {
        let rpc = self.endpoint.connect().await?;
        verify(&rpc, &self.config.deployment, self.config.start_block).await?;
        Ok(rpc)
    }

    /// One connection, until it fails.
    async fn session(
        &self,
        first: Option<Rpc>,
        backoff: &mut Backoff,
    ) -> Result<Infallible, ChainError> {
        let rpc = match first {
            Some(rpc) => rpc,
            None => self.connect().await?,
        };
        let mut announcements = rpc.announcements().await?;
        let mut heads = Heads::default();
        let mut blocks = self.heard(Self::look(&rpc, &mut heads, None)).await?;
        info!(endpoint = self.endpoint.shown(), "chain endpoint is up");
        let mut cadence = Cadence::new(self.config.poll_interval);
        let mut failed: u32 = 0;
        loop {
            if blocks > 0 {
                self.show(&rpc, &heads);
            }
            let timestamp = heads.newest().map_or(0, |head| head.block.timestamp);
            let rhythm = cadence.wait(Instant::now(), blocks, timestamp);
            let wait = rhythm.max(rpc.gap() * LOOK_SHARE);
            let announced = Self::pause(&mut announcements, wait).await?;
            blocks = match self.heard(Self::look(&rpc, &mut heads, announced)).await {
                Ok(blocks) => {
                    failed = 0;
                    backoff.reset();
                    blocks
                }
                Err(error) => {
                    failed = failed.saturating_add(1);
                    if failed >= FAILED_LOOKS {
                        return Err(error);
                    }
                    debug!(endpoint = self.endpoint.shown(), %error, "a look has failed");
                    0
                }
            };
        }
    }

    /// The end of a look. Tells of one that waits for long.
    async fn heard<T>(
        &self,
        look: impl Future<Output = Result<T, ChainError>>,
    ) -> Result<T, ChainError> {
        let mut look = pin!(look);
        let done = match timeout(SILENCE, &mut look).await {
            Ok(done) => done,
            Err(_) => {
                debug!(endpoint = self.endpoint.shown(), "no answer to a look yet");
                self.tell(|report| report.answers = false);
                look.await
            }
        };
        // Also where an earlier look was left unanswered, and no new block has come since.
        if done.is_ok() && !self.report.borrow().answers {
            self.tell(|report| report.answers = true);
        }
        done
    }

    /// One look at the newest block, and at those between it and what is known. Answers how many
    /// blocks are new.
    async fn look(
        rpc: &Rpc,
        heads: &mut Heads,
        announced: Option<Header>,
    ) -> Result<u64, ChainError> {
        let head = match announced {
            Some(head) => head,
            None => rpc.head().await?,
        };
        let mut piece = vec![head];
        let mut below = head.parent;
        loop {
            match heads.show(&piece) {
                Shown::Known => return Ok(0),
                Shown::Linked { blocks } => return Ok(blocks),
                // A node that lags, or follows another fork, answers from time to time.
                Shown::Wants(height) => match rpc.header(height).await? {
                    Some(header) if header.block.hash == below => {
                        below = header.parent;
                        piece.push(header);
                    }
                    Some(_) | None => return Ok(0),
                },
            }
        }
    }

    /// Tells of a new head.
    fn show(&self, rpc: &Rpc, heads: &Heads) {
        let heads = Arc::new(heads.clone());
        rpc.remember(&heads);
        self.tell(|report| {
            if report.rpc.is_none() {
                report.rpc = Some(rpc.clone());
                report.error = None;
                report.proven = true;
            }
            report.heads = heads;
            report.since = Instant::now();
            report.answers = true;
        });
    }

    fn tell(&self, change: impl FnOnce(&mut Report)) {
        self.report.send_modify(change);
        self.news.notify_one();
    }

    /// Waits for the next look at the head, or for the head.
    async fn pause(
        announcements: &mut Option<BoxStream<'static, Header>>,
        wait: Duration,
    ) -> Result<Option<Header>, ChainError> {
        let next = OptionFuture::from(announcements.as_mut().map(StreamExt::next));
        tokio::select! {
            () = sleep(wait) => Ok(None),
            Some(announced) = next => announced.map(Some).ok_or(ChainError::Disconnected),
        }
    }
}
