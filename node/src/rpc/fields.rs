//! Reads named parameters one by one, so that every fault names its parameter.

use std::str::FromStr;
use std::time::Duration;

use engine::chain::Account;
use engine::crypto::{Signature, keccak256};
use engine::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId};
use jsonrpsee::types::Params;
use serde_json::{Map, Value};

use super::error::Refusal;
use crate::address::{parse_address, parse_asset};
use crate::amount::parse_amount;

/// How long a waiting call waits unless it says otherwise.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
/// Longest wait of one call: a day. A client that wants more asks again.
const MAX_TIMEOUT_SECS: u64 = 86_400;

/// The parameters of one call; each is taken out once.
#[derive(Debug)]
pub(super) struct Fields {
    values: Map<String, Value>,
    /// Names that the method knows, for the refusal of others.
    known: Vec<&'static str>,
}

/// Whether a call returns only when its objective has ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    pub(super) wait: bool,
    pub(super) timeout: Duration,
}

impl Fields {
    /// Takes an object, an array that holds one object, or nothing.
    pub(super) fn read(params: &Params<'_>) -> Result<Self, Refusal> {
        let text = params.as_str().map(str::trim).unwrap_or_default();
        let shape = || {
            let message = "parameters are given by name, as one object";
            Refusal::param("params", "not_an_object", message)
        };
        let values = match text {
            "" | "[]" | "null" => Map::new(),
            _ if text.starts_with('[') => {
                let [values] =
                    serde_json::from_str::<[Map<String, Value>; 1]>(text).map_err(|_| shape())?;
                values
            }
            _ => serde_json::from_str(text).map_err(|_| shape())?,
        };
        Ok(Self { values, known: Vec::new() })
    }

    /// Refuses parameters that the method does not know: a mistyped name must not be ignored.
    pub(super) fn finish(self) -> Result<(), Refusal> {
        let Some((name, _)) = self.values.into_iter().next() else { return Ok(()) };
        let allowed = match self.known.as_slice() {
            [] => "this method has none".to_owned(),
            known => format!("expected one of {}", known.join(", ")),
        };
        Err(Refusal::param(&name, "unknown_parameter", format!("unknown parameter; {allowed}")))
    }

    /// The value of a parameter; null is the same as none.
    fn take(&mut self, field: &'static str) -> Option<Value> {
        self.known.push(field);
        self.values.remove(field).filter(|value| !value.is_null())
    }

    fn text(&mut self, field: &'static str, form: &str) -> Result<Option<String>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Refusal::param(field, "not_a_string", format!("must be {form}"))),
        }
    }

    pub(super) fn optional_address(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Address>, Refusal> {
        let text = self.text(field, "an address in quotes")?;
        text.map(|text| address(field, &text)).transpose()
    }

    pub(super) fn address(&mut self, field: &'static str) -> Result<Address, Refusal> {
        self.optional_address(field)?.ok_or_else(|| missing(field))
    }

    pub(super) fn addresses(&mut self, field: &'static str) -> Result<Vec<Address>, Refusal> {
        let Some(value) = self.take(field) else { return Ok(Vec::new()) };
        let list = || Refusal::param(field, "not_a_list", "must be a list of addresses in quotes");
        let Value::Array(values) = value else { return Err(list()) };
        let read = |value: &Value| address(field, value.as_str().ok_or_else(list)?);
        values.iter().map(read).collect()
    }

    /// The parameter `asset`; the native coin when there is none.
    pub(super) fn asset(&mut self) -> Result<Asset, Refusal> {
        let text = self.text("asset", "the address of a token, or \"native\"")?;
        let read = |text: String| {
            let refuse = |error: crate::address::AddressError| {
                Refusal::param("asset", error.reason(), format!("{error}, or \"native\""))
            };
            parse_asset(&text).map_err(refuse)
        };
        text.map_or(Ok(Asset::NATIVE), read)
    }

    pub(super) fn optional_amount(
        &mut self,
        field: &'static str,
    ) -> Result<Option<Amount>, Refusal> {
        // A JSON number is refused: most programs round it above 2^53.
        let form = "an amount in quotes such as \"1000\" or \"1.5ether\"";
        let read = |text: String| {
            parse_amount(&text).map_err(|error| Refusal::param(field, error.reason(), error))
        };
        self.text(field, form)?.map(read).transpose()
    }

    pub(super) fn amount(&mut self, field: &'static str) -> Result<Amount, Refusal> {
        self.optional_amount(field)?.ok_or_else(|| missing(field))
    }

    /// The parameter `amount`, where `all` leaves nothing that can be spared; none for that.
    pub(super) fn amount_or_all(&mut self) -> Result<Option<Amount>, Refusal> {
        if self.values.get("amount").and_then(Value::as_str) == Some("all") {
            self.take("amount");
            return Ok(None);
        }
        self.amount("amount").map(Some)
    }

    /// `chain` or `channel`; the channel account, which is paid, when there is none.
    pub(super) fn account(&mut self, field: &'static str) -> Result<Account, Refusal> {
        let form = "\"chain\" or \"channel\"";
        match self.text(field, form)?.as_deref() {
            Some("chain") => Ok(Account::Chain),
            Some("channel") | None => Ok(Account::Channel),
            Some(_) => Err(Refusal::param(field, "unknown_account", format!("must be {form}"))),
        }
    }

    /// The parameter `key`; a fresh one when there is none.
    pub(super) fn key(&mut self) -> Result<B256, Refusal> {
        Ok(self.optional_key()?.unwrap_or_else(|| B256::from(rand::random::<[u8; 32]>())))
    }

    /// The parameter `key`, which must be there.
    pub(super) fn known_key(&mut self) -> Result<B256, Refusal> {
        self.optional_key()?.ok_or_else(|| missing("key"))
    }

    /// 32 bytes in hex, or any other text, which stands for its hash.
    fn optional_key(&mut self) -> Result<Option<B256>, Refusal> {
        const MOST: usize = 256;
        let Some(text) = self.text("key", "a text in quotes")? else { return Ok(None) };
        if text.is_empty() || text.len() > MOST {
            let message = format!("must have 1 to {MOST} bytes");
            return Err(Refusal::param("key", "malformed_key", message));
        }
        let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64);
        let bytes = digits.and_then(|digits| B256::from_str(digits).ok());
        Ok(Some(bytes.unwrap_or_else(|| keccak256(text.as_bytes()))))
    }

    pub(super) fn optional_channel(
        &mut self,
        field: &'static str,
    ) -> Result<Option<ChannelId>, Refusal> {
        let read = |text: String| channel(field, &text);
        self.text(field, "a channel id in quotes")?.map(read).transpose()
    }

    pub(super) fn channel(&mut self, field: &'static str) -> Result<ChannelId, Refusal> {
        self.optional_channel(field)?.ok_or_else(|| missing(field))
    }

    pub(super) fn optional_objective(&mut self) -> Result<Option<ObjectiveId>, Refusal> {
        let read = |text: String| {
            let id = text.parse::<ObjectiveId>().ok();
            // Strict about the channel id: the engine's own reader also takes it without 0x.
            id.filter(|id| id.to_string().eq_ignore_ascii_case(&text)).ok_or_else(|| {
                let message = "not an objective id: expected DirectFunding-, DirectDefunding-, \
                               VirtualFund-, VirtualDefund- or Exit- and a channel id";
                Refusal::param("objective", "malformed_id", message)
            })
        };
        self.text("objective", "an objective id in quotes")?.map(read).transpose()
    }

    pub(super) fn objective(&mut self) -> Result<ObjectiveId, Refusal> {
        self.optional_objective()?.ok_or_else(|| missing("objective"))
    }

    pub(super) fn signature(&mut self, field: &'static str) -> Result<Signature, Refusal> {
        let form = "0x and 130 hex digits in quotes";
        let text = self.text(field, form)?.ok_or_else(|| missing(field))?;
        let refuse = || Refusal::param(field, "malformed_signature", format!("must be {form}"));
        let mut bytes = [0; 65];
        let digits = text.strip_prefix("0x").ok_or_else(refuse)?;
        hex::decode_to_slice(digits, &mut bytes).map_err(|_| refuse())?;
        Ok(Signature(bytes))
    }

    pub(super) fn multiaddr(&mut self, field: &'static str) -> Result<p2p::Multiaddr, Refusal> {
        let form = "an address such as \"/ip4/192.0.2.1/tcp/3005/p2p/PEER_ID\"";
        let text = self.text(field, form)?.ok_or_else(|| missing(field))?;
        let refuse = |error| {
            Refusal::param(field, "malformed_multiaddr", format!("{error}; expected {form}"))
        };
        text.parse().map_err(refuse)
    }

    pub(super) fn optional_number(
        &mut self,
        field: &'static str,
        max: u64,
    ) -> Result<Option<u64>, Refusal> {
        let Some(value) = self.take(field) else { return Ok(None) };
        let number = value.as_u64().filter(|number| *number <= max);
        let refuse = || {
            let message = format!("must be a whole number from 0 to {max}, without quotes");
            Refusal::param(field, "not_a_number", message)
        };
        number.map(Some).ok_or_else(refuse)
    }

    pub(super) fn flag(&mut self, field: &'static str) -> Result<bool, Refusal> {
        Ok(self.optional_flag(field)?.unwrap_or(false))
    }

    pub(super) fn optional_flag(&mut self, field: &'static str) -> Result<Option<bool>, Refusal> {
        match self.take(field) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(_) => Err(Refusal::param(field, "not_a_flag", "must be true or false")),
        }
    }

    /// The parameters `wait` and `timeout_secs`.
    pub(super) fn wait(&mut self) -> Result<Wait, Refusal> {
        let wait = self.flag("wait")?;
        Ok(Wait { wait, timeout: self.timeout()? })
    }

    pub(super) fn timeout(&mut self) -> Result<Duration, Refusal> {
        let seconds = self.optional_number("timeout_secs", MAX_TIMEOUT_SECS)?;
        Ok(seconds.map_or(DEFAULT_TIMEOUT, Duration::from_secs))
    }
}

fn missing(field: &'static str) -> Refusal {
    Refusal::param(field, "missing", "missing")
}

fn address(field: &'static str, text: &str) -> Result<Address, Refusal> {
    parse_address(text).map_err(|error| Refusal::param(field, error.reason(), error))
}

fn channel(field: &'static str, text: &str) -> Result<ChannelId, Refusal> {
    let refuse = || {
        let message = "not a channel id: expected 0x and 64 hex digits";
        Refusal::param(field, "malformed_id", message)
    };
    let digits = text.strip_prefix("0x").filter(|digits| digits.len() == 64).ok_or_else(refuse)?;
    B256::from_str(digits).map(ChannelId).map_err(|_| refuse())
}
