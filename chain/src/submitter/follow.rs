//! Looks after transactions that were sent, until they are confirmed.

use std::time::{Duration, Instant};

use alloy::eips::BlockNumberOrTag;
use engine::types::{B256, CallId};
use tracing::{debug, warn};

use super::fees::Fees;
use super::request::Request;
use super::send::Form;
use super::settle::{Inclusion, Replacement, Sighting, Standing, Verdict, verdict};
use super::{Entry, Submitter, View};
use crate::error::ChainError;
use crate::journal::{Attempt, Purpose, SentTx, Settled};
use crate::panel::Panel;
use crate::quorum::Vote;

/// Looks in a row that must miss the receipt of a nonce that is used, before it was used by somebody
/// else. What is taken for lost too early is sent twice.
const MISSED_RECEIPTS: u32 = 6;

impl Submitter {
    /// One look at all transactions of a call.
    pub(super) async fn follow(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
    ) -> Result<(), ChainError> {
        let Some(entry) = self.calls.get(&id) else { return Ok(()) };
        let mut approved = true;
        for tx in entry.record.txs.clone() {
            let verdict = self.look(panel, view, &tx).await?;
            match verdict {
                Verdict::Wait => {}
                Verdict::Resend => self.resend(panel, id, &tx, Standing::Lost).await?,
                Verdict::Bump(standing) => self.bump(panel, view, id, &tx, standing).await?,
                Verdict::Lost => self.drop_tx(id, tx.nonce).await?,
                Verdict::Shallow(_) => {}
                Verdict::Deep(inclusion) => self.conclude(panel, id, &tx, inclusion).await?,
            }
            let mined = matches!(
                verdict,
                Verdict::Shallow(Inclusion { success: true, .. })
                    | Verdict::Deep(Inclusion { success: true, .. })
            );
            approved &= mined || tx.purpose != Purpose::Approve;
        }
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.approved = approved;
        }
        Ok(())
    }

    async fn look(
        &mut self,
        panel: &Panel,
        view: &View,
        tx: &SentTx,
    ) -> Result<Verdict, ChainError> {
        let sighting = self.sight(panel, view, tx).await?;
        let confirmations = self.config.confirmations;
        let due = self.replacement(view, tx);
        Ok(verdict(sighting, view.head.block.number.0, confirmations, due))
    }

    /// Whether the schedule asks to offer more for a transaction.
    fn replacement(&mut self, view: &View, tx: &SentTx) -> Replacement {
        let since = *self.sent.entry(tx.nonce).or_insert_with(Instant::now);
        let schedule = self.schedule(view, tx.nonce);
        // Only the next nonce can be mined at all; paying more for others helps only where
        // something behind them must be mined in the same block.
        let next = tx.nonce == view.mined || self.pressure().on(tx.nonce).is_some();
        let waited = if next { since.elapsed() } else { Duration::ZERO };
        match tx.attempts.last() {
            Some(last) if schedule.is_due(Fees::of(last), waited) => Replacement::Due,
            Some(_) | None => Replacement::Early,
        }
    }

    /// Asks for every form of the transaction, the newest first: any of them may be mined.
    async fn sight(
        &mut self,
        panel: &Panel,
        view: &View,
        tx: &SentTx,
    ) -> Result<Sighting, ChainError> {
        for attempt in tx.attempts.iter().rev() {
            // A receipt without a used nonce is one of a transaction that was lost.
            if let Some(inclusion) = panel.leader.inclusion(attempt.hash).await?
                && view.mined > tx.nonce
            {
                self.missed.remove(&tx.nonce);
                return Ok(Sighting::Mined(inclusion));
            }
        }
        if view.mined > tx.nonce {
            let height = view.head.block.number.0.saturating_sub(self.config.confirmations);
            let confirmed = panel.leader.nonce_at(self.account(), height).await? > tx.nonce;
            // A node that lags does not know of the receipt either.
            let missed = self.missed.entry(tx.nonce).or_default();
            *missed = if confirmed { missed.saturating_add(1) } else { 0 };
            return Ok(Sighting::NonceUsed { confirmed: *missed >= MISSED_RECEIPTS });
        }
        for attempt in tx.attempts.iter().rev() {
            if panel.leader.knows(attempt.hash).await? {
                return Ok(Sighting::Pooled);
            }
        }
        Ok(Sighting::Unknown)
    }

    /// Ends the call when the block of its transaction is still the one at its height.
    async fn conclude(
        &mut self,
        panel: &Panel,
        id: CallId,
        tx: &SentTx,
        inclusion: Inclusion,
    ) -> Result<(), ChainError> {
        if panel.leader.block_at(inclusion.block).await?.block.hash != inclusion.hash {
            return Ok(());
        }
        if !self.is_confirmed(panel, inclusion, tx).await {
            return Ok(());
        }
        match (inclusion.success, tx.purpose) {
            (true, Purpose::Approve) | (_, Purpose::Fill) => Ok(()),
            (true, Purpose::Call) => self.settle(id, Settled::Succeeded(inclusion.block)).await,
            // The call was sent on another allowance; it ends by itself.
            (false, Purpose::Approve) if self.calls.get(&id).is_some_and(Entry::is_sent) => Ok(()),
            (false, _) => {
                let reason = self.reason(panel, tx, inclusion).await?;
                self.settle(id, Settled::Reverted(reason)).await
            }
        }
    }

    /// Whether the other endpoints have the transaction in the same block: a call that one of
    /// them invents a receipt for would never be sent again.
    async fn is_confirmed(&mut self, panel: &Panel, inclusion: Inclusion, tx: &SentTx) -> bool {
        let hashes: Vec<B256> = tx.attempts.iter().rev().map(|attempt| attempt.hash).collect();
        let answer = panel
            .confirm(|rpc| {
                let hashes = hashes.clone();
                async move {
                    for hash in hashes {
                        if let Some(found) = rpc.inclusion(hash).await? {
                            return Ok(Vote::on(&found, &inclusion));
                        }
                    }
                    Ok(Vote::Lacks)
                }
            })
            .await;
        if !answer.decision.holds() {
            self.report(format!(
                "{} says that a transaction is in block {}, which {}",
                panel.leader.shown(),
                inclusion.block,
                answer.against
            ));
        }
        answer.decision.holds()
    }

    /// Why a mined transaction was reverted. Receipts do not say, so it is repeated on the
    /// block before, where it nearly always fails for the same reason.
    async fn reason(
        &self,
        panel: &Panel,
        tx: &SentTx,
        inclusion: Inclusion,
    ) -> Result<String, ChainError> {
        let request = Request { to: tx.to, value: tx.value, data: tx.data.clone(), takes: None };
        for height in [inclusion.block.saturating_sub(1), inclusion.block] {
            let at = BlockNumberOrTag::Number(height);
            match panel.leader.call(request.for_call(self.account()), at).await {
                Err(ChainError::Reverted { reason, .. }) => return Ok(reason),
                // Old states may be pruned; the verdict does not depend on the reason.
                Ok(_) | Err(ChainError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(format!("transaction reverted in block {}", inclusion.block))
    }

    /// Hands a transaction over again, byte for byte.
    async fn resend(
        &mut self,
        panel: &Panel,
        id: CallId,
        tx: &SentTx,
        standing: Standing,
    ) -> Result<(), ChainError> {
        let Some(attempt) = tx.attempts.last() else { return Ok(()) };
        debug!(nonce = tx.nonce, hash = %attempt.hash, ?standing, "sending a transaction again");
        self.metrics.transactions_resent.increment();
        self.send_again(panel, id, tx, *attempt, standing).await
    }

    /// Offers more for a transaction that waits too long.
    async fn bump(
        &mut self,
        panel: &Panel,
        view: &View,
        id: CallId,
        tx: &SentTx,
        standing: Standing,
    ) -> Result<(), ChainError> {
        let Some(last) = tx.attempts.last() else { return Ok(()) };
        let previous = Fees::of(last);
        let schedule = self.schedule(view, tx.nonce);
        let fees = match schedule.bump(previous) {
            Ok(fees) => fees,
            Err(too_expensive) => {
                self.report(format!(
                    "transaction {} of account {} waits: {too_expensive}",
                    last.hash,
                    self.account()
                ));
                return self.resend(panel, id, tx, standing).await;
            }
        };
        let form = Form::at(view.head);
        let purse = self.purse(panel, tx, fees, form).await?;
        let lowered = purse.pay(&schedule, |most| schedule.afford_bump(previous, fees, most));
        let Some(fees) = lowered else {
            self.report_poverty(purse.need(fees), purse.have);
            return self.resend(panel, id, tx, standing).await;
        };
        let (attempt, _) = self.sign(tx, fees, form)?;
        let mut tx = tx.clone();
        tx.attempts.push(attempt);
        self.replace(id, &tx);
        self.save(id).await?;
        self.sent.insert(tx.nonce, Instant::now());
        self.metrics.transactions_bumped.increment();
        debug!(nonce = tx.nonce, hash = %attempt.hash, max_fee = fees.max, "offering a higher fee");
        self.send_again(panel, id, &tx, attempt, standing).await
    }

    fn replace(&mut self, id: CallId, tx: &SentTx) {
        let record = self.calls.get_mut(&id).map(|entry| &mut entry.record);
        let slot =
            record.and_then(|record| record.txs.iter_mut().find(|other| other.nonce == tx.nonce));
        if let Some(slot) = slot {
            *slot = tx.clone();
        }
    }

    /// Forgets a transaction that will not be mined; its nonce is free, and the call gets another
    /// one.
    pub(super) async fn drop_tx(&mut self, id: CallId, nonce: u64) -> Result<(), ChainError> {
        self.missed.remove(&nonce);
        let Some(entry) = self.calls.get_mut(&id) else { return Ok(()) };
        debug!(call = id.0, nonce, "this transaction gives its nonce up");
        let given_up = entry.record.txs.iter().find(|tx| tx.nonce == nonce).cloned();
        entry.record.txs.retain(|tx| tx.nonce != nonce);
        match given_up.filter(|tx| self.is_transfer(tx)) {
            Some(tx) => self.settle(id, lost(&tx)).await,
            None => self.save(id).await,
        }
    }

    /// True for what must not be sent twice. Everything else goes to the adjudicator, which takes it
    /// once, or is an approval of an exact amount.
    pub(super) fn is_transfer(&self, tx: &SentTx) -> bool {
        tx.purpose == Purpose::Call && tx.to != self.config.deployment.adjudicator
    }

    /// After a reorganisation: a settled call whose transaction is no longer in a block is not
    /// settled. The engine learns what changed from the blocks; here the transaction only has
    /// to get back into one.
    pub(super) async fn reopen(&mut self, panel: &Panel) -> Result<(), ChainError> {
        let settled = self.calls.iter().filter(|(_, entry)| entry.is_settled());
        let settled: Vec<CallId> = settled.map(|(id, _)| *id).collect();
        for id in settled {
            self.reopen_one(panel, id).await?;
        }
        Ok(())
    }

    /// The same where only the account's count of mined transactions tells of the reorganisation:
    /// one that the watcher has not told of. A settled call that keeps a nonce which is not used
    /// holds up everything behind it.
    pub(super) async fn reopen_unmined(
        &mut self,
        panel: &Panel,
        view: &View,
    ) -> Result<(), ChainError> {
        let head = view.head.block.number.0;
        let unmined = self.calls.iter().filter(|(_, entry)| {
            let is_below = match &entry.record.settled {
                // An endpoint that is behind is no reorganisation.
                Some(Settled::Succeeded(block)) => *block <= head,
                Some(Settled::Reverted(_) | Settled::TooLarge(..)) => true,
                Some(Settled::Withdrawn | Settled::Unknown(_)) | None => false,
            };
            is_below && entry.record.nonces().any(|nonce| nonce >= view.mined)
        });
        let unmined: Vec<CallId> = unmined.map(|(id, _)| *id).collect();
        for id in unmined {
            self.reopen_one(panel, id).await?;
            let Some(entry) = self.calls.get_mut(&id).filter(|entry| !entry.is_sent()) else {
                continue;
            };
            // Nobody needs what was sent for a call that has ended without its own transaction.
            entry.record.txs.retain(|tx| tx.nonce < view.mined);
            self.save(id).await?;
        }
        Ok(())
    }

    async fn reopen_one(&mut self, panel: &Panel, id: CallId) -> Result<(), ChainError> {
        let call = self.calls.get(&id).and_then(|entry| entry.record.call_tx().cloned());
        let Some(tx) = call else { return Ok(()) };
        if self.is_mined(panel, &tx).await? {
            return Ok(());
        }
        warn!(call = id.0, "a reorganisation took a confirmed transaction back");
        self.metrics.calls_reopened.increment();
        if let Some(entry) = self.calls.get_mut(&id) {
            entry.record.settled = None;
        }
        self.save(id).await
    }

    async fn is_mined(&self, panel: &Panel, tx: &SentTx) -> Result<bool, ChainError> {
        for Attempt { hash, .. } in tx.attempts.iter().rev() {
            if panel.leader.inclusion(*hash).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// The end of a transfer whose nonce goes to others. Should the transaction be mined after all, then
/// nothing else under that nonce is.
fn lost(tx: &SentTx) -> Settled {
    let hash = tx.attempts.last().map(|attempt| attempt.hash).unwrap_or_default();
    Settled::Unknown(format!(
        "transaction {hash} was made, and no endpoint has it in a block or takes it; look for it before \
         you send again"
    ))
}
