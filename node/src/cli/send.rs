//! `nitro send`, `nitro claim` and `nitro sent`.

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::CliError;
use super::client::{Args as Named, Client, arg};
use super::consent::Consent;
use super::ids::short_address;
use super::layout::{Row, maybe, record, table};
use super::money::{asset_name, brief, money, token_note};
use super::output::{Output, say};
use crate::data_dir::DataDir;
use crate::rpc::accounts::{DebtInfo, SendingInfo};

/// Sends coin or tokens of the node's own accounts on chain.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nitro send 1.5ether --to 0x<address>\n  \
    nitro send all --to 0x<address>\n  \
    nitro send 1000 --asset 0x<token> --to 0x<address> --from chain\n  \
    nitro send 1ether --to 0x<address> --key rent-may\n\n\
    With --key the same transfer is made once, however often the command is repeated, for example \
    after exit code 4 (on its way, not confirmed yet), 5 (not known whether it was sent) or 6 (sent, \
    but the answer could not be written). Exit code 1 says that nothing was sent. It asks before it \
    sends; --yes is the answer for scripts.")]
pub(super) struct Send {
    /// How much, or all
    #[arg(allow_hyphen_values = true)]
    amount: String,
    /// Who gets it
    #[arg(long, value_name = "ADDRESS")]
    to: String,
    /// A token's address [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    asset: Option<String>,
    /// Which account sends: channel, where payouts land, or chain, which pays deposits and fees
    #[arg(long, value_name = "ACCOUNT", default_value = "channel")]
    from: Whose,
    /// Also what open channels may need for being enforced
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    how: How,
}

/// Has the adjudicator pay what it owes, because a payout was refused.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    nitro claim\n  \
    nitro claim --asset 0x<token>\n  \
    nitro claim --asset 0x<token> --to 0x<address>\n\n\
    `nitro status` shows what is owed. The node claims by itself what it can and what is worth the \
    gas; --to is for accounts that a token refuses to pay. It is paid for by the chain account, with \
    --to by the channel account.")]
pub(super) struct Claim {
    /// A token's address [default: the native coin]
    #[arg(long, value_name = "ADDRESS")]
    asset: Option<String>,
    /// Who gets it [default: the channel account]
    #[arg(long, value_name = "ADDRESS")]
    to: Option<String>,
    #[command(flatten)]
    consent: Consent,
    #[command(flatten)]
    how: How,
}

/// What was sent with `nitro send` and `nitro claim`, and what is on its way.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  nitro sent\n  nitro sent --key rent-may\n  \
    nitro sent --key rent-may --cancel")]
pub(super) struct Sent {
    /// Only what was sent under this key
    #[arg(long)]
    key: Option<String>,
    /// Take it back, if no transaction was made for it yet
    #[arg(long, requires = "key")]
    cancel: bool,
}

/// An account of the node.
#[derive(Clone, Copy, Debug, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Whose {
    Chain,
    Channel,
}

/// How it is sent.
#[derive(Debug, Args)]
struct How {
    /// Any text; the same key never sends twice [default: a new one, which is shown]
    #[arg(long, value_name = "TEXT")]
    key: Option<String>,
    /// Return at once; `nitro sent` looks later
    #[arg(long)]
    no_wait: bool,
    /// Seconds to wait until it is confirmed; it goes on afterwards
    #[arg(long, default_value_t = 600, value_name = "SECONDS")]
    timeout: u64,
}

impl Send {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        self.consent.to(&format!("sending {} to {}", self.amount, self.to))?;
        let args = arg("amount", self.amount)
            .with("to", self.to)
            .with("asset", self.asset)
            .with("from", self.from)
            .with("force", self.force);
        self.how.execute("nitro_send", args, dir, out).await
    }
}

impl Claim {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        if let Some(to) = &self.to {
            self.consent.to(&format!("having what is owed paid to {to}"))?;
        }
        let args = Named::default().with("asset", self.asset).with("to", self.to);
        self.how.execute("nitro_claim", args, dir, out).await
    }
}

impl How {
    async fn execute(
        self,
        method: &str,
        args: Named,
        dir: &DataDir,
        out: Output,
    ) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        let key = self.key.unwrap_or_else(|| {
            let key = format!("0x{}", hex::encode(rand::random::<[u8; 32]>()));
            // Said before anything is sent: whoever loses the answer can ask again.
            say(format_args!("key {key}"));
            key
        });
        let mut args = args.with("key", key);
        if !self.no_wait {
            args = args.with("wait", true).with("timeout_secs", self.timeout);
        }
        let sent: SendingInfo = client.change(method, args).await?;
        out.answer(&sent, describe)
    }
}

impl Sent {
    pub(super) async fn execute(self, dir: &DataDir, out: Output) -> Result<(), CliError> {
        let client = Client::connect(dir).await?;
        let Some(key) = self.key else {
            let all: Vec<SendingInfo> = client.call("nitro_sendings", Named::default()).await?;
            return out.answer(&all, |all| describe_all(all));
        };
        let sent: SendingInfo = if self.cancel {
            client.change("nitro_cancelSending", arg("key", key)).await?
        } else {
            client.call("nitro_sending", arg("key", key)).await?
        };
        out.answer(&sent, describe)
    }
}

pub(super) fn describe(sent: &SendingInfo) -> String {
    record([
        ("key", sent.key.clone()),
        ("kind", sent.kind.clone()),
        ("from", format!("the {} account", sent.from)),
        ("asset", asset_name(&sent.asset)),
        ("to", sent.to.0.to_string()),
        ("amount", amount(sent)),
        ("status", sent.status.clone()),
        ("block", maybe(sent.block)),
        ("reason", maybe(sent.reason.as_ref())),
    ])
}

pub(super) fn describe_all(all: &[SendingInfo]) -> String {
    let row = |sent: &SendingInfo| {
        let amount = sent.amount.map_or_else(|| "all owed".to_owned(), |it| brief(&sent.asset, it));
        let notes = token_note(&sent.asset).into_iter().chain([format!("key {}", sent.key)]);
        Row {
            cells: [sent.kind.clone(), amount, short_address(sent.to.0), sent.status.clone()],
            notes: notes.collect(),
        }
    };
    let rows: Vec<_> = all.iter().map(row).collect();
    table(["kind", "amount", "to", "status"], &rows, "nothing was sent")
}

fn amount(sent: &SendingInfo) -> String {
    sent.amount.map_or_else(|| "all that is owed".to_owned(), |sum| money(&sent.asset, sum))
}

/// A debt in a sentence, with what can be done.
pub(super) fn debt_words(debt: &DebtInfo) -> String {
    let DebtInfo { asset, amount, .. } = debt;
    let next = match debt.status.as_str() {
        "claiming" => "a claim is on its way".to_owned(),
        "due" => "it is claimed with the next block".to_owned(),
        "waiting" => {
            let again = debt.again.map(crate::moment::utc).unwrap_or_default();
            format!("refused {} times; it is claimed again at {again}", debt.refusals)
        }
        "not_worth" => {
            "a claim would cost more than it brings; nitro claim does it anyway".to_owned()
        }
        "short_of_coin" => "the chain account has too little coin for a claim".to_owned(),
        _ => {
            format!("the policy does not name the token; claim it with nitro claim --asset {asset}")
        }
    };
    let owed = money(asset, *amount);
    format!("the adjudicator owes {owed}, a payout that was refused: {next}\n")
}
