//! The node's end of the network.

use std::{collections::HashSet, sync::Arc};

use alloy_primitives::{Address, bytes::Bytes};
use libp2p::{Multiaddr, PeerId};
use tokio::sync::{mpsc, oneshot};

use crate::{
    command::{Command, PeerInfo, Resolved},
    discovery::address_book,
    error::{DialFailure, ResolveError, SendError, Stopped},
    event::FrameToken,
    identity::Identity,
    messages::{
        MAX_MESSAGE_BYTES,
        codec::{self, Response},
    },
    metrics::Metrics,
};

/// Talks to the event loop; cheap to clone.
#[derive(Debug, Clone)]
pub struct P2pHandle {
    commands: mpsc::UnboundedSender<Command>,
    metrics: Arc<Metrics>,
    address: Address,
    peer_id: PeerId,
}

impl P2pHandle {
    pub(crate) const fn new(
        commands: mpsc::UnboundedSender<Command>,
        metrics: Arc<Metrics>,
        identity: &Identity,
    ) -> Self {
        Self { commands, metrics, address: identity.address, peer_id: identity.peer_id }
    }

    /// This node's name.
    pub const fn address(&self) -> Address {
        self.address
    }

    /// This node's libp2p name.
    pub const fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// Counters since the start.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Queues a message for a peer, connected or not, known or not.
    ///
    /// `id` must grow with every message to the same peer; an id that is not new is ignored,
    /// so an outbox may be offered again. Never blocks. The message stays queued until
    /// [`Event::Delivered`](crate::Event::Delivered), [`Event::Refused`](crate::Event::Refused) or, for strangers, [`Event::Expired`](crate::Event::Expired) covers its id.
    pub fn send(&self, peer: Address, id: u64, message: impl Into<Bytes>) -> Result<(), SendError> {
        let message = message.into();
        self.check(peer, &message)?;
        Ok(self.command(Command::Send(peer, id, message))?)
    }

    /// Queues many messages for one peer at once; takes all of them or none.
    pub fn send_all(&self, peer: Address, messages: Vec<(u64, Bytes)>) -> Result<(), SendError> {
        messages.iter().try_for_each(|(_, message)| self.check(peer, message))?;
        Ok(self.command(Command::SendAll(peer, messages))?)
    }

    /// Drops what is queued for a peer up to a message; what is on its way is not sent again.
    pub fn forget(&self, peer: Address, up_to: u64) -> Result<(), Stopped> {
        self.command(Command::Forget(peer, up_to))
    }

    /// Tells the sender of a frame that all of it is durable here. Call it after the commit.
    pub fn ack(&self, token: FrameToken) -> Result<(), Stopped> {
        self.answer(token, Vec::new())
    }

    /// Like [`P2pHandle::ack`], with answers that the sender hears as [`Event::Answered`](crate::Event::Answered). Nobody
    /// keeps them: they are lost when the acknowledgement is, and left out when they are together
    /// larger than [`MAX_ANSWERS_BYTES`](crate::messages::MAX_ANSWERS_BYTES).
    pub fn answer(&self, token: FrameToken, answers: Vec<Bytes>) -> Result<(), Stopped> {
        let fits = codec::fits_an_answer(&answers);
        let answers = if fits { answers } else { Vec::new() };
        self.command(Command::Settle(token, Response::Committed(answers)))
    }

    /// Tells the sender of a frame that it will never be taken; the sender drops its
    /// messages. Reasons below 16 belong to the frame format.
    pub fn reject(&self, token: FrameToken, reason: u8) -> Result<(), Stopped> {
        self.command(Command::Settle(token, Response::Refused(reason)))
    }

    /// Counts an offence of a peer. Points fade at one a second; at a hundred the peer is
    /// blocked for ten minutes.
    pub fn report(&self, peer: Address, weight: u32) -> Result<(), Stopped> {
        self.command(Command::Report(peer, weight))
    }

    /// Says with whom this node has channels, instead of whom it said before.
    ///
    /// Partners always find room for a connection, and what is known of them is not forgotten,
    /// however many strangers there are. Everybody else competes. A connection with each partner is
    /// kept up, as far as it can be reached, and [`Event::Located`](crate::Event::Located) tells its newest record.
    pub fn set_partners(&self, partners: HashSet<Address>) -> Result<(), Stopped> {
        self.command(Command::SetPartners(partners))
    }

    /// Gives back a record that [`Event::Located`](crate::Event::Located) told, also in an earlier life. One that is no
    /// record of `peer`, or is older than what is known, is ignored.
    pub fn remember(&self, peer: Address, record: impl Into<Bytes>) -> Result<(), Stopped> {
        self.command(Command::Remember(peer, record.into()))
    }

    /// Remembers where a peer is; `address` must end in `/p2p/<peer id>`. Returns its name.
    pub fn add_peer(&self, address: Multiaddr) -> Result<Address, DialFailure> {
        let peer = named(&address)?;
        self.command(Command::AddPeer(address))?;
        Ok(peer)
    }

    /// Remembers where a peer is and connects to it now.
    pub async fn dial(&self, address: Multiaddr) -> Result<Address, DialFailure> {
        named(&address)?;
        self.ask(|reply| Command::Dial(address, reply)).await?
    }

    /// Finds a peer id and locations for an address: what is known, or else its record.
    pub async fn resolve(&self, peer: Address) -> Result<Resolved, ResolveError> {
        let resolved = self.ask(|reply| Command::Resolve(peer, reply)).await?;
        resolved.ok_or(ResolveError::NotFound)
    }

    /// Connected peers, peers with messages waiting, and peers known from the settings.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Stopped> {
        self.ask(Command::Peers).await
    }

    /// Full addresses at which this node listens, each with its peer id.
    pub async fn listen_addresses(&self) -> Result<Vec<Multiaddr>, Stopped> {
        self.ask(Command::ListenAddresses).await
    }

    fn check(&self, peer: Address, message: &Bytes) -> Result<(), SendError> {
        match message.len() {
            _ if peer == self.address => Err(SendError::Own),
            1..=MAX_MESSAGE_BYTES => Ok(()),
            size => Err(SendError::Size(size)),
        }
    }

    fn command(&self, command: Command) -> Result<(), Stopped> {
        self.commands.send(command).map_err(|_| Stopped)
    }

    async fn ask<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<T>) -> Command,
    ) -> Result<T, Stopped> {
        let (sender, receiver) = oneshot::channel();
        self.command(command(sender))?;
        receiver.await.map_err(|_| Stopped)
    }
}

/// The peer that a full address names, if it could be dialled there at all.
fn named(full: &Multiaddr) -> Result<Address, DialFailure> {
    let Some((peer, _, location)) = address_book::split(full) else {
        return Err(DialFailure::PeerAddress(full.clone()));
    };
    let checked = address_book::check_location(&location);
    checked.map_err(|reason| DialFailure::Address {
        address: full.clone(),
        reason: reason.to_string(),
    })?;
    Ok(peer)
}
