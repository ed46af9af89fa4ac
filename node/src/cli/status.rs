//! `nitro status`, `nitro address` and `nitro stop`.

use super::CliError;
use super::client::{Args, Client};
use super::layout::{maybe, record};
use super::money::money;
use super::output::Output;
use super::send::debt_words;
use crate::address::{AddressText, NATIVE};
use crate::config::{ChainAccount, ConfigError, Layers};
use crate::data_dir::DataDir;
use crate::keys::{self, KeyName};
use crate::moment::span;
use crate::rpc::accounts::{AccountInfo, HeldInfo};
use crate::rpc::types::{AddressInfo, EndpointInfo, StatusInfo};

pub(super) async fn status(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let client = Client::connect(dir).await?;
    let status: StatusInfo = client.call("nitro_status", Args::default()).await?;
    out.answer(&status, describe)?;
    Ok(())
}

/// Reads the settings and keystores: an account must be known before the first start, to be filled.
pub(super) fn address(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let payer = match Layers::default().file(&dir.config_file()) {
        Ok(layers) => match layers.environment(std::env::vars())?.finish()?.chain.account {
            ChainAccount::Own => KeyName::Chain,
            ChainAccount::Channel => KeyName::Channel,
        },
        // Keys without settings.
        Err(ConfigError::Unreadable(_)) => KeyName::Chain,
        Err(error) => return Err(error.into()),
    };
    let info = AddressInfo {
        address: AddressText(keys::address(dir, KeyName::Channel)?),
        chain_account: AddressText(keys::address(dir, payer)?),
    };
    out.answer(&info, |info| {
        record([
            ("address", info.address.0.to_string()),
            ("chain account", info.chain_account.0.to_string()),
        ])
    })?;
    Ok(())
}

pub(super) async fn stop(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let stopping = match ask_to_stop(dir).await {
        // The node may be gone before its answer has left. Asking again stops nothing twice, and tells.
        Err(CliError::Unknown(_)) => match ask_to_stop(dir).await {
            Err(CliError::Unreachable(_)) => true,
            other => other?,
        },
        other => other?,
    };
    out.answer(&stopping, |_| "stopping".to_owned())?;
    Ok(())
}

async fn ask_to_stop(dir: &DataDir) -> Result<bool, CliError> {
    let client = Client::connect(dir).await?;
    client.change("nitro_stop", Args::default()).await
}

pub(super) fn describe(status: &StatusInfo) -> String {
    let chain = &status.chain;
    let mut text = record([
        ("address", status.address.0.to_string()),
        ("version", status.version.clone()),
        ("running for", span(status.uptime_secs)),
        ("ledger channels", status.ledgers.to_string()),
        ("payment channels", status.channels.to_string()),
        ("objectives", status.objectives.to_string()),
        ("messages waiting", status.messages_waiting.to_string()),
        ("peers connected", status.peers_connected.to_string()),
        (
            "chain",
            format!(
                "{} ({})",
                chain.chain_id,
                if chain.connected { "connected" } else { "not connected" }
            ),
        ),
        ("newest block", maybe(chain.head.map(|block| block.number))),
        ("confirmed block", maybe(chain.confirmed.map(|block| block.number))),
        ("chain account", chain.account.0.to_string()),
        (
            "transactions",
            format!("{} waiting, {} in flight", chain.calls_waiting, chain.calls_in_flight),
        ),
    ]);
    text.push_str(&gas_reserve(status));
    for account in &status.accounts {
        text.push_str(&account_words(account));
    }
    status.debts.iter().for_each(|debt| text.push_str(&debt_words(debt)));
    for (name, value) in [
        ("chain error", &chain.last_error),
        ("CHAIN ENDPOINTS DISAGREE", &chain.alarm),
        ("transactions wait", &chain.problem),
    ] {
        if let Some(value) = value {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    if chain.endpoints.len() > 1 {
        for endpoint in &chain.endpoints {
            text.push_str(&endpoint_words(endpoint));
        }
    }
    if !status.listen_addresses.is_empty() {
        text.push_str(&format!("peers reach it at\n  {}\n", status.listen_addresses.join("\n  ")));
    }
    text
}

/// What should be there for leaving all channels, what is there, and what to do when it is less.
fn gas_reserve(status: &StatusInfo) -> String {
    let Some(gas) = status.gas else {
        return "gas reserve: not known, the chain has not been heard\n".to_owned();
    };
    let (needs, has) = (money(NATIVE, gas.reserve), money(NATIVE, gas.balance));
    let mut text = format!("gas reserve: needs {needs}, has {has}\n");
    if gas.short {
        text.push_str(&format!(
            "WARNING: leaving all channels may cost more than the chain account has, and no \
             channel is opened until it has more; send coin to {}\n",
            status.chain.account.0
        ));
    }
    text
}

fn account_words(account: &AccountInfo) -> String {
    let has = |held: &HeldInfo| match held.asset.as_str() {
        NATIVE => money(NATIVE, held.amount),
        token => format!("{} units of {token}", held.amount.0),
    };
    let all: Vec<String> = account.balances.iter().map(has).collect();
    let all = if all.is_empty() { "not known".to_owned() } else { all.join(", ") };
    format!("{} account {}: {all}\n", account.account, account.address.0)
}

fn endpoint_words(endpoint: &EndpointInfo) -> String {
    let state = match (&endpoint.head, &endpoint.error) {
        (_, Some(error)) => error.clone(),
        (Some(head), None) => format!("at block {}", head.number),
        (None, None) => "not asked yet".to_owned(),
    };
    let leads = if endpoint.leads { ", in use" } else { "" };
    format!("chain endpoint {}: {state}{leads}\n", endpoint.endpoint)
}
