//! Short ids: how lists show channels and objectives, and how a command finds the one that is meant.
//!
//! The node takes whole ids alone. What people shorten is looked up here, in the lists of the node, and
//! only what fits exactly one channel is passed on: a payment must not go to a guess.

use engine::types::{B256, ChannelId, U256};
use serde::de::DeserializeOwned;

use super::CliError;
use super::client::{Args, Client, arg};
use super::layout::CUT;
use crate::rpc::types::{ChannelInfo, LedgerInfo, ObjectiveInfo};

/// Digits of an id that are shown: two of four billion are the same by chance.
const SHOWN: usize = 8;
/// Fewer digits are a slip of the finger.
const LEAST: usize = 4;
/// Digits of a whole id.
const WHOLE: usize = 64;
/// Candidates that an error names.
const NAMED: usize = 8;

/// The beginning of a channel's id, which every command takes for the whole.
pub(super) fn short(id: ChannelId) -> String {
    let mut text = id.to_string();
    text.truncate("0x".len() + SHOWN);
    text
}

/// As [`short`], with as many digits as tell these ids apart.
pub(super) fn distinct(ids: impl Iterator<Item = ChannelId>) -> impl Fn(ChannelId) -> String {
    let mut sorted: Vec<_> = ids.map(|id| id.to_string()).collect();
    sorted.sort();
    sorted.dedup();
    let common =
        |pair: &[String]| pair[0].bytes().zip(pair[1].bytes()).take_while(|(a, b)| a == b).count();
    let length = sorted.windows(2).map(|pair| common(pair) + 1).max().unwrap_or_default();
    let length = length.max("0x".len() + SHOWN);
    move |id| {
        let mut text = id.to_string();
        text.truncate(length);
        text
    }
}

/// Both ends of an address. Addresses are never looked up by a part: whoever makes keys can make one
/// with any beginning.
pub(super) fn short_address(address: impl ToString) -> String {
    let text = address.to_string();
    match (text.get(..6), text.get(text.len().saturating_sub(4)..)) {
        (Some(head), Some(tail)) if text.len() > 12 => format!("{head}{CUT}{tail}"),
        _ => text,
    }
}

/// What a prefix may stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Noun {
    Ledger,
    Channel,
}

impl Noun {
    pub(super) const fn parameter(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Channel => "channel",
        }
    }

    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Ledger => "ledger channel",
            Self::Channel => "payment channel",
        }
    }

    /// The whole id of the channel that is meant. What is no prefix of an id goes to the node as it
    /// is: it says what is wrong with it.
    pub(super) async fn find(self, client: &Client, given: String) -> Result<String, CliError> {
        let Some(digits) = prefix(&given) else { return Ok(given) };
        self.long_enough(digits, &given)?;
        let found = self.beginning_with(client, digits).await?;
        one(self.parameter(), self.words(), &given, found)
    }

    /// The same for a parameter that may be absent.
    pub(super) async fn find_if_given(
        self,
        client: &Client,
        given: Option<String>,
    ) -> Result<Option<String>, CliError> {
        match given {
            Some(given) => self.find(client, given).await.map(Some),
            None => Ok(None),
        }
    }

    fn long_enough(self, digits: &str, given: &str) -> Result<(), CliError> {
        if digits.len() >= LEAST {
            return Ok(());
        }
        Err(CliError::Meant(format!(
            "{}: {given} is too short: give at least {LEAST} digits of the id",
            self.parameter()
        )))
    }

    /// All open and closed ones, the latter as far as an error would name them.
    async fn beginning_with(self, client: &Client, digits: &str) -> Result<Vec<String>, CliError> {
        let fits = |id: &ChannelId| id.to_string()[2..].starts_with(&digits.to_lowercase());
        let mut found = self.listed(client, Args::default()).await?;
        // Closed ones come in the order of their ids, so that one page has the first that fit.
        let mut page = arg("closed", true).with("limit", NAMED + 1);
        if let Some(before) = before(digits) {
            page = page.with("after", before);
        }
        found.extend(self.listed(client, page).await?);
        Ok(found.iter().filter(|id| fits(id)).map(ChannelId::to_string).collect())
    }

    async fn listed(self, client: &Client, args: Args) -> Result<Vec<ChannelId>, CliError> {
        Ok(match self {
            Self::Ledger => list(client, "nitro_ledgers", args, |x: LedgerInfo| x.ledger).await?,
            Self::Channel => {
                list(client, "nitro_channels", args, |x: ChannelInfo| x.channel).await?
            }
        })
    }
}

async fn list<T: DeserializeOwned>(
    client: &Client,
    method: &str,
    args: Args,
    id: impl Fn(T) -> ChannelId,
) -> Result<Vec<ChannelId>, CliError> {
    Ok(client.call::<Vec<T>>(method, args).await?.into_iter().map(id).collect())
}

/// The whole id of the objective that is meant by `Exit-0x…`, or by the channel that it is about.
pub(super) async fn find_objective(client: &Client, given: String) -> Result<String, CliError> {
    let (kind, id) = match given.split_once('-') {
        Some((kind, id)) => (Some(kind), id),
        None => (None, given.as_str()),
    };
    // Without its kind, a whole id is looked for as well.
    let Some(digits) = prefix(id).or_else(|| kind.is_none().then(|| hex(id)).flatten()) else {
        return Ok(given);
    };
    Noun::Channel.long_enough(digits, &given)?;
    let digits = digits.to_lowercase();
    let fits = |id: &ChannelId| id.to_string()[2..].starts_with(&digits);
    let running: Vec<ObjectiveInfo> = client.call("nitro_objectives", Args::default()).await?;
    let of_kind = |objective: &&ObjectiveInfo| {
        let found = objective.objective.split('-').next();
        kind.is_none_or(|kind| found.is_some_and(|found| found.eq_ignore_ascii_case(kind)))
    };
    let running = running.iter().filter(|objective| fits(&objective.channel)).filter(of_kind);
    let found: Vec<_> = running.map(|objective| objective.objective.clone()).collect();
    // What has ended is in no list, but its channel is.
    if let (Some(kind), true) = (kind, found.is_empty()) {
        let mut channels = Noun::Ledger.beginning_with(client, &digits).await?;
        channels.extend(Noun::Channel.beginning_with(client, &digits).await?);
        let ended = channels.iter().map(|id| format!("{kind}-{id}")).collect();
        return one("objective", "channel", &given, ended);
    }
    if found.is_empty() {
        return Err(CliError::Meant(format!(
            "objective: nothing that runs begins with {given}; to look at what has ended, give its \
             kind as well, such as DirectFunding-{given}"
        )));
    }
    one("objective", "running objective", &given, found)
}

/// The digits of what is the beginning of an id, and not a whole one.
fn prefix(text: &str) -> Option<&str> {
    hex(text).filter(|digits| digits.len() < WHOLE)
}

fn hex(text: &str) -> Option<&str> {
    let digits = text.strip_prefix("0x")?;
    let right = digits.len() <= WHOLE && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    right.then_some(digits)
}

/// The id before the first one that begins with these digits; none where that is zero.
fn before(digits: &str) -> Option<ChannelId> {
    let first = U256::from_str_radix(&format!("{digits:0<WHOLE$}"), 16).ok()?;
    let before = first.checked_sub(U256::from(1))?;
    Some(ChannelId(B256::from(before.to_be_bytes())))
}

fn one(parameter: &str, noun: &str, given: &str, found: Vec<String>) -> Result<String, CliError> {
    let text = match <[String; 1]>::try_from(found) {
        Ok([found]) => return Ok(found),
        Err(found) if found.is_empty() => {
            format!("{parameter}: no {noun} begins with {given}")
        }
        Err(found) => {
            let more = if found.len() > NAMED { "\n  and more" } else { "" };
            format!(
                "{parameter}: more than one {noun} begins with {given}; give more digits of one of \
                 them:\n  {}{more}",
                found[..found.len().min(NAMED)].join("\n  ")
            )
        }
    };
    Err(CliError::Meant(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> ChannelId {
        format!("{text:0<64}").parse().unwrap()
    }

    #[test]
    fn as_many_digits_are_shown_as_tell_ids_apart() {
        let ids = [id("12345678aa"), id("12345678ab"), id("99")];
        let shown = distinct(ids.into_iter());
        assert_eq!(ids.map(&shown), ["0x12345678aa", "0x12345678ab", "0x9900000000"]);
        assert_eq!(distinct(ids[1..].iter().copied())(ids[1]), "0x12345678");
        assert_eq!(short(ids[0]), "0x12345678");
    }

    #[test]
    fn only_the_beginning_of_an_id_is_looked_up() {
        let whole = format!("0x{}", "a".repeat(64));
        assert_eq!(prefix("0xABcd"), Some("ABcd"));
        for other in ["abcd", "0xg", "0X12", "", &whole, &format!("{whole}a")] {
            assert_eq!(prefix(other), None, "{other}");
        }
        assert_eq!(before("0000"), None);
        assert_eq!(before("1").map(|id| id.to_string()), Some(format!("0x0{}", "f".repeat(63))));
    }

    #[test]
    fn what_is_not_unique_is_an_error_that_lists_what_it_may_be() {
        let error = |found: &[&str]| {
            let found = found.iter().map(|id| (*id).to_owned()).collect();
            one("ledger", "ledger channel", "0x1234", found).map_err(|error| error.to_string())
        };
        assert_eq!(error(&["0x12345"]), Ok("0x12345".to_owned()));
        assert_eq!(error(&[]).unwrap_err(), "ledger: no ledger channel begins with 0x1234");
        let ambiguous = error(&["0x12345", "0x12346"]).unwrap_err();
        assert!(ambiguous.ends_with("one of them:\n  0x12345\n  0x12346"), "{ambiguous}");
    }
}
