//! `nitro objective`, and waiting with progress for what a command has begun.

use clap::{Args, Subcommand};

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::output::{Output, maybe, record, say, table};
use crate::data_dir::DataDir;
use crate::rpc::types::{Notice, ObjectiveInfo, StartedInfo};

/// What has been begun.
#[derive(Debug, Subcommand)]
pub(super) enum Objective {
    /// What is running
    List,
    /// One of them, running or ended
    Show {
        /// Such as DirectFunding-0x...
        objective: String,
    },
    /// Wait until it has ended
    Wait {
        /// Such as DirectFunding-0x...
        objective: String,
        /// Seconds
        #[arg(long, default_value_t = 600, value_name = "SECONDS")]
        timeout: u64,
    },
    /// Give it up, as long as one side alone can do that
    Cancel {
        /// Such as DirectFunding-0x...
        objective: String,
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
                let found = client.call("nitro_objective", arg("objective", objective)).await?;
                out.answer(&found, describe)?;
            }
            Self::Wait { objective, timeout } => {
                let ended = follow(&client, &objective, timeout).await?;
                out.answer(&ended, describe)?;
            }
            Self::Cancel { objective } => {
                let ended =
                    client.change("nitro_cancelObjective", arg("objective", objective)).await?;
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
            say(format_args!("{}: begun", started.objective));
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
    let (mut told, mut refused) = (None, None);
    let ended = loop {
        tokio::select! {
            biased;
            ended = &mut end => break ended?,
            Some(Ok(notice)) = steps.next() => match notice {
                Notice::Objective(step) if step.waiting_for != told => {
                    told.clone_from(&step.waiting_for);
                    if let Some(waiting_for) = step.waiting_for {
                        say(format_args!("{objective}: {waiting_for}"));
                    }
                }
                Notice::Refused { reason, .. } if refused.as_ref() != Some(&reason) => {
                    say(format_args!("{objective}: refused by a contract: {reason}"));
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
        None => say(format_args!("{objective}: {}", ended.status)),
        Some(owed) => say(format_args!(
            "{objective}: {}, but a payout of {} was refused; the adjudicator owes it, see nitro status",
            ended.status, owed.0
        )),
    }
    Ok(ended)
}

fn describe(objective: &ObjectiveInfo) -> String {
    record([
        ("objective", objective.objective.clone()),
        ("kind", objective.kind.clone()),
        ("status", objective.status.clone()),
        ("waiting for", maybe(objective.waiting_for.as_ref())),
        ("declined by", maybe(objective.declined_by.map(|by| by.0))),
        ("reason", maybe(objective.reason.as_ref())),
        ("owed", maybe(objective.owed.map(|owed| owed.0))),
    ])
}

fn describe_all(objectives: &[ObjectiveInfo]) -> String {
    let row = |objective: &ObjectiveInfo| {
        [
            objective.objective.clone(),
            objective.status.clone(),
            maybe(objective.waiting_for.as_ref()),
        ]
    };
    let rows = objectives.iter().map(row).collect();
    table(["objective", "status", "waiting for"], rows, "nothing is running")
}
