//! Payment channels: virtual, funded by guarantees in ledgers, paid by vouchers.

mod end;
mod exit;

use serde::{Deserialize, Serialize};

pub use end::End;
pub(crate) use end::paid_by;
pub use exit::Resolution;

use crate::crypto::Signature;
use crate::ledger::{CallState, OnChain, OnChainStatus};
use crate::objectives::{DeclineReason, ExitReason};
use crate::outcome::{Allocation, Outcome};
use crate::state::{FixedPart, SupportedState, VariablePart};
use crate::types::{Address, Amount, Asset, B256, Bytes, ChannelId, Timestamp, TurnNumber};
use crate::vouchers::Voucher;

/// What this node is in a payment channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Participant 0, who pays.
    Payer,
    /// Locks funds on both sides and passes nothing on but signatures.
    Relay,
    /// The last participant, who is paid.
    Payee,
}

/// Where a payment channel is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentPhase {
    /// Collecting signatures and guarantees.
    Funding,
    /// Vouchers are paid and taken.
    Open,
    /// A final state is being signed, then the guarantees are taken back.
    Closing,
    /// Never opened: the guarantees, if any, go back to their left sides.
    Cancelled(DeclineReason),
    /// No more vouchers: being enforced on chain.
    Exiting(ExitReason),
}

/// The final state's content and who has signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinalState {
    /// What the payee gets.
    pub paid: Amount,
    /// Signatures by participant index.
    pub signatures: Vec<Option<Signature>>,
}

/// A payment channel with all evidence of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentChannel {
    /// Identity.
    pub id: ChannelId,
    /// Participants from payer to payee, nonce, app and challenge duration.
    pub fixed: FixedPart,
    /// Position of this node among the participants.
    pub me: u8,
    /// What is paid.
    pub asset: Asset,
    /// What the payer can pay in all.
    pub capacity: Amount,
    /// Phase of life.
    pub phase: PaymentPhase,
    /// Ledger shared with the participant before this node; none for the payer.
    pub left: Option<ChannelId>,
    /// Ledger shared with the participant after this node; none for the payee.
    pub right: Option<ChannelId>,
    /// Signatures on the prefund state by participant index.
    pub prefund: Vec<Option<Signature>>,
    /// Signatures on the postfund state by participant index.
    pub postfund: Vec<Option<Signature>>,
    /// The final state, once the payer has made it.
    pub final_state: Option<FinalState>,
    /// Participants that said that the channel will not open.
    pub declined_by: Vec<bool>,
    /// True once our own word that the channel will not open went to the left neighbour.
    pub decline_sent_left: bool,
    /// A voucher that overtook the last postfund signature; credited when the channel opens.
    pub early_voucher: Option<Voucher>,
    /// View of the chain, where the channel appears only in a dispute.
    pub onchain: OnChain,
    /// Challenge or conclusion on its way.
    pub call: CallState,
    /// How long the others may stay silent about what was asked before the channel is enforced.
    pub patience: Option<Timestamp>,
    /// A redemption that somebody has shown on chain: whoever holds only older states enforces the
    /// channel with it.
    pub shown: Option<Box<Shown>>,
    /// True while something is left to be done that is not worth what it costs now.
    pub deferred: bool,
}

/// A state with what supports it, as it was shown on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// Proof states.
    pub proof: Vec<SupportedState>,
    /// The state.
    pub candidate: SupportedState,
}

impl PaymentChannel {
    /// A new payment channel at its prefund state, unsigned.
    #[must_use]
    pub fn new(fixed: FixedPart, asset: Asset, capacity: Amount, me: u8) -> Self {
        let count = fixed.participants.len();
        Self {
            id: fixed.channel_id(),
            fixed,
            me,
            asset,
            capacity,
            phase: PaymentPhase::Funding,
            left: None,
            right: None,
            prefund: vec![None; count],
            postfund: vec![None; count],
            final_state: None,
            declined_by: vec![false; count],
            decline_sent_left: false,
            early_voucher: None,
            onchain: OnChain::default(),
            call: CallState::None,
            patience: None,
            shown: None,
            deferred: false,
        }
    }

    /// This node's role.
    #[must_use]
    pub fn role(&self) -> Role {
        let me = usize::from(self.me);
        if me == 0 {
            Role::Payer
        } else if me.saturating_add(1) == self.fixed.participants.len() {
            Role::Payee
        } else {
            Role::Relay
        }
    }

    /// Who pays.
    #[must_use]
    pub fn payer(&self) -> Address {
        self.fixed.participants.first().copied().unwrap_or_default()
    }

    /// Who is paid.
    #[must_use]
    pub fn payee(&self) -> Address {
        self.fixed.participants.last().copied().unwrap_or_default()
    }

    /// Index of the neighbour on the payee's side.
    #[must_use]
    pub fn right_neighbour(&self) -> usize {
        usize::from(self.me).saturating_add(1)
    }

    /// Everyone but this node.
    pub fn others(&self) -> impl Iterator<Item = Address> + '_ {
        let me = usize::from(self.me);
        self.fixed
            .participants
            .iter()
            .enumerate()
            .filter(move |(index, _)| *index != me)
            .map(|(_, address)| *address)
    }

    fn state(&self, turn: TurnNumber, paid: Amount, is_final: bool) -> VariablePart {
        let allocations = vec![
            Allocation::simple(self.payer().into(), self.capacity.saturating_sub(paid)),
            Allocation::simple(self.payee().into(), paid),
        ];
        VariablePart {
            outcome: Outcome::single(self.asset, allocations),
            app_data: Bytes::default(),
            turn,
            is_final,
        }
    }

    /// Hash of the prefund state.
    #[must_use]
    pub fn prefund_hash(&self) -> B256 {
        self.state(TurnNumber::PREFUND, Amount::ZERO, false).hash(self.id)
    }

    /// Hash of the postfund state.
    #[must_use]
    pub fn postfund_hash(&self) -> B256 {
        self.state(TurnNumber::POSTFUND, Amount::ZERO, false).hash(self.id)
    }

    /// Hash of the final state that pays the payee `paid`.
    #[must_use]
    pub fn final_hash(&self, paid: Amount) -> B256 {
        self.state(TurnNumber::PAYMENT_FINAL, paid, true).hash(self.id)
    }

    /// This node's entry of a signature list.
    #[must_use]
    pub fn mine(&self, signatures: &[Option<Signature>]) -> Option<Signature> {
        signatures.get(usize::from(self.me)).copied().flatten()
    }

    /// True once this node has promised that the guarantees are in place. From then on the others
    /// may be able to open the channel without it.
    #[must_use]
    pub fn postfund_signed(&self) -> bool {
        self.mine(&self.postfund).is_some()
    }

    /// True once somebody has given the channel up without having shown this node that its
    /// guarantees are in place. Only this node's own word is proof: others may have shown their
    /// signature to somebody else.
    #[must_use]
    pub fn is_given_up(&self) -> bool {
        let others = self.declined_by.iter().zip(&self.postfund);
        matches!(self.phase, PaymentPhase::Cancelled(_))
            || others.into_iter().any(|(declined, postfund)| *declined && postfund.is_none())
    }

    /// True when the final state pays the payee at least `total`.
    #[must_use]
    pub fn settles(&self, total: Amount) -> bool {
        self.final_state.as_ref().is_some_and(|state| total <= state.paid)
    }

    /// Where the channel stands on chain.
    #[must_use]
    pub const fn status(&self) -> &OnChainStatus {
        self.onchain.status()
    }

    /// True once everyone has signed the final state.
    #[must_use]
    pub fn is_finalized(&self) -> bool {
        self.final_state.as_ref().is_some_and(|state| is_complete(&state.signatures))
    }
}

/// True when nobody's signature is missing. Only verified signatures get into a list, each at the
/// index of its signer, so completeness is more than a count (gap S1).
#[must_use]
pub fn is_complete(signatures: &[Option<Signature>]) -> bool {
    signatures.iter().all(Option::is_some)
}
