//! `nitro objective`, and waiting with progress for what a command has begun.

use clap::{Args, Subcommand};
use engine::types::{ChannelId, ObjectiveId};

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::consent::Consent;
use super::ids::{self, find_objective};
use super::layout::{Row, maybe, record, table};
use super::output::{Output, say};
use super::words::{WAITING_FOR, job, progress, task};
use crate::data_dir::DataDir;
use crate::rpc::types::{Notice, ObjectiveInfo, StartedInfo};

/// What has been begun.
#[derive(Debug, Subcommand)]
pub(super) enum Objective {
    /// What is running
    List,
    /// One of them, running or ended
    Show {
        /// Such as DirectFunding-0x..., or the beginning of its channel's id
        objective: String,
    },
    /// Wait until it has ended
    Wait {
        /// Such as DirectFunding-0x..., or the beginning of its channel's id
        objective: String,
        /// Seconds
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        timeout: u64,
    },
    /// Give it up, as long as one side alone can do that
    Cancel {
        /// Such as DirectFunding-0x..., or the beginning of its channel's id
        objective: String,
        #[command(flatten)]
        consent: Consent,
    },
}

/// How long a command that begins something waits for its end.
#[derive(Debug, Args)]
pub(super) struct Waiting {
    /// Return at once; `nitro objective wait` waits later
    #[arg(long)]
    no_wait: bool,
    /// Seconds to wait; what was begun goes on afterwards
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

impl Objective {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        match self {
            Self::List => {
                let list: Vec<ObjectiveInfo> =
                    client.call("nitro_objectives", Named::default()).await?;
                out.answer(&list, |list| describe_all(list))?;
            }
            Self::Show { objective } => {
                let objective = find_objective(&client, objective).await?;
                let found = client.call("nitro_objective", arg("objective", objective)).await?;
                out.answer(&found, describe)?;
            }
            Self::Wait { objective, timeout } => {
                let objective = find_objective(&client, objective).await?;
                let ended = follow(&client, &objective, timeout).await?;
                out.answer(&ended, describe)?;
            }
            Self::Cancel { objective, consent } => {
                let args = arg("objective", find_objective(&client, objective).await?);
                let found: ObjectiveInfo = client.call("nitro_objective", args.clone()).await?;
                // What has ended is refused by the node, in its own words.
                if found.status == "running" {
                    consent.to(&format!("giving up {}", task(&found.objective)))?;
                }
                let ended = client.change("nitro_cancelObjective", args).await?;
                out.answer(&ended, describe)?;
            }
        }
        Ok(())
    }
}

impl Waiting {
    /// Begins something and waits for its end, as the flags say.
    pub(super) async fn begin(
        &self,
        client: &Client,
        method: &str,
        args: Named,
    ) -> Result<StartedInfo, CliError> {
        let mut started: StartedInfo = client.change(method, args).await?;
        if !self.no_wait {
            say(format_args!("{}: begun", task(&started.objective)));
            let ended = follow(client, &started.objective, self.timeout).await;
            started.result = Some(ended.map_err(|error| error.after(&started.objective))?);
        }
        Ok(started)
    }
}

/// Waits for the end of an objective and tells of each step on stderr.
async fn follow(client: &Client, objective: &str, timeout: u64) -> Result<ObjectiveInfo, CliError> {
    let mut steps = client.subscribe("Objectives", arg("objective", objective)).await?;
    let args = arg("objective", objective).with("timeout_secs", timeout);
    let end = client.call::<ObjectiveInfo>("nitro_waitObjective", args);
    tokio::pin!(end);
    let task = task(objective);
    let (mut told, mut refused) = (None, None);
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut end => break ended?,
            Some(Ok(notice)) = steps.next() => match notice {
                Notice::Objective(step) if step.waiting_for != told => {
                    told.clone_from(&step.waiting_for);
                    if step.waiting_for.is_some() {
                        say(format_args!("{task}: {}", progress(&step, None)));
                    }
                }
                Notice::Refused { reason, .. } if refused.as_ref() != Some(&reason) => {
                    say(format_args!("{task}: refused by a contract: {reason}"));
                    refused = Some(reason);
                }
                _ => {}
            }
        }
    };
    if ended.status == "declined" {
        return Err(CliError::Declined(Box::new(ended)));
    }
    match ended.owed {
        None => say(format_args!("{task}: {}", ended.status)),
        Some(owed) => say(format_args!(
            "{task}: {}, but a payout of {} was refused; the adjudicator owes it, see nitro status",
            ended.status, owed.0
        )),
    }
    Ok(ended)
}

/// What runs, to say how far each channel is.
pub(super) struct Running(Vec<ObjectiveInfo>);

impl Running {
    pub(super) async fn of(client: &Client) -> Result<Self, CliError> {
        Ok(Self(client.call("nitro_objectives", Named::default()).await?))
    }

    #[cfg(test)]
    pub(super) const fn new(objectives: Vec<ObjectiveInfo>) -> Self {
        Self(objectives)
    }

    /// What opens or closes a channel together with the others.
    pub(super) fn joint(&self, channel: ChannelId) -> Option<&ObjectiveInfo> {
        self.0.iter().find(|objective| objective.channel == channel && objective.kind != "exit")
    }

    /// What leaves it without them.
    pub(super) fn exit(&self, channel: ChannelId) -> Option<&ObjectiveInfo> {
        self.0.iter().find(|objective| objective.channel == channel && objective.kind == "exit")
    }
}

pub(super) fn describe(objective: &ObjectiveInfo) -> String {
    let waits = objective.waiting_for.is_some();
    record([
        ("objective", words(objective)),
        ("channel", objective.channel.to_string()),
        ("status", if waits { progress(objective, None) } else { objective.status.clone() }),
        ("declined by", maybe(objective.declined_by.map(|by| by.0))),
        ("reason", maybe(objective.reason.as_ref())),
        ("owed", maybe(objective.owed.map(|owed| owed.0))),
    ])
}

pub(super) fn describe_all(objectives: &[ObjectiveInfo]) -> String {
    let channels: Vec<_> = objectives.iter().map(|objective| objective.channel).collect();
    let shown = ids::distinct(channels.iter().copied());
    let row = |objective: &ObjectiveInfo| {
        // A channel that is opened and closed at once is told apart by what is done.
        let alone = channels.iter().filter(|channel| **channel == objective.channel).count() == 1;
        let id = shown(objective.channel);
        let kind = objective.objective.split('-').next().unwrap_or_default();
        let id = if alone { id } else { format!("{kind}-{id}") };
        let waits = progress(objective, None);
        let waits = waits.strip_prefix(WAITING_FOR).map_or(waits.as_str(), str::trim_start);
        Row::from([id, words(objective), waits.to_owned()])
    };
    let rows: Vec<_> = objectives.iter().map(row).collect();
    table(["channel", "objective", WAITING_FOR], &rows, "nothing is running")
}

/// What it does; an objective that this program does not know, by its name.
fn words(objective: &ObjectiveInfo) -> String {
    let id = objective.objective.parse::<ObjectiveId>();
    id.map_or_else(|_| objective.kind.clone(), |id| job(id).to_owned())
}
