//! Payment channels.

use std::sync::Arc;

use engine::effect::Response;
use engine::error::RequestError;
use engine::input::Request;
use engine::query::PaymentView;
use engine::step::ArchivedChannel;
use engine::types::ChannelId;

use super::ledgers::challenge_duration;
use super::{Api, Listing, unexpected};
use crate::handle::CallError;
use crate::rpc::error::Refusal;
use crate::rpc::fields::Fields;
use crate::rpc::types::{ChannelInfo, StartedInfo};

pub(super) async fn list(api: Arc<Api>, mut fields: Fields) -> Result<Vec<ChannelInfo>, Refusal> {
    let ledger = fields.optional_channel("ledger")?;
    let listing = Listing::read(&mut fields)?;
    fields.finish()?;
    if listing.closed {
        let over = |channel: &ChannelInfo| {
            ledger.is_none() || [channel.left_ledger, channel.right_ledger].contains(&ledger)
        };
        return listing.page(&api, |row| archived(&api, row).filter(over));
    }
    let Response::Payments(views) = api.ask(Request::ListPayments { ledger }).await? else {
        return Err(unexpected());
    };
    let price = api.gas_price();
    Ok(views.iter().map(|view| ChannelInfo::new(view, price)).collect())
}

pub(super) async fn show(api: Arc<Api>, mut fields: Fields) -> Result<ChannelInfo, Refusal> {
    let id = fields.channel("channel")?;
    fields.finish()?;
    match api.node.request(Request::GetPayment(id)).await {
        Ok(Response::Payment(view)) => Ok(ChannelInfo::new(&view, api.gas_price())),
        Err(CallError::Refused(RequestError::UnknownPayment(_))) => closed(&api, id),
        Ok(_) => Err(unexpected()),
        Err(error) => Err(error.into()),
    }
}

pub(super) async fn open(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let payee = fields.address("payee")?;
    let relays = fields.addresses("relays")?;
    let asset = fields.asset()?;
    let capacity = fields.amount("amount")?;
    let challenge_duration = challenge_duration(&api, &mut fields)?;
    let wait = fields.wait()?;
    fields.finish()?;
    let request = |random| Request::OpenPayment {
        payee,
        relays: relays.clone(),
        asset,
        capacity,
        challenge_duration,
        random,
    };
    api.open(wait, request).await
}

pub(super) async fn close(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let wait = fields.wait()?;
    fields.finish()?;
    let begun = api.begin(Request::ClosePayment { channel }, wait).await;
    begun.map_err(|refusal| refusal.or_field("channel"))
}

/// Enforces a payment channel on chain, without the other participants.
pub(super) async fn exit(api: Arc<Api>, mut fields: Fields) -> Result<StartedInfo, Refusal> {
    let channel = fields.channel("channel")?;
    let wait = fields.wait()?;
    fields.finish()?;
    let begun = api.begin(Request::ExitPayment { channel }, wait).await;
    begun.map_err(|refusal| refusal.or_field("channel"))
}

fn closed(api: &Api, id: ChannelId) -> Result<ChannelInfo, Refusal> {
    let row = api.node.archive().archived_channel(id)?;
    let info = row.as_ref().and_then(|row| archived(api, row));
    info.ok_or_else(|| RequestError::UnknownPayment(id).into())
}

fn archived(api: &Api, row: &ArchivedChannel) -> Option<ChannelInfo> {
    match row {
        ArchivedChannel::Payment(channel, paid) => {
            let view = PaymentView::new(channel, paid.as_ref(), false);
            Some(ChannelInfo::new(&view, api.gas_price()))
        }
        ArchivedChannel::Ledger(_) => None,
    }
}
