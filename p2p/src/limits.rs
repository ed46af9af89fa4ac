//! What a stranger may take from us.
//!
//! | resource | bound |
//! | --- | --- |
//! | connections | in all, per host and peer, and handshakes in progress: [`admission`](crate::admission) |
//! | frames being read per connection | [`MAX_FRAME_STREAMS`] of at most one frame's bytes |
//! | frames with the node per peer | one; the next is told to come again |
//! | messages to strangers who have gone | they expire; [`MAX_AWAITED_STRANGERS`] |
//! | offences | points that fade; at a bound the peer is blocked for a while |

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use libp2p::PeerId;

/// Frame streams per connection, both directions together. An honest pair uses two; the others
/// leave room for a stream that has timed out on one side only.
pub(crate) const MAX_FRAME_STREAMS: usize = 4;
/// Streams of all protocols per connection: frames, identify, ping and Kademlia's queries.
pub(crate) const MAX_STREAMS: usize = 128;
/// Events that wait for the node before frames stay with the event loop.
pub(crate) const EVENT_QUEUE: usize = 1024;

/// Strangers for whom messages wait. The node bounds its own, at half of that; beyond it the one who
/// has been waited for longest is given up.
pub(crate) const MAX_AWAITED_STRANGERS: usize = 8192;

/// A frame that breaks the format: ten in a short time are no accident.
pub(crate) const MALFORMED_FRAME: u32 = 10;
/// A forged or foreign address record.
pub(crate) const BAD_RECORD: u32 = 10;
/// A request that is honest now and then and costs us work when it never stops: a frame while
/// the last one is unsettled, a record to keep, news about the peer's addresses. Points fade at
/// the same rate, so one a second may go on for ever.
pub(crate) const REQUEST: u32 = 1;

/// Points at which a peer is blocked.
const BLOCK_AT: u32 = 100;
/// Long enough to make an attack by one key pointless, short enough for a repaired node.
const BLOCK_FOR: Duration = Duration::from_secs(600);
/// Points fade one by one at this pace.
const FADE: Duration = Duration::from_secs(1);
/// Keys cost nothing, so the table of offenders is bounded; the oldest entry makes room.
const MAX_OFFENDERS: usize = 4096;

/// Points of those who misbehaved lately, and who is blocked.
#[derive(Debug, Default)]
pub(crate) struct Offenders {
    peers: HashMap<PeerId, Offender>,
    released: Vec<PeerId>,
}

#[derive(Debug)]
struct Offender {
    points: u32,
    since: Instant,
    blocked_until: Option<Instant>,
}

impl Offenders {
    /// Counts an offence; true if the peer is to be blocked now.
    pub(crate) fn report(&mut self, peer: PeerId, weight: u32, now: Instant) -> bool {
        if !self.peers.contains_key(&peer) && self.peers.len() >= MAX_OFFENDERS {
            self.forget_oldest();
        }
        let offender = self.peers.entry(peer).or_insert(Offender {
            points: 0,
            since: now,
            blocked_until: None,
        });
        offender.points = offender.points_at(now).saturating_add(weight);
        offender.since = now;
        let block = offender.points >= BLOCK_AT && offender.blocked_until.is_none();
        if block {
            offender.blocked_until = Some(now + BLOCK_FOR);
        }
        block
    }

    pub(crate) fn points(&self, peer: &PeerId, now: Instant) -> u32 {
        self.peers.get(peer).map_or(0, |offender| offender.points_at(now))
    }

    pub(crate) fn is_blocked(&self, peer: &PeerId) -> bool {
        self.peers.get(peer).is_some_and(|offender| offender.blocked_until.is_some())
    }

    /// Forgets what has faded; returns the peers that are blocked no longer.
    pub(crate) fn handle_tick(&mut self, now: Instant) -> Vec<PeerId> {
        let released = &mut self.released;
        self.peers.retain(|peer, offender| match offender.blocked_until {
            Some(until) if until <= now => {
                released.push(*peer);
                false
            }
            Some(_) => true,
            None => offender.points_at(now) > 0,
        });
        std::mem::take(&mut self.released)
    }

    fn forget_oldest(&mut self) {
        let oldest = self.peers.iter().min_by_key(|(_, offender)| offender.since);
        if let Some((peer, _)) = oldest {
            let peer = *peer;
            if self.peers.remove(&peer).is_some_and(|gone| gone.blocked_until.is_some()) {
                self.released.push(peer);
            }
        }
    }
}

impl Offender {
    fn points_at(&self, now: Instant) -> u32 {
        let faded = now.saturating_duration_since(self.since).as_secs() / FADE.as_secs();
        self.points.saturating_sub(u32::try_from(faded).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_offences_block_a_peer_for_a_while() {
        let (mut offenders, peer, now) = (Offenders::default(), PeerId::random(), Instant::now());
        let blocks: Vec<_> =
            (0..11).map(|_| offenders.report(peer, MALFORMED_FRAME, now)).collect();
        assert_eq!(blocks.iter().position(|block| *block), Some(9));
        assert_eq!(blocks.iter().filter(|block| **block).count(), 1);
        assert!(offenders.is_blocked(&peer));
        assert!(offenders.handle_tick(now + BLOCK_FOR / 2).is_empty());
        assert_eq!(offenders.handle_tick(now + BLOCK_FOR), [peer]);
        assert!(!offenders.is_blocked(&peer));
    }

    #[test]
    fn rare_offences_fade() {
        let (mut offenders, peer, now) = (Offenders::default(), PeerId::random(), Instant::now());
        for minute in 0..100 {
            assert!(!offenders.report(peer, 50, now + Duration::from_secs(60 * minute)));
        }
        assert!(offenders.handle_tick(now + Duration::from_secs(100 * 60)).is_empty());
        assert_eq!(offenders.peers.len(), 0);
    }

    #[test]
    fn fresh_keys_cannot_fill_the_table_nor_leave_blocks_behind() {
        let (mut offenders, now) = (Offenders::default(), Instant::now());
        let first = PeerId::random();
        assert!(offenders.report(first, BLOCK_AT, now));
        for step in 1..=MAX_OFFENDERS as u64 {
            offenders.report(PeerId::random(), BLOCK_AT, now + Duration::from_nanos(step));
        }
        assert_eq!(offenders.peers.len(), MAX_OFFENDERS);
        assert_eq!(offenders.handle_tick(now + Duration::from_secs(1)), [first]);
    }
}
