//! The adjudicator contract and its chain, as the node uses them.
//!
//! ```text
//!            submit(CallId, ChainCall)                    Event::Chain / Settled / Fatal
//!   node ──────────────┐                                        ^   ^
//!                      v                                        │   │
//!   ┌──────────── submitter ────────────┐   ┌──────────── watcher ──┴────────┐
//!   │ queue, nonce, fees, journal, send,│   │ head, confirmed ranges, hashes │
//!   │ replace, send again, confirm ─────┼───┼──> reorganisations, decoding   │
//!   └────────────────┬──────────────────┘   └───────────────┬────────────────┘
//!                    └───────────── panel ──────────────────┘
//!                      one is asked, the others confirm
//!                 ┌──────────────────┼──────────────────┐
//!               scout              scout              scout      one per endpoint (RPC)
//! ```
//!
//! The **watcher** delivers confirmed blocks, each once and in order, and says when delivered
//! ones were replaced. Where it stands is durable in the engine, which passes it in at start.
//! The **submitter** owns the account: it makes a call durable in its [`Journal`] before it
//! sends it, and reports how it ended only when that is confirmed. What runs out goes first and
//! climbs to its bound in time.
//!
//! A **scout** keeps up the connection to one endpoint. The first endpoint of the settings that
//! is in order is read from; what it says counts when a majority of the endpoints that answer
//! says the same (`quorum.rs`). One that leaves questions unanswered is waited for for some
//! seconds, one that is down for ten, and one whose blocks stand still while it answers for
//! [`ChainConfig::stall_after`]; then the others go on without it, also a single one unless
//! [`ChainConfig::quorum`] forbids it. With two endpoints a contradiction therefore stops the
//! events, never the sending; three or more outvote one that lies.
//!
//! Deliberately absent: what a log means for a channel (that is the engine's), and any
//! decision to send. Nothing here panics on what an endpoint or a log says.

mod backoff;
pub mod bindings;
mod cadence;
mod config;
mod deploy;
mod endpoint;
mod error;
mod event;
mod event_loop;
mod handle;
mod heads;
mod journal;
mod metrics;
mod pace;
mod panel;
mod quorum;
mod refusal;
mod retry;
mod rollup;
mod roster;
mod rpc;
mod scout;
mod status;
mod submitter;
#[cfg(feature = "testing")]
pub mod testing;
mod watcher;
mod whole;

pub use config::{
    AccountKey, ChainConfig, DEFAULT_BUMP_AFTER, DEFAULT_BUMP_PERCENT, DEFAULT_CONFIRMATIONS,
    DEFAULT_DEADLINE_MARGIN, DEFAULT_DEADLINE_MAX_FEE_PER_GAS, DEFAULT_MAX_FEE_PER_GAS,
    DEFAULT_MAX_LAG, DEFAULT_MAX_RANGE, DEFAULT_POLL_INTERVAL, DEFAULT_QUORUM, DEFAULT_STALL_AFTER,
    DeadlineBounds, FeeBounds,
};
pub use deploy::{Deployed, Progress, TestToken, chain_id, deploy};
pub use error::{ChainError, Stopped};
pub use event::Event;
pub use event_loop::Chain;
pub use handle::{ChainHandle, ChannelStatus, Order};
pub use journal::{Journal, JournalError};
pub use metrics::{Counter, Metrics};
pub use refusal::Refusal;
pub use status::{CallStatus, ChainStatus, EndpointStatus, GasReport, Link, Status};
pub use watcher::History;
