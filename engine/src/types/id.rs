//! Identifiers. Each is its own type, so that none can be passed for another.

use std::fmt;
use std::str::FromStr;

use alloy_primitives::{Address, B256};
use serde::{Deserialize, Serialize};

/// A 32-byte identifier that prints whole by `Display` and short by `Debug`.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name(pub B256);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&alloy_primitives::hex::encode_prefixed(self.0), f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}…", alloy_primitives::hex::encode_prefixed(&self.0[..4]))
            }
        }

        impl FromStr for $name {
            type Err = alloy_primitives::hex::FromHexError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                B256::from_str(text).map(Self)
            }
        }
    };
}

id! {
    /// Identifies a channel: the hash of its fixed part (protocol.md 4.2).
    ChannelId
}

id! {
    /// Where an allocation goes: an account (12 zero bytes, then the address) or a channel.
    Destination
}

impl Destination {
    /// True when the destination is an account and not a channel (protocol.md section 1).
    #[must_use]
    pub fn is_external(&self) -> bool {
        self.0[..12].iter().all(|byte| *byte == 0)
    }

    /// The account of an external destination.
    #[must_use]
    pub fn to_address(&self) -> Option<Address> {
        self.is_external().then(|| Address::from_slice(&self.0[12..]))
    }
}

impl From<Address> for Destination {
    fn from(address: Address) -> Self {
        Self(address.into_word())
    }
}

impl From<ChannelId> for Destination {
    fn from(channel: ChannelId) -> Self {
        Self(channel.0)
    }
}

/// A protocol run over one channel; the text form is the reference system's (protocol.md 6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ObjectiveId {
    /// Opening a ledger channel on chain.
    DirectFund(ChannelId),
    /// Closing a ledger channel together.
    DirectDefund(ChannelId),
    /// Opening a payment channel through ledgers.
    VirtualFund(ChannelId),
    /// Closing a payment channel with its last voucher.
    VirtualDefund(ChannelId),
    /// Enforcing a ledger or payment channel on chain.
    Exit(ChannelId),
}

impl ObjectiveId {
    /// The channel that the objective is about.
    #[must_use]
    pub const fn channel(&self) -> ChannelId {
        match self {
            Self::DirectFund(id)
            | Self::DirectDefund(id)
            | Self::VirtualFund(id)
            | Self::VirtualDefund(id)
            | Self::Exit(id) => *id,
        }
    }
}

impl fmt::Display for ObjectiveId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DirectFund(id) => write!(f, "DirectFunding-{id}"),
            Self::DirectDefund(id) => write!(f, "DirectDefunding-{id}"),
            Self::VirtualFund(id) => write!(f, "VirtualFund-{id}"),
            Self::VirtualDefund(id) => write!(f, "VirtualDefund-{id}"),
            Self::Exit(id) => write!(f, "Exit-{id}"),
        }
    }
}

/// The text is not an objective id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "not an objective id: expected DirectFunding-, DirectDefunding-, VirtualFund-, \
     VirtualDefund- or Exit- followed by a channel id"
)]
pub struct ParseObjectiveIdError;

impl FromStr for ObjectiveId {
    type Err = ParseObjectiveIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (kind, channel) = text.split_once('-').ok_or(ParseObjectiveIdError)?;
        let channel = channel.parse().map_err(|_| ParseObjectiveIdError)?;
        match kind {
            "DirectFunding" => Ok(Self::DirectFund(channel)),
            "DirectDefunding" => Ok(Self::DirectDefund(channel)),
            "VirtualFund" => Ok(Self::VirtualFund(channel)),
            "VirtualDefund" => Ok(Self::VirtualDefund(channel)),
            "Exit" => Ok(Self::Exit(channel)),
            _ => Err(ParseObjectiveIdError),
        }
    }
}

/// Position of a message in the outbox of one peer; grows by one per message.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct MessageId(pub u64);

/// A chain call in the outbox. Never used twice, also after a restart: the submitter's records
/// are kept under it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// A request of the application that waits for its reply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A frame of a peer that waits for its acknowledgement.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FrameToken(pub u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objective_ids_are_read_back() {
        let channel = ChannelId(B256::repeat_byte(0xab));
        let ids = [
            (ObjectiveId::DirectFund(channel), "DirectFunding-0xabab"),
            (ObjectiveId::DirectDefund(channel), "DirectDefunding-0xabab"),
            (ObjectiveId::VirtualFund(channel), "VirtualFund-0xabab"),
            (ObjectiveId::VirtualDefund(channel), "VirtualDefund-0xabab"),
            (ObjectiveId::Exit(channel), "Exit-0xabab"),
        ];
        for (id, beginning) in ids {
            assert!(id.to_string().starts_with(beginning), "{id}");
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.channel(), channel);
        }
    }

    #[test]
    fn refuses_texts_that_are_no_objective_id() {
        let channel = ChannelId::default();
        let texts =
            ["", "DirectFunding", "DirectFunding-", "DirectFunding-0x00", "VirtualFund-0xzz"];
        let unknown = [format!("directfunding-{channel}"), format!("Swap-{channel}")];
        for text in texts.into_iter().chain(unknown.iter().map(String::as_str)) {
            assert_eq!(text.parse::<ObjectiveId>(), Err(ParseObjectiveIdError), "{text:?}");
        }
    }

    #[test]
    fn ids_are_short_in_logs() {
        let channel = ChannelId(B256::repeat_byte(0xab));
        assert_eq!(format!("{channel:?}"), "0xabababab…");
    }
}
