//! The shapes of answers. They belong to the interface alone: a field can change here without a
//! stored or signed type changing, and the other way round.

use chain::EndpointStatus;
use engine::chain::BlockRef;
use engine::types::ChannelId;
use serde::{Deserialize, Serialize};

use super::accounts::{AccountInfo, DebtInfo};
use crate::address::AddressText;
use crate::amount::AmountText;

/// A ledger channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerInfo {
    /// Identity.
    pub ledger: ChannelId,
    /// `opening`, `open`, `closing`, `exiting` or `closed`.
    pub status: String,
    /// The counterparty.
    pub peer: AddressText,
    /// What is held: `native` or a token.
    pub asset: String,
    /// Our free balance; what the chain has paid us, once it is closed.
    pub my_balance: AmountText,
    /// The peer's free balance; what the chain has paid it, once it is closed.
    pub peer_balance: AmountText,
    /// Locked for payment channels.
    pub locked: AmountText,
    /// Held on chain as far as confirmed.
    pub holdings: AmountText,
    /// `leader` when this node opened it, else `follower`.
    pub role: String,
    /// Version of the agreed state.
    pub turn: u64,
    /// Seconds.
    pub challenge_duration: u32,
    /// `open`, `challenged` or `concluded` as the adjudicator sees it.
    pub on_chain: String,
    /// When a running challenge becomes final, in seconds since the Unix epoch.
    pub finalizes_at: Option<u64>,
    /// How it is enforced on chain, or what that would take; none once it is closed.
    pub exit: Option<ExitInfo>,
    /// Why it is, or was, enforced on chain, for people; none when both close it together.
    #[serde(default)]
    pub exit_reason: Option<String>,
    /// Payment channels that run over it.
    pub channels: Vec<LockedInfo>,
}

/// How a channel is enforced on chain without the others, or what that would take.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitInfo {
    /// Why it is enforced, for people; none while it is not.
    pub reason: Option<String>,
    /// When a running challenge becomes final, in seconds since the Unix epoch.
    pub finalizes_at: Option<u64>,
    /// Gas that is still to be spent at most.
    pub expected_gas: u64,
    /// What that costs in wei at the present price; none while the chain has not been heard.
    pub expected_cost: Option<AmountText>,
}

/// What a ledger locks for one payment channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockedInfo {
    /// The payment channel.
    pub channel: ChannelId,
    /// What is locked.
    pub amount: AmountText,
}

/// A payment channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelInfo {
    /// Identity.
    pub channel: ChannelId,
    /// `funding`, `open`, `closing`, `cancelled`, `exiting` or `closed`.
    pub status: String,
    /// `payer`, `relay` or `payee`.
    pub role: String,
    /// Who pays.
    pub payer: AddressText,
    /// Who is paid.
    pub payee: AddressText,
    /// From the payer to the payee.
    pub relays: Vec<AddressText>,
    /// What is paid: `native` or a token.
    pub asset: String,
    /// What can be paid in all.
    pub capacity: AmountText,
    /// Paid so far; a relay learns it when the channel closes.
    pub paid: AmountText,
    /// What can still be paid.
    pub remaining: AmountText,
    /// The newest voucher, at payer and payee.
    pub voucher: Option<VoucherInfo>,
    /// Ledger shared with the participant before us.
    pub left_ledger: Option<ChannelId>,
    /// Ledger shared with the participant after us.
    pub right_ledger: Option<ChannelId>,
    /// Seconds.
    pub challenge_duration: u32,
    /// `open`, `challenged` or `concluded` as the adjudicator sees it.
    pub on_chain: String,
    /// How it is enforced on chain, or what that would take, without the ledgers under it; none
    /// once it is closed.
    pub exit: Option<ExitInfo>,
}

/// A voucher as it is handed from payer to payee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoucherInfo {
    /// The payment channel.
    pub channel: ChannelId,
    /// Everything paid so far, this payment included.
    pub total: AmountText,
    /// The payer's signature: r, s, v.
    pub signature: String,
}

/// A run of a protocol.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectiveInfo {
    /// Identity.
    pub objective: String,
    /// `open_ledger`, `close_ledger`, `open_channel`, `close_channel` or `exit`.
    pub kind: String,
    /// The channel that it is about.
    pub channel: ChannelId,
    /// `running`, `completed` or `declined`.
    pub status: String,
    /// What is missing, while it runs.
    pub waiting_for: Option<String>,
    /// Who declined it.
    pub declined_by: Option<AddressText>,
    /// Why it was declined.
    pub reason: Option<String>,
    /// What of the channel's payout the payee or the token refused: the adjudicator owes it. None where
    /// everything was paid, and once it is claimed.
    #[serde(default)]
    pub owed: Option<AmountText>,
    /// When it began, in milliseconds since the Unix epoch.
    pub started: u64,
    /// When it is given up, in milliseconds since the Unix epoch; none for an exit, which is not.
    pub deadline: Option<u64>,
}

/// What was begun; with `wait`, how it ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StartedInfo {
    /// The objective to wait for.
    pub objective: String,
    /// The channel that it opens or closes.
    pub channel: ChannelId,
    /// How it ended, for a call with `wait`.
    pub result: Option<ObjectiveInfo>,
}

/// A payment that was made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaidInfo {
    /// Which channel.
    pub channel: ChannelId,
    /// This payment.
    pub amount: AmountText,
    /// Everything paid so far.
    pub total: AmountText,
    /// What can still be paid.
    pub remaining: AmountText,
    /// True when the payee has it for good.
    pub delivered: bool,
    /// True when it was made before, and nothing was paid now.
    #[serde(default)]
    pub repeated: bool,
}

/// A voucher that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceivedInfo {
    /// Which channel.
    pub channel: ChannelId,
    /// Everything received so far.
    pub total: AmountText,
    /// What this voucher added; zero for one that was seen before.
    pub delta: AmountText,
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerInfo {
    /// Its name.
    pub peer: AddressText,
    /// Its libp2p name, once it is known.
    pub peer_id: Option<String>,
    /// Whether a connection is up.
    pub connected: bool,
    /// Where it is dialled.
    pub addresses: Vec<String>,
    /// Messages that it has not stored yet.
    pub messages_waiting: u64,
    /// Points for recent offences.
    pub offences: u32,
    /// Whether it is blocked at present.
    pub blocked: bool,
    /// Whether it is a first contact.
    pub boot: bool,
}

/// Where an address leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResolvedInfo {
    /// The peer.
    pub peer: AddressText,
    /// Its libp2p name.
    pub peer_id: String,
    /// Where it can be dialled.
    pub addresses: Vec<String>,
}

/// What an account has on chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceInfo {
    /// The account.
    pub address: AddressText,
    /// What is counted: `native` or a token.
    pub asset: String,
    /// How much.
    pub amount: AmountText,
}

/// A watchtower of this node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TowerInfo {
    /// The tower's name.
    pub tower: AddressText,
    /// Whether it has said that it serves this node.
    pub serving: bool,
    /// Channels that it guards for this node at most.
    pub max_channels: Option<u32>,
    /// Bytes of one guard at most.
    pub max_guard_bytes: Option<u32>,
    /// What it has of each channel.
    pub channels: Vec<GuardInfo>,
}

/// What a watchtower has of one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardInfo {
    /// Which channel.
    pub channel: ChannelId,
    /// `guarded` when the tower has the newest state, `behind` when a newer one is on its way,
    /// `refused` when the tower did not take it, `waiting` when it has none yet.
    pub status: String,
    /// Turn of the newest state that this node could hand over.
    pub newest_turn: Option<u64>,
    /// What that state pays to the payee of a payment channel.
    pub newest_paid: Option<AmountText>,
    /// Why the tower did not take the last one.
    pub reason: Option<String>,
    /// The tower's receipt for what it has.
    pub receipt: Option<ReceiptInfo>,
}

/// A watchtower's signed word that it has a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReceiptInfo {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// NitroAdjudicator.
    pub adjudicator: AddressText,
    /// Who handed it over.
    pub client: AddressText,
    /// Turn of the state.
    pub turn: u64,
    /// What it pays to the payee of a payment channel; zero for a ledger channel.
    pub paid: AmountText,
    /// Hash of the state.
    pub state: String,
    /// When it was stored, in milliseconds since the Unix epoch by the tower's clock.
    pub at: u64,
    /// The tower's signature: r, s, v.
    pub signature: String,
}

/// What this node guards for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GuardedInfo {
    /// Whether it is a watchtower.
    pub serving: bool,
    /// Nodes that have handed over channels.
    pub clients: u64,
    /// Their channels.
    pub channels: u64,
}

/// The names of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressInfo {
    /// The node's name: the address of its channel key.
    pub address: AddressText,
    /// The account that pays deposits and fees.
    pub chain_account: AddressText,
}

/// The program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// Name of the program.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The node at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusInfo {
    /// Version of the program.
    pub version: String,
    /// The node's name.
    pub address: AddressText,
    /// Seconds since the start.
    pub uptime_secs: u64,
    /// Open ledger channels.
    pub ledgers: u64,
    /// Open payment channels.
    pub channels: u64,
    /// Running objectives.
    pub objectives: u64,
    /// Messages that wait for peers.
    pub messages_waiting: u64,
    /// Connected peers.
    pub peers_connected: u64,
    /// Where the node listens for peers.
    pub listen_addresses: Vec<String>,
    /// The chain.
    pub chain: ChainInfo,
    /// What the chain account has for gas; none while the chain has not been heard.
    pub gas: Option<GasInfo>,
    /// The node's accounts with what they have.
    #[serde(default)]
    pub accounts: Vec<AccountInfo>,
    /// What the adjudicator owes this node, because a payout was refused.
    #[serde(default)]
    pub debts: Vec<DebtInfo>,
}

/// What enforcing all channels may cost, and what is there for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GasInfo {
    /// What should be there, in wei: twice what all channels cost at the present price.
    pub reserve: AmountText,
    /// Coin of the chain account, in wei.
    pub balance: AmountText,
    /// Wei per gas.
    pub price: AmountText,
    /// True when the account has less than the reserve: no channel is opened.
    pub short: bool,
    /// What leaving one more ledger channel alone would cost at the present price, in wei.
    pub ledger_exit: AmountText,
    /// What each payment channel over it would add, in wei.
    pub channel_exit: AmountText,
}

/// The chain at a glance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// NitroAdjudicator.
    pub adjudicator: AddressText,
    /// ConsensusApp.
    pub consensus_app: AddressText,
    /// VirtualPaymentApp.
    pub payment_app: AddressText,
    /// The account that pays deposits and fees.
    pub account: AddressText,
    /// Whether the endpoint answers.
    pub connected: bool,
    /// Newest block of the endpoint.
    pub head: Option<BlockInfo>,
    /// Newest block that counts.
    pub confirmed: Option<BlockInfo>,
    /// Blocks that counted and were taken back, since the start.
    pub reorgs: u64,
    /// The last thing that went wrong with the endpoint.
    pub last_error: Option<String>,
    /// Endpoints that contradict each other or the chain that was told; none while they agree.
    pub alarm: Option<String>,
    /// Every endpoint, in the order of the settings.
    pub endpoints: Vec<EndpointInfo>,
    /// Transactions that are not sent yet.
    pub calls_waiting: u64,
    /// Transactions that are sent and not confirmed.
    pub calls_in_flight: u64,
    /// Why the first waiting transaction waits.
    pub problem: Option<String>,
}

/// An endpoint of the chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointInfo {
    /// Scheme, host and port; the rest may be an access key.
    pub endpoint: String,
    /// True for the one that is asked first.
    pub leads: bool,
    /// Newest block; none while it does not answer.
    pub head: Option<BlockInfo>,
    /// Why it does not answer.
    pub error: Option<String>,
}

impl From<EndpointStatus> for EndpointInfo {
    fn from(status: EndpointStatus) -> Self {
        Self {
            endpoint: status.endpoint,
            leads: status.leads,
            head: status.head.map(BlockInfo::from),
            error: status.error,
        }
    }
}

/// A block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockInfo {
    /// Height.
    pub number: u64,
    /// Seconds since the Unix epoch.
    pub timestamp: u64,
}

impl From<BlockRef> for BlockInfo {
    fn from(block: BlockRef) -> Self {
        Self { number: block.number.0, timestamp: block.timestamp }
    }
}

/// What subscriptions tell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Notice {
    /// An objective moved on or ended.
    Objective(ObjectiveInfo),
    /// A ledger channel changed.
    Ledger(LedgerInfo),
    /// The adjudicator runs a challenge against a channel.
    Challenged {
        /// Which channel.
        channel: ChannelId,
        /// When it becomes final, in seconds since the Unix epoch.
        finalizes_at: u64,
    },
    /// What is left of a channel stays on chain, because taking it would cost more than it brings.
    LeftBehind {
        /// Which channel.
        channel: ChannelId,
        /// Still held for the channel, for all its participants.
        holdings: AmountText,
    },
    /// The adjudicator owes the channel account something of a channel's payout, which the account or
    /// the token refused.
    Owed {
        /// Which channel.
        channel: ChannelId,
        /// `native` or a token.
        asset: String,
        /// How much of it is owed.
        amount: AmountText,
    },
    /// A contract refuses a call about a channel.
    Refused {
        /// Which channel.
        channel: ChannelId,
        /// What the contract says.
        reason: String,
    },
    /// A payment channel changed.
    Channel(ChannelInfo),
    /// We paid.
    Paid {
        /// Which channel.
        channel: ChannelId,
        /// Everything paid so far.
        total: AmountText,
        /// This payment.
        delta: AmountText,
    },
    /// The payee counts more than this node remembered to have paid: its folder is an older copy, or
    /// the payee claims too much.
    Surpassed {
        /// Which channel.
        channel: ChannelId,
        /// Everything paid as this node remembered it.
        remembered: AmountText,
        /// Everything that the payee counts.
        total: AmountText,
        /// True when the payee has shown this node's own signature on it.
        proven: bool,
    },
    /// We were paid.
    Received {
        /// Which channel.
        channel: ChannelId,
        /// Everything received so far.
        total: AmountText,
        /// This payment.
        delta: AmountText,
    },
    /// The subscriber was too slow and missed this many changes, its own or others.
    Lagged {
        /// How many.
        missed: u64,
    },
}
