//! Open files and connections: the system gives a process a certain number of descriptors, and a store
//! that gets none cannot go on. So the limit is raised as far as it goes, and what connections may take
//! of it at most is compared with it before the node starts.

use p2p::P2pConfig;

/// Table files and journals of the store and of a watchtower, log, sockets that listen, connections
/// to the chain.
const OWN: u64 = 512;

/// More is no use to a node; some systems count what is allowed.
const MOST: u64 = 65_536;

/// There are fewer descriptors than connections may take.
#[derive(Debug, thiserror::Error)]
#[error(
    "the system allows this process {allowed} open files and connections, and it may need {needed}: \
     allow it more (ulimit -n {needed}, or LimitNOFILE={needed} in a systemd unit), or lower \
     rpc.max_connections and p2p.max_connections"
)]
pub struct TooFewDescriptors {
    needed: u64,
    allowed: u64,
}

/// Makes sure that connections leave descriptors to the store; `rpc` is what the RPC server takes.
///
/// # Errors
/// When the limit is too low and cannot be raised.
pub(crate) fn provide(rpc: u64, p2p: &P2pConfig) -> Result<(), TooFewDescriptors> {
    let pending = u64::from(p2p.max_pending_connections).saturating_mul(2);
    let needed =
        [rpc, p2p.max_connections.into(), pending, OWN].into_iter().fold(0, u64::saturating_add);
    // A system that does not tell its limit has none that could be kept.
    let allowed = rlimit::increase_nofile_limit(MOST.max(needed)).unwrap_or(u64::MAX);
    if allowed < needed { Err(TooFewDescriptors { needed, allowed }) } else { Ok(()) }
}
