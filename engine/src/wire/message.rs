//! What peers say to each other.

use serde::{Deserialize, Serialize};

use crate::crypto::{Signature, SignatureError, Signer};
use crate::guard::{Guard, GuardReceipt, Terms, TowerRefusal};
use crate::ledger::{Change, RefusalReason};
use crate::objectives::DeclineReason;
use crate::state::{Deployment, FixedPart};
use crate::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId, TurnNumber};
use crate::vouchers::Voucher;

/// A signature with the hash it signs. The signer is nobody until [`super::open`] has recovered
/// it; the zero address is never a participant, so an unchecked seal proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// What is signed.
    pub hash: B256,
    /// By whom is a matter of recovery.
    pub signature: Signature,
    #[serde(skip)]
    signer: Address,
}

impl Seal {
    /// A signature of our own.
    #[must_use]
    pub fn new(hash: B256, signature: Signature, signer: Address) -> Self {
        Self { hash, signature, signer }
    }

    /// Signs `hash`.
    #[must_use]
    pub fn sign(hash: B256, signer: &dyn Signer) -> Self {
        Self::new(hash, signer.sign(hash), signer.address())
    }

    /// True when `signer` has signed `hash`.
    #[must_use]
    pub fn proves(&self, hash: B256, signer: Address) -> bool {
        self.hash == hash && self.signer == signer && !signer.is_zero()
    }

    pub(super) fn recover(&mut self) -> Result<(), SignatureError> {
        self.signer = self.signature.recover(self.hash)?;
        Ok(())
    }
}

/// Everyone's signature on one state of a payment channel.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What is signed.
    pub hash: B256,
    /// One signature per participant, in their order.
    pub signatures: Vec<Signature>,
    #[serde(skip)]
    signers: Vec<Address>,
}

impl Evidence {
    /// Evidence that this node has checked before.
    #[must_use]
    pub fn new(hash: B256, signatures: Vec<Signature>, signers: Vec<Address>) -> Self {
        Self { hash, signatures, signers }
    }

    /// True when exactly `participants` have signed `hash`, in their order.
    #[must_use]
    pub fn proves(&self, hash: B256, participants: &[Address]) -> bool {
        self.hash == hash && !participants.is_empty() && self.signers == participants
    }

    pub(super) fn recover(&mut self) -> Result<(), SignatureError> {
        self.signers = self
            .signatures
            .iter()
            .map(|signature| signature.recover(self.hash))
            .collect::<Result<_, _>>()?;
        Ok(())
    }
}

/// A message to one peer. The variant order is the wire format: append only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// A voucher, and the payments that it adds.
    Voucher {
        /// The voucher.
        voucher: Voucher,
        /// The payments since the voucher before, in their order: one signature pays them all. At
        /// most [`MAX_PAYMENTS`](crate::vouchers::MAX_PAYMENTS), and no more than words: only the
        /// voucher's total counts.
        payments: Vec<Amount>,
        /// Recovered signer.
        #[serde(skip)]
        signer: Address,
    },
    /// Asks for a ledger channel; the sender is the leader and has signed the prefund state.
    OpenLedger {
        /// Identity of the channel.
        fixed: FixedPart,
        /// What is deposited.
        asset: Asset,
        /// The leader's deposit.
        leader: Amount,
        /// The follower's deposit.
        follower: Amount,
        /// On the prefund state.
        seal: Seal,
    },
    /// The follower's signature on the prefund state.
    LedgerPrefund {
        /// Which ledger.
        ledger: ChannelId,
        /// On the prefund state.
        seal: Seal,
    },
    /// The sender sees all deposits.
    LedgerPostfund {
        /// Which ledger.
        ledger: ChannelId,
        /// On the postfund state.
        seal: Seal,
    },
    /// The sender closes the ledger with the agreed outcome.
    CloseLedger {
        /// Which ledger.
        ledger: ChannelId,
        /// Turn of the final state.
        turn: TurnNumber,
        /// On the final state.
        seal: Seal,
    },
    /// The leader's proposal.
    Propose {
        /// Which ledger.
        ledger: ChannelId,
        /// Turn of the resulting state.
        turn: TurnNumber,
        /// Turn of the state that it builds on.
        parent: TurnNumber,
        /// What changes.
        change: Change,
        /// On the resulting state.
        seal: Seal,
        /// Prefund state for an addition, final state for a removal; empty for the removal of a
        /// channel that never opened.
        evidence: Evidence,
    },
    /// The follower agrees.
    Countersign {
        /// Which ledger.
        ledger: ChannelId,
        /// Turn of the proposal.
        turn: TurnNumber,
        /// On the resulting state.
        seal: Seal,
    },
    /// The follower does not agree.
    Refuse {
        /// Which ledger.
        ledger: ChannelId,
        /// Turn of the proposal.
        turn: TurnNumber,
        /// Why.
        reason: RefusalReason,
    },
    /// Asks for a payment channel, or joins one: every participant sends it to every other.
    OpenPayment {
        /// Identity of the channel.
        fixed: FixedPart,
        /// What is paid.
        asset: Asset,
        /// What the payer can pay in all.
        capacity: Amount,
        /// The payer's signature on the prefund state, so that whoever hears of the channel
        /// first from another participant knows that the payer wants it.
        payer: Seal,
        /// The sender's signature on the prefund state.
        seal: Seal,
    },
    /// The sender's ledgers guarantee the channel.
    PaymentPostfund {
        /// Which channel.
        channel: ChannelId,
        /// On the postfund state.
        seal: Seal,
    },
    /// Asks the payer to close the channel.
    RequestFinal {
        /// Which channel.
        channel: ChannelId,
    },
    /// Closes the channel: every participant sends it to every other.
    Finalize {
        /// Which channel.
        channel: ChannelId,
        /// What the payee gets.
        paid: Amount,
        /// The payer's signature on the final state.
        payer: Seal,
        /// The sender's signature on the final state.
        seal: Seal,
    },
    /// The sender gives an objective up.
    Decline {
        /// Which objective.
        objective: ObjectiveId,
        /// Why.
        reason: DeclineReason,
    },
    /// Asks a watchtower whether it guards channels of these contracts.
    TowerHello {
        /// Chain and contracts of the sender.
        deployment: Deployment,
    },
    /// The tower does, within these bounds.
    TowerTerms {
        /// What it holds for the sender of the question.
        terms: Terms,
    },
    /// Hands the newest state of a channel to a tower.
    Guard {
        /// What the tower needs to answer a stale challenge.
        guard: Box<Guard>,
    },
    /// The tower has stored it.
    Guarded {
        /// The tower's word.
        receipt: Box<GuardReceipt>,
        /// Recovered signer.
        #[serde(skip)]
        signer: Address,
    },
    /// The tower does not take a guard, or does not serve the sender at all.
    GuardRefused {
        /// Which channel; none for all.
        channel: Option<ChannelId>,
        /// Why.
        reason: TowerRefusal,
    },
    /// The tower may forget a channel.
    Unguard {
        /// Which channel.
        channel: ChannelId,
    },
    /// What the payee counts as paid, said after every voucher.
    Credited {
        /// Which payment channel.
        channel: ChannelId,
        /// Everything credited so far.
        total: Amount,
        /// The payer's signature on a voucher of this total: only when the payer's newest is below
        /// it, so that a payer that has lost its newest vouchers learns them by its own signature.
        proof: Option<Signature>,
        /// Recovered signer of the proof.
        #[serde(skip)]
        signer: Address,
    },
}

impl Message {
    /// True for what a watchtower is asked: its own service answers it, not the engine.
    #[must_use]
    pub const fn is_for_tower(&self) -> bool {
        matches!(self, Self::TowerHello { .. } | Self::Guard { .. } | Self::Unguard { .. })
    }

    /// True for what may come as an answer within an acknowledgement: refusals and what is credited,
    /// which change nothing but what waits for them, or by a signature of the hearer's own.
    #[must_use]
    pub const fn is_answer(&self) -> bool {
        matches!(self, Self::Decline { .. } | Self::GuardRefused { .. } | Self::Credited { .. })
    }

    /// The channel that this message would bring into being.
    #[must_use]
    pub fn opens(&self) -> Option<ChannelId> {
        match self {
            Self::OpenLedger { fixed, .. } | Self::OpenPayment { fixed, .. } => {
                Some(fixed.channel_id())
            }
            Self::Voucher { .. }
            | Self::LedgerPrefund { .. }
            | Self::LedgerPostfund { .. }
            | Self::CloseLedger { .. }
            | Self::Propose { .. }
            | Self::Countersign { .. }
            | Self::Refuse { .. }
            | Self::PaymentPostfund { .. }
            | Self::RequestFinal { .. }
            | Self::Finalize { .. }
            | Self::Decline { .. }
            | Self::TowerHello { .. }
            | Self::TowerTerms { .. }
            | Self::Guard { .. }
            | Self::Guarded { .. }
            | Self::GuardRefused { .. }
            | Self::Unguard { .. }
            | Self::Credited { .. } => None,
        }
    }
}
