//! How much of what is bounded is in use, counted as rows are applied: never by looking through all
//! channels. What others can have for nothing is counted apart from what the owner asked for, and
//! what costs gas to enforce apart from what does not.

use std::collections::BTreeMap;

use crate::ledger::{Ledger, LedgerPhase, Side};
use crate::payment::{PaymentChannel, PaymentPhase, Role};
use crate::types::{Amount, ChannelId};

/// Counters over channels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Quotas {
    /// Ledgers that peers asked for and that are not open.
    pub(crate) opening: usize,
    /// Payment channels that peers asked for and that wait for funds.
    pub(crate) funding: usize,
    /// The same by the ledger over which they were asked for.
    funding_over: BTreeMap<ChannelId, usize>,
    /// Payment channels that the owner asked for and that wait for funds.
    pub(crate) own_funding: usize,
    /// Ledgers that would cost gas to enforce: there is money in them, or ours may be on its way.
    pub(crate) at_stake: usize,
    /// Guarantees in all ledgers.
    pub(crate) guarantees: usize,
    /// Coin that this node has agreed to deposit, and that is not seen on chain, in wei.
    pub(crate) promised: Amount,
    /// Of that, what peers have asked for who have deposited nothing themselves.
    pub(crate) asked: Amount,
}

impl Quotas {
    pub(crate) fn add_ledger(&mut self, ledger: &Ledger) {
        self.count_ledger(ledger, usize::saturating_add);
        self.promised = self.promised.saturating_add(promised(ledger));
        self.asked = self.asked.saturating_add(asked(ledger));
    }

    pub(crate) fn remove_ledger(&mut self, ledger: &Ledger) {
        self.count_ledger(ledger, usize::saturating_sub);
        self.promised = self.promised.saturating_sub(promised(ledger));
        self.asked = self.asked.saturating_sub(asked(ledger));
    }

    pub(crate) fn add_payment(&mut self, channel: &PaymentChannel) {
        self.count_payment(channel, usize::saturating_add);
    }

    pub(crate) fn remove_payment(&mut self, channel: &PaymentChannel) {
        self.count_payment(channel, usize::saturating_sub);
    }

    /// Payment channels that wait for funds and were asked for over a ledger.
    pub(crate) fn funding_over(&self, hop: ChannelId) -> usize {
        self.funding_over.get(&hop).copied().unwrap_or_default()
    }

    fn count_ledger(&mut self, ledger: &Ledger, count: fn(usize, usize) -> usize) {
        if ledger.phase == LedgerPhase::Opening && ledger.me == Side::Follower {
            self.opening = count(self.opening, 1);
        }
        if is_at_stake(ledger) {
            self.at_stake = count(self.at_stake, 1);
        }
        self.guarantees = count(self.guarantees, ledger.agreed.guarantees.len());
    }

    fn count_payment(&mut self, channel: &PaymentChannel, count: fn(usize, usize) -> usize) {
        if channel.phase != PaymentPhase::Funding {
            return;
        }
        if channel.role() == Role::Payer {
            self.own_funding = count(self.own_funding, 1);
            return;
        }
        self.funding = count(self.funding, 1);
        if let Some(hop) = channel.left {
            let over = self.funding_over.entry(hop).or_default();
            *over = count(*over, 1);
            if *over == 0 {
                self.funding_over.remove(&hop);
            }
        }
    }
}

/// An opening that a peer has asked for costs nothing until somebody has deposited, nor does a ledger
/// in which this node can lose nothing.
pub(crate) fn is_at_stake(ledger: &Ledger) -> bool {
    let begun = ledger.phase != LedgerPhase::Opening
        || ledger.me == Side::Leader
        || !ledger.onchain.is_blank();
    begun && !ledger.at_stake().is_zero()
}

/// Coin that this node still deposits in a ledger, in wei. A deposit that is mined, and not confirmed
/// yet, counts although the account has paid it: better a refusal for a minute than a reserve that is
/// missing.
pub(crate) fn promised(ledger: &Ledger) -> Amount {
    if ledger.asset.is_native() { deposit_due(ledger) } else { Amount::ZERO }
}

/// What this node still deposits in a ledger, in its asset.
pub(crate) fn deposit_due(ledger: &Ledger) -> Amount {
    let due = ledger.phase == LedgerPhase::Opening;
    let target = ledger.deposit_target(ledger.me).filter(|_| due);
    target.map_or(Amount::ZERO, |(before, target)| {
        target.saturating_sub(before.max(ledger.status().holdings))
    })
}

/// Coin that a peer wants to see in a ledger for which it has paid nothing: for nothing it could tie up
/// all that there is. What the owner asks for himself goes first.
fn asked(ledger: &Ledger) -> Amount {
    let is_free = ledger.me == Side::Follower && ledger.onchain.is_blank();
    if is_free { promised(ledger) } else { Amount::ZERO }
}
