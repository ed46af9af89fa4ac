//! The node's accounts: what they have, what is owed to them, what is sent from them.

use std::sync::Arc;
use std::time::Duration;

use engine::effect::Response;
use engine::input::Request;
use engine::sending::SendingEnd;
use engine::types::Address;

use super::{Api, unexpected};
use crate::address::{AddressText, asset_text};
use crate::amount::AmountText;
use crate::orders::{OrderError, Wish};
use crate::rpc::accounts::{AccountInfo, DebtInfo, HeldInfo, SendingInfo};
use crate::rpc::error::{CHAIN, NOTHING_OWED, OUTCOME_UNKNOWN, Refusal, SEND_REFUSED};
use crate::rpc::fields::{Fields, Wait};

/// The status of a node must be seen when its endpoint hangs, too.
const BALANCE_LIMIT: Duration = Duration::from_secs(3);

pub(super) async fn debts(api: Arc<Api>, fields: Fields) -> Result<Vec<DebtInfo>, Refusal> {
    fields.finish()?;
    owed(&api).await
}

/// What is owed now.
pub(super) async fn owed(api: &Api) -> Result<Vec<DebtInfo>, Refusal> {
    let Response::Debts(debts) = api.ask(Request::ListDebts).await? else {
        return Err(unexpected());
    };
    Ok(debts.iter().map(DebtInfo::from).collect())
}

/// Both accounts with what they have; without, when the chain does not answer soon.
pub(super) async fn accounts(api: &Api) -> Vec<AccountInfo> {
    let (chain, channel) = (api.node.chain().account(), api.node.address());
    let both = [("chain", chain), ("channel", channel)];
    let mut accounts = Vec::new();
    for (name, address) in both.into_iter().take(if chain == channel { 1 } else { 2 }) {
        let balances = tokio::time::timeout(BALANCE_LIMIT, balances(api, address)).await;
        accounts.push(AccountInfo {
            account: name.to_owned(),
            address: AddressText(address),
            balances: balances.unwrap_or_default(),
        });
    }
    accounts
}

async fn balances(api: &Api, address: Address) -> Vec<HeldInfo> {
    let mut held = Vec::new();
    for asset in api.node.policy().assets() {
        // A token that does not answer hides no other.
        if let Ok(amount) = api.node.chain().balance(asset, address).await {
            held.push(HeldInfo { asset: asset_text(asset), amount: AmountText(amount) });
        }
    }
    held
}

pub(super) async fn send(api: Arc<Api>, mut fields: Fields) -> Result<SendingInfo, Refusal> {
    let to = fields.address("to")?;
    let amount = fields.amount_or_all()?;
    let asset = fields.asset()?;
    let from = fields.account("from")?;
    let force = fields.flag("force")?;
    let key = fields.key()?;
    let wait = fields.wait()?;
    fields.finish()?;
    let place = api.place_to_wait(wait)?;
    let wish = Wish { key, from, asset, to, amount, force };
    let quote = api.node.order(wish).await.map_err(|error| match error {
        OrderError::Chain(error) => error.into(),
        OrderError::PriceUnknown => Refusal::new(CHAIN, "chain", error),
        OrderError::Call(error) => api.explain_call(error),
    })?;
    let sent = api.ask(Request::Send(Box::new(quote.order))).await?;
    api.end_of(sent, wait, place).await
}

pub(super) async fn claim(api: Arc<Api>, mut fields: Fields) -> Result<SendingInfo, Refusal> {
    let asset = fields.asset()?;
    let to = fields.optional_address("to")?;
    let key = fields.key()?;
    let wait = fields.wait()?;
    fields.finish()?;
    let place = api.place_to_wait(wait)?;
    let is_known = api.node.knows_sending(key).await;
    if !is_known.map_err(|error| api.explain_call(error))? {
        let owed = api.node.chain().claimable(asset, api.node.address()).await?;
        if owed.is_zero() {
            let message = "the adjudicator owes this node nothing of it";
            return Err(Refusal::field(NOTHING_OWED, "asset", "nothing_owed", message));
        }
    }
    let claimed = api.ask(Request::Claim { key, asset, to }).await?;
    api.end_of(claimed, wait, place).await
}

pub(super) async fn list(api: Arc<Api>, fields: Fields) -> Result<Vec<SendingInfo>, Refusal> {
    fields.finish()?;
    let Response::Sendings(mut all) = api.ask(Request::ListSendings).await? else {
        return Err(unexpected());
    };
    all.sort_by_key(|(_, sending)| sending.id);
    Ok(all.iter().map(|(key, sending)| SendingInfo::new(*key, sending)).collect())
}

pub(super) async fn show(api: Arc<Api>, mut fields: Fields) -> Result<SendingInfo, Refusal> {
    let key = fields.known_key()?;
    let wait = fields.wait()?;
    fields.finish()?;
    let place = api.place_to_wait(wait)?;
    let found = api.ask(Request::GetSending(key)).await?;
    api.end_of(found, wait, place).await
}

pub(super) async fn take_back(api: Arc<Api>, mut fields: Fields) -> Result<SendingInfo, Refusal> {
    let key = fields.known_key()?;
    let wait = fields.wait()?;
    fields.finish()?;
    let place = api.place_to_wait(wait)?;
    let asked = api.ask(Request::TakeBack(key)).await?;
    api.end_of(asked, wait, place).await
}

impl Api {
    /// How a sending stands; how it ended, when that is waited for.
    async fn end_of<P>(
        &self,
        sent: Response,
        wait: Wait,
        _place: P,
    ) -> Result<SendingInfo, Refusal> {
        let Response::Sending(key, sending) = sent else { return Err(unexpected()) };
        if !wait.wait {
            return Ok(SendingInfo::new(key, &sending));
        }
        let end = self.node.end_of_sending(key, *sending);
        let end = tokio::time::timeout(wait.timeout, end);
        let ended = match self.closing.run_until_cancelled(end).await {
            Some(Ok(Ok(ended))) => ended,
            Some(Ok(Err(_))) | None => return Err(Refusal::sending_interrupted(key)),
            Some(Err(_)) => return Err(Refusal::sending_pending(key)),
        };
        match &ended.end {
            Some(SendingEnd::Refused { reason }) => {
                Err(Refusal::new(SEND_REFUSED, "send_refused", format!("it is refused: {reason}")))
            }
            Some(SendingEnd::Unknown { reason }) => {
                Err(Refusal::new(OUTCOME_UNKNOWN, "outcome_unknown", reason))
            }
            Some(SendingEnd::Done { .. }) | None => Ok(SendingInfo::new(key, &ended)),
        }
    }
}
