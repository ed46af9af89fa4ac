//! Refusals that this node has given. Everyone on a path asks by a message of its own, at different
//! times: what one of them has been refused is not joined when the next one asks, whatever has
//! changed meanwhile. Remembered for as long as an opening can last anywhere.

use serde::{Deserialize, Serialize};

use crate::objectives::DeclineReason;
use crate::types::{Address, Timestamp};

/// A refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who asked first.
    pub to: Address,
    /// What was answered.
    pub reason: DeclineReason,
    /// When it can no longer matter.
    pub until: Timestamp,
}
