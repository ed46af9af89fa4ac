//! Ledger channels.

use std::sync::Arc;

use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::query::LedgerView;
use engine::step::ArchivedChannel;
use engine::types::ChannelId;

use super::{Api, Listing, unexpected};
use crate::handle::CallError;
use crate::rpc::error::Refusal;
use crate::rpc::fields::Fields;
use crate::rpc::types::{LedgerInfo, StartedInfo};

pub(super) async fn list(api: Arc<Api>, mut fields: Fields) -> Result<Vec<LedgerInfo>, Refusal> {
    let listing = Listing::read(&mut fields)?;
    fields.finish()?;
    if listing.closed {
        return listing.page(&api, |row| archived(&api, row));
    }
    let Response::Ledgers(views) = api.ask(Request::ListLedgers).await? else {
        return Err(unexpected());
    };
    let price = api.gas_price();
    Ok(views.iter().map(|view| LedgerInfo::new(view, price)).collect())
}

pub(super) async fn show(api: Arc<Api>, mut fields: Fields) -> Result<LedgerInfo, Refusal> {
    let id = fields.channel("ledger")?;
    fields.finish()?;
    match api.node.request(Request::GetLedger(id)).await {
        Ok(Response::Ledger(view)) => Ok(LedgerInfo::new(&view, api.gas_price())),
        Err(CallError::Refused(RequestError::UnknownLedger(_))) => closed(&api, id),
        Ok(_) => Err(unexpected()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn open(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let peer = fields.address("peer")?;
    let asset = fields.asset()?;
    let mine = fields.amount("amount")?;
    let theirs = fields.optional_amount("peer_amount")?.unwrap_or_default();
    let challenge_duration = challenge_duration(&api, &mut fields)?;
    let wait = fields.wait()?;
    fields.finish()?;
    let request =
        |random| Request::OpenLedger { peer, asset, mine, theirs, challenge_duration, random };
    api.open(wait, request).await
}

pub(super) async fn close(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let ledger = fields.channel("ledger")?;
    let wait = fields.wait()?;
    fields.finish()?;
    api.begin(Request::CloseLedger { ledger }, wait)
        .await
        .map_err(|refusal| refusal.or_field("ledger"))
}

/// Enforces a ledger on chain, without the peer.
pub(super) async fn exit(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let ledger = fields.channel("ledger")?;
    let wait = fields.wait()?;
    fields.finish()?;
    let begun = api.begin(Request::ExitLedger { ledger }, wait).await;
    begun.map_err(|refusal| refusal.or_field("ledger"))
}

/// The parameter `challenge_duration` in seconds.
pub(super) fn challenge_duration(api: &Api, fields: &mut Fields) -> Result<u32, Refusal> {
    let seconds = fields.optional_number("challenge_duration", u32::MAX.into())?;
    Ok(seconds.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(api.challenge_duration))
}

fn closed(api: &Api, id: ChannelId) -> Result<LedgerInfo, Refusal> {
    let row = api.node.archive().archived_channel(id)?;
    let info = row.as_ref().and_then(|row| archived(api, row));
    info.ok_or_else(|| RequestError::UnknownLedger(id).into())
}

fn archived(api: &Api, row: &ArchivedChannel) -> Option<LedgerInfo> {
    match row {
        ArchivedChannel::Ledger(ledger) => {
            Some(LedgerInfo::new(&LedgerView::new(ledger, false), api.gas_price()))
        }
        ArchivedChannel::Payment(..) => None,
    }
}
