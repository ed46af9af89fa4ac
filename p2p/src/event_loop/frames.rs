//! Frames out, frames in, and what is said about them.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, bytes::Bytes};
use libp2p::{
    PeerId,
    request_response::{self, InboundRequestId, OutboundFailure, ResponseChannel},
};
use tracing::{debug, warn};

use super::{EventLoop, Inbound, Peer};
use crate::{
    backoff::Backoff,
    config::P2pConfig,
    event::{Event, FrameToken},
    limits::{MALFORMED_FRAME, MAX_AWAITED_STRANGERS, REQUEST},
    messages::{
        codec::{Request, Response},
        delivery::{Attempt, Delivery},
    },
};

type FrameEvent = request_response::Event<Request, Response>;

impl EventLoop {
    pub(super) fn enqueue(
        &mut self,
        to: Address,
        messages: impl IntoIterator<Item = (u64, Bytes)>,
    ) {
        if !self.peers.contains_key(&to) {
            self.make_room_to_wait();
            self.book.hold(to);
        }
        let peer = peer_entry(&mut self.peers, &self.config, to);
        let mut repeated = 0;
        for (id, message) in messages {
            repeated += u64::from(!peer.delivery.enqueue(id, message));
        }
        self.metrics.messages_repeated.add(repeated);
        if self.dirty.last() != Some(&to) {
            self.dirty.push(to);
        }
    }

    pub(super) fn flush_dirty(&mut self) {
        let now = Instant::now();
        let mut is_searching = false;
        for peer in std::mem::take(&mut self.dirty) {
            if self.is_connected(&peer) {
                self.flush(peer, now);
            } else {
                self.searches.revive(&peer);
                self.searches.want(peer);
                is_searching = true;
            }
        }
        if is_searching {
            self.search(now);
        }
    }

    /// Sends what waits for a peer, if a frame may leave now.
    pub(super) fn flush(&mut self, to: Address, now: Instant) {
        let Some(peer_id) = self.book.peer_id(&to).filter(|id| self.links.contains_key(id)) else {
            return;
        };
        let Some(frame) = self.peers.get_mut(&to).and_then(|peer| peer.delivery.next_frame(now))
        else {
            return;
        };
        debug!(peer = %to, messages = frame.messages.len(), "frame out");
        self.metrics.frames_sent.increment();
        self.metrics.messages_sent.add(frame.messages.len() as u64);
        let frames = &mut self.swarm.behaviour_mut().frames;
        let request = frames.send_request(&peer_id, Request::Frame(frame.messages));
        self.outbound.insert(request, (to, frame.attempt));
    }

    /// Gives up on frames without an answer, and sends again what has waited long enough.
    pub(super) fn retry_frames(&mut self, now: Instant) {
        for (address, peer) in &mut self.peers {
            if peer.delivery.handle_tick(now) {
                debug!(peer = %address, "no answer to a frame");
                self.metrics.frames_failed.increment();
            }
        }
        let connected = self.links.values().map(|link| link.address);
        let waiting: Vec<Address> = connected.filter(|peer| self.has_waiting(peer)).collect();
        for peer in waiting {
            self.flush(peer, now);
        }
    }

    /// Whether messages wait for a peer.
    pub(super) fn has_waiting(&self, peer: &Address) -> bool {
        self.peers.get(peer).is_some_and(|peer| !peer.delivery.is_empty())
    }

    /// Drops messages for which nobody came: names cost nothing, and one that was used once would
    /// be kept and looked for as long as the node runs.
    pub(super) fn expire_messages(&mut self, now: Instant) {
        let patience = self.config.stranger_patience();
        let stuck = self.peers.iter().filter(|(_, peer)| {
            let since = peer.delivery.stuck_since();
            since.is_some_and(|since| now.saturating_duration_since(since) >= patience)
        });
        let expired: Vec<Address> =
            stuck.map(|(address, _)| *address).filter(|peer| !self.is_chosen(peer)).collect();
        expired.iter().for_each(|peer| self.expire(peer));
    }

    /// Lets the stranger who has been waited for longest make room for another name.
    fn make_room_to_wait(&mut self) {
        if self.peers.len() < MAX_AWAITED_STRANGERS {
            return;
        }
        let now = Instant::now();
        let awaited: Vec<_> = self
            .peers
            .iter()
            .filter(|(address, _)| !self.is_connected(address) && !self.is_chosen(address))
            .map(|(address, peer)| (peer.delivery.stuck_since().unwrap_or(now), *address))
            .collect();
        if awaited.len() >= MAX_AWAITED_STRANGERS
            && let Some((_, longest)) = awaited.into_iter().min()
        {
            self.expire(&longest);
        }
    }

    fn expire(&mut self, to: &Address) {
        let Some(peer) = self.peers.get_mut(to) else { return };
        let count = peer.delivery.queued() as u64;
        if let Some(up_to) = peer.delivery.expire() {
            debug!(peer = %to, messages = count, "nobody came for the messages");
            self.metrics.messages_expired.add(count);
            self.events.push(Event::Expired { to: *to, up_to });
        }
        self.drop_search_without_need(to);
        self.forget_idle(to);
    }

    pub(super) fn handle_frames(&mut self, event: FrameEvent) {
        match event {
            FrameEvent::Message { peer, message, .. } => match message {
                request_response::Message::Request { request_id, request, channel } => {
                    self.handle_request(peer, request_id, request, channel);
                }
                request_response::Message::Response { request_id, response } => {
                    if let Some((to, attempt)) = self.outbound.remove(&request_id) {
                        self.handle_response(to, attempt, response);
                    }
                }
            },
            FrameEvent::OutboundFailure { request_id, error, .. } => {
                if let Some((to, attempt)) = self.outbound.remove(&request_id) {
                    self.handle_outbound_failure(to, attempt, &error);
                }
            }
            FrameEvent::InboundFailure { request_id, peer, error, .. } => {
                debug!(%peer, %error, "response not delivered");
                self.leaving.remove(&request_id);
            }
            FrameEvent::ResponseSent { request_id, .. } => {
                self.leaving.remove(&request_id);
            }
        }
    }

    /// The node has decided about a frame.
    pub(super) fn settle(&mut self, token: FrameToken, response: Response) {
        let Some(inbound) = self.inbound.remove(&token.0) else { return };
        if let Response::Refused(reason) = response {
            debug!(peer = %inbound.from, reason, "frame rejected by the node");
            self.metrics.frames_rejected.increment();
        }
        if let Some(peer) = self.peers.get_mut(&inbound.from) {
            peer.inbound = None;
        }
        self.respond(inbound.request, inbound.channel, response);
        self.forget_idle(&inbound.from);
    }

    fn handle_request(
        &mut self,
        peer_id: PeerId,
        request_id: InboundRequestId,
        request: Request,
        channel: ResponseChannel<Response>,
    ) {
        // A peer without a name is being disconnected; dropping the channel ends its stream.
        let Some(from) = self.links.get(&peer_id).map(|link| link.address) else { return };
        let messages = match request {
            Request::Frame(messages) => messages,
            Request::Malformed(error) => {
                debug!(peer = %from, %error, "malformed frame");
                self.metrics.frames_malformed.increment();
                self.respond(request_id, channel, Response::Refused(error.code()));
                self.offend(peer_id, MALFORMED_FRAME);
                return;
            }
        };
        let peer = peer_entry(&mut self.peers, &self.config, from);
        if peer.inbound.is_some() {
            self.metrics.frames_busy.increment();
            self.respond(request_id, channel, Response::Busy);
            self.charge(peer_id, REQUEST);
            return;
        }
        let token = self.next_token;
        self.next_token += 1;
        peer.inbound = Some(token);
        self.inbound.insert(token, Inbound { from, request: request_id, channel });
        debug!(peer = %from, messages = messages.len(), "frame in");
        self.metrics.frames_received.increment();
        self.metrics.messages_received.add(messages.len() as u64);
        self.events.push(Event::Frame { from, token: FrameToken(token), messages });
    }

    fn respond(
        &mut self,
        request: InboundRequestId,
        channel: ResponseChannel<Response>,
        response: Response,
    ) {
        // The id first: the swarm reports on it only after this call.
        self.leaving.insert(request);
        if self.swarm.behaviour_mut().frames.send_response(channel, response).is_err() {
            self.leaving.remove(&request);
            self.metrics.acks_late.increment();
        }
    }

    fn handle_response(&mut self, to: Address, attempt: Attempt, response: Response) {
        let now = Instant::now();
        let Some(peer) = self.peers.get_mut(&to) else { return };
        match response {
            Response::Committed(answers) => {
                self.metrics.frames_delivered.increment();
                if let Some(up_to) = peer.delivery.handle_ack(attempt) {
                    if !answers.is_empty() {
                        self.events.push(Event::Answered { by: to, answers });
                    }
                    self.events.push(Event::Delivered { to, up_to });
                }
            }
            Response::Busy => self.handle_failure(to, attempt, now),
            Response::Refused(reason) => {
                if let Some(refusal) = peer.delivery.handle_refusal(attempt) {
                    warn!(peer = %to, reason, messages = refusal.count, "peer refused a frame");
                    self.metrics.frames_refused.increment();
                    self.metrics.messages_refused.add(refusal.count as u64);
                    self.events.push(Event::Refused { to, up_to: refusal.up_to, reason });
                }
            }
        }
        self.flush(to, now);
        self.forget_idle(&to);
    }

    fn handle_outbound_failure(&mut self, to: Address, attempt: Attempt, error: &OutboundFailure) {
        debug!(peer = %to, %error, "frame not delivered");
        self.handle_failure(to, attempt, Instant::now());
    }

    fn handle_failure(&mut self, to: Address, attempt: Attempt, now: Instant) {
        if let Some(peer) = self.peers.get_mut(&to)
            && peer.delivery.handle_failure(attempt, now)
        {
            self.metrics.frames_failed.increment();
        }
    }
}

/// The entry of a peer, made when there is none.
pub(super) fn peer_entry<'a>(
    peers: &'a mut std::collections::HashMap<Address, Peer>,
    config: &P2pConfig,
    address: Address,
) -> &'a mut Peer {
    peers.entry(address).or_insert_with(|| {
        let seed = u64::from_be_bytes(address[..8].try_into().expect("eight bytes"));
        let backoff = Backoff::new(
            Duration::from_millis(config.retry_base_ms),
            Duration::from_millis(config.retry_max_ms),
            seed,
        );
        Peer { delivery: Delivery::new(backoff, config.response_timeout()), inbound: None }
    })
}
