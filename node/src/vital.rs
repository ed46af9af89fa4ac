//! Watches what a node must not live on without: its threads, its network, its tasks.
//!
//! A node that answers commands and hears no peer, or follows no chain, is worse than one that has
//! ended: nobody defends its channels and nobody notices. So the end of any part, or its panic, is
//! the end of the process, with a reason.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::error;

use crate::logging::panic_text;
use crate::node::StopReason;

/// How long a part that has just ended waits for a better reason than that.
const OTHER_REASON: Duration = Duration::from_secs(1);

/// The parts of one node. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vitals {
    tasks: TaskTracker,
    reason: watch::Sender<Option<StopReason>>,
    /// Cancelled when the node stops, for whatever reason.
    stop: CancellationToken,
}

impl Vitals {
    /// Watches parts that run on `tasks`, until `stop` is cancelled.
    pub(crate) fn new(tasks: TaskTracker, stop: CancellationToken) -> Self {
        Self { tasks, reason: watch::Sender::new(None), stop }
    }

    /// Why the node stops, once it does.
    pub(crate) fn reason(&self) -> watch::Receiver<Option<StopReason>> {
        self.reason.subscribe()
    }

    /// Stops the node. The first reason stands: what fails afterwards follows from it.
    pub(crate) fn end(&self, why: StopReason) {
        self.reason.send_if_modified(|reason| {
            let is_first = reason.is_none();
            if is_first {
                if let StopReason::Fatal(why) = &why {
                    error!(%why, "the node cannot go on");
                }
                *reason = Some(why);
            }
            is_first
        });
        self.stop.cancel();
    }

    /// Runs a part. It may end once the node stops, and not before.
    pub(crate) fn spawn(
        &self,
        part: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let vitals = self.clone();
        self.tasks.spawn(async move {
            match AssertUnwindSafe(task).catch_unwind().await {
                Ok(()) => {
                    // Parts that lose their neighbour end as well, and it is the neighbour who says
                    // why.
                    let other = timeout(OTHER_REASON, vitals.stop.cancelled()).await;
                    if other.is_err() {
                        vitals.end(StopReason::Fatal(format!("{part} has ended")));
                    }
                }
                Err(panic) => vitals.end(StopReason::Fatal(panicked(part, &*panic))),
            }
        });
    }

    /// Watches a part that was started elsewhere.
    pub(crate) fn watch(&self, part: &'static str, task: JoinHandle<()>) {
        self.spawn(part, async move {
            if let Err(Ok(panic)) = task.await.map_err(JoinError::try_into_panic) {
                resume_unwind(panic);
            }
        });
    }
}

/// Why a part that panicked has ended.
pub(crate) fn panicked(part: &str, panic: &(dyn std::any::Any + Send)) -> String {
    format!("{part} panicked, which is a bug: {}", panic_text(panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn reason(vitals: &Vitals) -> StopReason {
        let mut reason = vitals.reason();
        let reason = reason.wait_for(Option::is_some).await.unwrap();
        reason.clone().unwrap()
    }

    fn vitals() -> Vitals {
        Vitals::new(TaskTracker::new(), CancellationToken::new())
    }

    fn fatal(text: &str) -> StopReason {
        StopReason::Fatal(text.to_owned())
    }

    #[tokio::test]
    async fn a_part_that_panics_ends_the_node_with_its_words() {
        let vitals = vitals();
        vitals.spawn("the intake", async { panic!("no {}", "way") });
        assert_eq!(reason(&vitals).await, fatal("the intake panicked, which is a bug: no way"));
        assert!(vitals.stop.is_cancelled());
    }

    #[tokio::test]
    async fn a_part_that_was_started_elsewhere_is_watched_too() {
        let vitals = vitals();
        vitals.watch("the network", tokio::spawn(async { panic!("gone") }));
        assert_eq!(reason(&vitals).await, fatal("the network panicked, which is a bug: gone"));
    }

    #[tokio::test]
    async fn a_part_that_just_ends_ends_the_node_unless_it_stops_anyway() {
        let running = vitals();
        running.spawn("the intake", async {});
        assert_eq!(reason(&running).await, fatal("the intake has ended"));

        let stopping = vitals();
        stopping.end(StopReason::Asked);
        stopping.spawn("the intake", async {});
        stopping.tasks.close();
        stopping.tasks.wait().await;
        assert_eq!(reason(&stopping).await, StopReason::Asked);
    }
}
