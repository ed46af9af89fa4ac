//! Hands transactions to the endpoints, and sees to it that one which they refuse stands in
//! nobody's way.
//!
//! A nonce is mined only after those below it. So a transaction that is refused for good gives its
//! nonce to the next call at once, and one that is refused again and again, for whatever reason,
//! after a few times. Where nobody takes the nonce and somebody waits behind it, a transaction
//! that does nothing is sent under it.

use tracing::{debug, info, warn};

use super::fees::Fees;
use super::request::Request;
use super::send::{Estimate, cost};
use super::settle::Standing;
use super::size::Excess;
use super::{Submitter, View};
use crate::error::ChainError;
use crate::journal::{Attempt, Purpose, SentTx, Settled};
use crate::panel::Panel;
use crate::refusal::Refusal;
use engine::types::CallId;

/// How often a transaction that the endpoint does not have may be refused in a row for a reason
/// that may pass. Then its call gets another one, behind those that waited for it.
const MOST_REFUSALS: u32 = 3;

impl Submitter {
    /// Sends a transaction for the first time. A refusal now is known to be one, so that the
    /// nonce is free again.
    pub(super) async fn send_first(
        &mut self,
        panel: &Panel,
        id: CallId,
        tx: &SentTx,
        attempt: Attempt,
    ) -> Result<(), ChainError> {
        // Nobody hears of a refusal whether an earlier try of the same request has got through.
        if self.is_transfer(tx) {
            return self.send_again(panel, id, tx, attempt, Standing::Lost).await;
        }
        match self.offer(panel, tx, attempt).await? {
            None => Ok(()),
            Some(Refusal::ReplacementUnderpriced) => {
                // Somebody else uses our key; leave that transaction alone.
                self.nonces.occupied(tx.nonce);
                self.drop_tx(id, tx.nonce).await
            }
            Some(Refusal::NonceTooLow | Refusal::FeeTooLow | Refusal::PoolFull) => {
                self.drop_tx(id, tx.nonce).await
            }
            Some(refusal) => self.refused(id, tx, refusal).await,
        }
    }

    /// Sends a transaction that was sent before. What the endpoint still has of it stays as it is,
    /// whatever it says now.
    pub(super) async fn send_again(
        &mut self,
        panel: &Panel,
        id: CallId,
        tx: &SentTx,
        attempt: Attempt,
        standing: Standing,
    ) -> Result<(), ChainError> {
        match (self.offer(panel, tx, attempt).await?, standing) {
            (None, _) | (Some(_), Standing::Pooled) => Ok(()),
            // It may be mined by now; the next look says by which transaction.
            (Some(Refusal::NonceTooLow), Standing::Lost) => Ok(()),
            // More is offered in time, the sooner the more it holds up.
            (Some(Refusal::FeeTooLow | Refusal::PoolFull), Standing::Lost) => Ok(()),
            (Some(refusal), Standing::Lost) => self.refused(id, tx, refusal).await,
        }
    }

    /// What becomes of a transaction that is in no pool and gets into none.
    async fn refused(
        &mut self,
        id: CallId,
        tx: &SentTx,
        refusal: Refusal,
    ) -> Result<(), ChainError> {
        if refusal == Refusal::TooLarge {
            return self.too_large(id, tx).await;
        }
        let times = self.refused.entry(tx.nonce).or_default();
        *times = times.saturating_add(1);
        if !refusal.is_definite() && *times < MOST_REFUSALS {
            return Ok(());
        }
        if refusal == Refusal::ReplacementUnderpriced {
            self.nonces.occupied(tx.nonce);
        }
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.stands_back = true;
        }
        self.drop_tx(id, tx.nonce).await
    }

    async fn too_large(&mut self, id: CallId, tx: &SentTx) -> Result<(), ChainError> {
        if tx.purpose == Purpose::Call {
            // Never taken by anybody: its end is this one, and no doubt.
            self.missed.remove(&tx.nonce);
            if let Some(entry) = self.calls.get_mut(&id) {
                entry.record.txs.retain(|known| known.nonce != tx.nonce);
            }
            return self.settle(id, Excess::refused(tx.gas).into()).await;
        }
        self.drop_tx(id, tx.nonce).await?;
        match tx.purpose {
            // No smaller call would change that.
            Purpose::Approve => {
                let reason = format!("an approval with {} gas is too large", tx.gas);
                self.settle(id, Settled::Reverted(reason)).await
            }
            Purpose::Call | Purpose::Fill => Ok(()),
        }
    }

    /// Hands one form of a transaction to the endpoints; a refusal is reported and returned.
    ///
    /// # Errors
    /// When the endpoint is out of reach, or answers nobody: then nothing else can be sent either.
    async fn offer(
        &mut self,
        panel: &Panel,
        tx: &SentTx,
        attempt: Attempt,
    ) -> Result<Option<Refusal>, ChainError> {
        let fees = Fees::of(&attempt);
        let raw = self.sealed_again(tx, attempt)?;
        self.metrics.transactions_sent.increment();
        let (refusal, message) = match panel.send(&raw).await {
            Ok(()) => (Refusal::AlreadyKnown, String::new()),
            Err(ChainError::Refused { kind, message, .. }) if kind != Refusal::Busy => {
                (kind, message)
            }
            Err(error) => return Err(error),
        };
        if refusal == Refusal::AlreadyKnown {
            self.refused.remove(&tx.nonce);
            return Ok(None);
        }
        debug!(nonce = tx.nonce, hash = %attempt.hash, %message, ?refusal, "transaction refused");
        match refusal {
            Refusal::NonceTooLow => {}
            Refusal::InsufficientFunds => {
                let have = panel.leader.balance(self.account()).await?;
                self.report_poverty(tx.value.saturating_add(cost(tx.gas, fees.max)), have);
            }
            _ => self.report(format!("the endpoint refuses a transaction: {message}")),
        }
        Ok(Some(refusal))
    }

    /// Leaves transactions alone that the account's owner has sent beside this node: theirs are the
    /// nonces that they have. Only where a call behind them runs out are they outbid, and that is
    /// said.
    pub(super) async fn heed_others(
        &mut self,
        panel: &Panel,
        view: &View,
    ) -> Result<(), ChainError> {
        let pending = match panel.leader.pending_nonce(self.account()).await {
            Ok(pending) => pending,
            // Not every endpoint has a pool.
            Err(ChainError::Refused { kind, .. }) if kind != Refusal::Busy => return Ok(()),
            Err(error) => return Err(error),
        };
        let in_use = self.nonces_in_use();
        self.nonces.heed(view.mined, pending, &in_use);
        let (now, pressure) = (view.head.block.timestamp, self.pressure());
        let foreign: Vec<u64> = self.nonces.foreign().collect();
        for nonce in foreign {
            if let Some(run) = pressure.on(nonce).filter(|run| run.is_half_over(now)) {
                warn!(
                    account = %self.account(),
                    nonce,
                    deadline = run.deadline,
                    "replacing a transaction that this node did not send: a call behind it runs out"
                );
                self.nonces.contest(nonce);
            } else if in_use.last().is_some_and(|last| *last > nonce) {
                self.report(format!(
                    "a transaction that this node did not send waits under nonce {nonce} of account \
                     {}, and what the node sends waits behind it; speed it up or cancel it",
                    self.account()
                ));
            }
        }
        Ok(())
    }

    /// Uses up the nonces that no call uses, and behind which calls wait.
    pub(super) async fn fill(&mut self, panel: &Panel, view: &View) -> Result<(), ChainError> {
        for hole in self.nonces.holes(view.mined, &self.nonces_in_use()) {
            let Some(id) = self.first_behind(hole) else { continue };
            let request = Request::nothing(self.account());
            let Estimate::Gas(gas) = self.estimate(panel, view, &request).await? else { continue };
            info!(call = id.0, nonce = hole, "nothing uses a nonce before this call");
            self.launch(panel, view, id, Purpose::Fill, request, gas).await?;
        }
        Ok(())
    }

    /// The call that waits first for a nonce to be used.
    fn first_behind(&self, hole: u64) -> Option<CallId> {
        let behind = self.open().filter_map(|(id, entry)| {
            Some((entry.record.nonces().filter(|nonce| *nonce > hole).min()?, id))
        });
        behind.min().map(|(_, id)| id)
    }
}
