//! `nitro ledger`.

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
use crate::moment::utc_and_distance;
use crate::rpc::types::{LedgerInfo, StartedInfo};

/// Ledger channels.
#[derive(Debug, Subcommand)]
pub(super) enum Ledger {
    /// Open one: both sides deposit on chain
    #[command(after_help = "Examples:\n  \
        nitro ledger open 0xPEER --amount 10ether\n  \
        nitro ledger open 0xPEER --amount 5000 --peer-amount 5000 --asset 0xTOKEN --no-wait")]
    Open {
        /// Address of the peer
        peer: String,
        /// What this node deposits
        #[arg(long, allow_hyphen_values = true)]
        amount: String,
        /// What the peer is asked to deposit
        #[arg(long, default_value = "0", value_name = "AMOUNT", allow_hyphen_values = true)]
        peer_amount: String,
        /// A token's address [default: the native coin]
        #[arg(long, value_name = "ADDRESS")]
        asset: Option<String>,
        /// Seconds to answer a challenge [default: from the configuration]
        #[arg(long, value_name = "SECONDS")]
        challenge_duration: Option<u32>,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Close one together with the peer, and pay out on chain
    Close {
        /// The ledger channel, or the beginning of its id
        ledger: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Leave one without the peer: the chain decides, and pays out after a while
    #[command(after_help = "Examples:\n  \
        nitro ledger exit 0xLEDGER --dry-run    what it takes and costs, without doing it\n  \
        nitro ledger exit 0xLEDGER              says each step until it is paid out\n  \
        nitro ledger exit 0xLEDGER --no-wait    the running node goes on by itself\n  \
        nitro ledger exit 0xLEDGER --yes        without a question, for scripts\n\n\
        For a peer that does not answer. It needs two transactions and the ledger's challenge \
        duration, and takes the payment channels over the ledger along. It goes on when this \
        command is interrupted; nitro ledger show says how far it is. A node that was stopped goes \
        on when it runs again, and must run before the deadline of a challenge to answer it.")]
    Exit {
        /// The ledger channel, or the beginning of its id
        ledger: String,
        #[command(flatten)]
        leaving: Leaving,
    },
    /// All of them
    List {
        /// Closed ones instead of open ones
        #[arg(long)]
        closed: bool,
        /// Go on after this closed channel
        #[arg(long, value_name = "LEDGER", requires = "closed")]
        after: Option<String>,
    },
    /// One of them, open or closed
    Show {
        /// The ledger channel, or the beginning of its id
        ledger: String,
    },
}

impl Ledger {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        match self {
            Self::Open { peer, amount, peer_amount, asset, challenge_duration, waiting } => {
                let args = arg("peer", peer)
                    .with("amount", amount)
                    .with("peer_amount", peer_amount)
                    .with("asset", asset)
                    .with("challenge_duration", challenge_duration);
                exit::foretell(&client).await?;
                let started = waiting.begin(&client, "nitro_openLedger", args).await?;
                show_started(&client, &started, out).await
            }
            Self::Close { ledger, waiting } => {
                let ledger = Noun::Ledger.find(&client, ledger).await?;
                let args = arg("ledger", ledger);
                let started = waiting.begin(&client, "nitro_closeLedger", args).await?;
                show_started(&client, &started, out).await
            }
            Self::Exit { ledger, leaving } => {
                let ledger = Noun::Ledger.find(&client, ledger).await?;
                match leaving.begin(&client, Noun::Ledger, ledger, out).await? {
                    Some(started) => show_started(&client, &started, out).await,
                    None => Ok(()),
                }
            }
            Self::List { closed, after } => {
                let after = Noun::Ledger.find_if_given(&client, after).await?;
                let args = arg("closed", closed).with("after", after);
                let list: Vec<LedgerInfo> = client.call("nitro_ledgers", args).await?;
                if out.is_json() {
                    return out.line(&list);
                }
                let running = Running::of(&client).await?;
                out.text(&describe_all(&list, &running))
            }
            Self::Show { ledger } => {
                let ledger = Noun::Ledger.find(&client, ledger).await?;
                show(&client, ledger, out).await
            }
        }
    }
}

/// What was begun, and for people the ledger as it is now.
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

async fn show(client: &Client, ledger: String, out: Output) -> Result<(), CliError> {
    let found: LedgerInfo = client.call("nitro_ledger", arg("ledger", ledger)).await?;
    if out.is_json() {
        return out.line(&found);
    }
    let running = Running::of(client).await?;
    out.text(&describe(&found, &running))
}

pub(super) fn describe(ledger: &LedgerInfo, running: &Running) -> String {
    let money = |amount| money(&ledger.asset, amount);
    let closed = ledger.status == "closed";
    let (mine, theirs) =
        if closed { ("paid to me", "paid to peer") } else { ("my balance", "peer balance") };
    let objective = running.joint(ledger.ledger);
    let facts = [
        ("ledger", ledger.ledger.to_string()),
        ("status", words::status_and_wait(&ledger.status, objective)),
        ("peer", ledger.peer.0.to_string()),
        ("asset", asset_name(&ledger.asset)),
        (mine, money(ledger.my_balance)),
        (theirs, money(ledger.peer_balance)),
        ("locked", money(ledger.locked)),
        ("on chain", words::on_chain(ledger)),
        ("final at", maybe(final_at(ledger))),
        ("challenge", format!("{} s to answer one", ledger.challenge_duration)),
        ("turn", ledger.turn.to_string()),
    ];
    let reason = ledger.exit_reason.clone().filter(|_| closed);
    let reason = reason.map(|reason| ("exit reason", reason));
    let exit = exit::rows(ledger.exit.as_ref(), running.exit(ledger.ledger));
    let mut text = record(facts.into_iter().chain(reason).chain(exit));
    for locked in &ledger.channels {
        let amount = money(locked.amount);
        let channel = ids::short(locked.channel);
        text.push_str(&format!("payment channel {channel} locks {amount}\n"));
    }
    text
}

pub(super) fn describe_all(ledgers: &[LedgerInfo], running: &Running) -> String {
    let short = ids::distinct(ledgers.iter().map(|ledger| ledger.ledger));
    let row = |ledger: &LedgerInfo| {
        let cell = |amount| brief(&ledger.asset, amount);
        let cells = [
            short(ledger.ledger),
            words::status(&ledger.status),
            short_address(ledger.peer.0),
            cell(ledger.my_balance),
            cell(ledger.peer_balance),
            cell(ledger.locked),
        ];
        let exit = exit::note(ledger.exit.as_ref(), running.exit(ledger.ledger));
        let waits = running.joint(ledger.ledger).map(|step| words::progress(step, None));
        let notes = token_note(&ledger.asset).into_iter().chain(exit.or(waits)).collect();
        Row { cells, notes }
    };
    let names = ["ledger", "status", "peer", "mine", "theirs", "locked"];
    table(names, &ledgers.iter().map(row).collect::<Vec<_>>(), "no ledger channels")
}

/// When a running challenge becomes final; nothing runs against a closed ledger.
fn final_at(ledger: &LedgerInfo) -> Option<String> {
    ledger.exit.as_ref()?.finalizes_at.map(utc_and_distance)
}
