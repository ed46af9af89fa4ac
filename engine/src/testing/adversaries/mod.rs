//! Those who do not keep to the rules. Each holds a key that honest nodes know as a peer's, and a
//! test decides what it says; none of them is a node.

mod equivocator;
mod overspender;
mod puppet;
mod replayer;
mod staller;
mod villain;

pub use equivocator::Equivocator;
pub use overspender::Overspender;
pub use puppet::Puppet;
pub use replayer::Replayer;
pub use staller::Staller;
pub(crate) use villain::{Fate, Plan, Ring};
