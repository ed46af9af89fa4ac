//! `nitro channel`.

use clap::Subcommand;

use super::CliError;
use super::client::{Client, arg};
use super::exit::{self, Kind, Leaving};
use super::objective::Waiting;
use super::output::{Output, maybe, money, record, table};
use crate::data_dir::DataDir;
use crate::rpc::types::{ChannelInfo, StartedInfo};

/// Payment channels.
#[derive(Debug, Subcommand)]
pub(super) enum Channel {
    /// Open one to a payee, over ledger channels and without the chain
    #[command(after_help = "Examples:\n  \
        nitro channel open 0x<payee> --relay 0x<peer> --amount 1ether\n  \
        nitro channel open 0x<peer> --amount 5000 --asset 0x<token>")]
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
        /// The payment channel
        channel: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Leave one without the others: the chain decides with the best voucher
    #[command(after_help = "Examples:\n  \
        nitro channel exit 0x<channel> --dry-run    what it takes and costs, without doing it\n  \
        nitro channel exit 0x<channel>              says each step until it is done\n  \
        nitro channel exit 0x<channel> --no-wait    the running node goes on by itself\n\n\
        For participants that do not answer. Ledgers whose peers answer stay open; one whose peer \
        does not is left, too. It goes on when this command is interrupted; nitro channel show \
        says how far it is.")]
    Exit {
        /// The payment channel
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
        /// The payment channel
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
                let args = arg("channel", channel);
                let started = waiting.begin(&client, "nitro_closeChannel", args).await?;
                show_started(&client, &started, out).await
            }
            Self::Exit { channel, leaving } => {
                match leaving.begin(&client, Kind::Channel, channel, out).await? {
                    Some(started) => show_started(&client, &started, out).await,
                    None => Ok(()),
                }
            }
            Self::List { ledger, closed, after } => {
                let args = arg("ledger", ledger).with("closed", closed).with("after", after);
                let list: Vec<ChannelInfo> = client.call("nitro_channels", args).await?;
                let exits = list.iter().map(|c| (c.channel.to_string(), c.exit.as_ref()));
                let exits =
                    if out.is_json() { String::new() } else { exit::lines(&client, exits).await? };
                out.answer(&list, |list| describe_all(list) + &exits)?;
                Ok(())
            }
            Self::Show { channel } => show(&client, channel, out).await,
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
    let exit = exit::rows(client, found.channel, found.exit.as_ref()).await?;
    out.answer(&found, |found| describe(found, exit))
}

fn describe(channel: &ChannelInfo, exit: Vec<(&'static str, String)>) -> String {
    let money = |amount| money(&channel.asset, amount);
    let relays: Vec<_> = channel.relays.iter().map(|relay| relay.0.to_string()).collect();
    let facts = [
        ("channel", channel.channel.to_string()),
        ("status", channel.status.clone()),
        ("role", channel.role.clone()),
        ("payer", channel.payer.0.to_string()),
        ("relays", if relays.is_empty() { "-".to_owned() } else { relays.join(" ") }),
        ("payee", channel.payee.0.to_string()),
        ("asset", channel.asset.clone()),
        ("capacity", money(channel.capacity)),
        ("paid", money(channel.paid)),
        ("remaining", money(channel.remaining)),
        ("ledger to payer", maybe(channel.left_ledger)),
        ("ledger to payee", maybe(channel.right_ledger)),
        ("on chain", channel.on_chain.clone()),
    ];
    record(facts.into_iter().chain(exit))
}

fn describe_all(channels: &[ChannelInfo]) -> String {
    let row = |channel: &ChannelInfo| {
        let other = if channel.role == "payer" { channel.payee } else { channel.payer };
        [
            channel.channel.to_string(),
            channel.status.clone(),
            channel.role.clone(),
            other.0.to_string(),
            money(&channel.asset, channel.paid),
            money(&channel.asset, channel.remaining),
        ]
    };
    let names = ["channel", "status", "role", "with", "paid", "remaining"];
    table(names, channels.iter().map(row).collect(), "no payment channels")
}
