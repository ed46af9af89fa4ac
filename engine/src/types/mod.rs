//! Words that every module shares: ids, amounts, times.

mod amount;
mod bytes;
mod id;
mod time;

pub use alloy_primitives::{Address, B256, U256};

pub use amount::{Amount, Asset, ParseAmountError};
pub use bytes::Bytes;
pub(crate) use bytes::fixed_bytes;
pub use id::{CallId, ChannelId, Destination, FrameToken, MessageId, ObjectiveId, RequestId};
pub use time::{BlockNumber, Timestamp, TurnNumber, TurnNumberTooLarge};
