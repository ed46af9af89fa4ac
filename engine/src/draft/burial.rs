//! What becomes of closed channels: they go to the archive, and those whose end a reorganisation may
//! still take back stay in sight until it is buried.

use super::Draft;
use crate::chain::{BlockRef, ChainFact};
use crate::effect::Update;
use crate::ledger::{Ledger, SETTLED_DEPTH};
use crate::objectives::{DeclineReason, start_direct_defund};
use crate::payment::{PaymentChannel, PaymentPhase};
use crate::query::{LedgerView, PaymentView};
use crate::step::{ArchivedChannel, Buried, Paid, Write};
use crate::types::{BlockNumber, ChannelId, ObjectiveId};

impl Draft<'_> {
    /// Moves a ledger out of the working set. Payment channels that it may have guaranteed look at
    /// what is left of them.
    pub(crate) fn archive_ledger(&mut self, id: ChannelId) {
        let Some(mut ledger) = self.ledger(id).cloned() else { return };
        let time = self.chain_time();
        let payout = ledger.paid_out(&|target| self.payment(target)?.resolution(time));
        ledger.payout = Some(Box::new(payout));
        self.ledgers.insert(id, None);
        self.touched.extend(ledger.targets());
        self.ended.insert(id);
        self.notify(Update::Ledger(Box::new(LedgerView::new(&ledger, false))));
        if self.backlog(ledger.peer()) > 0 && !self.is_waited_for(ledger.peer()) {
            self.wait_on(ledger.peer());
        }
        if ledger.is_void() {
            self.forgotten.insert(id);
            // For as long as somebody may honestly ask again.
            let _ = self.remember(id, ledger.peer(), DeclineReason::TimedOut);
            return;
        }
        // Followed in any case: a deposit that a reorganisation took back may be mined again.
        self.archive(id, ArchivedChannel::Ledger(ledger), true);
    }

    fn archive(&mut self, id: ChannelId, channel: ArchivedChannel, followed: bool) {
        if followed {
            let until = BlockNumber(self.cursor().number().0.saturating_add(SETTLED_DEPTH));
            self.buried.insert(id, Some(Box::new(Buried { channel: channel.clone(), until })));
        }
        self.appended.push(Write::ArchivedChannel(id, Box::new(channel)));
    }

    fn buried_mut(&mut self, id: ChannelId) -> Option<&mut Buried> {
        if !self.buried.contains_key(&id) {
            let stored = self.state.buried.get(&id)?.clone();
            self.buried.insert(id, Some(Box::new(stored)));
        }
        self.buried.get_mut(&id)?.as_deref_mut()
    }

    /// True when a closed ledger that was decided on chain could be paid out once more, and that is
    /// worth it: its deposits may be mined again after the payout found nothing.
    fn brings_something(&self, id: ChannelId) -> bool {
        let time = self.chain_time();
        let resolution = |target: ChannelId| match &self.buried(target)?.channel {
            ArchivedChannel::Payment(channel, _) => channel.resolution(time),
            ArchivedChannel::Ledger(_) => None,
        };
        let Some(Buried { channel: ArchivedChannel::Ledger(ledger), .. }) = self.buried(id) else {
            return false;
        };
        let settlement =
            ledger.settlement(&resolution).filter(|_| ledger.status().is_finalized(time));
        settlement.is_some_and(|settlement| {
            let cost = self.gas.cost(settlement.gas);
            self.policy.is_worth(ledger.asset, settlement.gain, cost)
        })
    }

    pub(super) fn buried(&self, id: ChannelId) -> Option<&Buried> {
        match self.buried.get(&id) {
            Some(changed) => changed.as_deref(),
            None => self.state.buried.get(&id),
        }
    }

    /// Follows what happens to a closed channel, to know what a reorganisation takes back. A ledger
    /// that was given up, and holds something of this node's after all, goes on where it was.
    pub(crate) fn record_buried(&mut self, block: &BlockRef, id: ChannelId, fact: &ChainFact) {
        let Some(buried) = self.buried_mut(id) else { return };
        match &mut buried.channel {
            ArchivedChannel::Ledger(ledger) => {
                ledger.onchain.record(block, fact.clone(), ledger.asset);
                let deposited = matches!(fact, ChainFact::Deposited { .. });
                if deposited && (ledger.holds_mine() || self.brings_something(id)) {
                    self.revive(id);
                }
            }
            ArchivedChannel::Payment(channel, _) => {
                channel.onchain.record(block, fact.clone(), channel.asset);
            }
        }
    }

    /// Forgets the closed channels whose end no reorganisation reaches any more.
    pub(crate) fn forget_buried(&mut self, block: BlockNumber) {
        let last = ChannelId([0xff; 32].into());
        let deep: Vec<ChannelId> =
            self.state.burials.range(..=(block, last)).map(|(_, id)| *id).collect();
        for id in deep {
            self.buried.insert(id, None);
        }
    }

    /// Takes back what happened above `ancestor`. A closed channel that loses its end goes on where
    /// it was: nobody else would pay out again what was paid once. A ledger brings the payment
    /// channels along that it is settled with, whether they have lost anything or not.
    pub(crate) fn roll_back_buried(&mut self, ancestor: BlockNumber) {
        let ids: Vec<ChannelId> = self.state.buried.keys().copied().collect();
        let changed: Vec<ChannelId> =
            ids.into_iter().filter(|id| self.roll_back_one(*id, ancestor)).collect();
        // Only now, since a ledger brings others along: they must have lost what they lose.
        changed.into_iter().for_each(|id| self.revive(id));
    }

    /// False where nothing is taken back.
    fn roll_back_one(&mut self, id: ChannelId, ancestor: BlockNumber) -> bool {
        match self.buried_mut(id).map(|buried| &mut buried.channel) {
            Some(ArchivedChannel::Ledger(ledger)) => {
                ledger.onchain.roll_back(ancestor, ledger.asset)
            }
            Some(ArchivedChannel::Payment(channel, _)) => {
                channel.onchain.roll_back(ancestor, channel.asset)
            }
            None => false,
        }
    }

    fn revive(&mut self, id: ChannelId) {
        let Some(buried) = self.buried_mut(id).map(|buried| buried.channel.clone()) else { return };
        self.buried.insert(id, None);
        match buried {
            ArchivedChannel::Ledger(ledger) => {
                let mut targets = ledger.targets();
                targets.append(&mut ledger.finalized_targets());
                self.revive_ledger(ledger);
                targets.into_iter().for_each(|target| self.revive(target));
            }
            ArchivedChannel::Payment(channel, paid) => self.revive_payment(channel, paid),
        }
    }

    fn revive_payment(&mut self, channel: PaymentChannel, paid: Option<Paid>) {
        let (id, exiting) = (channel.id, matches!(channel.phase, PaymentPhase::Exiting(_)));
        self.insert_payment(channel);
        if let Some(paid) = paid {
            self.set_paid(id, paid);
        }
        if exiting {
            self.start_exit(ObjectiveId::Exit(id));
        }
    }

    fn revive_ledger(&mut self, mut ledger: Ledger) {
        ledger.payout = None;
        let (id, exiting) = (ledger.id, ledger.is_exiting());
        self.insert_ledger(ledger);
        if exiting {
            self.start_exit(ObjectiveId::Exit(id));
        } else {
            start_direct_defund(self, id);
        }
    }

    /// Moves a payment channel out of the working set.
    pub(crate) fn archive_payment(&mut self, id: ChannelId) {
        let Some(channel) = self.payment(id).cloned() else { return };
        let paid = self.paid(id);
        self.payments.insert(id, None);
        self.paid.insert(id, None);
        self.ended.insert(id);
        self.notify(Update::Payment(Box::new(PaymentView::new(&channel, paid.as_ref(), false))));
        // Its ledger may live again without anything having been said of the channel itself.
        let exiting = matches!(channel.phase, PaymentPhase::Exiting(_));
        let followed = exiting || !channel.onchain.is_blank();
        self.archive(id, ArchivedChannel::Payment(channel, paid), followed);
    }
}
