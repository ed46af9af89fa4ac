//! From the engine's words to those of the interface.

use engine::crypto::Signature;
use engine::guard::{GuardReceipt, GuardView, TowerView};
use engine::ledger::{ChannelMode, LedgerPhase, Side};
use engine::objectives::{ExitReason, Objective, ObjectiveStatus};
use engine::payment::{PaymentPhase, Role};
use engine::query::{LedgerView, PaymentView};
use engine::types::{Amount, ObjectiveId};
use engine::vouchers::Voucher;

use super::types::{
    ChannelInfo, ExitInfo, GuardInfo, LedgerInfo, LockedInfo, ObjectiveInfo, PeerInfo, ReceiptInfo,
    ReceivedInfo, TowerInfo, VoucherInfo,
};
use crate::address::{AddressText, asset_text};
use crate::amount::AmountText;

impl LedgerInfo {
    /// Describes a ledger. `price` is wei per gas.
    pub(super) fn new(view: &LedgerView, price: Option<Amount>) -> Self {
        let status = match view.phase {
            Some(LedgerPhase::Opening) => "opening",
            Some(LedgerPhase::Open) => "open",
            Some(LedgerPhase::Closing) => "closing",
            Some(LedgerPhase::Exiting(_)) => "exiting",
            None => "closed",
        };
        let reason = view.exit_reason;
        let (on_chain, finalizes_at) = chain_words(view.mode);
        let role = match view.side {
            Side::Leader => "leader",
            Side::Follower => "follower",
        };
        let locked = view.guarantees.iter().map(|(channel, guarantee)| LockedInfo {
            channel: *channel,
            amount: AmountText(guarantee.amount),
        });
        Self {
            ledger: view.id,
            status: status.to_owned(),
            peer: AddressText(view.peer),
            asset: asset_text(view.asset),
            my_balance: AmountText(view.mine),
            peer_balance: AmountText(view.theirs),
            locked: AmountText(view.locked),
            holdings: AmountText(view.holdings),
            role: role.to_owned(),
            turn: view.turn.0,
            challenge_duration: view.challenge_duration,
            on_chain: on_chain.to_owned(),
            finalizes_at,
            exit: view.phase.map(|_| ExitInfo::new(reason, view.mode, view.exit_gas, price)),
            exit_reason: reason.map(|reason| reason.to_string()),
            channels: locked.collect(),
        }
    }
}

/// `open`, `challenged` or `concluded`, and when a challenge becomes final.
const fn chain_words(mode: ChannelMode) -> (&'static str, Option<u64>) {
    match mode {
        ChannelMode::Open => ("open", None),
        ChannelMode::Challenge { finalizes_at } => ("challenged", Some(finalizes_at)),
        ChannelMode::Concluded => ("concluded", None),
    }
}

impl ExitInfo {
    fn new(reason: Option<ExitReason>, mode: ChannelMode, gas: u64, price: Option<Amount>) -> Self {
        Self {
            reason: reason.map(|reason| reason.to_string()),
            finalizes_at: chain_words(mode).1,
            expected_gas: gas,
            expected_cost: price.map(|price| AmountText(price.saturating_mul(gas))),
        }
    }
}

impl ChannelInfo {
    /// Describes a payment channel. `price` is wei per gas.
    pub(super) fn new(view: &PaymentView, price: Option<Amount>) -> Self {
        let status = match view.phase {
            Some(PaymentPhase::Funding) => "funding",
            Some(PaymentPhase::Open) => "open",
            Some(PaymentPhase::Closing) => "closing",
            Some(PaymentPhase::Cancelled(_)) => "cancelled",
            Some(PaymentPhase::Exiting(_)) => "exiting",
            None => "closed",
        };
        let role = match view.role {
            Role::Payer => "payer",
            Role::Relay => "relay",
            Role::Payee => "payee",
        };
        let reason = match view.phase {
            Some(PaymentPhase::Exiting(reason)) => Some(reason),
            Some(
                PaymentPhase::Funding
                | PaymentPhase::Open
                | PaymentPhase::Closing
                | PaymentPhase::Cancelled(_),
            )
            | None => None,
        };
        let (payer, rest) =
            view.participants.split_first().map_or_else(Default::default, |x| (*x.0, x.1));
        let (payee, relays) = rest.split_last().map_or_else(Default::default, |x| (*x.0, x.1));
        Self {
            channel: view.id,
            status: status.to_owned(),
            role: role.to_owned(),
            payer: AddressText(payer),
            payee: AddressText(payee),
            relays: relays.iter().copied().map(AddressText).collect(),
            asset: asset_text(view.asset),
            capacity: AmountText(view.capacity),
            paid: AmountText(view.paid),
            remaining: AmountText(view.capacity.saturating_sub(view.paid)),
            voucher: view.voucher.as_ref().map(VoucherInfo::from),
            left_ledger: view.left,
            right_ledger: view.right,
            challenge_duration: view.challenge_duration,
            on_chain: chain_words(view.mode).0.to_owned(),
            exit: view.phase.map(|_| ExitInfo::new(reason, view.mode, view.exit_gas, price)),
        }
    }
}

impl From<&Voucher> for VoucherInfo {
    fn from(voucher: &Voucher) -> Self {
        Self {
            channel: voucher.channel,
            total: AmountText(voucher.total),
            signature: signature_text(&voucher.signature),
        }
    }
}

fn signature_text(signature: &Signature) -> String {
    format!("0x{}", hex::encode(signature.0))
}

impl From<&Objective> for ObjectiveInfo {
    fn from(objective: &Objective) -> Self {
        let kind = match objective.id {
            ObjectiveId::DirectFund(_) => "open_ledger",
            ObjectiveId::DirectDefund(_) => "close_ledger",
            ObjectiveId::VirtualFund(_) => "open_channel",
            ObjectiveId::VirtualDefund(_) => "close_channel",
            ObjectiveId::Exit(_) => "exit",
        };
        let (waiting_for, declined) = match objective.status {
            ObjectiveStatus::Running(waiting_for) => (Some(waiting_for.to_string()), None),
            ObjectiveStatus::Completed => (None, None),
            ObjectiveStatus::Declined { by, reason } => (None, Some((by, reason))),
        };
        Self {
            objective: objective.id.to_string(),
            kind: kind.to_owned(),
            channel: objective.id.channel(),
            status: status_word(objective).to_owned(),
            waiting_for,
            declined_by: declined.map(|(by, _)| AddressText(by)),
            reason: declined.map(|(_, reason)| reason.to_string()),
            owed: None,
            started: objective.started.0,
            deadline: match objective.id {
                ObjectiveId::Exit(_) => None,
                ObjectiveId::DirectFund(_)
                | ObjectiveId::DirectDefund(_)
                | ObjectiveId::VirtualFund(_)
                | ObjectiveId::VirtualDefund(_) => Some(objective.deadline.0),
            },
        }
    }
}

/// `running`, `completed` or `declined`.
pub(super) const fn status_word(objective: &Objective) -> &'static str {
    match objective.status {
        ObjectiveStatus::Running(_) => "running",
        ObjectiveStatus::Completed => "completed",
        ObjectiveStatus::Declined { .. } => "declined",
    }
}

impl From<p2p::PeerInfo> for PeerInfo {
    fn from(peer: p2p::PeerInfo) -> Self {
        Self {
            peer: AddressText(peer.address),
            peer_id: peer.peer_id.map(|id| id.to_string()),
            connected: peer.connected,
            addresses: peer.addresses.iter().map(ToString::to_string).collect(),
            messages_waiting: count(peer.queued),
            offences: peer.offences,
            blocked: peer.blocked,
            boot: peer.boot,
        }
    }
}

impl From<&TowerView> for TowerInfo {
    fn from(view: &TowerView) -> Self {
        Self {
            tower: AddressText(view.tower),
            serving: view.terms.is_some(),
            max_channels: view.terms.map(|terms| terms.channels),
            max_guard_bytes: view.terms.map(|terms| terms.guard_bytes),
            channels: view.guards.iter().map(GuardInfo::from).collect(),
        }
    }
}

impl From<&GuardView> for GuardInfo {
    fn from(view: &GuardView) -> Self {
        let receipt = view.guarding.as_ref().and_then(|guarding| guarding.receipt);
        let refused = view.guarding.as_ref().and_then(|guarding| guarding.refused);
        let status = match (refused, receipt) {
            (Some(_), _) => "refused",
            (None, None) => "waiting",
            (None, Some(receipt)) if Some(receipt.rank) >= view.newest => "guarded",
            (None, Some(_)) => "behind",
        };
        Self {
            channel: view.channel,
            status: status.to_owned(),
            newest_turn: view.newest.map(|rank| rank.turn.0),
            newest_paid: view.newest.map(|rank| AmountText(rank.paid)),
            reason: refused.map(|reason| reason.to_string()),
            receipt: receipt.as_ref().map(ReceiptInfo::from),
        }
    }
}

impl From<&GuardReceipt> for ReceiptInfo {
    fn from(receipt: &GuardReceipt) -> Self {
        Self {
            chain_id: receipt.chain_id,
            adjudicator: AddressText(receipt.adjudicator),
            client: AddressText(receipt.client),
            turn: receipt.rank.turn.0,
            paid: AmountText(receipt.rank.paid),
            state: receipt.state.to_string(),
            at: receipt.at.0,
            signature: signature_text(&receipt.signature),
        }
    }
}

impl ReceivedInfo {
    pub(super) const fn new(
        channel: engine::types::ChannelId,
        total: engine::types::Amount,
        delta: engine::types::Amount,
    ) -> Self {
        Self { channel, total: AmountText(total), delta: AmountText(delta) }
    }
}

/// A count as JSON has it.
pub(super) fn count(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
