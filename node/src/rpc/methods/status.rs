//! The node itself.

use std::sync::Arc;

use engine::effect::Response;
use engine::input::Request;
use engine::policy;
use engine::query::StatusView;

use super::accounts::{accounts, owed};
use super::{Api, unexpected};
use crate::address::{AddressText, asset_text};
use crate::amount::AmountText;
use crate::rpc::convert::count;
use crate::rpc::error::Refusal;
use crate::rpc::fields::Fields;
use crate::rpc::types::{
    AddressInfo, BalanceInfo, BlockInfo, ChainInfo, EndpointInfo, GasInfo, StatusInfo, VersionInfo,
};

pub(super) async fn status(api: Arc<Api>, fields: Fields) -> Result<StatusInfo, Refusal> {
    fields.finish()?;
    let Response::Status(engine) = api.ask(Request::GetStatus).await? else {
        return Err(unexpected());
    };
    let node = &api.node;
    let peers = node.p2p().peers().await?;
    let listen = node.p2p().listen_addresses().await?;
    Ok(StatusInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        address: AddressText(node.address()),
        uptime_secs: api.started.elapsed().as_secs(),
        ledgers: count(engine.ledgers),
        channels: count(engine.payments),
        objectives: count(engine.objectives),
        messages_waiting: engine.messages,
        peers_connected: count(peers.iter().filter(|peer| peer.connected).count()),
        listen_addresses: listen.iter().map(ToString::to_string).collect(),
        chain: chain(&api),
        gas: gas(&api, &engine),
        accounts: accounts(&api).await,
        debts: owed(&api).await?,
    })
}

/// The reserve as the engine counts it; the price is the chain's of this moment.
fn gas(api: &Api, engine: &StatusView) -> Option<GasInfo> {
    let balance = engine.balance?;
    let price = api.gas_price()?;
    Some(GasInfo {
        reserve: AmountText(engine.reserve),
        balance: AmountText(balance),
        price: AmountText(price),
        short: balance < engine.reserve,
        ledger_exit: AmountText(price.saturating_mul(policy::gas::LEDGER + policy::gas::SETTLE)),
        channel_exit: AmountText(price.saturating_mul(policy::gas::PAYMENT)),
    })
}

fn chain(api: &Api) -> ChainInfo {
    let deployment = api.node.deployment();
    let status = api.node.chain().status();
    ChainInfo {
        chain_id: deployment.chain_id,
        adjudicator: AddressText(deployment.adjudicator),
        consensus_app: AddressText(deployment.consensus_app),
        payment_app: AddressText(deployment.payment_app),
        account: AddressText(api.node.chain().account()),
        connected: status.chain.link.is_up(),
        head: status.chain.head.map(BlockInfo::from),
        confirmed: status.chain.delivered.map(BlockInfo::from),
        reorgs: status.chain.reorgs,
        last_error: status.chain.last_error,
        alarm: status.chain.alarm,
        endpoints: status.chain.endpoints.into_iter().map(EndpointInfo::from).collect(),
        calls_waiting: count(status.calls.waiting),
        calls_in_flight: count(status.calls.in_flight),
        problem: status.calls.problem,
    }
}

pub(super) async fn version(_: Arc<Api>, fields: Fields) -> Result<VersionInfo, Refusal> {
    fields.finish()?;
    Ok(VersionInfo { name: "nitro".to_owned(), version: env!("CARGO_PKG_VERSION").to_owned() })
}

pub(super) async fn address(api: Arc<Api>, fields: Fields) -> Result<AddressInfo, Refusal> {
    fields.finish()?;
    Ok(AddressInfo {
        address: AddressText(api.node.address()),
        chain_account: AddressText(api.node.chain().account()),
    })
}

/// What an account has on chain; the node's own account when none is named.
pub(super) async fn balance(api: Arc<Api>, mut fields: Fields) -> Result<BalanceInfo, Refusal> {
    let address = fields.optional_address("address")?;
    let asset = fields.asset()?;
    fields.finish()?;
    let address = address.unwrap_or_else(|| api.node.chain().account());
    let amount = api.node.chain().balance(asset, address).await?;
    Ok(BalanceInfo {
        address: AddressText(address),
        asset: asset_text(asset),
        amount: AmountText(amount),
    })
}

/// Stops the node in order; the answer leaves first.
pub(super) async fn stop(api: Arc<Api>, fields: Fields) -> Result<bool, Refusal> {
    fields.finish()?;
    tracing::info!("asked to stop by RPC");
    api.stop.cancel();
    Ok(true)
}
