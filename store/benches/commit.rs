//! Synced commits.
fn main() {}
