//! Events on their way to the node.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::event::Event;

/// Hands events to the node without ever making the swarm wait for it.
///
/// What does not fit in the bounded channel waits here. That stays small although it has no
/// bound of its own: a peer has at most one frame in it, an unheard `PeerUp` and `PeerDown`
/// cancel out, deliveries in a row become one, and so do records of a partner. Messages
/// of a peer expire once in days. Answers come only to frames that the node has
/// filled, and a node that hears nothing fills no more of them than its outbox holds.
pub(crate) struct Outbox {
    channel: mpsc::Sender<Event>,
    waiting: VecDeque<Event>,
}

impl Outbox {
    pub(crate) const fn new(channel: mpsc::Sender<Event>) -> Self {
        Self { channel, waiting: VecDeque::new() }
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.waiting.is_empty() {
            match self.channel.try_send(event) {
                // A closed channel means that the node is going down and hears no more.
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(event)) => self.waiting.push_back(event),
            }
        } else {
            self.merge(event);
        }
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Waits for room and moves the oldest waiting event into the channel.
    pub(crate) async fn flush_one(&mut self) {
        if let Ok(permit) = self.channel.reserve().await
            && let Some(event) = self.waiting.pop_front()
        {
            permit.send(event);
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.channel.is_closed()
    }

    fn merge(&mut self, event: Event) {
        match event {
            Event::PeerUp(peer) if self.cancel(&Event::PeerDown(peer)) => {}
            Event::PeerDown(peer) if self.cancel(&Event::PeerUp(peer)) => {}
            Event::Delivered { to, up_to } => {
                // Only the newest word about this peer's queue may be widened: reaching past
                // a refusal would call the refused messages delivered, and so with expired ones.
                let newest = self.waiting.iter_mut().rev().find(|waiting| match waiting {
                    Event::Delivered { to: peer, .. }
                    | Event::Refused { to: peer, .. }
                    | Event::Expired { to: peer, .. } => *peer == to,
                    // What was answered is heard before its frame is called delivered.
                    Event::Answered { by, .. } => *by == to,
                    Event::Frame { .. }
                    | Event::Located { .. }
                    | Event::PeerUp(_)
                    | Event::PeerDown(_) => false,
                });
                match newest {
                    Some(Event::Delivered { up_to: last, .. }) => *last = up_to,
                    _ => self.waiting.push_back(Event::Delivered { to, up_to }),
                }
            }
            Event::Located { peer, record } => {
                // The newest alone counts, and nothing depends on when it is heard.
                self.waiting.retain(
                    |waiting| !matches!(waiting, Event::Located { peer: of, .. } if *of == peer),
                );
                self.waiting.push_back(Event::Located { peer, record });
            }
            event @ (Event::PeerUp(_)
            | Event::PeerDown(_)
            | Event::Frame { .. }
            | Event::Answered { .. }
            | Event::Refused { .. }
            | Event::Expired { .. }) => self.waiting.push_back(event),
        }
    }

    fn cancel(&mut self, opposite: &Event) -> bool {
        let found = self.waiting.iter().rposition(|waiting| waiting == opposite);
        if let Some(index) = found {
            self.waiting.remove(index);
        }
        found.is_some()
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;

    use super::*;

    const PEER: Address = Address::repeat_byte(1);

    fn full() -> (Outbox, mpsc::Receiver<Event>) {
        let (sender, receiver) = mpsc::channel(1);
        let mut outbox = Outbox::new(sender);
        outbox.push(Event::PeerUp(Address::repeat_byte(9)));
        outbox.push(Event::PeerUp(Address::repeat_byte(8)));
        (outbox, receiver)
    }

    #[test]
    fn a_stalled_node_makes_flapping_peers_and_deliveries_cost_no_memory() {
        let (mut outbox, _receiver) = full();
        for up_to in 0..1000 {
            outbox.push(Event::PeerUp(PEER));
            outbox.push(Event::Delivered { to: PEER, up_to });
            outbox.push(Event::PeerDown(PEER));
            let record = up_to.to_be_bytes().to_vec().into();
            outbox.push(Event::Located { peer: PEER, record });
        }
        assert_eq!(outbox.waiting.len(), 3);
        assert_eq!(outbox.waiting[1], Event::Delivered { to: PEER, up_to: 999 });
        let newest = 999_u64.to_be_bytes().to_vec().into();
        assert_eq!(outbox.waiting[2], Event::Located { peer: PEER, record: newest });
    }

    #[test]
    fn a_delivery_is_never_merged_across_a_refusal() {
        let (mut outbox, _receiver) = full();
        outbox.push(Event::Delivered { to: PEER, up_to: 1 });
        outbox.push(Event::Refused { to: PEER, up_to: 2, reason: 0 });
        outbox.push(Event::Delivered { to: PEER, up_to: 3 });
        assert_eq!(outbox.waiting.len(), 4);
    }

    #[tokio::test]
    async fn events_leave_in_order() {
        let (mut outbox, mut receiver) = full();
        outbox.push(Event::PeerUp(PEER));
        let mut heard = Vec::new();
        for _ in 0..3 {
            heard.push(receiver.recv().await);
            outbox.flush_one().await;
        }
        let bytes: Vec<_> = heard
            .into_iter()
            .map(|event| match event {
                Some(Event::PeerUp(peer)) => peer[0],
                other => panic!("unexpected {other:?}"),
            })
            .collect();
        assert_eq!(bytes, [9, 8, 1]);
    }
}
