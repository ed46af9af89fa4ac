//! The store on a real disk.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod archive;
mod contract;
mod damage;
mod fixtures;
mod folder;
mod golden;
mod kill;
mod partners;
mod rollback;
mod round_trip;
mod rows;
mod second_process;
mod transactions;
