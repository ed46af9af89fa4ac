//! The application's end of a node: what RPC methods and embedding programs use.

use std::sync::Arc;
use std::time::Duration;

use chain::ChainHandle;
use engine::effect::{Response, Update};
use engine::error::RequestError;
use engine::input::Request;
use engine::objectives::{Objective, ObjectiveStatus};
use engine::policy::Policy;
use engine::sending::Sending;
use engine::state::Deployment;
use engine::types::{Address, Amount, B256, ChannelId, ObjectiveId};
use p2p::P2pHandle;
use store::ArchiveReader;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::credits::{Credits, Uncredited};
use crate::engine_thread::Job;
use crate::intake::IntakeMetrics;
use crate::tower::{Count, TowerHandle};

/// Talks to a running node. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) inbox: mpsc::Sender<Job>,
    pub(crate) updates: broadcast::Sender<Update>,
    pub(crate) credits: Credits,
    pub(crate) address: Address,
    pub(crate) deployment: Deployment,
    pub(crate) policy: Arc<Policy>,
    pub(crate) p2p: P2pHandle,
    pub(crate) chain: ChainHandle,
    pub(crate) archive: ArchiveReader,
    pub(crate) tower: Option<TowerHandle>,
    pub(crate) intake: Arc<IntakeMetrics>,
    pub(crate) stop: CancellationToken,
}

/// Why a call has no result.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The engine refuses; nothing has changed.
    #[error(transparent)]
    Refused(#[from] RequestError),
    /// The node is stopping; the request was not begun and nothing has changed.
    #[error("the node is stopping; nothing was done")]
    Stopped,
    /// The node stopped before the request was answered: it may be done or not.
    #[error("the node has stopped before it could tell whether this was done")]
    Unknown,
    /// The payment is made, and the payee has not confirmed it: the node is stopping, or the channel
    /// has ended.
    #[error("the payment is made, and the payee has not confirmed it")]
    Undelivered,
    /// The payee credits nothing of the payment, and never will.
    #[error(transparent)]
    Uncredited(#[from] Uncredited),
}

/// A payment that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payment {
    /// Over which channel.
    pub channel: ChannelId,
    /// Everything paid over it, this payment included.
    pub total: Amount,
    /// What can still be paid.
    pub remaining: Amount,
    /// True when it was made before and nothing was paid now.
    pub repeated: bool,
}

/// Why an objective's end was not seen.
#[derive(Debug, thiserror::Error)]
pub enum WaitError {
    /// Still running when the time was over.
    #[error("objective {} is still running", .0.id)]
    TimedOut(Objective),
    /// No such objective runs or ran.
    #[error("objective: no objective {0} is known")]
    Unknown(ObjectiveId),
    /// The archive cannot be read.
    #[error("the archive cannot be read: {0}")]
    Archive(String),
    /// The node is stopping.
    #[error("the node is stopping")]
    Stopped,
}

impl NodeHandle {
    /// Asks the engine; returns once what follows from the request is durable.
    ///
    /// # Errors
    /// When the engine refuses or the node stops.
    pub async fn request(&self, request: Request) -> Result<Response, CallError> {
        let (answer, response) = oneshot::channel();
        let job = Job::Request(Box::new(request), answer);
        self.inbox.send(job).await.map_err(|_| CallError::Stopped)?;
        response.await.map_err(|_| CallError::Unknown)?
    }

    /// Pays `amount`, once however often it is asked for when `total`, everything paid over the
    /// channel afterwards, is named. Returns once the payment is durable here.
    ///
    /// # Errors
    /// When the engine refuses or the node stops.
    pub async fn make_payment(
        &self,
        channel: ChannelId,
        amount: Amount,
        total: Option<Amount>,
    ) -> Result<Payment, CallError> {
        let request = match total {
            Some(total) => Request::PayTo { channel, amount, total },
            None => Request::Pay { channel, amount },
        };
        match self.request(request).await? {
            Response::Paid { total, remaining } => {
                Ok(Payment { channel, total, remaining, repeated: false })
            }
            Response::PaidBefore { total, remaining } => {
                Ok(Payment { channel, total, remaining, repeated: true })
            }
            _ => unreachable!("a payment is answered with a payment"),
        }
    }

    /// Waits until the payee has credited a payment, durably.
    ///
    /// # Errors
    /// When the node stops or the channel ends before that: the payment is delivered after the
    /// restart, or settled with the channel. When the payee says that it credits nothing of it.
    pub async fn delivered(&self, payment: &Payment) -> Result<(), CallError> {
        // A node that stops hears no payee any more.
        tokio::select! {
            biased;
            word = self.credits.wait(payment.channel, payment.total) => {
                word.map_err(|_| CallError::Undelivered)?.map_err(CallError::from)
            }
            () = self.stop.cancelled() => Err(CallError::Undelivered),
        }
    }

    /// What the payee counts as paid over a channel, if it has said so since the node has started.
    #[must_use]
    pub fn credited(&self, channel: ChannelId) -> Option<Amount> {
        self.credits.credited(channel)
    }

    /// Pays; with `delivered`, returns only once the payee has credited the payment.
    ///
    /// # Errors
    /// When the engine refuses or the node stops. A voucher that is made but not yet delivered
    /// when the node stops is delivered after the restart.
    pub async fn pay(
        &self,
        channel: ChannelId,
        amount: Amount,
        delivered: bool,
    ) -> Result<Payment, CallError> {
        let payment = self.make_payment(channel, amount, None).await?;
        if delivered {
            self.delivered(&payment).await?;
        }
        Ok(payment)
    }

    /// Changes as they are committed. A listener that lags behind misses some and is told so.
    #[must_use]
    pub fn updates(&self) -> broadcast::Receiver<Update> {
        self.updates.subscribe()
    }

    /// Waits until an objective has ended, however it ended.
    ///
    /// # Errors
    /// When it is unknown, or still running after `timeout`.
    pub async fn wait_objective(
        &self,
        id: ObjectiveId,
        timeout: Duration,
    ) -> Result<Objective, WaitError> {
        // Listening before looking: an end in between is not missed.
        let mut updates = self.updates();
        let mut last = match self.look_up(id).await? {
            objective if has_ended(&objective) => return Ok(objective),
            objective => objective,
        };
        let end = tokio::time::sleep(timeout);
        tokio::pin!(end);
        loop {
            let update = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(WaitError::Stopped),
                update = updates.recv() => update,
                () = &mut end => return Err(WaitError::TimedOut(last)),
            };
            match update {
                Ok(Update::Objective(objective)) if objective.id == id => last = objective,
                Ok(_) => continue,
                Err(RecvError::Lagged(_)) => last = self.look_up(id).await?,
                Err(RecvError::Closed) => return Err(WaitError::Stopped),
            }
            if has_ended(&last) {
                return Ok(last);
            }
        }
    }

    /// Waits until something that is sent for the owner has ended, however it ended.
    ///
    /// # Errors
    /// When it is unknown, or the node stops.
    pub async fn end_of_sending(&self, key: B256, sending: Sending) -> Result<Sending, CallError> {
        // Listening before looking: an end in between is not missed.
        let mut updates = self.updates();
        let mut last = sending;
        let mut is_fresh = false;
        while last.end.is_none() {
            if !is_fresh {
                let Response::Sending(_, found) = self.request(Request::GetSending(key)).await?
                else {
                    return Err(CallError::Unknown);
                };
                (last, is_fresh) = (*found, true);
                continue;
            }
            let update = tokio::select! {
                biased;
                () = self.stop.cancelled() => return Err(CallError::Stopped),
                update = updates.recv() => update,
            };
            match update {
                Ok(Update::Sending(of, ended)) if of == key => last = *ended,
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => is_fresh = false,
                Err(RecvError::Closed) => return Err(CallError::Stopped),
            }
        }
        Ok(last)
    }

    /// An objective, running or ended.
    ///
    /// # Errors
    /// When it is neither, or the node stops.
    pub async fn look_up(&self, id: ObjectiveId) -> Result<Objective, WaitError> {
        match self.request(Request::GetObjective(id)).await {
            Ok(Response::Objective(objective)) => return Ok(objective),
            Ok(_) | Err(CallError::Refused(_)) => {}
            Err(
                CallError::Stopped
                | CallError::Unknown
                | CallError::Undelivered
                | CallError::Uncredited(_),
            ) => return Err(WaitError::Stopped),
        }
        self.archive
            .archived_objective(id)
            .map_err(|error| WaitError::Archive(error.report()))?
            .ok_or(WaitError::Unknown(id))
    }

    /// The node's name.
    #[must_use]
    pub const fn address(&self) -> Address {
        self.address
    }

    /// The contracts that the node signs for.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// What the node agrees to.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The network.
    #[must_use]
    pub const fn p2p(&self) -> &P2pHandle {
        &self.p2p
    }

    /// The chain.
    #[must_use]
    pub const fn chain(&self) -> &ChainHandle {
        &self.chain
    }

    /// Closed channels and ended objectives.
    #[must_use]
    pub const fn archive(&self) -> &ArchiveReader {
        &self.archive
    }

    /// What this node guards for others; none when it is no watchtower.
    pub async fn guarded(&self) -> Option<Count> {
        match &self.tower {
            Some(tower) => tower.count().await,
            None => None,
        }
    }

    /// What has come in from peers since the start.
    #[must_use]
    pub fn intake(&self) -> &IntakeMetrics {
        &self.intake
    }
}

const fn has_ended(objective: &Objective) -> bool {
    !matches!(objective.status, ObjectiveStatus::Running(_))
}
