//! Refusals with stable codes. The table for users is in `docs/rpc.md`; codes are never reused.

use engine::error::RequestError;
use engine::types::{Amount, B256, ChannelId, ObjectiveId};
use engine::vouchers::VoucherError;
use jsonrpsee::types::ErrorObjectOwned;
use serde::{Deserialize, Serialize};

use crate::credits::Uncredited;
use crate::handle::{CallError, WaitError};

/// Why a call is refused: what clients read, and what people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Stable number.
    pub code: i32,
    /// For people; begins with the parameter where one is at fault.
    pub message: String,
    /// For programs.
    pub data: RefusalData,
}

/// What programs need to know of a refusal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalData {
    /// The parameter at fault, when one is.
    pub field: Option<String>,
    /// A stable word.
    pub reason: String,
    /// The objective that goes on although the call has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objective: Option<String>,
}

/// A parameter is missing, unknown or malformed (JSON-RPC's own code).
pub const INVALID_PARAMS: i32 = -32_602;
/// Nobody answers for the chain.
pub const CHAIN: i32 = 2_001;
/// No location of a peer is known.
pub const PEER_NOT_FOUND: i32 = 2_002;
/// A peer cannot be connected.
pub const PEER_UNREACHABLE: i32 = 2_003;
/// A watchtower does not serve us.
pub const TOWER_REFUSED: i32 = 2_004;
/// A transfer or claim is refused: by a contract, or for want of coin.
pub const SEND_REFUSED: i32 = 2_005;
/// The adjudicator owes nothing.
pub const NOTHING_OWED: i32 = 2_006;
/// The payee credits nothing of a payment.
pub(super) const UNCREDITED: i32 = 2_007;
/// The node is stopping.
pub const STOPPING: i32 = 3_001;
/// The time to wait is over; what was begun goes on.
pub const TIMED_OUT: i32 = 3_002;
/// The node stopped before it could tell whether the call was done.
pub const OUTCOME_UNKNOWN: i32 = 3_004;
/// The node stops while a call waits for the end of what it has begun, which goes on.
pub const INTERRUPTED: i32 = 3_005;
/// Too many calls wait already.
pub(super) const TOO_MANY_WAITING: i32 = 3_006;
/// The history cannot be read.
pub const ARCHIVE: i32 = 3_003;
/// The subscription or answer cannot be made.
pub(super) const INTERNAL: i32 = -32_603;

impl Refusal {
    /// A refusal that no parameter is to blame for.
    pub fn new(code: i32, reason: &str, message: impl ToString) -> Self {
        let data = RefusalData { reason: reason.to_owned(), ..RefusalData::default() };
        Self { code, message: message.to_string(), data }
    }

    /// A parameter at fault. The message begins with its name.
    pub fn field(code: i32, field: &str, reason: &str, message: impl ToString) -> Self {
        let mut refusal = Self::new(code, reason, format!("{field}: {}", message.to_string()));
        refusal.data.field = Some(field.to_owned());
        refusal
    }

    /// A parameter that cannot be read.
    pub fn param(field: &str, reason: &str, message: impl ToString) -> Self {
        Self::field(INVALID_PARAMS, field, reason, message)
    }

    /// The channel was there and is closed.
    pub fn already_closed(field: &'static str, channel: ChannelId) -> Self {
        Self::field(1_004, field, "already_closed", format!("{channel} is already closed"))
    }

    /// The objective was running and has ended.
    pub fn already_ended(objective: ObjectiveId, how: &str) -> Self {
        let message = format!("{objective} has already ended: it is {how}");
        Self::field(1_025, "objective", "already_ended", message)
    }

    /// The time to wait is over.
    pub fn timed_out(objective: ObjectiveId) -> Self {
        let message = format!("{objective} is still running; wait for it again, or look later");
        let mut refusal = Self::field(TIMED_OUT, "timeout_secs", "timed_out", message);
        refusal.data.objective = Some(objective.to_string());
        refusal
    }

    /// Names the only parameter that can be at fault, where the engine does not.
    #[must_use]
    pub fn or_field(mut self, field: &str) -> Self {
        if self.data.field.is_none() && is_about_a_channel(&self.data.reason) {
            self.message = format!("{field}: {}", self.message);
            self.data.field = Some(field.to_owned());
        }
        self
    }

    /// The node is stopping, and has not begun what it was asked for.
    pub fn stopping() -> Self {
        Self::new(STOPPING, "stopping", "the node is stopping; nothing was done")
    }

    /// Nobody can say whether a call was done.
    pub fn outcome_unknown() -> Self {
        let message = "the node has stopped before it could tell whether this was done; look before \
                       you repeat it, or repeat a payment with the total that it leads to";
        Self::new(OUTCOME_UNKNOWN, "outcome_unknown", message)
    }

    /// The node stops while a call waits.
    pub fn interrupted(objective: ObjectiveId) -> Self {
        let message = format!("{objective} goes on once the node runs again; it is stopping");
        let mut refusal = Self::new(INTERRUPTED, "interrupted", message);
        refusal.data.objective = Some(objective.to_string());
        refusal
    }

    /// A transaction for the owner is not confirmed yet.
    pub fn sending_pending(key: B256) -> Self {
        let message = format!(
            "it is on its way and not confirmed yet; ask again with the key {key}, which never sends \
             twice"
        );
        Self::field(TIMED_OUT, "timeout_secs", "timed_out", message)
    }

    /// The node stops before a transaction for the owner is confirmed.
    pub fn sending_interrupted(key: B256) -> Self {
        let message = format!(
            "it goes on once the node runs again, which is stopping; ask again with the key {key}, \
             which never sends twice"
        );
        Self::new(INTERRUPTED, "interrupted", message)
    }

    /// Another call that waits would leave too few connections to others.
    pub fn too_many_waiting() -> Self {
        let message = "too many calls wait already; call without wait, and look or subscribe later";
        Self::field(TOO_MANY_WAITING, "wait", "too_many_waiting", message)
    }

    /// A payment that is made, and that the payee has not confirmed yet; with what it counts as paid
    /// over the channel, when it has said so.
    pub fn undelivered(credited: Option<Amount>) -> Self {
        let counted = credited
            .map(|total| format!(" (it counts {total} wei or units of the token as paid so far)"))
            .unwrap_or_default();
        let message = format!(
            "the payment is made, but the payee has not confirmed it yet{counted}; it is delivered \
             once the payee answers, so do not pay again"
        );
        Self::field(TIMED_OUT, "timeout_secs", "undelivered", message)
    }

    /// A payment of which the payee credits nothing.
    pub fn uncredited(error: Uncredited) -> Self {
        let advice = "it has shown this node's signature on that, which this node keeps now: let no \
                      other copy of this node run, and pay again";
        Self::new(UNCREDITED, "uncredited", format!("{error}; {advice}"))
    }
}

impl From<Refusal> for ErrorObjectOwned {
    fn from(refusal: Refusal) -> Self {
        Self::owned(refusal.code, refusal.message, Some(refusal.data))
    }
}

impl From<CallError> for Refusal {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(error) => error.into(),
            CallError::Stopped => Self::stopping(),
            CallError::Unknown => Self::outcome_unknown(),
            CallError::Undelivered => Self::undelivered(None),
            CallError::Uncredited(error) => Self::uncredited(error),
        }
    }
}

impl From<WaitError> for Refusal {
    fn from(error: WaitError) -> Self {
        match error {
            WaitError::TimedOut(objective) => Self::timed_out(objective.id),
            WaitError::Unknown(id) => RequestError::UnknownObjective(id).into(),
            WaitError::Archive(reason) => Self::new(ARCHIVE, "archive", reason),
            WaitError::Stopped => Self::stopping(),
        }
    }
}

impl From<store::StoreError> for Refusal {
    fn from(error: store::StoreError) -> Self {
        Self::new(ARCHIVE, "archive", error.report())
    }
}

impl From<chain::ChainError> for Refusal {
    fn from(error: chain::ChainError) -> Self {
        Self::new(CHAIN, "chain", error)
    }
}

/// The network's event loop has ended, which happens only when the node stops.
impl From<p2p::Stopped> for Refusal {
    fn from(_: p2p::Stopped) -> Self {
        Self::stopping()
    }
}

impl From<RequestError> for Refusal {
    fn from(error: RequestError) -> Self {
        let (code, field, reason) = describe(&error);
        // The engine's texts already begin with the parameter where there is one.
        let mut refusal = Self::new(code, reason, text(&error));
        refusal.data.field = field.map(str::to_owned);
        refusal
    }
}

/// What people read. Where a parameter has two names, `ledger` and `channel`, the engine does not
/// know which one was used; the method says it with [`Refusal::or_field`].
fn text(error: &RequestError) -> String {
    match error {
        RequestError::AlreadyClosed(id) => {
            format!("{id} is already closed; nothing is left to enforce")
        }
        RequestError::AlreadyExiting(id) => {
            let objective = ObjectiveId::Exit(*id);
            format!("{id} is being enforced on chain already; wait for {objective}")
        }
        RequestError::NothingToEnforce(id) => format!(
            "{id} holds nothing that could be enforced; if it is being opened, cancel that instead"
        ),
        other => other.to_string(),
    }
}

/// True for refusals that speak of the channel of the only parameter.
fn is_about_a_channel(reason: &str) -> bool {
    ["already_closed", "already_closing", "already_exiting", "nothing_to_enforce"].contains(&reason)
}

/// Code, parameter and word of each refusal of the engine.
const fn describe(error: &RequestError) -> (i32, Option<&'static str>, &'static str) {
    match error {
        RequestError::UnknownLedger(_) => (1_001, Some("ledger"), "unknown_ledger"),
        RequestError::UnknownPayment(_) => (1_002, Some("channel"), "unknown_channel"),
        RequestError::UnknownObjective(_) => (1_003, Some("objective"), "unknown_objective"),
        RequestError::AlreadyClosed(_) => (1_004, None, "already_closed"),
        RequestError::AlreadyClosing(_) => (1_005, None, "already_closing"),
        RequestError::NotOpen(_) => (1_006, Some("channel"), "not_open"),
        RequestError::NotPayer(_) => (1_007, Some("channel"), "not_payer"),
        RequestError::NotPayee(_) => (1_008, Some("channel"), "not_payee"),
        RequestError::LedgerExists { .. } => (1_009, Some("peer"), "ledger_exists"),
        RequestError::NoLedger { field, .. } => (1_010, Some(*field), "no_ledger"),
        RequestError::LedgerNotUsable(_) => (1_011, Some("ledger"), "ledger_not_usable"),
        RequestError::InsufficientFunds { .. } => (1_012, Some("amount"), "insufficient_funds"),
        RequestError::GuaranteesRunning { .. } => (1_013, Some("ledger"), "channels_running"),
        RequestError::Oneself { field } => (1_014, Some(*field), "oneself"),
        RequestError::Participant { field, .. } => (1_015, Some(*field), "participant"),
        RequestError::TooManyParticipants { .. } => {
            (1_016, Some("relays"), "too_many_participants")
        }
        RequestError::ZeroAmount { field } => (1_017, Some(*field), "zero"),
        RequestError::Overflow { field } => (1_018, Some(*field), "overflow"),
        RequestError::ChallengeDuration { .. } => {
            (1_019, Some("challenge_duration"), "challenge_duration")
        }
        RequestError::NotCancellable(_) => (1_020, Some("objective"), "not_cancellable"),
        RequestError::ChannelIdTaken(_) => (1_021, None, "channel_id_taken"),
        RequestError::Voucher(VoucherError::Zero) => (1_017, Some("amount"), "zero"),
        RequestError::Voucher(VoucherError::InsufficientFunds { .. }) => {
            (1_012, Some("amount"), "insufficient_funds")
        }
        RequestError::Voucher(VoucherError::WrongSigner) => {
            (1_022, Some("signature"), "wrong_signer")
        }
        RequestError::Backlog { .. } => (1_023, Some("peer"), "backlog"),
        RequestError::Busy => (1_024, None, "busy"),
        RequestError::AlreadyExiting(_) => (1_026, None, "already_exiting"),
        RequestError::NothingToEnforce(_) => (1_027, None, "nothing_to_enforce"),
        RequestError::GasReserve { .. } => (1_028, None, "gas_reserve"),
        RequestError::ChallengeAboveLedger { .. } => {
            (1_029, Some("challenge_duration"), "challenge_above_ledger")
        }
        RequestError::CapacityTooSmall { .. } => (1_030, Some("amount"), "capacity_too_small"),
        RequestError::UnexpectedTotal { .. } => (1_031, Some("total"), "unexpected_total"),
        RequestError::DepositAboveCoin { .. } => (1_032, Some("amount"), "deposit_above_coin"),
        RequestError::CannotSend { .. } => (1_050, Some("amount"), "cannot_send"),
        RequestError::NoCoinForFee { .. } => (1_051, Some("from"), "no_coin_for_fee"),
        RequestError::ReserveUnknown => (1_057, Some("from"), "reserve_unknown"),
        RequestError::NoPayee { .. } => (1_052, Some("to"), "no_payee"),
        RequestError::KeyUsed(_) => (1_053, Some("key"), "key_used"),
        RequestError::UnknownSending(_) => (1_054, Some("key"), "unknown_key"),
        RequestError::TooManySendings { .. } => (1_055, None, "too_many_sendings"),
        RequestError::ClaimRunning { .. } => (1_056, Some("asset"), "claim_running"),
        RequestError::UnknownTower(_) => (1_040, Some("tower"), "not_a_tower"),
        RequestError::TooManyTowers { .. } => (1_041, Some("tower"), "too_many_towers"),
    }
}
