//! Promises and claims more than there is.

use super::Puppet;
use crate::ledger::{Change, Ledger};
use crate::payment::PaymentChannel;
use crate::types::{Amount, B256};
use crate::vouchers::Voucher;
use crate::wire::{Evidence, Message};

/// Spends what it does not have.
#[derive(Debug)]
pub struct Overspender<'a>(pub &'a Puppet);

impl Overspender<'_> {
    /// A voucher of any amount.
    #[must_use]
    pub fn voucher(&self, channel: &PaymentChannel, total: Amount) -> Message {
        let voucher = Voucher::sign(channel.id, total, self.0.key());
        Message::Voucher { voucher, payments: vec![voucher.total], signer: self.0.address() }
    }

    /// The removal of a guarantee that leaves the left side with what it wants, proven by nothing.
    #[must_use]
    pub fn removal(&self, ledger: &Ledger, channel: &PaymentChannel, left: Amount) -> Message {
        let change = Change::Remove { target: channel.id, left_amount: left };
        self.0.proposal(ledger, change, Evidence::default())
    }

    /// A change that does not apply at all, over a hash of its own invention.
    #[must_use]
    pub fn invention(&self, ledger: &Ledger, change: Change, evidence: Evidence) -> Message {
        let turn = ledger.agreed.turn.next().unwrap_or_default();
        self.0.raw_proposal(ledger, turn, change, B256::repeat_byte(7), evidence)
    }
}
