//! `nitro peer` and `nitro balance`.

use clap::{Args, Subcommand};

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::layout::{CUT, Row, WIDTH, record, table};
use super::money::{asset_name, money};
use super::output::Output;
use crate::address::AddressText;
use crate::data_dir::DataDir;
use crate::rpc::types::{BalanceInfo, PeerInfo, ResolvedInfo};

/// Other nodes.
#[derive(Debug, Subcommand)]
pub(super) enum Peer {
    /// Those that are connected or known
    List,
    /// Remember where a peer is, and connect to it
    #[command(after_help = "Example:\n  nitro peer add /ip4/192.0.2.1/tcp/3005/p2p/PEER_ID")]
    Add {
        /// Where it is, ending in /p2p/PEER_ID
        address: String,
        /// Connect only when there is something to send
        #[arg(long)]
        no_dial: bool,
    },
    /// Find out where a peer is
    Resolve {
        /// Its address
        peer: String,
    },
}

impl Peer {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        match self {
            Self::List => {
                let peers: Vec<PeerInfo> = client.call("nitro_peers", Named::default()).await?;
                out.answer(&peers, |peers| describe_all(peers))?;
            }
            Self::Add { address, no_dial } => {
                let args = arg("address", address).with("dial", !no_dial);
                let peer: AddressText = client.change("nitro_addPeer", args).await?;
                out.answer(&peer, |peer| peer.0.to_string())?;
            }
            Self::Resolve { peer } => {
                let found: ResolvedInfo =
                    client.call("nitro_resolvePeer", arg("peer", peer)).await?;
                out.answer(&found, |found| {
                    record([
                        ("peer", found.peer.0.to_string()),
                        ("peer id", found.peer_id.clone()),
                        ("addresses", found.addresses.join("\n")),
                    ])
                })?;
            }
        }
        Ok(())
    }
}

pub(super) fn describe_all(peers: &[PeerInfo]) -> String {
    let row = |peer: &PeerInfo| {
        let state = match (peer.blocked, peer.connected) {
            (true, _) => "blocked",
            (false, true) => "connected",
            (false, false) => "away",
        };
        let cells = [
            peer.peer.0.to_string(),
            state.to_owned(),
            format!("{} messages", peer.messages_waiting),
        ];
        Row { cells, notes: peer.addresses.first().map(|at| place(at)).into_iter().collect() }
    };
    table(["peer", "state", "waiting"], &peers.iter().map(row).collect::<Vec<_>>(), "no peers")
}

/// Where a peer is, for one line: its id says nothing beside its address, and a name may be long.
fn place(address: &str) -> String {
    const ROOM: usize = WIDTH - "  at ".len();
    let place = address.rsplit_once("/p2p/").map_or(address, |(place, _)| place);
    match place.char_indices().nth(ROOM) {
        None => format!("at {place}"),
        Some(_) => format!("at {}{CUT}", place.chars().take(ROOM - 1).collect::<String>()),
    }
}

/// What an account has on chain.
#[derive(Debug, Args)]
pub(super) struct Balance {
    /// The account [default: the one that pays for this node]
    address: Option<String>,
    /// A token's address [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    asset: Option<String>,
}

impl Balance {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        let args = arg("address", self.address).with("asset", self.asset);
        let balance: BalanceInfo = client.call("nitro_balance", args).await?;
        out.answer(&balance, |balance| {
            record([
                ("account", balance.address.0.to_string()),
                ("asset", asset_name(&balance.asset)),
                ("balance", money(&balance.asset, balance.amount)),
            ])
        })?;
        Ok(())
    }
}
