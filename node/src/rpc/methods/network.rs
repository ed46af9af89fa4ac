//! Peers.

use std::sync::Arc;

use p2p::{DialFailure, ResolveError};

use super::Api;
use crate::address::AddressText;
use crate::rpc::error::{PEER_NOT_FOUND, PEER_UNREACHABLE, Refusal};
use crate::rpc::fields::Fields;
use crate::rpc::types::{PeerInfo, ResolvedInfo};

pub(super) async fn peers(api: Arc<Api>, fields: Fields) -> Result<Vec<PeerInfo>, Refusal> {
    fields.finish()?;
    Ok(api.node.p2p().peers().await?.into_iter().map(PeerInfo::from).collect())
}

/// Remembers where a peer is; connects at once unless `dial` is false.
pub(super) async fn add_peer(api: Arc<Api>, mut fields: Fields) -> Result<AddressText, Refusal> {
    let address = fields.multiaddr("address")?;
    let dial = fields.optional_flag("dial")?.unwrap_or(true);
    fields.finish()?;
    let p2p = api.node.p2p();
    let added = if dial { p2p.dial(address).await } else { p2p.add_peer(address) };
    added.map(AddressText).map_err(|error| match error {
        DialFailure::PeerAddress(_) | DialFailure::Address { .. } => {
            Refusal::param("address", "malformed_multiaddr", error)
        }
        DialFailure::Unreachable(_) => {
            Refusal::field(PEER_UNREACHABLE, "address", "peer_unreachable", error)
        }
        DialFailure::Stopped(_) => Refusal::stopping(),
    })
}

pub(super) async fn resolve_peer(
    api: Arc<Api>,
    mut fields: Fields,
) -> Result<ResolvedInfo, Refusal> {
    let peer = fields.address("peer")?;
    fields.finish()?;
    let resolved = api.node.p2p().resolve(peer).await.map_err(|error| match error {
        ResolveError::NotFound => Refusal::field(PEER_NOT_FOUND, "peer", "peer_not_found", error),
        ResolveError::Stopped(_) => Refusal::stopping(),
    })?;
    Ok(ResolvedInfo {
        peer: AddressText(peer),
        peer_id: resolved.peer_id.to_string(),
        addresses: resolved.addresses.iter().map(ToString::to_string).collect(),
    })
}

pub(super) async fn listen_addresses(
    api: Arc<Api>,
    fields: Fields,
) -> Result<Vec<String>, Refusal> {
    fields.finish()?;
    let addresses = api.node.p2p().listen_addresses().await?;
    Ok(addresses.iter().map(ToString::to_string).collect())
}
