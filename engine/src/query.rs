//! Read models for the application.

use crate::apply::{Backlog, State};
use crate::chain::GasReport;
use crate::ledger::{ChannelMode, Guarantee, Ledger, LedgerPhase, Side};
use crate::objectives::ExitReason;
use crate::payment::{PaymentChannel, PaymentPhase, Role, paid_by};
use crate::policy::gas;
use crate::step::Paid;
use crate::types::{Address, Amount, Asset, BlockNumber, ChannelId, TurnNumber};
use crate::vouchers::Voucher;

/// A ledger channel as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerView {
    /// Identity.
    pub id: ChannelId,
    /// Phase of life; none once it is closed.
    pub phase: Option<LedgerPhase>,
    /// The counterparty.
    pub peer: Address,
    /// What is held.
    pub asset: Asset,
    /// This node's side.
    pub side: Side,
    /// Why it is, or was, enforced on chain; none for one that is not, and was not.
    pub exit_reason: Option<ExitReason>,
    /// Our free balance; what the chain has paid us, once it is closed.
    pub mine: Amount,
    /// The peer's free balance; what the chain has paid it, once it is closed.
    pub theirs: Amount,
    /// Locked for payment channels; nothing once it is closed.
    pub locked: Amount,
    /// Payment channels with what is locked for each.
    pub guarantees: Vec<(ChannelId, Guarantee)>,
    /// Version of the agreed state.
    pub turn: TurnNumber,
    /// Seconds.
    pub challenge_duration: u32,
    /// Held on chain as far as confirmed.
    pub holdings: Amount,
    /// Challenge status on chain.
    pub mode: ChannelMode,
    /// Gas that enforcing the ledger and what it guarantees may still cost.
    pub exit_gas: u64,
}

impl LedgerView {
    /// Describes a ledger; `live` is false for an archived one.
    #[must_use]
    pub fn new(ledger: &Ledger, live: bool) -> Self {
        let status = ledger.status();
        let (mut mine, mut theirs) =
            (ledger.agreed.of(ledger.me), ledger.agreed.of(ledger.me.other()));
        let mut guarantees: Vec<_> =
            ledger.agreed.guarantees.iter().map(|(id, g)| (*id, *g)).collect();
        // What was agreed is not what came of it: guarantees became payments, and what was never
        // deposited was never paid.
        if let Some([leader, follower]) = ledger.payout.as_deref().copied().filter(|_| !live) {
            (mine, theirs) = match ledger.me {
                Side::Leader => (leader, follower),
                Side::Follower => (follower, leader),
            };
            guarantees.clear();
        }
        let exit_reason = match ledger.phase {
            LedgerPhase::Exiting(reason) => Some(reason),
            LedgerPhase::Opening | LedgerPhase::Open | LedgerPhase::Closing => None,
        };
        let locked = guarantees.iter().map(|(_, guarantee)| guarantee.amount);
        Self {
            id: ledger.id,
            phase: live.then_some(ledger.phase),
            peer: ledger.peer(),
            asset: ledger.asset,
            side: ledger.me,
            exit_reason,
            mine,
            theirs,
            locked: Amount::checked_sum(locked).unwrap_or_default(),
            guarantees,
            turn: ledger.agreed.turn,
            challenge_duration: ledger.fixed.challenge_duration,
            holdings: status.holdings,
            mode: status.mode,
            exit_gas: ledger_exit_gas(status.mode, ledger.agreed.guarantees.len()),
        }
    }
}

/// What is still to be spent on a ledger with `guarantees` payment channels.
fn ledger_exit_gas(mode: ChannelMode, guarantees: usize) -> u64 {
    let count = u64::try_from(guarantees).unwrap_or(u64::MAX);
    let under = gas::PAYMENT.saturating_mul(count);
    let challenge = if mode == ChannelMode::Open { gas::LEDGER } else { 0 };
    gas::SETTLE.saturating_add(challenge).saturating_add(under)
}

/// A payment channel as a participant sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaymentView {
    /// Identity.
    pub id: ChannelId,
    /// Phase of life; none once it is closed.
    pub phase: Option<PaymentPhase>,
    /// This node's role.
    pub role: Role,
    /// From payer to payee.
    pub participants: Vec<Address>,
    /// What is paid.
    pub asset: Asset,
    /// What can be paid in all.
    pub capacity: Amount,
    /// Paid so far as this node knows: a relay learns it when the channel closes. What the chain has
    /// decided, once it is closed there.
    pub paid: Amount,
    /// The newest voucher at payer and payee.
    pub voucher: Option<Voucher>,
    /// Ledger shared with the participant before us.
    pub left: Option<ChannelId>,
    /// Ledger shared with the participant after us.
    pub right: Option<ChannelId>,
    /// Seconds.
    pub challenge_duration: u32,
    /// Challenge status on chain.
    pub mode: ChannelMode,
    /// Gas that enforcing the channel may still cost, without the ledgers under it.
    pub exit_gas: u64,
}

impl PaymentView {
    /// Describes a payment channel; `live` is false for an archived one.
    #[must_use]
    pub fn new(channel: &PaymentChannel, paid: Option<&Paid>, live: bool) -> Self {
        let settled = channel.final_state.as_ref().map(|state| state.paid);
        let registered = channel.status().registered.as_ref().filter(|_| !live);
        let settled = registered.and_then(|state| paid_by(&state.outcome)).or(settled);
        Self {
            id: channel.id,
            phase: live.then_some(channel.phase),
            role: channel.role(),
            participants: channel.fixed.participants.clone(),
            asset: channel.asset,
            capacity: channel.capacity,
            paid: settled.or_else(|| paid.map(|paid| paid.total)).unwrap_or_default(),
            voucher: paid.and_then(|paid| paid.voucher),
            left: channel.left,
            right: channel.right,
            challenge_duration: channel.fixed.challenge_duration,
            mode: channel.status().mode,
            exit_gas: gas::PAYMENT,
        }
    }
}

/// Counters of the engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatusView {
    /// Open ledger channels.
    pub ledgers: usize,
    /// Open payment channels.
    pub payments: usize,
    /// Running objectives.
    pub objectives: usize,
    /// Messages that wait for peers.
    pub messages: u64,
    /// Chain calls that are not settled.
    pub calls: usize,
    /// Newest applied block.
    pub block: BlockNumber,
    /// Coin that enforcing all channels may cost at the present price of gas, in wei.
    pub reserve: Amount,
    /// Coin of the chain account in wei; none while the chain has not been heard.
    pub balance: Option<Amount>,
}

impl State {
    /// Counts what is there.
    pub(crate) fn status_view(&self, report: &GasReport) -> StatusView {
        let waiting = self.outbox.values().map(Backlog::len);
        StatusView {
            ledgers: self.ledgers.len(),
            payments: self.payments.len(),
            objectives: self.objectives.len(),
            messages: waiting.fold(0, u64::saturating_add),
            calls: self.calls.len(),
            block: self.cursor.number(),
            reserve: self.reserve(0, 0, report),
            balance: report.balance,
        }
    }

    /// Coin that enforcing all channels, and `ledgers` and `payments` more, may cost: ledgers that
    /// hold money, and the guarantees in them, but not what others have only asked for. Doubled,
    /// because fees rise when many must exit at once (threat C5).
    pub(crate) fn reserve(&self, ledgers: usize, payments: usize, report: &GasReport) -> Amount {
        let count =
            |open: usize, more: usize| u64::try_from(open.saturating_add(more)).unwrap_or(u64::MAX);
        let ledgers = count(self.quotas.at_stake, ledgers);
        let guarantees = self.quotas.guarantees.saturating_add(self.quotas.own_funding);
        let payments = count(guarantees, payments);
        let gas = gas::LEDGER
            .saturating_add(gas::SETTLE)
            .saturating_mul(ledgers)
            .saturating_add(gas::PAYMENT.saturating_mul(payments));
        report.cost(gas.saturating_mul(2))
    }
}
