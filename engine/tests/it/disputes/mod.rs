//! What every position of a channel gets out alone, to the wei: one file per position or fault.
//!
//! `exits.rs` tells the paths of an exit one by one, `dispute_seeds.rs` leaves everything to
//! chance; here each position meets each fault, with coin and with tokens.

mod cheating;
mod crashes;
mod ledger;
mod nested;
mod payments;
mod reorgs;
mod scene;
mod silence;
