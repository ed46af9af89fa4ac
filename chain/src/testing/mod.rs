//! For the tests of every crate (feature `testing`): the development chain as a child process, and
//! an endpoint before it that fails as endpoints do.

mod anvil;
mod faults;
mod meddler;

pub use anvil::{ACCOUNTS, Anvil};
pub use faults::{Chance, Limit, lagging, limited, refusing};
pub use meddler::{Meddler, Meddling};
