//! Protocols over channels. The channel records hold all evidence; an objective is the handle
//! under which a run is waited for, reported and timed out.
//!
//! Each protocol is a crank: it looks at what has been signed and seen, does what is due, and says
//! what is missing. Cranking twice changes nothing.

mod direct_defund;
mod direct_fund;
mod dispute;
mod release;
mod virtual_defund;
mod virtual_fund;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use direct_defund::{
    crank as crank_direct_defund, expire as expire_direct_defund, start as start_direct_defund,
};
pub(crate) use direct_fund::{
    crank as crank_direct_fund, declined as direct_fund_declined, give_up as give_up_direct_fund,
    restore_deposit,
};
pub(crate) use dispute::{
    answer as answer_challenge, crank_checkpoint, crank_ledger as crank_ledger_exit,
    crank_payment as crank_payment_exit, enter_ledger as enter_ledger_exit,
    enter_payment as enter_payment_exit, is_worth_enforcing, out_of_patience,
};
pub(crate) use release::{left_side, share};
pub(crate) use virtual_defund::{adopt_final, crank as crank_virtual_defund, sign_final};
pub(crate) use virtual_fund::{cancel, crank as crank_virtual_fund, crank_cancelled, propose};

use crate::types::{Address, ChannelId, ObjectiveId, Timestamp};

/// A run of a protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Objective {
    /// Which protocol over which channel.
    pub id: ObjectiveId,
    /// How far it is.
    pub status: ObjectiveStatus,
    /// When it began.
    pub started: Timestamp,
    /// When it is given up.
    pub deadline: Timestamp,
}

/// How far an objective is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ObjectiveStatus {
    /// Something is missing.
    Running(WaitingFor),
    /// Reached.
    Completed,
    /// Will not be reached.
    Declined {
        /// Who gave up.
        by: Address,
        /// Why.
        reason: DeclineReason,
    },
}

/// What an objective waits for (protocol.md 6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WaitingFor {
    /// Signatures on the prefund state.
    CompletePrefund,
    /// A deposit that must come before ours.
    MyTurnToFund,
    /// Deposits, or guarantees in the ledgers.
    CompleteFunding,
    /// Signatures on the postfund state.
    CompletePostfund,
    /// The payer's final state.
    FinalStateFromPayer,
    /// Signatures on the final state.
    SupportedFinalState,
    /// The guarantee on the payer's side to be taken back.
    DefundingOnMyLeft,
    /// The guarantee on the payee's side to be taken back.
    DefundingOnMyRight,
    /// Both signatures on a ledger's final state.
    Finalization,
    /// The payout on chain.
    Withdraw,
    /// A challenge to be mined.
    Challenge,
    /// A challenge to run out.
    ChallengeExpiry,
    /// Payment channels over a ledger to become final on chain.
    PaymentChannels,
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CompletePrefund => "WaitingForCompletePrefund",
            Self::MyTurnToFund => "WaitingForMyTurnToFund",
            Self::CompleteFunding => "WaitingForCompleteFunding",
            Self::CompletePostfund => "WaitingForCompletePostFund",
            Self::FinalStateFromPayer => "WaitingForFinalStateFromPayer",
            Self::SupportedFinalState => "WaitingForSupportedFinalState",
            Self::DefundingOnMyLeft => "WaitingForDefundingOnMyLeft",
            Self::DefundingOnMyRight => "WaitingForDefundingOnMyRight",
            Self::Finalization => "WaitingForFinalization",
            Self::Withdraw => "WaitingForWithdraw",
            Self::Challenge => "WaitingForChallenge",
            Self::ChallengeExpiry => "WaitingForChallengeExpiry",
            Self::PaymentChannels => "WaitingForPaymentChannels",
        })
    }
}

/// Why an objective will not be reached. Travels on the wire: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum DeclineReason {
    /// Not finished in time.
    #[error("it was not finished in time")]
    TimedOut,
    /// The nonce carries another deployment's tag, or the app is another contract.
    #[error("the channel belongs to another chain, adjudicator or app contract")]
    WrongDeployment,
    /// Challenge duration outside the node's policy.
    #[error("the challenge duration is outside the node's policy")]
    ChallengeDuration,
    /// Participants repeat, are zero, too few, too many, or do not fit the message.
    #[error("the participants are not acceptable")]
    Participants,
    /// Amounts are zero or overflow.
    #[error("the amounts are not acceptable")]
    Amounts,
    /// The node does not deposit that much because a peer asks.
    #[error("the requested deposit is more than the node's policy allows")]
    Deposit,
    /// The two already share a ledger for that asset.
    #[error("a ledger channel for that asset is already shared with that peer")]
    LedgerExists,
    /// Neighbours on the path share no open ledger for the asset.
    #[error("neighbours on the path share no open ledger channel for that asset")]
    NoLedger,
    /// A ledger on the path has too little left.
    #[error("a ledger channel on the path has insufficient funds")]
    InsufficientFunds,
    /// The node has too many channels of that kind, or too much waiting for a peer.
    #[error("the node has too many channels or messages waiting")]
    Busy,
    /// A signature was refused: the state behind it is not the agreed one.
    #[error("a signature does not match the agreed state")]
    State,
    /// Guarantees still run in the ledger.
    #[error("payment channels still run over the ledger channel")]
    GuaranteesRunning,
    /// A ledger on the path cannot change now.
    #[error("a ledger channel on the path cannot be changed now")]
    LedgerNotUsable,
    /// The final state pays less than the vouchers that the payee holds.
    #[error("the final state pays less than the vouchers received")]
    BelowVouchers,
    /// The user of a node on the path asked to stop.
    #[error("a participant cancelled it")]
    Cancelled,
    /// The channel is being enforced on chain instead.
    #[error("the channel is being enforced on chain")]
    Disputed,
    /// The node's account cannot pay for enforcing one more channel.
    #[error("the node has too little coin in reserve to enforce one more channel")]
    GasReserve,
    /// The payer has signed other terms for the same channel.
    #[error("the payer has signed the channel with different terms")]
    Equivocation,
    /// The node does not know the token, and has nothing to gain by joining.
    #[error("the node does not know the token")]
    UnknownAsset,
    /// The payment channel is smaller than what the node enforces.
    #[error("the capacity is below the node's least")]
    Capacity,
    /// The channel could still be disputed when a ledger under it is settled.
    #[error("the challenge duration is above that of a ledger channel on the path")]
    ChallengeAboveLedger,
    /// A ledger nonce does not fit the deposits, see `Deployment::ledger_nonce`.
    #[error("the nonce does not fit the deposits")]
    Nonce,
    /// The adjudicator, or the token behind it, refuses the deposit again and again.
    #[error("the adjudicator or the token refuses the deposit")]
    DepositRefused,
    /// The node's account cannot pay the deposit that is asked of it, and enforce its channels.
    #[error("the node has too little coin for its deposit beside its reserve")]
    DepositAboveCoin,
    /// Both asked for a ledger at the same time, and this is the other one.
    #[error("ledger channel {0} with that peer for that asset is opening already")]
    LedgerOpening(ChannelId),
}

/// Why a channel is enforced on chain. Stored: append only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ExitReason {
    /// The user asked for it.
    #[error("you asked for it")]
    Requested,
    /// What was asked of the peer was not answered in time.
    #[error("the peer has not answered in time")]
    Silent,
    /// Somebody registered a challenge with the newest state.
    #[error("a participant challenged it on chain")]
    Challenged,
    /// The peer registered, or insisted on, something older than what it has signed.
    #[error("the peer tried to close it with something older than it has signed")]
    Cheated,
    /// A ledger that guarantees the payment channel is enforced.
    #[error("ledger channel {0} under it is being enforced on chain")]
    Ledger(ChannelId),
}
