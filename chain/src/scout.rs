//! Keeps up the connection to one endpoint and tells its newest block.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::OptionFuture;
use futures::stream::{BoxStream, StreamExt};
use tokio::sync::{Notify, watch};
use tokio::time::sleep;
use tracing::{info, warn};

use crate::backoff::Backoff;
use crate::config::ChainConfig;
use crate::endpoint::{Endpoint, verify};
use crate::error::ChainError;
use crate::metrics::Metrics;
use crate::rpc::{Header, Rpc};

/// First wait after the endpoint failed.
const FIRST_RETRY: Duration = Duration::from_millis(250);

/// Longest wait between two attempts to reach the endpoint: an operator who repaired it sees the
/// node come back within half a minute.
const LONGEST_RETRY: Duration = Duration::from_secs(30);

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
    /// Its newest block.
    pub(crate) head: Option<Header>,
    /// When that changed last, or the connection came or went.
    pub(crate) since: Instant,
    /// Why there is no connection.
    pub(crate) error: Option<Arc<ChainError>>,
}

impl Default for Report {
    fn default() -> Self {
        Self { rpc: None, head: None, since: Instant::now(), error: None }
    }
}

impl Report {
    /// The newest block, while the endpoint answers.
    pub(crate) fn live_head(&self) -> Option<Header> {
        self.rpc.as_ref().and(self.head)
    }

    fn show(&mut self, head: Header) {
        if self.head != Some(head) {
            self.head = Some(head);
            self.since = Instant::now();
        }
    }

    /// True when only the operator can help.
    pub(crate) fn is_hopeless(&self) -> bool {
        self.error.as_ref().is_some_and(|error| !error.is_retryable())
    }
}

impl Scout {
    /// Runs until the endpoint turns out to be one that only new settings can repair. `first` is
    /// a connection that was verified already.
    pub(crate) async fn run(self, mut first: Option<Rpc>) {
        let mut backoff = backoff(self.config.poll_interval);
        loop {
            let Err(error) = self.session(first.take(), &mut backoff).await;
            let hopeless = !error.is_retryable();
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
        let mut head = rpc.head().await?;
        info!(endpoint = self.endpoint.shown(), "chain endpoint is up");
        self.tell(|report| {
            report.rpc = Some(rpc.clone());
            report.error = None;
            report.since = Instant::now();
            report.show(head);
        });
        loop {
            self.tell_head(head);
            backoff.reset();
            self.pause(&mut announcements).await?;
            head = rpc.head().await?;
        }
    }

    fn tell_head(&self, head: Header) {
        if self.report.borrow().head != Some(head) {
            self.tell(|report| report.show(head));
        }
    }

    fn tell(&self, change: impl FnOnce(&mut Report)) {
        self.report.send_modify(change);
        self.news.notify_one();
    }

    /// Waits for the next look at the head.
    async fn pause(
        &self,
        announcements: &mut Option<BoxStream<'static, ()>>,
    ) -> Result<(), ChainError> {
        let next = OptionFuture::from(announcements.as_mut().map(StreamExt::next));
        tokio::select! {
            () = sleep(self.config.poll_interval) => Ok(()),
            Some(announced) = next => announced.ok_or(ChainError::Disconnected),
        }
    }
}
