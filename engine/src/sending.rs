//! What the owner has the node send from its own accounts: coin, tokens, and claims of what the
//! adjudicator owes.
//!
//! Each has a key that the owner chooses, so that asking again never sends again; its row is committed
//! with the call and stays after the end, with how it ended.

use serde::{Deserialize, Serialize};

use crate::chain::{Account, ChainCall, Receipt};
use crate::draft::Draft;
use crate::effect::{Effect, Response, Update};
use crate::error::RequestError;
use crate::types::{Address, Amount, Asset, B256, BlockNumber, CallId, Timestamp};

/// Sendings that are not finished: each is a transaction, and more than a few that wait are a mistake.
const MAX_RUNNING: usize = 64;

/// Finished ones that are remembered: whoever repeats an older one sends again.
const MAX_ENDED: usize = 4_096;

/// Something that is sent, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// What.
    pub call: ChainCall,
    /// The call's id.
    pub id: CallId,
    /// When it was asked for.
    pub began: Timestamp,
    /// How it ended; none while it is on its way.
    pub end: Option<SendingEnd>,
}

/// How a sending ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SendingEnd {
    /// Mined and confirmed.
    Done {
        /// Where.
        block: BlockNumber,
    },
    /// Nothing was sent, or a contract has refused it.
    Refused {
        /// Why, for people.
        reason: String,
    },
    /// Nobody can say.
    Unknown {
        /// What is known, for people.
        reason: String,
    },
}

/// Coin or tokens to send, with what the chain says of the account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Chosen by the owner: the same order under the same key is one order.
    pub key: B256,
    /// Whose.
    pub from: Account,
    /// What.
    pub asset: Asset,
    /// Who gets it.
    pub to: Address,
    /// How much; all that can be spared when none.
    pub amount: Option<Amount>,
    /// How much of the asset the account has.
    pub balance: Amount,
    /// What the account has of the chain's coin, in wei.
    pub coin: Amount,
    /// What the transaction may cost, in wei.
    pub fee: Amount,
    /// What of the account's coin is left for enforcing channels and for deposits.
    pub keep: Keep,
}

/// What an account's coin is needed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The reserve of all channels, and deposits that are agreed.
    Reserve,
    /// Nothing: the account pays for no channels, or its owner knows better.
    Nothing,
}

/// Sends coin or tokens.
pub(crate) fn send(draft: &mut Draft<'_>, order: &Order) -> Result<Response, RequestError> {
    if let Some(known) = draft.sending(order.key) {
        return if is_same(known, order) {
            Ok(response(draft, order.key))
        } else {
            Err(used(order.key))
        };
    }
    if is_lost_at(draft, order.asset, order.to) {
        return Err(RequestError::NoPayee { address: order.to });
    }
    check_room(draft)?;
    // What nobody has told yet cannot be kept.
    if order.keep == Keep::Reserve && draft.gas.balance.is_none() {
        return Err(RequestError::ReserveUnknown);
    }
    let is_kept = |amount: Amount| match order.keep {
        Keep::Reserve => amount,
        Keep::Nothing => Amount::ZERO,
    };
    // Each transaction that is on its way costs a fee, too.
    let running = draft.running_sendings().filter(|known| known.call.account() == order.from);
    let running = u64::try_from(running.count()).unwrap_or(u64::MAX);
    let kept = is_kept(draft.kept_coin())
        .saturating_add(order.fee.saturating_mul(running.saturating_add(1)))
        .saturating_add(draft.leaving(order.from, Asset::NATIVE));
    if !order.asset.is_native() && order.coin < kept {
        return Err(RequestError::NoCoinForFee { coin: order.coin, fee: order.fee, kept });
    }
    let kept = match order.asset.is_native() {
        true => kept,
        false => is_kept(draft.promised_in(order.asset))
            .saturating_add(draft.leaving(order.from, order.asset)),
    };
    let available = order.balance.saturating_sub(kept);
    let amount = order.amount.unwrap_or(available);
    if amount > available || (amount.is_zero() && order.amount.is_none()) {
        let (asset, balance) = (order.asset, order.balance);
        return Err(RequestError::CannotSend { asset, balance, kept, available });
    }
    if amount.is_zero() {
        return Err(RequestError::ZeroAmount { field: "amount" });
    }
    let Order { from, asset, to, .. } = *order;
    begin(draft, order.key, ChainCall::Transfer { from, asset, to, amount });
    Ok(response(draft, order.key))
}

/// Claims what the adjudicator owes, for the channel account or, paid for by it, to somebody else.
pub(crate) fn claim(
    draft: &mut Draft<'_>,
    key: B256,
    asset: Asset,
    to: Option<Address>,
) -> Result<Response, RequestError> {
    let call = match to {
        Some(to) => ChainCall::ClaimTo { asset, to },
        None => ChainCall::Claim { asset, payee: draft.me(), most_gas: None },
    };
    if let Some(known) = draft.sending(key) {
        return if known.call == call { Ok(response(draft, key)) } else { Err(used(key)) };
    }
    if draft.is_claiming(asset) || draft.debt(asset).is_some_and(|debt| debt.is_claimed_now()) {
        return Err(RequestError::ClaimRunning { asset });
    }
    if let Some(address) = to.filter(|to| is_lost_at(draft, asset, *to)) {
        return Err(RequestError::NoPayee { address });
    }
    check_room(draft)?;
    let id = begin(draft, key, call);
    if draft.debt(asset).is_some() {
        draft.debt_mut(asset).is_claimed_by(id);
    }
    Ok(response(draft, key))
}

/// Asks a sending back of which nothing has left yet. How it ends is told as ever.
pub(crate) fn take_back(draft: &mut Draft<'_>, key: B256) -> Result<Response, RequestError> {
    let sending = draft.sending(key).ok_or(RequestError::UnknownSending(key))?;
    if sending.end.is_none() {
        let id = sending.id;
        draft.emit(Effect::Withdraw(id));
    }
    Ok(response(draft, key))
}

/// Describes a sending.
pub(crate) fn describe(draft: &Draft<'_>, key: B256) -> Result<Response, RequestError> {
    let sending = draft.sending(key).ok_or(RequestError::UnknownSending(key))?;
    Ok(Response::Sending(key, Box::new(sending.clone())))
}

/// A call has ended.
pub(crate) fn settled(draft: &mut Draft<'_>, id: CallId, receipt: &Receipt) {
    let Some((key, mut sending)) = draft.running_sending(id) else { return };
    sending.end = Some(match receipt {
        Receipt::Succeeded { block } => SendingEnd::Done { block: *block },
        Receipt::Reverted { reason } => SendingEnd::Refused { reason: reason.clone() },
        Receipt::TooLarge { needed, cap } => SendingEnd::Refused {
            reason: format!("it takes {needed} gas, and {cap} is the most that it may take"),
        },
        Receipt::Withdrawn => SendingEnd::Refused { reason: "it was taken back unsent".to_owned() },
        Receipt::Unknown { reason } => SendingEnd::Unknown { reason: reason.clone() },
    });
    draft.notify(Update::Sending(key, Box::new(sending.clone())));
    draft.set_sending(key, Some(sending));
    draft.forget_old_sendings(MAX_ENDED);
}

fn begin(draft: &mut Draft<'_>, key: B256, call: ChainCall) -> CallId {
    let id = draft.submit_as(call.clone());
    let sending = Sending { call, id, began: draft.now, end: None };
    draft.set_sending(key, Some(sending));
    id
}

fn response(draft: &Draft<'_>, key: B256) -> Response {
    let sending = draft.sending(key).cloned();
    sending
        .map_or(Response::Sendings(Vec::new()), |sending| Response::Sending(key, Box::new(sending)))
}

const fn used(key: B256) -> RequestError {
    RequestError::KeyUsed(key)
}

fn is_same(known: &Sending, order: &Order) -> bool {
    let ChainCall::Transfer { from, asset, to, amount } = known.call else { return false };
    let amounts = order.amount.is_none_or(|wanted| wanted == amount);
    (from, asset, to) == (order.from, order.asset, order.to) && amounts
}

fn check_room(draft: &Draft<'_>) -> Result<(), RequestError> {
    if draft.running_sendings().count() >= MAX_RUNNING {
        return Err(RequestError::TooManySendings { max: MAX_RUNNING });
    }
    Ok(())
}

/// Contracts that give back nothing, and the token itself: what arrives there is lost.
fn is_lost_at(draft: &Draft<'_>, asset: Asset, to: Address) -> bool {
    let deployment = draft.deployment;
    let ours = [deployment.adjudicator, deployment.consensus_app, deployment.payment_app];
    to.is_zero() || to == asset.0 || ours.contains(&to)
}
