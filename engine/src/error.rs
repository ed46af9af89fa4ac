//! Errors at the engine's edge; others sit beside their noun.

use crate::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId};
use crate::vouchers::VoucherError;

/// Why a request is refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// No such ledger channel, or closed already.
    #[error("ledger: no open ledger channel {0}")]
    UnknownLedger(ChannelId),
    /// No such payment channel, or closed already.
    #[error("channel: no open payment channel {0}")]
    UnknownPayment(ChannelId),
    /// No such objective is running.
    #[error("objective: no objective {0} is running")]
    UnknownObjective(ObjectiveId),
    /// A channel with oneself.
    #[error("{field}: a channel with oneself is not possible")]
    Oneself {
        /// Name of the parameter.
        field: &'static str,
    },
    /// The same address twice, or the zero address.
    #[error("{field}: {address} appears twice or is the zero address")]
    Participant {
        /// Name of the parameter.
        field: &'static str,
        /// Which.
        address: Address,
    },
    /// More relays than the policy allows.
    #[error("relays: {found} participants are more than the {max} that the policy allows")]
    TooManyParticipants {
        /// As asked.
        found: usize,
        /// As allowed.
        max: usize,
    },
    /// Zero where something must be paid or deposited.
    #[error("{field}: must be more than zero")]
    ZeroAmount {
        /// Name of the parameter.
        field: &'static str,
    },
    /// A sum does not fit into 256 bits.
    #[error("{field}: the sum does not fit into 256 bits")]
    Overflow {
        /// Name of the parameter.
        field: &'static str,
    },
    /// Outside the policy's bounds.
    #[error("challenge_duration: {found} s is not between {min} s and {max} s")]
    ChallengeDuration {
        /// As asked.
        found: u32,
        /// Least allowed.
        min: u32,
        /// Most allowed.
        max: u32,
    },
    /// The ledger would be settled while the payment channel can still be disputed.
    #[error(
        "challenge_duration: {found} s is above the {max} s of ledger channel {ledger}, which the \
         payment channel runs over; ask for {max} s at most"
    )]
    ChallengeAboveLedger {
        /// As asked.
        found: u32,
        /// As the ledger has it.
        max: u32,
        /// Which ledger.
        ledger: ChannelId,
    },
    /// Enforcing the channel would cost more than is in it.
    #[error(
        "amount: the least capacity of a payment channel of asset {asset} is {least} at present, \
         in wei or units of the token; see min_capacity, min_capacity_percent and max_dust of the \
         policy, or ask for more"
    )]
    CapacityTooSmall {
        /// The asset.
        asset: Asset,
        /// Least capacity.
        least: Amount,
    },
    /// One ledger per peer and asset.
    #[error("peer: ledger channel {ledger} with {peer} for that asset exists already")]
    LedgerExists {
        /// The counterparty.
        peer: Address,
        /// The ledger.
        ledger: ChannelId,
    },
    /// No ledger to the first participant on the path.
    #[error("{field}: no ledger channel with {peer} for asset {asset}; open one first")]
    NoLedger {
        /// Name of the parameter.
        field: &'static str,
        /// The neighbour.
        peer: Address,
        /// The asset.
        asset: Asset,
    },
    /// The ledger is opening, closing, disputed, or its deposit was taken back by a reorg.
    #[error("ledger {0} cannot be changed now: it is opening, closing or disputed")]
    LedgerNotUsable(ChannelId),
    /// The ledger has too little left.
    #[error(
        "amount: ledger channel {ledger} has {available} left on our side, {needed} needed, in wei or \
         units of the token"
    )]
    InsufficientFunds {
        /// Which ledger.
        ledger: ChannelId,
        /// Free balance.
        available: Amount,
        /// As asked.
        needed: Amount,
    },
    /// Payment channels run over the ledger.
    #[error("ledger: {count} payment channels still run over {ledger}; close them first")]
    GuaranteesRunning {
        /// Which ledger.
        ledger: ChannelId,
        /// How many.
        count: usize,
    },
    /// Nothing is left to enforce.
    #[error("channel: {0} is closed already; nothing is left to enforce")]
    AlreadyClosed(ChannelId),
    /// Enforcing has begun already.
    #[error(
        "channel: {0} is being enforced on chain already; follow it with the objective Exit-{0}"
    )]
    AlreadyExiting(ChannelId),
    /// Nothing was signed by both, or nothing is locked: the chain would not know the channel.
    #[error("channel: {0} holds nothing that could be enforced; cancel its opening instead")]
    NothingToEnforce(ChannelId),
    /// The account could not pay for enforcing one more channel.
    #[error(
        "gas reserve: enforcing all channels may cost {needed} wei, the chain account has \
         {available} wei beside the deposits that it is about to make; send coin to it and ask again"
    )]
    GasReserve {
        /// What should be there.
        needed: Amount,
        /// What is there.
        available: Amount,
    },
    /// The account could not pay the deposit and then still enforce all channels.
    #[error(
        "amount: the chain account has {missing} wei too little for a deposit of {deposit} wei, beside \
         the {kept} wei that enforcing all channels may cost and that it is about to deposit elsewhere; \
         send {missing} wei to it, or deposit less"
    )]
    DepositAboveCoin {
        /// As asked.
        deposit: Amount,
        /// What the account lacks.
        missing: Amount,
        /// What must be left: for gas, the new ledger's included, and for deposits that are agreed
        /// and not made.
        kept: Amount,
    },
    /// Closing has begun already.
    #[error("channel {0} is closing already")]
    AlreadyClosing(ChannelId),
    /// The payment channel is not open yet, or no longer.
    #[error("channel: {0} is not open")]
    NotOpen(ChannelId),
    /// Only the payer pays.
    #[error("channel: only the payer of {0} can pay")]
    NotPayer(ChannelId),
    /// Only the payee is paid.
    #[error("channel: only the payee of {0} can take vouchers")]
    NotPayee(ChannelId),
    /// A voucher rule.
    #[error("amount: {0}")]
    Voucher(#[from] VoucherError),
    /// The total that a payment should lead to is not the one that it would lead to.
    #[error(
        "total: {paid} is paid over the channel so far, which a payment of {amount} does not take to \
         {total}, in wei or units of the token; nothing was paid"
    )]
    UnexpectedTotal {
        /// Everything paid so far.
        paid: Amount,
        /// The payment.
        amount: Amount,
        /// What it should lead to.
        total: Amount,
    },
    /// The random bits hit a channel that exists or existed.
    #[error("channel id {0} is taken; ask again")]
    ChannelIdTaken(ChannelId),
    /// The objective is past the point where one side can stop it.
    #[error("objective: {0} can no longer be cancelled")]
    NotCancellable(ObjectiveId),
    /// Too much waits for the peer.
    #[error("peer: {waiting} messages wait for {peer}, which does not answer; try again later")]
    Backlog {
        /// The peer.
        peer: Address,
        /// Messages waiting.
        waiting: u64,
    },
    /// The account has less than that to spare.
    #[error(
        "amount: the account has {balance} of {asset}, of which {kept} are kept for the fee, for what \
         is being sent already, and for what open channels may need; {available} can be sent"
    )]
    CannotSend {
        /// What.
        asset: Asset,
        /// What the account has.
        balance: Amount,
        /// What of it is needed otherwise.
        kept: Amount,
        /// What can be sent.
        available: Amount,
    },
    /// Tokens do not pay for their own transfer.
    #[error(
        "fee: the transaction may cost {fee} wei, and the account has {coin} wei, of which {kept} wei \
         are needed for that and otherwise; send coin to it first, or use force"
    )]
    NoCoinForFee {
        /// What it has.
        coin: Amount,
        /// What it needs.
        fee: Amount,
        /// With what is needed otherwise.
        kept: Amount,
    },
    /// The chain was not heard yet, so that nobody knows what open channels may need.
    #[error(
        "what open channels may need is not known yet: the chain was not heard; ask again in a moment"
    )]
    ReserveUnknown,
    /// What is sent there is lost.
    #[error(
        "to: {address} is the zero address, the token itself or a contract of the deployment: what is \
         sent there is lost"
    )]
    NoPayee {
        /// As asked.
        address: Address,
    },
    /// The key belongs to another order.
    #[error("key: {0} was used for something else; choose another key")]
    KeyUsed(B256),
    /// Nothing was sent under that key, or too long ago.
    #[error("key: nothing is known of {0}")]
    UnknownSending(B256),
    /// Each is a transaction that waits.
    #[error("{max} transactions of this kind are on their way; wait until some are confirmed")]
    TooManySendings {
        /// As allowed.
        max: usize,
    },
    /// A second claim would find nothing.
    #[error("asset: a claim of what is owed of {asset} is on its way already")]
    ClaimRunning {
        /// What.
        asset: Asset,
    },
    /// No such watchtower.
    #[error("tower: {0} is no tower of this node")]
    UnknownTower(Address),
    /// Each tower costs a message per newer state.
    #[error("tower: this node has {max} towers already; remove one first")]
    TooManyTowers {
        /// As allowed.
        max: usize,
    },
    /// Too many channels are being opened.
    #[error("too many channels are being opened; wait until some are open")]
    Busy,
}
