//! `nitro watch`.

use futures::StreamExt;
use futures::stream::select_all;

use super::CliError;
use super::client::{Args, Client};
use super::exit::step_words;
use super::output::{Output, maybe, money};
use crate::data_dir::DataDir;
use crate::moment::utc_and_distance;
use crate::rpc::types::{ExitInfo, Notice};

pub(super) async fn watch(dir: &DataDir, out: Output) -> Result<(), CliError> {
    let client = Client::connect(dir).await?;
    let mut topics = Vec::new();
    for topic in ["Objectives", "Ledgers", "Payments"] {
        topics.push(client.subscribe(topic, Args::default()).await?);
    }
    let mut notices = select_all(topics);
    loop {
        tokio::select! {
            notice = notices.next() => match notice {
                Some(Ok(notice)) => out.answer(&notice, describe)?,
                Some(Err(error)) => return Err(CliError::Unreachable(error.to_string())),
                None => return Err(CliError::Unreachable("the node has stopped".to_owned())),
            },
            interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        }
    }
}

fn describe(notice: &Notice) -> String {
    match notice {
        Notice::Objective(objective) if objective.kind == "exit" => {
            format!("{}: {}", objective.objective, step_words(objective, None))
        }
        Notice::Objective(objective) => {
            let detail = objective.waiting_for.as_ref().or(objective.reason.as_ref());
            format!("{}: {} {}", objective.objective, objective.status, maybe(detail))
        }
        Notice::Ledger(ledger) => format!(
            "ledger {}: {}{}, mine {}, theirs {}, locked {}",
            ledger.ledger,
            ledger.status,
            because(ledger.exit.as_ref()),
            money(&ledger.asset, ledger.my_balance),
            money(&ledger.asset, ledger.peer_balance),
            money(&ledger.asset, ledger.locked),
        ),
        Notice::Challenged { channel, finalizes_at } => {
            let at = utc_and_distance(*finalizes_at);
            format!(
                "CHALLENGE against {channel}: it ends with the challenged state unless a newer one \
                 is shown until {at}"
            )
        }
        Notice::LeftBehind { channel, holdings } => format!(
            "LEFT BEHIND: {} stay on chain for {channel}, because taking them would cost more than \
             it brings",
            holdings.0
        ),
        Notice::Refused { channel, reason } => {
            format!("a contract refuses a call for {channel}: {reason}")
        }
        Notice::Channel(channel) => format!(
            "channel {}: {}{}, paid {} of {}",
            channel.channel,
            channel.status,
            because(channel.exit.as_ref()),
            money(&channel.asset, channel.paid),
            money(&channel.asset, channel.capacity),
        ),
        Notice::Paid { channel, total, delta } => {
            format!("channel {channel}: paid {}, {} in all", delta.0, total.0)
        }
        Notice::Received { channel, total, delta } => {
            format!("channel {channel}: received {}, {} in all", delta.0, total.0)
        }
        Notice::Owed { channel, asset, amount } => format!(
            "channel {channel}: a payout was refused; the adjudicator owes {} of {asset}",
            amount.0
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
