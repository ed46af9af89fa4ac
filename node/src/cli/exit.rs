//! Leaving a channel without the others: what it takes, what it costs, and how far it is.

use clap::Args;

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::consent::Consent;
use super::ids::Noun;
use super::layout::wrap;
use super::money::money;
use super::output::{Output, say};
use super::words::{progress, task};
use crate::address::NATIVE;
use crate::moment::{now, span, utc_and_distance};
use crate::rpc::TIMED_OUT;
use crate::rpc::types::{
    ChannelInfo, ExitInfo, LedgerInfo, Notice, ObjectiveInfo, StartedInfo, StatusInfo,
};

/// The longest that one call may wait; longer waits are made of several.
const LONGEST_CALL: u64 = 86_400;

/// What `nitro ledger exit` and `nitro channel exit` have in common.
#[derive(Debug, Args)]
pub(super) struct Leaving {
    /// Say what would happen and what it would cost, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Return at once; `nitro objective wait` waits later
    #[arg(long)]
    no_wait: bool,
    /// Seconds to wait; what was begun goes on afterwards [default: until it is done]
    #[arg(long, value_name = "SECONDS", conflicts_with = "no_wait")]
    timeout: Option<u64>,
    #[command(flatten)]
    consent: Consent,
}

/// What is left: names of methods, and how it is described.
impl Noun {
    const fn show(self) -> &'static str {
        match self {
            Self::Ledger => "nitro_ledger",
            Self::Channel => "nitro_channel",
        }
    }

    const fn exit(self) -> &'static str {
        match self {
            Self::Ledger => "nitro_exitLedger",
            Self::Channel => "nitro_exitChannel",
        }
    }

    /// How the channel's exit stands now; none once the channel is closed.
    async fn look(self, client: &Client, id: &str) -> Result<Option<ExitInfo>, CliError> {
        let args = arg(self.parameter(), id);
        Ok(match self {
            Self::Ledger => client.call::<LedgerInfo>(self.show(), args).await?.exit,
            Self::Channel => client.call::<ChannelInfo>(self.show(), args).await?.exit,
        })
    }
}

impl Leaving {
    /// Says what will happen, begins it and follows it, as the flags say. None for a dry run.
    pub(super) async fn begin(
        &self,
        client: &Client,
        noun: Noun,
        id: String,
        out: Output,
    ) -> Result<Option<StartedInfo>, CliError> {
        let args = arg(noun.parameter(), &id);
        let status: StatusInfo = client.call("nitro_status", Named::default()).await?;
        let plan = match noun {
            Noun::Ledger => {
                let ledger: LedgerInfo = client.call(noun.show(), args.clone()).await?;
                if self.dry_run && out.is_json() {
                    out.line(&ledger)?;
                }
                ledger_plan(&ledger, &status)
            }
            Noun::Channel => {
                let channel: ChannelInfo = client.call(noun.show(), args.clone()).await?;
                if self.dry_run && out.is_json() {
                    out.line(&channel)?;
                }
                channel_plan(&channel, &status)
            }
        };
        if self.dry_run {
            // An answer in itself, where it is not JSON.
            if !out.is_json() {
                let nothing = "nothing to exit: closed or already exiting";
                out.text(plan.as_deref().unwrap_or(nothing))?;
            }
            return Ok(None);
        }
        // What is closed or left already is refused by the node, in its own words.
        if let Some(plan) = plan {
            say(wrap(&plan));
            let what = format!("leaving {} {id}", noun.words());
            self.consent.to(&what)?;
        }
        let mut started: StartedInfo = client.change(noun.exit(), args).await?;
        say(format_args!("{}: begun", task(&started.objective)));
        if !self.no_wait {
            let ended = follow(client, noun, &started, self.timeout).await;
            started.result = Some(ended.map_err(|error| error.after(&started.objective))?);
        }
        Ok(Some(started))
    }
}

/// Waits for the end of an exit and tells of each step on stderr.
async fn follow(
    client: &Client,
    noun: Noun,
    started: &StartedInfo,
    timeout: Option<u64>,
) -> Result<ObjectiveInfo, CliError> {
    let (objective, id) = (started.objective.as_str(), started.channel.to_string());
    let mut steps = client.subscribe("Objectives", arg("objective", objective)).await?;
    let mut told = None;
    // Listening before looking: a step in between is not missed.
    let first: ObjectiveInfo = client.call("nitro_objective", arg("objective", objective)).await?;
    tell(client, noun, &id, &first, &mut told).await?;
    let begun = now();
    let ended = loop {
        let left = timeout.map(|timeout| timeout.saturating_sub(now().saturating_sub(begun)));
        let slice = left.map_or(LONGEST_CALL, |left| left.min(LONGEST_CALL));
        let args = arg("objective", objective).with("timeout_secs", slice);
        let end = client.call::<ObjectiveInfo>("nitro_waitObjective", args);
        tokio::pin!(end);
        let answer = loop {
            tokio::select! {
                biased;
                answer = &mut end => break answer,
                Some(Ok(Notice::Objective(step))) = steps.next() => {
                    tell(client, noun, &id, &step, &mut told).await?;
                }
            }
        };
        match answer {
            Err(CliError::Refused { code: TIMED_OUT, .. }) if timeout.is_none() => {}
            other => break other?,
        }
    };
    if ended.status == "declined" {
        return Err(CliError::Declined(Box::new(ended)));
    }
    say(format_args!("{}: {}", task(objective), ended.status));
    Ok(ended)
}

/// Tells a step once, with the deadline that the chain has set.
async fn tell(
    client: &Client,
    noun: Noun,
    id: &str,
    step: &ObjectiveInfo,
    told: &mut Option<String>,
) -> Result<(), CliError> {
    if step.waiting_for.is_none() {
        return Ok(());
    }
    let finalizes_at = noun.look(client, id).await?.and_then(|exit| exit.finalizes_at);
    let words = progress(step, finalizes_at);
    // The same step with another deadline is news: somebody has shown a newer state.
    let news = format!("{:?} {finalizes_at:?}", step.waiting_for);
    if told.as_ref() != Some(&news) {
        *told = Some(news);
        say(format_args!("{}: {words}", task(&step.objective)));
    }
    Ok(())
}

/// What leaving a ledger will do; none for one that is closed or being left.
fn ledger_plan(ledger: &LedgerInfo, status: &StatusInfo) -> Option<String> {
    let exit = ledger.exit.as_ref().filter(|exit| exit.reason.is_none())?;
    let over = match ledger.channels.len() {
        0 => String::new(),
        1 => " and the payment channel over it".to_owned(),
        count => format!(" and the {count} payment channels over it"),
    };
    let show = match exit.finalizes_at {
        None => format!(
            "1. This node shows the newest state of the ledger{over} on chain. From then on \
             everyone has {} to show a newer one: until about {}.",
            span(ledger.challenge_duration.into()),
            utc_and_distance(now().saturating_add(ledger.challenge_duration.into())),
        ),
        Some(at) => format!(
            "1. A challenge runs already, until {}; it is answered if this node has a newer state.",
            utc_and_distance(at)
        ),
    };
    Some(format!(
        "Leaving ledger channel {} without {}:\n  {show}\n  \
         2. After that one more transaction pays out both sides: {} to this node, {} to the peer, \
         and what the payment channels bring.\n\
         Nothing can be paid over it any more, and this cannot be taken back. While the peer \
         answers, `nitro ledger close` is sooner and cheaper.\n{}",
        ledger.ledger,
        ledger.peer.0,
        money(&ledger.asset, ledger.my_balance),
        money(&ledger.asset, ledger.peer_balance),
        cost(exit, status),
    ))
}

/// What leaving a payment channel will do; none for one that is closed or being left.
fn channel_plan(channel: &ChannelInfo, status: &StatusInfo) -> Option<String> {
    let exit = channel.exit.as_ref().filter(|exit| exit.reason.is_none())?;
    // Only a payee can turn a voucher into money: it must sign that it takes it.
    let decided = match channel.role.as_str() {
        "payee" => format!("its newest voucher, {}", money(&channel.asset, channel.paid)),
        _ => "the opening of the channel, which pays nothing unless the payee shows a voucher"
            .to_owned(),
    };
    Some(format!(
        "Leaving payment channel {} without the others:\n  \
         1. This node shows {decided} on chain. The others have {} to show what is newer: until \
         about {}.\n  \
         2. After that the ledgers under it give back what was locked, as decided: off chain with \
         a peer that answers; with one that does not, its ledger is left, too.\n\
         Nothing can be paid over it any more, and this cannot be taken back. While the others \
         answer, `nitro channel close` is sooner and costs nothing.\n{}",
        channel.channel,
        span(channel.challenge_duration.into()),
        utc_and_distance(now().saturating_add(channel.challenge_duration.into())),
        cost(exit, status),
    ))
}

/// What is to be spent, and whether the account has it.
fn cost(exit: &ExitInfo, status: &StatusInfo) -> String {
    let mut text = format!("Expected cost: {}", price_words(exit));
    let Some(gas) = status.gas else {
        text.push_str("; the price of gas is not known, because the chain has not been heard.");
        return text;
    };
    text.push_str(&format!(
        ", paid by the chain account {}, which has {}.",
        status.chain.account.0,
        money(NATIVE, gas.balance)
    ));
    if exit.expected_cost.is_some_and(|cost| cost.0 > gas.balance.0) {
        text.push_str(" THAT IS TOO LITTLE: send coin to it, or the transactions wait.");
    }
    text
}

/// Says what the worst case would cost, before anything is deposited.
pub(super) async fn foretell(client: &Client) -> Result<(), CliError> {
    let status: StatusInfo = client.call("nitro_status", Named::default()).await?;
    if let Some(gas) = status.gas {
        say(wrap(&format!(
            "Should the peer ever fall silent, leaving the ledger channel alone would cost about {} \
             at the present price of gas, and {} more for each payment channel over it.",
            money(NATIVE, gas.ledger_exit),
            money(NATIVE, gas.channel_exit),
        )));
    }
    Ok(())
}

/// `440000 gas, 0.00044 ether at the present price`.
pub(super) fn price_words(exit: &ExitInfo) -> String {
    match exit.expected_cost {
        Some(cost) => {
            format!("{} gas, {} at the present price", exit.expected_gas, money(NATIVE, cost))
        }
        None => format!("{} gas", exit.expected_gas),
    }
}

/// Rows for `show`: why the channel is left, how far that is, and what it may still cost.
pub(super) fn rows(
    exit: Option<&ExitInfo>,
    step: Option<&ObjectiveInfo>,
) -> Vec<(&'static str, String)> {
    let Some(exit) = exit else { return Vec::new() };
    let Some(reason) = &exit.reason else { return vec![("exit cost", price_words(exit))] };
    let step = step.map(|step| ("exit step", progress(step, exit.finalizes_at)));
    let reason = std::iter::once(("exit reason", reason.clone()));
    reason.chain(step).chain([("exit cost", price_words(exit))]).collect()
}

/// A note for a row of a list: why the channel is left, and how far that is.
pub(super) fn note(exit: Option<&ExitInfo>, step: Option<&ObjectiveInfo>) -> Option<String> {
    let reason = exit?.reason.as_ref()?;
    let finalizes_at = exit?.finalizes_at;
    let step = step.map(|step| format!(": {}", progress(step, finalizes_at)));
    Some(format!("because {reason}{}", step.unwrap_or_default()))
}
