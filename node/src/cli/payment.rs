//! `nitro pay` and `nitro voucher`.

use std::io::Read;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::CliError;
use super::client::{Client, arg};
use super::ids::Noun;
use super::layout::record;
use super::money::money;
use super::output::Output;
use crate::data_dir::{DataDir, FileError};
use crate::rpc::types::{ChannelInfo, PaidInfo, ReceivedInfo, VoucherInfo};

/// Pays over a payment channel.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  nitro pay 0xCHANNEL 5gwei\n  nitro pay 0xCHANNEL 1000 --wait\n  \
        nitro pay 0xCHANNEL 5gwei --total 25gwei\n\n\
        With --total a payment is made once, however often the command is repeated, for example \
        after exit code 5 (not known whether it was made) or 6 (made, but the answer could not be \
        written). Take what is paid so far from nitro channel show, and add the amount. Exit code 1 \
        says that nothing was paid, 4 that it is paid and the payee has not confirmed it yet."
)]
pub(super) struct Pay {
    /// The payment channel, or the beginning of its id
    channel: String,
    /// How much
    #[arg(allow_hyphen_values = true)]
    amount: String,
    /// Everything paid over the channel once this payment is made: pays only if that is so, and
    /// nothing if it was reached before
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    total: Option<String>,
    /// Return only when the payee has it for good
    #[arg(long)]
    wait: bool,
    /// Seconds to wait for the payee
    #[arg(long, default_value_t = 60, value_name = "SECONDS", requires = "wait")]
    timeout: u64,
}

impl Pay {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        let (channel, asset) = over(&client, self.channel, out).await?;
        let mut args =
            arg("channel", channel).with("amount", self.amount).with("total", self.total);
        if self.wait {
            args = args.with("wait", true).with("timeout_secs", self.timeout);
        }
        let paid: PaidInfo = client.change("nitro_pay", args).await?;
        out.answer(&paid, |paid| {
            record([
                (if paid.repeated { "paid before" } else { "paid" }, money(&asset, paid.amount)),
                ("paid in all", money(&asset, paid.total)),
                ("remaining", money(&asset, paid.remaining)),
            ])
        })?;
        Ok(())
    }
}

/// Payments that are handed over outside of the network.
#[derive(Debug, Subcommand)]
pub(super) enum Voucher {
    /// Pay by a voucher that you hand to the payee yourself
    #[command(
        after_help = "Example:\n  nitro voucher create 0xCHANNEL 5gwei --json > voucher.json"
    )]
    Create {
        /// The payment channel, or the beginning of its id
        channel: String,
        /// How much
        #[arg(allow_hyphen_values = true)]
        amount: String,
    },
    /// Take a voucher
    #[command(after_help = "Examples:\n  nitro voucher receive voucher.json\n  \
        nitro voucher receive - < voucher.json\n  \
        nitro voucher receive --channel 0x... --total 1000 --signature 0x...")]
    Receive {
        /// File with the voucher in JSON, - for stdin
        #[arg(required_unless_present_all = ["channel", "total", "signature"],
            conflicts_with_all = ["channel", "total", "signature"])]
        file: Option<PathBuf>,
        /// The payment channel
        #[arg(long)]
        channel: Option<String>,
        /// Everything paid so far, as the voucher says
        #[arg(long)]
        total: Option<String>,
        /// The payer's signature
        #[arg(long)]
        signature: Option<String>,
    },
}

impl Voucher {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        match self {
            Self::Create { channel, amount } => {
                let client = Client::connect(dir).await?;
                let (channel, asset) = over(&client, channel, out).await?;
                let args = arg("channel", channel).with("amount", amount);
                let voucher: VoucherInfo = client.change("nitro_createVoucher", args).await?;
                out.answer(&voucher, |voucher| {
                    record([
                        ("channel", voucher.channel.to_string()),
                        ("total", money(&asset, voucher.total)),
                        ("signature", voucher.signature.clone()),
                    ])
                })?;
            }
            Self::Receive { file, channel, total, signature } => {
                let (channel, total, signature) = match file {
                    Some(path) => {
                        let voucher = read(&path)?;
                        let total = voucher.total.0.to_string();
                        (voucher.channel.to_string(), Some(total), Some(voucher.signature))
                    }
                    None => (channel.unwrap_or_default(), total, signature),
                };
                let client = Client::connect(dir).await?;
                let (channel, asset) = over(&client, channel, out).await?;
                let args =
                    arg("channel", channel).with("total", total).with("signature", signature);
                let received: ReceivedInfo = client.change("nitro_receiveVoucher", args).await?;
                out.answer(&received, |received| {
                    record([
                        ("received", money(&asset, received.delta)),
                        ("received in all", money(&asset, received.total)),
                    ])
                })?;
            }
        }
        Ok(())
    }
}

/// The whole id of a channel and, for people, what is paid over it. Looked up before anything is paid:
/// afterwards nothing may go wrong any more.
async fn over(client: &Client, channel: String, out: Output) -> Result<(String, String), CliError> {
    let channel = Noun::Channel.find(client, channel).await?;
    if out.is_json() {
        return Ok((channel, String::new()));
    }
    let found: ChannelInfo = client.call("nitro_channel", arg("channel", &channel)).await?;
    Ok((channel, found.asset))
}

fn read(path: &PathBuf) -> Result<VoucherInfo, CliError> {
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text)?;
        text
    } else {
        std::fs::read_to_string(path).map_err(|error| FileError::new(path, error))?
    };
    serde_json::from_str(&text)
        .map_err(|error| CliError::Usage(format!("{}: no voucher: {error}", path.display())))
}
