//! `nitro watch`.

use std::collections::BTreeMap;

use engine::types::ChannelId;
use futures::StreamExt;
use futures::stream::select_all;

use super::CliError;
use super::client::{Args, Client, arg};
use super::ids::short;
use super::money::money;
use super::output::Output;
use super::words::{progress, status, task};
use crate::data_dir::DataDir;
use crate::moment::utc_and_distance;
use crate::rpc::types::{ChannelInfo, ExitInfo, LedgerInfo, Notice};

/// Channels whose asset is remembered.
const MOST_ASSETS: usize = 10_000;

pub(super) async fn watch(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let client = Client::connect(dir).await?;
    let mut topics = Vec::new();
    for topic in ["Objectives", "Ledgers", "Payments"] {
        topics.push(client.subscribe(topic, Args::default()).await?);
    }
    let mut notices = select_all(topics);
    let mut assets = Assets::default();
    loop {
        tokio::select! {
            notice = notices.next() => match notice {
                Some(Ok(notice)) if out.is_json() => out.line(&notice)?,
                Some(Ok(notice)) => {
                    let asset = assets.of(&client, &notice).await;
                    out.text(&describe(&notice, &asset))?;
                }
                Some(Err(error)) => return Err(CliError::Unreachable(error.to_string())),
                None => return Err(CliError::Unreachable("the node has stopped".to_owned())),
            },
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

/// What a notice counts, where the notice does not say. Nothing when the channel is not found: a change
/// is told in any case.
#[derive(Default)]
struct Assets(BTreeMap<ChannelId, String>);

impl Assets {
    async fn of(&mut self, client: &Client, notice: &Notice) -> String {
        let channel = match notice {
            Notice::Paid { channel, .. }
            | Notice::Received { channel, .. }
            | Notice::Surpassed { channel, .. }
            | Notice::LeftBehind { channel, .. } => *channel,
            Notice::Objective(_)
            | Notice::Ledger(_)
            | Notice::Challenged { .. }
            | Notice::Refused { .. }
            | Notice::Owed { .. }
            | Notice::Channel(_)
            | Notice::Lagged { .. } => return String::new(),
        };
        if let Some(known) = self.0.get(&channel) {
            return known.clone();
        }
        let payment = client.call("nitro_channel", arg("channel", channel)).await;
        let asset = match payment.map(|found: ChannelInfo| found.asset) {
            Ok(asset) => asset,
            Err(_) => {
                let ledger = client.call("nitro_ledger", arg("ledger", channel)).await;
                ledger.map(|found: LedgerInfo| found.asset).unwrap_or_default()
            }
        };
        // Millions of channels are told of in the life of a node, but a few at a time.
        if self.0.len() == MOST_ASSETS {
            self.0.clear();
        }
        self.0.insert(channel, asset.clone());
        asset
    }
}

fn describe(notice: &Notice, asset: &str) -> String {
    match notice {
        Notice::Objective(objective) => {
            let done = objective.reason.as_ref().map(|reason| format!(": {reason}"));
            let progress = progress(objective, None);
            format!("{}: {progress}{}", task(&objective.objective), done.unwrap_or_default())
        }
        Notice::Ledger(ledger) => format!(
            "ledger {}: {}{}, mine {}, theirs {}, locked {}",
            short(ledger.ledger),
            status(&ledger.status),
            because(ledger.exit.as_ref()),
            money(&ledger.asset, ledger.my_balance),
            money(&ledger.asset, ledger.peer_balance),
            money(&ledger.asset, ledger.locked),
        ),
        Notice::Challenged { channel, finalizes_at } => {
            let at = utc_and_distance(*finalizes_at);
            format!(
                "CHALLENGE against {}: it ends with the challenged state unless a newer one is \
                 shown until {at}",
                short(*channel)
            )
        }
        Notice::LeftBehind { channel, holdings } => format!(
            "LEFT BEHIND: {} stay on chain for {channel}, because taking them would cost more than \
             it brings",
            money(asset, *holdings)
        ),
        Notice::Refused { channel, reason } => {
            format!("a contract refuses a call for {}: {reason}", short(*channel))
        }
        Notice::Channel(channel) => format!(
            "channel {}: {}{}, paid {} of {}",
            short(channel.channel),
            status(&channel.status),
            because(channel.exit.as_ref()),
            money(&channel.asset, channel.paid),
            money(&channel.asset, channel.capacity),
        ),
        Notice::Paid { channel, total, delta } => {
            let (delta, total) = (money(asset, *delta), money(asset, *total));
            format!("channel {}: paid {delta}, {total} in all", short(*channel))
        }
        Notice::Surpassed { channel, remembered, total, proven: _ } => format!(
            "channel {}: the payee counts {}, more than the {} that this node remembered: let no \
             second copy of this node run",
            short(*channel),
            money(asset, *total),
            money(asset, *remembered)
        ),
        Notice::Received { channel, total, delta } => {
            let (delta, total) = (money(asset, *delta), money(asset, *total));
            format!("channel {}: received {delta}, {total} in all", short(*channel))
        }
        Notice::Owed { channel, asset, amount } => format!(
            "{}: a payout was refused; the adjudicator owes {}",
            short(*channel),
            money(asset, *amount)
        ),
        Notice::Lagged { missed } => format!("too slow: {missed} changes were missed"),
    }
}

/// Why a channel is being left, and until when; nothing for others.
fn because(exit: Option<&ExitInfo>) -> String {
    let Some(exit) = exit else { return String::new() };
    let Some(reason) = &exit.reason else { return String::new() };
    match exit.finalizes_at {
        Some(at) => format!(" because {reason} (final at {})", utc_and_distance(at)),
        None => format!(" because {reason}"),
    }
}
