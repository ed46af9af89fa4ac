//! Asks the adjudicator where a channel stands: when it is guarded for the first time, when the
//! tower starts, and when an answer was not taken. Everything else is told by the chain's events.

use std::time::Duration;

use chain::ChainHandle;
use engine::types::ChannelId;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::book::Fact;
use super::service::Job;

/// Before the endpoint is asked again that did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// One question at a time, in their order: a start with many channels must not use up what the
/// endpoint grants to the watcher and the submitter. The queue has at most a few questions per
/// guarded channel.
pub(super) async fn run(
    mut questions: mpsc::UnboundedReceiver<ChannelId>,
    chain: ChainHandle,
    tower: mpsc::Sender<Job>,
    stop: CancellationToken,
) {
    while let Some(Some(channel)) = stop.run_until_cancelled(questions.recv()).await {
        let Some(fact) = stop.run_until_cancelled(ask(&chain, channel)).await else { return };
        if tower.send(Job::Told(channel, fact)).await.is_err() {
            return;
        }
    }
}

async fn ask(chain: &ChainHandle, channel: ChannelId) -> Fact {
    loop {
        match chain.channel_status(channel).await {
            Ok(status) if status.finalizes_at == 0 => return Fact::Open,
            Ok(status) => {
                return Fact::Challenged { turn: status.turn, finalizes_at: status.finalizes_at };
            }
            Err(reason) => {
                debug!(%channel, %reason, "the adjudicator is asked again later");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
