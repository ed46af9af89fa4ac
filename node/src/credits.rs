//! Lets a payer wait until the payee has credited a payment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use engine::effect::Update;
use engine::types::{Amount, ChannelId};
use tokio::sync::oneshot;

/// What payees have credited, and who waits for it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Credits(Arc<Mutex<HashMap<ChannelId, Account>>>);

/// A payment that leads to a total at which the payee already was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the payee credits nothing of this payment: it counts {total} as paid over the channel before, \
     and this node remembered at most {remembered} (wei or units of the token), so that its folder is \
     an older copy"
)]
pub struct Uncredited {
    /// Everything paid as this node remembered it, this payment included.
    pub remembered: Amount,
    /// Everything that the payee counts, as this node's own signature shows.
    pub total: Amount,
}

/// One payment channel, as its payer knows it since the node has started.
#[derive(Debug, Default)]
struct Account {
    /// None before the payee has said a word.
    credited: Option<Amount>,
    /// What the payee credits nothing of: totals above the first number.
    lost: Option<(Amount, Uncredited)>,
    waiting: BTreeMap<Amount, Vec<oneshot::Sender<Result<(), Uncredited>>>>,
}

impl Account {
    /// What is known of a payment that leads to `total`.
    fn fate(&self, total: Amount) -> Option<Result<(), Uncredited>> {
        match self.lost {
            Some((above, lost)) if total > above && total <= lost.remembered => Some(Err(lost)),
            _ => self.credited.filter(|credited| *credited >= total).map(|_| Ok(())),
        }
    }

    fn tell(&mut self) {
        let known: Vec<_> = self
            .waiting
            .keys()
            .filter_map(|total| self.fate(*total).map(|fate| (*total, fate)))
            .collect();
        for (total, fate) in known {
            for waiting in self.waiting.remove(&total).into_iter().flatten() {
                // Whoever waited may have left.
                let _ = waiting.send(fate);
            }
        }
    }
}

impl Credits {
    /// Resolves once the payee's word about a payment is here, at once if it is already. Ends
    /// without a word when the channel does.
    pub(crate) fn wait(
        &self,
        channel: ChannelId,
        total: Amount,
    ) -> oneshot::Receiver<Result<(), Uncredited>> {
        let (sender, receiver) = oneshot::channel();
        let mut accounts = self.accounts();
        let account = accounts.entry(channel).or_default();
        match account.fate(total) {
            Some(fate) => {
                let _ = sender.send(fate);
            }
            None => {
                let waiting = account.waiting.entry(total).or_default();
                waiting.retain(|other| !other.is_closed());
                waiting.push(sender);
            }
        }
        receiver
    }

    /// Everything that the payee has credited, if it has said so since the node has started.
    pub(crate) fn credited(&self, channel: ChannelId) -> Option<Amount> {
        self.accounts().get(&channel)?.credited
    }

    pub(crate) fn hear(&self, update: &Update) {
        match update {
            Update::Credited { channel, total } => {
                let mut accounts = self.accounts();
                let account = accounts.entry(*channel).or_default();
                // Words overtake each other on their way; none takes an earlier one back.
                account.credited = account.credited.max(Some(*total));
                account.tell();
            }
            // What the payee merely claims makes no payment void: it has the voucher.
            Update::Surpassed { proven: false, .. } => {}
            Update::Surpassed { channel, remembered, total, proven: true } => {
                let mut accounts = self.accounts();
                let account = accounts.entry(*channel).or_default();
                let above = account.credited.unwrap_or_default();
                let lost = Uncredited { remembered: *remembered, total: *total };
                account.lost = Some((above, lost));
                account.tell();
            }
            Update::Payment(view) if view.phase.is_none() => {
                self.accounts().remove(&view.id);
            }
            _ => {}
        }
    }

    fn accounts(&self) -> MutexGuard<'_, HashMap<ChannelId, Account>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHANNEL: ChannelId = ChannelId(engine::types::B256::repeat_byte(1));

    fn credited(total: u64) -> Update {
        Update::Credited { channel: CHANNEL, total: total.into() }
    }

    fn now(credits: &Credits, total: u64) -> Option<Result<(), Uncredited>> {
        credits.wait(CHANNEL, total.into()).try_recv().ok()
    }

    #[test]
    fn a_payment_is_credited_by_its_own_or_a_later_total() {
        let credits = Credits::default();
        let mut waiting = credits.wait(CHANNEL, 5_u64.into());
        credits.hear(&credited(4));
        assert!(waiting.try_recv().is_err(), "four of five");
        assert_eq!(credits.credited(CHANNEL), Some(4_u64.into()));
        credits.hear(&credited(7));
        assert_eq!(waiting.try_recv(), Ok(Ok(())));
        credits.hear(&credited(6));
        assert_eq!(now(&credits, 7), Some(Ok(())), "said before");
        assert_eq!(now(&credits, 8), None);
    }

    /// A payee that has the voucher could make the payer believe that it is worth nothing.
    #[test]
    fn a_claim_without_proof_makes_no_payment_void() {
        let credits = Credits::default();
        let mut waiting = credits.wait(CHANNEL, 15_u64.into());
        let (remembered, total) = (15_u64.into(), 16_u64.into());
        credits.hear(&Update::Surpassed { channel: CHANNEL, remembered, total, proven: false });
        assert!(waiting.try_recv().is_err(), "nothing is known");
        credits.hear(&credited(15));
        assert_eq!(waiting.try_recv(), Ok(Ok(())));
    }

    /// A payee that was ahead of an old copy of the payer looked as if it had credited.
    #[test]
    fn a_payee_that_was_ahead_has_credited_nothing() {
        let credits = Credits::default();
        credits.hear(&credited(10));
        let mut waiting = credits.wait(CHANNEL, 15_u64.into());
        let (remembered, total) = (15_u64.into(), 40_u64.into());
        credits.hear(&Update::Surpassed { channel: CHANNEL, remembered, total, proven: true });
        let lost = Uncredited { remembered, total };
        assert_eq!(waiting.try_recv(), Ok(Err(lost)));
        assert_eq!(now(&credits, 15), Some(Err(lost)), "whoever asks late hears the same");
        assert_eq!(now(&credits, 10), Some(Ok(())));
        // The next payment goes on from what the payee counts, and does not redeem the lost one.
        assert_eq!(now(&credits, 45), None);
        credits.hear(&credited(45));
        assert_eq!(now(&credits, 45), Some(Ok(())));
        assert_eq!(now(&credits, 15), Some(Err(lost)));
    }
}
