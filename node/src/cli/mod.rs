//! The command line. Every command has `--json`; answers go to stdout, progress to stderr.

mod channel;
mod client;
mod consent;
mod deploy;
mod error;
mod exit;
mod ids;
mod init;
mod layout;
mod ledger;
mod money;
mod network;
mod objective;
mod output;
mod payment;
mod run;
mod send;
mod status;
mod tower;
mod watch;
#[cfg(test)]
mod width;
mod words;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use error::CliError;
pub use output::say;

use crate::data_dir::DataDir;
use output::Output;

/// A node of a payment network: ledger channels on chain, payments off chain.
#[derive(Debug, Parser)]
#[command(
    name = "nitro",
    version,
    arg_required_else_help = true,
    max_term_width = 80,
    after_help = "Exit codes:\n  \
                  0 done\n  \
                  1 refused: nothing has changed; or failed\n  \
                  2 wrong usage\n  \
                  3 the node cannot be reached or is stopping: nothing has changed\n  \
                  4 begun or paid, but not finished in time: it goes on, do not repeat it\n  \
                  5 not known whether it was done: look before you repeat it, or pay with --total\n  \
                  6 done, but the answer could not be written\n\n\
                  Examples:\n  \
                  nitro deploy --key-file key --json > deployment.json\n  \
                  nitro init --deployment deployment.json --max-peer-deposit 10ether\n  \
                  nitro run\n  \
                  nitro ledger open 0xPEER --amount 10ether\n  \
                  nitro channel open 0xPAYEE --relay 0xPEER --amount 1ether\n  \
                  nitro pay 0xCHANNEL 5gwei --total 25gwei"
)]
pub struct Cli {
    /// Folder of the node
    #[arg(
        long,
        global = true,
        env = "NITRO_DATA_DIR",
        value_name = "FOLDER",
        help = "Folder of the node [default: ~/.nitro]"
    )]
    data_dir: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the node's folder: keys and configuration
    Init(Box<init::Init>),
    /// Run the node until it is interrupted
    Run(Box<run::Run>),
    /// Stop the running node
    Stop,
    /// What the node is doing
    Status,
    /// The node's address and the account that pays on chain; needs no running node
    Address,
    /// Ledger channels: funds deposited on chain with one peer
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Payment channels: payments to one payee over ledger channels
    #[command(subcommand)]
    Channel(channel::Channel),
    /// Pay over a payment channel
    Pay(payment::Pay),
    /// Payments that are handed over outside of the network
    #[command(subcommand)]
    Voucher(payment::Voucher),
    /// Send coin or tokens of the node's own accounts on chain
    Send(send::Send),
    /// Have the adjudicator pay what it owes, because a payout was refused
    Claim(send::Claim),
    /// What was sent and claimed, and what is on its way
    Sent(send::Sent),
    /// Other nodes
    #[command(subcommand)]
    Peer(network::Peer),
    /// Watchtowers: other nodes that answer stale challenges while this one is away
    #[command(subcommand)]
    Tower(tower::Tower),
    /// What has been begun: opening and closing of channels
    #[command(subcommand)]
    Objective(objective::Objective),
    /// Put the contracts on a chain
    Deploy(deploy::Deploy),
    /// What an account has on chain
    Balance(network::Balance),
    /// Print changes as they come, until interrupted
    Watch,
}

impl Cli {
    /// True when answers and errors are to be JSON.
    #[must_use]
    pub const fn wants_json(&self) -> bool {
        self.json
    }

    /// Does what the command says.
    ///
    /// # Errors
    /// When it could not be done; the error knows the exit code.
    pub async fn execute(self) -> Result<(), CliError> {
        let dir = DataDir::new(match self.data_dir {
            Some(path) => path,
            None => std::env::home_dir().ok_or(CliError::NoHome)?.join(".nitro"),
        });
        let out = Output::new(self.json);
        match self.command {
            Command::Init(init) => init.execute(&dir, out),
            Command::Run(run) => run.execute(&dir, out).await,
            Command::Stop => status::stop(&dir, out).await,
            Command::Status => status::status(&dir, out).await,
            Command::Address => status::address(&dir, out),
            Command::Ledger(ledger) => ledger.execute(&dir, out).await,
            Command::Channel(channel) => channel.execute(&dir, out).await,
            Command::Pay(pay) => pay.execute(&dir, out).await,
            Command::Voucher(voucher) => voucher.execute(&dir, out).await,
            Command::Send(send) => send.execute(&dir, out).await,
            Command::Claim(claim) => claim.execute(&dir, out).await,
            Command::Sent(sent) => sent.execute(&dir, out).await,
            Command::Peer(peer) => peer.execute(&dir, out).await,
            Command::Tower(tower) => tower.execute(&dir, out).await,
            Command::Objective(objective) => objective.execute(&dir, out).await,
            Command::Deploy(deploy) => deploy.execute(&dir, out).await,
            Command::Balance(balance) => balance.execute(&dir, out).await,
            Command::Watch => watch::watch(&dir, out).await,
        }
    }
}
