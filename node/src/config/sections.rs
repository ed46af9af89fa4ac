//! The sections that belong to no other crate.

use std::net::SocketAddr;
use std::time::Duration;

use alloy::transports::http::reqwest::Url;
use chain::{
    AccountKey, ChainConfig, DEFAULT_BUMP_AFTER, DEFAULT_BUMP_PERCENT, DEFAULT_CONFIRMATIONS,
    DEFAULT_DEADLINE_MARGIN, DEFAULT_DEADLINE_MAX_FEE_PER_GAS, DEFAULT_MAX_FEE_PER_GAS,
    DEFAULT_MAX_LAG, DEFAULT_MAX_RANGE, DEFAULT_POLL_INTERVAL, DEFAULT_QUORUM, DEFAULT_STALL_AFTER,
    DeadlineBounds, FeeBounds,
};
use engine::policy::{self, Policy};
use engine::state::Deployment;
use engine::types::{Address, Amount};
use serde::{Deserialize, Serialize};

use super::endpoint::EndpointText;
use super::layers::{ConfigError, Fault};
use super::values::Deposits;
use crate::address::AddressText;
use crate::amount::AmountText;
use crate::keys::Keys;

/// A development chain on this machine.
const DEFAULT_ENDPOINT: &str = "http://127.0.0.1:8545";
/// The port of the reference implementation.
const DEFAULT_RPC_LISTEN: &str = "127.0.0.1:4005";
/// A day: time to notice a stale state, restart and answer through a fee spike.
const DEFAULT_CHALLENGE_DURATION: u32 = 86_400;
/// Nodes refuse a replacement that pays less than this much more.
const LEAST_BUMP_PERCENT: u32 = 10;

/// What an endpoint begins with.
const SCHEMES: [&str; 4] = ["http://", "https://", "ws://", "wss://"];

/// The chain and its contracts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ChainSection {
    /// RPC endpoint. May hold an access key: shown without path and query.
    pub endpoint: EndpointText,
    /// RPC endpoints that take over in this order, and that confirm what the first one says.
    pub more_endpoints: Vec<EndpointText>,
    /// Endpoints that must agree on a block.
    pub quorum: u32,
    /// Blocks that an endpoint may be behind the others.
    pub max_lag: u64,
    /// How long an endpoint's newest block may stay the same while others move on.
    pub stall_after_secs: u64,
    /// EIP-155 chain id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chain_id: Option<u64>,
    /// NitroAdjudicator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub adjudicator: Option<AddressText>,
    /// ConsensusApp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consensus_app: Option<AddressText>,
    /// VirtualPaymentApp.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_app: Option<AddressText>,
    /// Blocks on top of a block before it counts.
    pub confirmations: u64,
    /// First block that is read.
    pub start_block: u64,
    /// Time between two looks at the head.
    pub poll_interval_ms: u64,
    /// Most blocks in one request for logs.
    pub max_range: u64,
    /// Most that is ever offered per gas.
    pub max_fee_per_gas: AmountText,
    /// How much more a replacement pays.
    pub bump_percent: u32,
    /// How long a transaction may wait before it is replaced.
    pub bump_after_secs: u64,
    /// Which account pays deposits and fees.
    pub account: ChainAccount,
    /// Where the node sends on what the adjudicator pays to the channel account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payout_address: Option<AddressText>,
    /// Most that is ever offered per gas for a transaction that runs out.
    pub deadline_max_fee_per_gas: AmountText,
    /// How long before its deadline a transaction offers that at the latest.
    pub deadline_margin_secs: u64,
}

/// Which account pays deposits and fees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainAccount {
    /// The one of the chain key.
    #[default]
    Own,
    /// The one of the channel key, which the adjudicator pays.
    Channel,
}

impl Default for ChainSection {
    fn default() -> Self {
        Self {
            endpoint: DEFAULT_ENDPOINT.into(),
            more_endpoints: Vec::new(),
            quorum: u32::try_from(DEFAULT_QUORUM).unwrap_or(u32::MAX),
            max_lag: DEFAULT_MAX_LAG,
            stall_after_secs: DEFAULT_STALL_AFTER.as_secs(),
            chain_id: None,
            adjudicator: None,
            consensus_app: None,
            payment_app: None,
            confirmations: DEFAULT_CONFIRMATIONS,
            start_block: 0,
            poll_interval_ms: u64::try_from(DEFAULT_POLL_INTERVAL.as_millis()).unwrap_or(u64::MAX),
            max_range: DEFAULT_MAX_RANGE,
            max_fee_per_gas: AmountText(DEFAULT_MAX_FEE_PER_GAS.into()),
            bump_percent: DEFAULT_BUMP_PERCENT,
            bump_after_secs: DEFAULT_BUMP_AFTER.as_secs(),
            account: ChainAccount::Own,
            payout_address: None,
            deadline_max_fee_per_gas: AmountText(DEFAULT_DEADLINE_MAX_FEE_PER_GAS.into()),
            deadline_margin_secs: DEFAULT_DEADLINE_MARGIN.as_secs(),
        }
    }
}

impl ChainSection {
    /// The chain and contracts, none of which has a default.
    ///
    /// # Errors
    /// When one of them is not set.
    pub fn deployment(&self) -> Result<Deployment, ConfigError> {
        let address = |found: Option<AddressText>, key| {
            found.map(|text| text.0).ok_or(ConfigError::Missing { key })
        };
        Ok(Deployment {
            chain_id: self.chain_id.ok_or(ConfigError::Missing { key: "chain.chain_id" })?,
            adjudicator: address(self.adjudicator, "chain.adjudicator")?,
            consensus_app: address(self.consensus_app, "chain.consensus_app")?,
            payment_app: address(self.payment_app, "chain.payment_app")?,
        })
    }

    /// What may not be printed.
    #[must_use]
    pub fn secrets(&self) -> Vec<String> {
        let endpoints = std::iter::once(&self.endpoint).chain(&self.more_endpoints);
        endpoints.flat_map(EndpointText::secrets).collect()
    }

    pub(super) fn chain_config(&self, deployment: Deployment, keys: &Keys) -> ChainConfig {
        let key = match self.account {
            ChainAccount::Own => &keys.chain,
            ChainAccount::Channel => &keys.channel,
        };
        let key = AccountKey::new(key.bytes());
        let config = ChainConfig::new(self.endpoint.reveal(), deployment, key);
        ChainConfig {
            quorum: usize::try_from(self.quorum).unwrap_or(usize::MAX),
            max_lag: self.max_lag,
            stall_after: Duration::from_secs(self.stall_after_secs),
            confirmations: self.confirmations,
            start_block: self.start_block,
            max_range: self.max_range,
            poll_interval: Duration::from_millis(self.poll_interval_ms),
            fees: FeeBounds {
                max_fee_per_gas: fee(self.max_fee_per_gas.0).unwrap_or(u128::MAX),
                bump_percent: self.bump_percent,
                bump_after: Duration::from_secs(self.bump_after_secs),
            },
            deadlines: DeadlineBounds {
                max_fee_per_gas: fee(self.deadline_max_fee_per_gas.0).unwrap_or(u128::MAX),
                margin: Duration::from_secs(self.deadline_margin_secs),
            },
            ..config.with_endpoints(self.more_endpoints.iter().map(EndpointText::reveal))
        }
    }

    /// What is sent on cannot pay for deposits and fees, and some addresses give nothing back.
    fn check_payouts(&self) -> Result<(), Fault> {
        let key = "chain.payout_address";
        let Some(to) = self.payout_address else { return Ok(()) };
        if self.account == ChainAccount::Channel {
            let reason = "contradicts chain.account = \"channel\": what is paid out pays for fees and \
                          deposits then; leave one of the two out, and use `nitro send`";
            return Err(Fault::new(key, reason));
        }
        let contracts = [self.adjudicator, self.consensus_app, self.payment_app];
        if to.0 == Address::ZERO || contracts.contains(&Some(to)) {
            let reason =
                "is the zero address or a contract of the deployment: what is sent there is lost";
            return Err(Fault::new(key, reason));
        }
        Ok(())
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let zero = |text: &Option<AddressText>| text.is_some_and(|text| text.0 == Address::ZERO);
        self.check_payouts()?;
        for (key, address) in [
            ("chain.adjudicator", &self.adjudicator),
            ("chain.consensus_app", &self.consensus_app),
            ("chain.payment_app", &self.payment_app),
        ] {
            if zero(address) {
                return Err(Fault::new(key, "is the zero address"));
            }
        }
        let contracts = [
            ("chain.adjudicator", self.adjudicator),
            ("chain.consensus_app", self.consensus_app),
            ("chain.payment_app", self.payment_app),
        ];
        for (index, (key, address)) in contracts.iter().enumerate() {
            let same =
                |(_, other): &&(_, Option<AddressText>)| address.is_some() && address == other;
            if let Some((other, _)) = contracts[..index].iter().find(same) {
                let reason =
                    format!("is the address of {other}; take all three from `nitro deploy`");
                return Err(Fault::new(key, reason));
            }
        }
        self.check_endpoints()?;
        if self.poll_interval_ms == 0 {
            return Err(Fault::new("chain.poll_interval_ms", "must be more than zero"));
        }
        if self.max_range == 0 {
            return Err(Fault::new("chain.max_range", "must be more than zero"));
        }
        if self.bump_percent < LEAST_BUMP_PERCENT {
            return Err(Fault::new("chain.bump_percent", "must be 10 or more"));
        }
        for (key, amount) in [
            ("chain.max_fee_per_gas", self.max_fee_per_gas),
            ("chain.deadline_max_fee_per_gas", self.deadline_max_fee_per_gas),
        ] {
            if fee(amount.0).is_none_or(|fee| fee == 0) {
                return Err(Fault::new(key, "must be more than zero and below 2^128"));
            }
        }
        if self.deadline_max_fee_per_gas.0 < self.max_fee_per_gas.0 {
            let reason = format!(
                "{} is below max_fee_per_gas, {}; what runs out must be able to offer more than \
                 what can wait",
                self.deadline_max_fee_per_gas.0, self.max_fee_per_gas.0
            );
            return Err(Fault::new("chain.deadline_max_fee_per_gas", reason));
        }
        Ok(())
    }

    fn check_endpoints(&self) -> Result<(), Fault> {
        let usable = |endpoint: &EndpointText| {
            SCHEMES.iter().any(|scheme| endpoint.reveal().starts_with(scheme))
        };
        if !usable(&self.endpoint) {
            let reason = "must begin with http://, https://, ws:// or wss://";
            return Err(Fault::new("chain.endpoint", reason));
        }
        for (index, endpoint) in self.more_endpoints.iter().enumerate() {
            let fault = |reason: &str| {
                // Not the endpoint itself: it may hold an access key.
                let reason = format!("endpoint number {} {reason}", index.saturating_add(1));
                Fault::new("chain.more_endpoints", reason)
            };
            if !usable(endpoint) {
                return Err(fault("must begin with http://, https://, ws:// or wss://"));
            }
            if *endpoint == self.endpoint || self.more_endpoints[..index].contains(endpoint) {
                return Err(fault("is given twice: it cannot confirm what it says itself"));
            }
        }
        let count = self.more_endpoints.len().saturating_add(1);
        if self.quorum == 0 || usize::try_from(self.quorum).is_ok_and(|quorum| quorum > count) {
            let reason = format!("must be between 1 and {count}, the number of endpoints");
            return Err(Fault::new("chain.quorum", reason));
        }
        if self.stall_after_secs == 0 {
            return Err(Fault::new("chain.stall_after_secs", "must be more than zero"));
        }
        Ok(())
    }
}

fn fee(amount: Amount) -> Option<u128> {
    u128::try_from(amount.to_u256()).ok()
}

/// The server for local programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RpcSection {
    /// Where to listen; a loopback address.
    pub listen: SocketAddr,
    /// Connections at once.
    pub max_connections: u32,
    /// Largest request or batch.
    pub max_request_bytes: u32,
    /// Largest answer.
    pub max_response_bytes: u32,
    /// Requests in one batch.
    pub max_batch: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: u32,
    /// Messages that wait for one connection.
    pub max_queue: u32,
    /// Origins of web pages that may connect.
    pub allowed_origins: Vec<String>,
}

impl Default for RpcSection {
    fn default() -> Self {
        Self {
            listen: DEFAULT_RPC_LISTEN.parse().expect("the default address is an address"),
            max_connections: 256,
            max_request_bytes: 1 << 20,
            max_response_bytes: 32 << 20,
            max_batch: 100,
            max_subscriptions: 32,
            max_queue: 1_024,
            allowed_origins: Vec::new(),
        }
    }
}

impl RpcSection {
    pub(super) fn check(&self) -> Result<(), Fault> {
        if !self.listen.ip().is_loopback() {
            return Err(Fault::new(
                "rpc.listen",
                format!(
                    "{} can be reached from other machines, and this version serves only programs \
                     on the same machine; use 127.0.0.1 or [::1], and a tunnel such as ssh -L \
                     from elsewhere",
                    self.listen
                ),
            ));
        }
        for (key, value) in [
            ("rpc.max_connections", self.max_connections),
            ("rpc.max_request_bytes", self.max_request_bytes),
            ("rpc.max_response_bytes", self.max_response_bytes),
            ("rpc.max_batch", self.max_batch),
            ("rpc.max_queue", self.max_queue),
        ] {
            if value == 0 {
                return Err(Fault::new(key, "must be more than zero"));
            }
        }
        match self.allowed_origins.iter().find(|origin| !is_origin(origin)) {
            Some(origin) => Err(Fault::new("rpc.allowed_origins", origin_fault(origin))),
            None => Ok(()),
        }
    }
}

/// True for what a browser sends as the origin of a page, letter by letter. Neither `*` nor `null` is
/// one: each would let in pages that nobody has named.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let extension = || {
        let name = url.host_str().filter(|_| url.scheme().ends_with("-extension"));
        name.map(|name| format!("{}://{name}", url.scheme()))
    };
    let origin = url.origin();
    let written = if origin.is_tuple() { Some(origin.ascii_serialization()) } else { extension() };
    written.is_some_and(|written| written.eq_ignore_ascii_case(text) && !written.contains('*'))
}

fn origin_fault(origin: &str) -> String {
    format!(
        "{origin:?} is no origin: name each page by scheme, host and port as browsers do, such as \
         \"http://localhost:3000\", without a path or a usual port; no sign stands for all of them"
    )
}

/// What the node agrees to. The fields mirror [`Policy`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PolicySection {
    /// Used where a request names none.
    pub challenge_duration_secs: u32,
    /// Shortest that is agreed to.
    pub min_challenge_duration_secs: u32,
    /// Longest that is agreed to.
    pub max_challenge_duration_secs: u32,
    /// Most that is deposited because a peer asks, by asset.
    pub max_peer_deposit: Deposits,
    /// Participants of a payment channel.
    pub max_participants: u32,
    /// Payment channels over one ledger.
    pub max_guarantees: u32,
    /// Ledgers that are being opened.
    pub max_opening_ledgers: u32,
    /// Ledgers that one peer has half open.
    pub max_opening_ledgers_per_peer: u32,
    /// Payment channels that are being opened.
    pub max_funding_payments: u32,
    /// Payment channels that are being opened over one ledger because its peer asks.
    pub max_funding_payments_per_ledger: u32,
    /// Least capacity of a payment channel, by asset.
    pub min_capacity: Deposits,
    /// Least capacity of a payment channel of the chain's coin, in percent of what enforcing costs.
    pub min_capacity_percent: u32,
    /// Payment channels over one ledger among which there may be dust.
    pub max_dust: u32,
    /// Refusals that are remembered.
    pub max_answers: u32,
    /// Refusals that are remembered for one peer with a ledger.
    pub max_answers_per_peer: u32,
    /// Refusals that are remembered for one peer without a ledger.
    pub max_answers_per_stranger: u32,
    /// Messages that wait for one peer.
    pub max_backlog: u64,
    /// Peers without a ledger for whom messages may wait.
    pub max_strangers: u32,
    /// Messages that may wait for one of them because others ask.
    pub max_stranger_backlog: u64,
    /// Opening a ledger is given up after this time.
    pub ledger_funding_timeout_secs: u64,
    /// Opening a ledger is given up after this time if nobody deposits.
    pub ledger_deposit_timeout_secs: u64,
    /// Opening a payment channel is given up after this time.
    pub payment_funding_timeout_secs: u64,
    /// Closing is reported as not answered after this time.
    pub closing_timeout_secs: u64,
    /// How long the payout is left to the other side.
    pub withdrawal_delay_secs: u64,
    /// How long peers may leave a closing unfinished before the channel is enforced on chain.
    pub patience_secs: u64,
    /// How a stale challenge of an open ledger is answered.
    pub stale_answer: StaleAnswer,
    /// Amounts that are not worth a transaction, by asset.
    pub dust: Deposits,
}

/// How a stale challenge of an open ledger is answered. Mirrors [`policy::StaleAnswer`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StaleAnswer {
    /// By leaving it with its newest state.
    #[default]
    Exit,
    /// By showing the newer state; the ledger lives on.
    Checkpoint,
}

impl From<StaleAnswer> for policy::StaleAnswer {
    fn from(answer: StaleAnswer) -> Self {
        match answer {
            StaleAnswer::Exit => Self::Exit,
            StaleAnswer::Checkpoint => Self::Checkpoint,
        }
    }
}

impl Default for PolicySection {
    fn default() -> Self {
        let policy = Policy::default();
        let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            challenge_duration_secs: DEFAULT_CHALLENGE_DURATION,
            min_challenge_duration_secs: policy.min_challenge_duration,
            max_challenge_duration_secs: policy.max_challenge_duration,
            max_peer_deposit: Deposits(policy.max_peer_deposit),
            max_participants: count(policy.max_participants),
            max_guarantees: count(policy.max_guarantees),
            max_opening_ledgers: count(policy.max_opening_ledgers),
            max_opening_ledgers_per_peer: count(policy.max_opening_ledgers_per_peer),
            max_funding_payments: count(policy.max_funding_payments),
            max_funding_payments_per_ledger: count(policy.max_funding_payments_per_ledger),
            min_capacity: Deposits(policy.min_capacity),
            min_capacity_percent: policy.min_capacity_percent,
            max_dust: count(policy.max_dust),
            max_answers: count(policy.max_answers),
            max_answers_per_peer: count(policy.max_answers_per_peer),
            max_answers_per_stranger: count(policy.max_answers_per_stranger),
            max_backlog: policy.max_backlog,
            max_strangers: count(policy.max_strangers),
            max_stranger_backlog: policy.max_stranger_backlog,
            ledger_funding_timeout_secs: policy.ledger_funding_timeout.as_secs(),
            ledger_deposit_timeout_secs: policy.ledger_deposit_timeout.as_secs(),
            payment_funding_timeout_secs: policy.payment_funding_timeout.as_secs(),
            closing_timeout_secs: policy.closing_timeout.as_secs(),
            withdrawal_delay_secs: policy.withdrawal_delay.as_secs(),
            patience_secs: policy.patience.as_secs(),
            stale_answer: StaleAnswer::default(),
            dust: Deposits(policy.dust),
        }
    }
}

impl PolicySection {
    pub(super) fn policy(&self) -> Policy {
        let count = |count: u32| usize::try_from(count).unwrap_or(usize::MAX);
        Policy {
            min_challenge_duration: self.min_challenge_duration_secs,
            max_challenge_duration: self.max_challenge_duration_secs,
            max_peer_deposit: self.max_peer_deposit.0.clone(),
            max_participants: count(self.max_participants),
            max_guarantees: count(self.max_guarantees),
            max_opening_ledgers: count(self.max_opening_ledgers),
            max_opening_ledgers_per_peer: count(self.max_opening_ledgers_per_peer),
            max_funding_payments: count(self.max_funding_payments),
            max_funding_payments_per_ledger: count(self.max_funding_payments_per_ledger),
            min_capacity: self.min_capacity.0.clone(),
            min_capacity_percent: self.min_capacity_percent,
            max_dust: count(self.max_dust),
            max_answers: count(self.max_answers),
            max_answers_per_peer: count(self.max_answers_per_peer),
            max_answers_per_stranger: count(self.max_answers_per_stranger),
            max_backlog: self.max_backlog,
            max_strangers: count(self.max_strangers),
            max_stranger_backlog: self.max_stranger_backlog,
            ledger_funding_timeout: Duration::from_secs(self.ledger_funding_timeout_secs),
            ledger_deposit_timeout: Duration::from_secs(self.ledger_deposit_timeout_secs),
            payment_funding_timeout: Duration::from_secs(self.payment_funding_timeout_secs),
            closing_timeout: Duration::from_secs(self.closing_timeout_secs),
            withdrawal_delay: Duration::from_secs(self.withdrawal_delay_secs),
            patience: Duration::from_secs(self.patience_secs),
            stale_answer: self.stale_answer.into(),
            dust: self.dust.0.clone(),
        }
    }

    pub(super) fn check(&self) -> Result<(), Fault> {
        let (min, max) = (self.min_challenge_duration_secs, self.max_challenge_duration_secs);
        if min == 0 {
            return Err(Fault::new(
                "policy.min_challenge_duration_secs",
                "must be more than zero: nobody could answer a stale state in time",
            ));
        }
        if max < min {
            return Err(Fault::new(
                "policy.max_challenge_duration_secs",
                format!("{max} is below min_challenge_duration_secs, {min}"),
            ));
        }
        let default = self.challenge_duration_secs;
        if !(min..=max).contains(&default) {
            return Err(Fault::new(
                "policy.challenge_duration_secs",
                format!("{default} is not between {min} and {max}, the bounds of this section"),
            ));
        }
        if self.max_participants < 2 {
            return Err(Fault::new("policy.max_participants", "must be 2 or more"));
        }
        for (key, value) in [
            ("policy.max_opening_ledgers_per_peer", self.max_opening_ledgers_per_peer),
            ("policy.max_funding_payments_per_ledger", self.max_funding_payments_per_ledger),
            ("policy.max_answers", self.max_answers),
        ] {
            if value == 0 {
                let reason = "must be more than zero: no peer could open anything";
                return Err(Fault::new(key, reason));
            }
        }
        if self.ledger_deposit_timeout_secs == 0 {
            let reason = "must be more than zero: no peer could deposit in time";
            return Err(Fault::new("policy.ledger_deposit_timeout_secs", reason));
        }
        if self.patience_secs == 0 {
            let reason = "must be more than zero: no peer could answer before its channel is \
                          enforced on chain, which costs gas";
            return Err(Fault::new("policy.patience_secs", reason));
        }
        Ok(())
    }
}

/// What may be logged, from little to everything.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// What the node writes about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogSection {
    /// Level, or directives such as `info,p2p=debug`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object in a line.
    Json,
}

impl Default for LogSection {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

impl LogSection {
    pub(super) fn check(&self) -> Result<(), Fault> {
        let fault = |reason: String| Fault::new("log.level", reason);
        for part in self.level.split(',').map(str::trim) {
            // A word alone is a level; any other word would be taken for a module, everything of which
            // is logged, and nothing else.
            let is_level = LEVELS.iter().any(|level| level.eq_ignore_ascii_case(part));
            if !is_level && !part.contains('=') {
                return Err(fault(format!(
                    "{part:?} is no level: expected {}, or <module>=<level>",
                    LEVELS.join(", ")
                )));
            }
        }
        let filter = tracing_subscriber::EnvFilter::try_new(&self.level);
        filter.map(drop).map_err(|error| fault(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_is_the_engines() {
        assert_eq!(PolicySection::default().policy(), Policy::default());
    }
}
