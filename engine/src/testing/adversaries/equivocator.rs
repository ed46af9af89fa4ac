//! Signs two things where only one can be meant.

use super::Puppet;
use crate::ledger::{Change, Ledger};
use crate::payment::PaymentChannel;
use crate::types::{Amount, TurnNumber};
use crate::wire::{Evidence, Message};

/// Says one thing to one and another to the other.
#[derive(Debug)]
pub struct Equivocator<'a>(pub &'a Puppet);

impl Equivocator<'_> {
    /// Two proposals for the same turn of a ledger that it leads.
    #[must_use]
    pub fn proposals(
        &self,
        ledger: &Ledger,
        changes: [Change; 2],
        evidence: &Evidence,
    ) -> [Message; 2] {
        changes.map(|change| self.0.proposal(ledger, change, evidence.clone()))
    }

    /// Final states of its payment channel that pay different amounts.
    #[must_use]
    pub fn final_states(&self, channel: &PaymentChannel, paid: &[u64]) -> Vec<Message> {
        let message = |paid: &u64| {
            let paid = Amount::from(*paid);
            let seal = self.0.seal(channel.final_hash(paid));
            Message::Finalize { channel: channel.id, paid, payer: seal, seal }
        };
        paid.iter().map(message).collect()
    }

    /// A close of the ledger at a turn, with other balances than the agreed ones.
    #[must_use]
    pub fn close(&self, ledger: &Ledger, turn: TurnNumber, mine: Amount) -> Message {
        let mut other = ledger.agreed.clone();
        let total = other.total().unwrap_or_default();
        other.turn = turn;
        (other.leader, other.follower) = (mine, total.saturating_sub(mine));
        let seal = self.0.seal(ledger.state_hash(&other, true));
        Message::CloseLedger { ledger: ledger.id, turn, seal }
    }
}
