//! `nitro channel`.

use clap::Subcommand;

use super::CliError;
use super::client::{Client, arg};
use super::exit::{self, Leaving};
use super::ids::{self, Noun, short_address};
use super::layout::{Row, maybe, record, table};
use super::money::{asset_name, brief, money, token_note};
use super::objective::{Running, Waiting};
use super::output::Output;
use super::words;
use crate::data_dir::DataDir;
use crate::rpc::types::{ChannelInfo, StartedInfo};

/// Payment channels.
#[derive(Debug, Subcommand)]
pub(super) enum Channel {
    /// Open one to a payee, over ledger channels and without the chain
    #[command(after_help = "Examples:\n  \
        nitro channel open 0xPAYEE --relay 0xPEER --amount 1ether\n  \
        nitro channel open 0xPEER --amount 5000 --asset 0xTOKEN")]
    Open {
        /// Address of the payee
        payee: String,
        /// What can be paid in all
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// A node between us and the payee; repeated in the order from us to the payee
        #[arg(long, value_name = "ADDRESS")]
        relay: Vec<String>,
        /// A token's address [default: the native coin]
        #[arg(long, value_name = "ADDRESS")]
        asset: Option<String>,
        /// Seconds to answer a challenge [default: from the configuration]
        #[arg(long, value_name = "SECONDS")]
        challenge_duration: Option<u32>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Close one with what has been paid
    Close {
        /// The payment channel, or the beginning of its id
        channel: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Leave one without the others: the chain decides with the best voucher
    #[command(after_help = "Examples:\n  \
        nitro channel exit 0xCHANNEL --dry-run    what it takes and costs, without doing it\n  \
        nitro channel exit 0xCHANNEL              says each step until it is done\n  \
        nitro channel exit 0xCHANNEL --no-wait    the running node goes on by itself\n  \
        nitro channel exit 0xCHANNEL --yes        without a question, for scripts\n\n\
        For participants that do not answer. Ledgers whose peers answer stay open; one whose peer \
        does not is left, too. It goes on when this command is interrupted; nitro channel show \
        says how far it is.")]
    Exit {
        /// The payment channel, or the beginning of its id
        channel: String,
        #[command(flatten)]
        leaving: Leaving,
    },
    /// All of them
    List {
        /// Only those over this ledger channel
        #[arg(long)]
        ledger: Option<String>,
        /// Closed ones instead of open ones
        #[arg(long)]
        closed: bool,
        /// Go on after this closed channel
        #[arg(long, value_name = "CHANNEL", requires = "closed")]
        after: Option<String>,
    },
    /// One of them, open or closed
    Show {
        /// The payment channel, or the beginning of its id
        channel: String,
    },
}

impl Channel {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        match self {
            Self::Open { payee, amount, relay, asset, challenge_duration, waiting } => {
                let args = arg("payee", payee)
                    .with("relays", relay)
                    .with("amount", amount)
                    .with("asset", asset)
                    .with("challenge_duration", challenge_duration);
                let started = waiting.begin(&client, "nitro_openChannel", args).await?;
                show_started(&client, &started, out).await
            }
            Self::Close { channel, waiting } => {
                let channel = Noun::Channel.find(&client, channel).await?;
                let args = arg("channel", channel);
                let started = waiting.begin(&client, "nitro_closeChannel", args).await?;
                show_started(&client, &started, out).await
            }
            Self::Exit { channel, leaving } => {
                let channel = Noun::Channel.find(&client, channel).await?;
                match leaving.begin(&client, Noun::Channel, channel, out).await? {
                    Some(started) => show_started(&client, &started, out).await,
                    None => Ok(()),
                }
            }
            Self::List { ledger, closed, after } => {
                let ledger = Noun::Ledger.find_if_given(&client, ledger).await?;
                let after = Noun::Channel.find_if_given(&client, after).await?;
                let args = arg("ledger", ledger).with("closed", closed).with("after", after);
                let list: Vec<ChannelInfo> = client.call("nitro_channels", args).await?;
                if out.is_json() {
                    return out.line(&list);
                }
                let running = Running::of(&client).await?;
                out.text(&describe_all(&list, &running))
            }
            Self::Show { channel } => {
                let channel = Noun::Channel.find(&client, channel).await?;
                show(&client, channel, out).await
            }
        }
    }
}

/// What was begun, and for people the channel as it is now.
async fn show_started(client: &Client, started: &StartedInfo, out: Output) -> Result<(), CliError> {
    if out.is_json() {
        return out.line(started);
    }
    match show(client, started.channel.to_string(), out).await {
        Err(CliError::Unreachable(why)) => {
            out.text(&format!("{}\nit cannot be looked at: {why}", started.objective))
        }
        shown => shown,
    }
}

async fn show(client: &Client, channel: String, out: Output) -> Result<(), CliError> {
    let found: ChannelInfo = client.call("nitro_channel", arg("channel", channel)).await?;
    if out.is_json() {
        return out.line(&found);
    }
    let running = Running::of(client).await?;
    out.text(&describe(&found, &running))
}

pub(super) fn describe(channel: &ChannelInfo, running: &Running) -> String {
    let money = |amount| money(&channel.asset, amount);
    let relays: Vec<_> = channel.relays.iter().map(|relay| relay.0.to_string()).collect();
    let objective = running.joint(channel.channel);
    let facts = [
        ("channel", channel.channel.to_string()),
        ("status", words::status_and_wait(&channel.status, objective)),
        ("role", channel.role.clone()),
        ("payer", channel.payer.0.to_string()),
        ("relays", if relays.is_empty() { "-".to_owned() } else { relays.join(" ") }),
        ("payee", channel.payee.0.to_string()),
        ("asset", asset_name(&channel.asset)),
        ("capacity", money(channel.capacity)),
        ("paid", money(channel.paid)),
        ("remaining", money(channel.remaining)),
        ("payer ledger", maybe(channel.left_ledger)),
        ("payee ledger", maybe(channel.right_ledger)),
        ("on chain", words::dispute(&channel.on_chain).to_owned()),
    ];
    record(
        facts.into_iter().chain(exit::rows(channel.exit.as_ref(), running.exit(channel.channel))),
    )
}

pub(super) fn describe_all(channels: &[ChannelInfo], running: &Running) -> String {
    let short = ids::distinct(channels.iter().map(|channel| channel.channel));
    let row = |channel: &ChannelInfo| {
        let other = if channel.role == "payer" { channel.payee } else { channel.payer };
        let cells = [
            short(channel.channel),
            words::status(&channel.status),
            channel.role.clone(),
            short_address(other.0),
            brief(&channel.asset, channel.paid),
            brief(&channel.asset, channel.remaining),
        ];
        let exit = exit::note(channel.exit.as_ref(), running.exit(channel.channel));
        let waits = running.joint(channel.channel).map(|step| words::progress(step, None));
        let notes = token_note(&channel.asset).into_iter().chain(exit.or(waits)).collect();
        Row { cells, notes }
    };
    let names = ["channel", "status", "role", "with", "paid", "remaining"];
    table(names, &channels.iter().map(row).collect::<Vec<_>>(), "no payment channels")
}
