//! The shapes of answers about the node's accounts: what they have, what is owed to them, what is sent
//! from them.

use engine::chain::{Account, ChainCall};
use engine::debts::{DebtStatus, DebtView};
use engine::sending::{Sending, SendingEnd};
use engine::types::{B256, ChannelId};
use serde::{Deserialize, Serialize};

use crate::address::{AddressText, asset_text};
use crate::amount::AmountText;

/// An account of the node and what it has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountInfo {
    /// `chain`, which pays deposits and fees, or `channel`, which the adjudicator pays. Only the first
    /// when one account is both.
    pub account: String,
    /// Its address.
    pub address: AddressText,
    /// What it has at the newest block: the native coin, and tokens that the policy names; empty while
    /// the chain does not answer.
    pub balances: Vec<HeldInfo>,
}

/// An amount of an asset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldInfo {
    /// `native` or a token.
    pub asset: String,
    /// How much.
    pub amount: AmountText,
}

/// What the adjudicator owes the channel account in one asset: payouts that it, or the token, refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebtInfo {
    /// `native` or a token.
    pub asset: String,
    /// How much.
    pub amount: AmountText,
    /// From which channels of this node, where that is known.
    pub channels: Vec<OwedInfo>,
    /// `claiming`, `due`, `waiting`, `not_worth`, `unknown_asset` or `short_of_coin`.
    pub status: String,
    /// Claims that were refused in a row.
    pub refusals: u32,
    /// When it is claimed again, in seconds since the Unix epoch by the chain's clock; only while it is
    /// `waiting`.
    pub again: Option<u64>,
}

/// A part of a debt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwedInfo {
    /// The channel whose payout was refused.
    pub channel: ChannelId,
    /// How much.
    pub amount: AmountText,
}

/// Something that is sent from an account of this node, or was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingInfo {
    /// Asking again with it never sends again.
    pub key: String,
    /// `transfer`, or `claim` of what the adjudicator owes.
    pub kind: String,
    /// `chain` or `channel`: the account that sends, and pays for it.
    pub from: String,
    /// `native` or a token.
    pub asset: String,
    /// Who gets it.
    pub to: AddressText,
    /// How much; none for a claim, which brings all that is owed.
    pub amount: Option<AmountText>,
    /// `pending`, `done`, `refused` (nothing has left the account but perhaps a fee) or `unknown`.
    pub status: String,
    /// Block of the transaction, once it is done.
    pub block: Option<u64>,
    /// Why it is refused, or what is known.
    pub reason: Option<String>,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub began: u64,
}

impl From<&DebtView> for DebtInfo {
    fn from(view: &DebtView) -> Self {
        let (status, again) = match view.status {
            DebtStatus::Claiming => ("claiming", None),
            DebtStatus::Due => ("due", None),
            DebtStatus::Waiting { again } => ("waiting", Some(again)),
            DebtStatus::NotWorth => ("not_worth", None),
            DebtStatus::UnknownAsset => ("unknown_asset", None),
            DebtStatus::ShortOfCoin => ("short_of_coin", None),
        };
        let owed = |(channel, amount): (&ChannelId, &_)| OwedInfo {
            channel: *channel,
            amount: AmountText(*amount),
        };
        Self {
            asset: asset_text(view.asset),
            amount: AmountText(view.owed),
            channels: view.channels.iter().map(owed).collect(),
            status: status.to_owned(),
            refusals: view.refusals,
            again,
        }
    }
}

impl SendingInfo {
    pub(super) fn new(key: B256, sending: &Sending) -> Self {
        let (kind, asset, to, amount) = match &sending.call {
            ChainCall::Claim { asset, payee, .. } => ("claim", *asset, *payee, None),
            ChainCall::ClaimTo { asset, to } => ("claim", *asset, *to, None),
            ChainCall::Transfer { asset, to, amount, .. } => {
                ("transfer", *asset, *to, Some(AmountText(*amount)))
            }
            // No other call is made for the owner alone.
            other => ("other", Default::default(), Default::default(), {
                debug_assert!(false, "{other:?} is no sending");
                None
            }),
        };
        let (status, block, reason) = match &sending.end {
            None => ("pending", None, None),
            Some(SendingEnd::Done { block }) => ("done", Some(block.0), None),
            Some(SendingEnd::Refused { reason }) => ("refused", None, Some(reason.clone())),
            Some(SendingEnd::Unknown { reason }) => ("unknown", None, Some(reason.clone())),
        };
        Self {
            key: key.to_string(),
            kind: kind.to_owned(),
            from: match sending.call.account() {
                Account::Chain => "chain",
                Account::Channel => "channel",
            }
            .to_owned(),
            asset: asset_text(asset),
            to: AddressText(to),
            amount,
            status: status.to_owned(),
            block,
            reason,
            began: sending.began.0,
        }
    }
}
