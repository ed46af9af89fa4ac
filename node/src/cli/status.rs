//! `nitro status`, `nitro address` and `nitro stop`.

use super::CliError;
use super::client::{Args, Client};
use super::output::{Output, maybe, record};
use crate::address::AddressText;
use crate::data_dir::DataDir;
use crate::keys::{self, KeyName};
use crate::rpc::types::{AddressInfo, StatusInfo};

pub(super) async fn status(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let client = Client::connect(dir).await?;
    let status: StatusInfo = client.call("nitro_status", Args::default()).await?;
    out.answer(&status, describe);
    Ok(())
}

/// Reads the keystores: an account must be known before the first start, to be filled.
pub(super) fn address(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let info = AddressInfo {
        address: AddressText(keys::address(dir, KeyName::Channel)?),
        chain_account: AddressText(keys::address(dir, KeyName::Chain)?),
    };
    out.answer(&info, |info| {
        record([
            ("address", info.address.0.to_string()),
            ("chain account", info.chain_account.0.to_string()),
        ])
    });
    Ok(())
}

pub(super) async fn stop(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let client = Client::connect(dir).await?;
    let stopping: bool = client.call("nitro_stop", Args::default()).await?;
    out.answer(&stopping, |_| "stopping".to_owned());
    Ok(())
}

fn describe(status: &StatusInfo) -> String {
    let chain = &status.chain;
    let mut text = record([
        ("address", status.address.0.to_string()),
        ("version", status.version.clone()),
        ("running for", format!("{} s", status.uptime_secs)),
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
    for (name, value) in [("chain error", &chain.last_error), ("transactions wait", &chain.problem)]
    {
        if let Some(value) = value {
            text.push_str(&format!("{name}: {value}\n"));
        }
    }
    for address in &status.listen_addresses {
        text.push_str(&format!("peers reach it at {address}\n"));
    }
    text
}
