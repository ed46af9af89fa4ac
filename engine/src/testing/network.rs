//! The way between nodes, without sockets: queues like those of `p2p`, and a wire that delays,
//! loses, doubles and overtakes.
//!
//! One frame per direction is in flight: all messages that wait, in order. It is repeated until
//! the acknowledgement comes, so messages arrive at least once and in order, and copies of old
//! frames arrive at any time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::Random;
use crate::types::{Address, FrameToken, MessageId, Timestamp};

/// What the wire does to frames and acknowledgements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Weather {
    /// Shortest way in milliseconds.
    pub min_delay: u64,
    /// Longest way in milliseconds.
    pub max_delay: u64,
    /// Lost, in percent.
    pub loss: u64,
    /// Arrives a second time, much later, in percent.
    pub duplication: u64,
}

impl Weather {
    /// Every way takes ten milliseconds, nothing is lost.
    pub const CALM: Self = Self { min_delay: 10, max_delay: 10, loss: 0, duplication: 0 };
    /// Frames overtake each other, every fifth is lost, every fifth comes twice.
    pub const ROUGH: Self = Self { min_delay: 1, max_delay: 200, loss: 20, duplication: 20 };
}

/// Most messages in one frame.
const MAX_FRAME_MESSAGES: usize = 64;

/// From when a frame went out until it is sent again, in milliseconds.
const RESEND_AFTER: u64 = 300;

/// How often that doubles while nobody answers: a peer that is there and acknowledges nothing is
/// asked every few minutes, as the real delivery does.
const MAX_DOUBLINGS: u32 = 9;

/// A frame that arrives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The authenticated sender.
    pub from: Address,
    /// The receiver.
    pub to: Address,
    /// What the receiver acknowledges.
    pub token: FrameToken,
    /// Messages in order.
    pub messages: Vec<Vec<u8>>,
}

/// What comes off the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// A frame.
    Frame(Arrival),
    /// Word that the peer has committed everything up to a message.
    Delivered {
        /// Who is told.
        sender: Address,
        /// Who has committed.
        peer: Address,
        /// The last message of the frame.
        up_to: MessageId,
        /// What the peer answers to it.
        answers: Vec<Vec<u8>>,
    },
}

#[derive(Clone, Debug)]
enum Packet {
    Frame(Arrival),
    /// A frame that no queue knows of.
    Forged(Arrival),
    Ack {
        from: Address,
        to: Address,
        token: FrameToken,
        answers: Vec<Vec<u8>>,
    },
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(MessageId, Vec<u8>)>,
    flight: Option<Flight>,
}

#[derive(Debug)]
struct Flight {
    token: FrameToken,
    count: usize,
    /// How often it has gone out.
    tries: u32,
    resend_at: Timestamp,
}

/// All queues and everything on the wire.
#[derive(Debug)]
pub struct Network {
    weather: Weather,
    random: Random,
    queues: BTreeMap<(Address, Address), Queue>,
    wire: BTreeMap<(Timestamp, u64), Packet>,
    sides: BTreeMap<Address, u8>,
    up: BTreeSet<Address>,
    /// Their own frames do not leave; they hear and acknowledge everything.
    silent: BTreeSet<Address>,
    next_token: u64,
    next_packet: u64,
}

impl Network {
    /// A network that does the same for the same seed.
    #[must_use]
    pub const fn new(weather: Weather, random: Random) -> Self {
        Self {
            weather,
            random,
            queues: BTreeMap::new(),
            wire: BTreeMap::new(),
            sides: BTreeMap::new(),
            up: BTreeSet::new(),
            silent: BTreeSet::new(),
            next_token: 0,
            next_packet: 0,
        }
    }

    /// Changes what the wire does from now on.
    pub const fn set_weather(&mut self, weather: Weather) {
        self.weather = weather;
    }

    /// Cuts the given nodes off from all others; among each other they talk on.
    pub fn partition(&mut self, island: &[Address]) {
        self.sides = island.iter().map(|node| (*node, 1)).collect();
    }

    /// Ends every partition.
    pub fn heal(&mut self) {
        self.sides.clear();
    }

    /// Keeps a node's frames back, or lets them go again.
    pub fn silence(&mut self, node: Address, silent: bool) {
        if silent {
            self.silent.insert(node);
        } else {
            self.silent.remove(&node);
        }
    }

    /// A process ends: what it had queued is gone, what is on the wire is not.
    pub fn forget(&mut self, node: Address) {
        self.queues.retain(|(from, _), _| *from != node);
        self.up.remove(&node);
    }

    /// A process has started.
    pub fn reach(&mut self, node: Address) {
        self.up.insert(node);
    }

    /// Takes a message for delivery.
    pub fn send(
        &mut self,
        now: Timestamp,
        from: Address,
        to: Address,
        id: MessageId,
        message: Vec<u8>,
    ) {
        let queue = self.queues.entry((from, to)).or_default();
        if queue.waiting.back().is_some_and(|(last, _)| *last >= id) {
            return;
        }
        queue.waiting.push_back((id, message));
        self.transmit(now, from, to);
    }

    /// Stops delivering what waits, but for what is on its way.
    pub fn drop_waiting(&mut self, from: Address, to: Address, up_to: MessageId) {
        let Some(queue) = self.queues.get_mut(&(from, to)) else { return };
        let flying = queue.flight.as_ref().map_or(0, |flight| flight.count);
        let mut position = 0;
        queue.waiting.retain(|(id, _)| {
            position += 1;
            position <= flying || *id > up_to
        });
    }

    /// Puts a frame on the wire that no queue knows of, as an adversary does.
    pub fn inject(&mut self, at: Timestamp, from: Address, to: Address, messages: Vec<Vec<u8>>) {
        let token = self.token();
        self.put(at, Packet::Forged(Arrival { from, to, token, messages }));
    }

    /// Sends word that a frame is committed, with the answers to it.
    pub fn acknowledge(&mut self, now: Timestamp, frame: &Arrival, answers: Vec<Vec<u8>>) {
        let Arrival { from, to, token, .. } = *frame;
        self.emit(now, &Packet::Ack { from: to, to: from, token, answers });
    }

    /// When something is due next.
    #[must_use]
    pub fn next_due(&self) -> Option<Timestamp> {
        let wire = self.wire.first_key_value().map(|((at, _), _)| *at);
        let reachable = self.queues.iter().filter(|((from, to), _)| self.can_send(*from, *to));
        let send = reachable.filter(|(_, queue)| !queue.waiting.is_empty()).map(|(_, queue)| {
            queue.flight.as_ref().map_or(Timestamp(0), |flight| flight.resend_at)
        });
        send.chain(wire).min()
    }

    /// Everything that arrives by now.
    pub fn arrive(&mut self, now: Timestamp) -> Vec<Incoming> {
        let mut incoming = Vec::new();
        while let Some(entry) = self.wire.first_entry() {
            if entry.key().0 > now {
                break;
            }
            match entry.remove() {
                Packet::Frame(arrival) if !self.connected(arrival.from, arrival.to) => {}
                Packet::Frame(arrival) | Packet::Forged(arrival) => {
                    incoming.push(Incoming::Frame(arrival));
                }
                Packet::Ack { from, to, .. } if !self.connected(from, to) => {}
                Packet::Ack { from, to, token, answers } => {
                    incoming.extend(self.delivered(now, to, from, token, answers));
                }
            }
        }
        let pairs: Vec<_> = self.queues.keys().copied().collect();
        for (from, to) in pairs {
            self.transmit(now, from, to);
        }
        incoming
    }

    /// True when no message waits between nodes that can reach each other, and the wire is empty.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        let waiting = |((from, to), queue): (&(Address, Address), &Queue)| {
            !queue.waiting.is_empty() && self.can_send(*from, *to)
        };
        self.wire.is_empty() && !self.queues.iter().any(waiting)
    }

    fn can_send(&self, from: Address, to: Address) -> bool {
        self.connected(from, to) && !self.silent.contains(&from)
    }

    fn connected(&self, one: Address, other: Address) -> bool {
        let side = |node| self.sides.get(&node).copied().unwrap_or(0);
        side(one) == side(other) && self.up.contains(&one) && self.up.contains(&other)
    }

    /// Lets the frame of a queue out when none is in flight, or when its answer is overdue.
    fn transmit(&mut self, now: Timestamp, from: Address, to: Address) {
        let connected = self.can_send(from, to);
        let token = FrameToken(self.next_token);
        let Some(queue) = self.queues.get_mut(&(from, to)) else { return };
        let due = queue.flight.as_ref().is_none_or(|flight| flight.resend_at <= now);
        if queue.waiting.is_empty() || !due || !connected {
            return;
        }
        let count = queue.waiting.len().min(MAX_FRAME_MESSAGES);
        let messages = queue.waiting.iter().take(count).map(|(_, bytes)| bytes.clone()).collect();
        let tries = queue.flight.as_ref().map_or(0, |flight| flight.tries);
        let resend_at = Timestamp(now.0 + (RESEND_AFTER << tries.min(MAX_DOUBLINGS)));
        queue.flight = Some(Flight { token, count, tries: tries + 1, resend_at });
        self.next_token += 1;
        self.emit(now, &Packet::Frame(Arrival { from, to, token, messages }));
    }

    /// An acknowledgement counts for the frame in flight only: an old one says nothing new.
    fn delivered(
        &mut self,
        now: Timestamp,
        sender: Address,
        peer: Address,
        token: FrameToken,
        answers: Vec<Vec<u8>>,
    ) -> Option<Incoming> {
        let queue = self.queues.get_mut(&(sender, peer))?;
        let flight = queue.flight.take_if(|flight| flight.token == token)?;
        let (up_to, _) = queue.waiting.drain(..flight.count).next_back()?;
        self.transmit(now, sender, peer);
        Some(Incoming::Delivered { sender, peer, up_to, answers })
    }

    fn emit(&mut self, now: Timestamp, packet: &Packet) {
        let Weather { min_delay, max_delay, loss, duplication } = self.weather;
        if !self.random.chance(loss) {
            let at = Timestamp(now.0 + self.random.between(min_delay, max_delay));
            self.put(at, packet.clone());
        }
        if self.random.chance(duplication) {
            let at = Timestamp(now.0 + self.random.between(min_delay, max_delay * 20));
            self.put(at, packet.clone());
        }
    }

    fn put(&mut self, at: Timestamp, packet: Packet) {
        self.wire.insert((at, self.next_packet), packet);
        self.next_packet += 1;
    }

    fn token(&mut self) -> FrameToken {
        self.next_token += 1;
        FrameToken(self.next_token - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: Address = Address::repeat_byte(1);
    const OTHER: Address = Address::repeat_byte(2);

    fn network(weather: Weather, seed: u64) -> Network {
        let mut network = Network::new(weather, Random::new(seed));
        network.reach(ONE);
        network.reach(OTHER);
        network
    }

    /// Runs until nothing waits; the receiver commits at once. Returns messages as they came.
    fn run(network: &mut Network) -> Vec<Vec<u8>> {
        let mut received = Vec::new();
        while let Some(now) = network.next_due() {
            for incoming in network.arrive(now) {
                if let Incoming::Frame(arrival) = incoming {
                    received.extend(arrival.messages.clone());
                    network.acknowledge(now, &arrival, Vec::new());
                }
            }
        }
        received
    }

    #[test]
    fn messages_arrive_at_least_once_and_first_in_order() {
        for seed in 0..50 {
            let mut network = network(Weather::ROUGH, seed);
            for id in 0..100 {
                let message = vec![u8::try_from(id).unwrap()];
                network.send(Timestamp(id), ONE, OTHER, MessageId(id), message);
            }
            let mut first = Vec::new();
            for message in run(&mut network) {
                if !first.contains(&message) {
                    first.push(message);
                }
            }
            let expected: Vec<Vec<u8>> = (0..100).map(|id| vec![id]).collect();
            assert_eq!(first, expected, "seed {seed}");
            assert!(network.is_quiet());
        }
    }

    #[test]
    fn a_partition_keeps_messages_until_it_heals() {
        let mut network = network(Weather::CALM, 1);
        network.partition(&[ONE]);
        network.send(Timestamp(0), ONE, OTHER, MessageId(0), vec![7]);
        assert_eq!(run(&mut network), Vec::<Vec<u8>>::new());
        network.heal();
        assert!(!network.is_quiet());
        assert_eq!(run(&mut network), [[7]]);
    }

    #[test]
    fn a_process_that_ends_forgets_its_queue() {
        let mut network = network(Weather { loss: 100, ..Weather::CALM }, 1);
        network.send(Timestamp(0), ONE, OTHER, MessageId(0), vec![7]);
        network.forget(ONE);
        network.reach(ONE);
        assert!(network.is_quiet());
        assert_eq!(network.next_due(), None);
    }
}
