//! The queue of one peer: what waits, what is in flight, and when to try again.
//!
//! No IO and no clock: `now` comes in, frames come out.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use alloy_primitives::bytes::Bytes;

use super::{
    MAX_FRAME_BYTES, MAX_FRAME_MESSAGES,
    codec::{framed_len, header_len},
};
use crate::backoff::Backoff;

/// Messages to one peer, in order, until the peer has committed them.
///
/// The queue has no bound of its own because dropping is the one thing it must not do: the
/// caller's outbox is bounded, and every message here is a row of it. Only for a stranger who
/// never comes does it [expire](Delivery::expire). The bytes are shared
/// with the frame in flight, not copied.
#[derive(Debug)]
pub(crate) struct Delivery {
    waiting: VecDeque<Queued>,
    last_id: Option<u64>,
    flight: Option<Flight>,
    next_attempt: u64,
    retry_at: Option<Instant>,
    /// Up to here nothing needs to arrive any more, though it may be on its way.
    forgotten: Option<u64>,
    /// Since when messages have waited without any of them arriving.
    stuck_since: Option<Instant>,
    backoff: Backoff,
    response_timeout: Duration,
}

#[derive(Debug)]
struct Queued {
    id: u64,
    message: Bytes,
}

/// The first `count` messages of the queue are on their way.
#[derive(Debug)]
struct Flight {
    attempt: u64,
    count: usize,
    deadline: Instant,
}

/// Names a frame that went out: which try it was, and its last message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attempt {
    number: u64,
    up_to: u64,
}

/// A frame to be sent now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outgoing {
    pub(crate) attempt: Attempt,
    pub(crate) messages: Vec<Bytes>,
}

/// Messages that the peer will never take.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) up_to: u64,
    pub(crate) count: usize,
}

impl Delivery {
    pub(crate) const fn new(backoff: Backoff, response_timeout: Duration) -> Self {
        Self {
            waiting: VecDeque::new(),
            last_id: None,
            flight: None,
            next_attempt: 0,
            retry_at: None,
            forgotten: None,
            stuck_since: None,
            backoff,
            response_timeout,
        }
    }

    /// Takes a message; false if its id is not new, which happens when an outbox is offered
    /// twice.
    pub(crate) fn enqueue(&mut self, id: u64, message: Bytes) -> bool {
        if self.last_id.is_some_and(|last| id <= last) {
            return false;
        }
        self.last_id = Some(id);
        self.waiting.push_back(Queued { id, message });
        true
    }

    /// Drops what waits up to a message; what is in flight may arrive, but is not sent again.
    pub(crate) fn forget(&mut self, up_to: u64) {
        self.forgotten = self.forgotten.max(Some(up_to));
        let flying = self.in_flight();
        let count =
            self.waiting.iter().skip(flying).take_while(|queued| queued.id <= up_to).count();
        drop(self.waiting.drain(flying..flying + count));
    }

    /// Drops everything. Returns the last id, if there was any; what is in flight may arrive.
    pub(crate) fn expire(&mut self) -> Option<u64> {
        let last = self.waiting.back()?.id;
        self.drop_up_to(last);
        Some(last)
    }

    /// Since when messages have waited in vain, as of the last tick.
    pub(crate) const fn stuck_since(&self) -> Option<Instant> {
        self.stuck_since
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn queued(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn in_flight(&self) -> usize {
        self.flight.as_ref().map_or(0, |flight| flight.count)
    }

    /// The frame to send now: everything that waits, up to the bounds of a frame, unless one
    /// is in flight or the last one failed a moment ago.
    pub(crate) fn next_frame(&mut self, now: Instant) -> Option<Outgoing> {
        if self.flight.is_some() || self.retry_at.is_some_and(|at| now < at) {
            return None;
        }
        let count = self.fitting();
        let up_to = self.waiting.get(count.checked_sub(1)?)?.id;
        let messages =
            self.waiting.iter().take(count).map(|queued| queued.message.clone()).collect();
        let attempt = Attempt { number: self.next_attempt, up_to };
        self.next_attempt += 1;
        self.retry_at = None;
        self.flight =
            Some(Flight { attempt: attempt.number, count, deadline: now + self.response_timeout });
        Some(Outgoing { attempt, messages })
    }

    /// The peer has committed the frame. Returns the last id that may be forgotten.
    ///
    /// A late answer to an earlier try of the same messages is as good as a timely one.
    pub(crate) fn handle_ack(&mut self, attempt: Attempt) -> Option<u64> {
        self.backoff.reset();
        self.retry_at = None;
        (self.drop_up_to(attempt.up_to) > 0).then_some(attempt.up_to)
    }

    /// The peer will never take the frame, so that sending it again would block the queue.
    pub(crate) fn handle_refusal(&mut self, attempt: Attempt) -> Option<Refusal> {
        // Only the current try: an earlier one may have been refused for its own faults on
        // the way, and dropping is final.
        self.current(attempt)?;
        self.backoff.reset();
        let count = self.drop_up_to(attempt.up_to);
        Some(Refusal { up_to: attempt.up_to, count })
    }

    /// The frame did not arrive, or nobody can say whether it did: it goes out again later.
    /// False if a later try is already on its way.
    pub(crate) fn handle_failure(&mut self, attempt: Attempt, now: Instant) -> bool {
        let current = self.current(attempt).is_some();
        if current {
            self.fail(now);
        }
        current
    }

    /// True if the frame in flight has just been given up.
    pub(crate) fn handle_tick(&mut self, now: Instant) -> bool {
        if !self.is_empty() {
            self.stuck_since.get_or_insert(now);
        }
        let late = self.flight.as_ref().is_some_and(|flight| flight.deadline <= now);
        if late {
            self.fail(now);
        }
        late
    }

    fn fail(&mut self, now: Instant) {
        self.flight = None;
        self.retry_at = Some(now + self.backoff.fail());
        if let Some(forgotten) = self.forgotten {
            self.drop_up_to(forgotten);
        }
    }

    fn current(&self, attempt: Attempt) -> Option<&Flight> {
        self.flight.as_ref().filter(|flight| flight.attempt == attempt.number)
    }

    fn drop_up_to(&mut self, up_to: u64) -> usize {
        let count = self.waiting.partition_point(|queued| queued.id <= up_to);
        self.waiting.drain(..count);
        if count > 0 {
            self.stuck_since = None;
        }
        self.flight = self.flight.take().and_then(|flight| {
            let left = flight.count.saturating_sub(count);
            (left > 0).then_some(Flight { count: left, ..flight })
        });
        count
    }

    /// How many messages from the front fit in one frame.
    fn fitting(&self) -> usize {
        let mut bytes = header_len(MAX_FRAME_MESSAGES);
        self.waiting
            .iter()
            .take(MAX_FRAME_MESSAGES)
            .take_while(|queued| {
                bytes += framed_len(queued.message.len());
                bytes <= MAX_FRAME_BYTES
            })
            .count()
            // The header of a single message is a byte shorter, so the largest one fits alone.
            .max(usize::from(!self.waiting.is_empty()))
    }
}

#[cfg(test)]
mod tests {
    use super::{super::MAX_MESSAGE_BYTES, *};

    const TIMEOUT: Duration = Duration::from_secs(15);
    const RETRY_MAX: Duration = Duration::from_secs(10);

    fn delivery() -> Delivery {
        Delivery::new(Backoff::new(Duration::from_millis(100), RETRY_MAX, 1), TIMEOUT)
    }

    fn filled(ids: std::ops::RangeInclusive<u64>) -> Delivery {
        let mut delivery = delivery();
        for id in ids {
            assert!(delivery.enqueue(id, message(id)));
        }
        delivery
    }

    fn message(id: u64) -> Bytes {
        id.to_be_bytes().to_vec().into()
    }

    fn ids(frame: &Outgoing) -> Vec<u64> {
        frame
            .messages
            .iter()
            .map(|message| u64::from_be_bytes(message[..].try_into().unwrap()))
            .collect()
    }

    #[test]
    fn one_frame_takes_everything_that_waits() {
        let now = Instant::now();
        let mut delivery = filled(1..=5);
        let frame = delivery.next_frame(now).unwrap();
        assert_eq!(ids(&frame), [1, 2, 3, 4, 5]);
        assert_eq!(delivery.handle_ack(frame.attempt), Some(5));
        assert!(delivery.is_empty());
        assert_eq!(delivery.next_frame(now), None);
    }

    #[test]
    fn no_second_frame_leaves_while_one_is_in_flight() {
        let now = Instant::now();
        let mut delivery = filled(1..=2);
        let frame = delivery.next_frame(now).unwrap();
        delivery.enqueue(3, message(3));
        assert_eq!(delivery.next_frame(now + TIMEOUT / 2), None);
        assert_eq!(delivery.in_flight(), 2);
        delivery.handle_ack(frame.attempt);
        assert_eq!(ids(&delivery.next_frame(now).unwrap()), [3]);
    }

    #[test]
    fn frames_keep_within_the_bounds_of_the_format() {
        let now = Instant::now();
        let mut delivery = delivery();
        delivery.enqueue(1, vec![1; MAX_MESSAGE_BYTES].into());
        delivery.enqueue(2, vec![2; MAX_FRAME_BYTES - 1000].into());
        for id in 3..10_000 {
            delivery.enqueue(id, vec![3; 40].into());
        }
        let mut delivered = 0;
        while let Some(frame) = delivery.next_frame(now) {
            let bytes = super::super::codec::encode(&frame.messages);
            assert_eq!(super::super::codec::decode(bytes.into()), Ok(frame.messages));
            delivered = delivery.handle_ack(frame.attempt).unwrap();
        }
        assert_eq!(delivered, 9_999);
    }

    #[test]
    fn a_failed_frame_goes_out_again_after_a_wait_with_all_that_came_since() {
        let now = Instant::now();
        let mut delivery = filled(1..=2);
        let frame = delivery.next_frame(now).unwrap();
        assert!(delivery.handle_failure(frame.attempt, now));
        delivery.enqueue(3, message(3));
        assert_eq!(delivery.next_frame(now), None);
        assert_eq!(ids(&delivery.next_frame(now + RETRY_MAX).unwrap()), [1, 2, 3]);
    }

    #[test]
    fn a_silent_peer_is_tried_again_after_the_response_timeout() {
        let now = Instant::now();
        let mut delivery = filled(1..=1);
        delivery.next_frame(now).unwrap();
        assert!(!delivery.handle_tick(now + TIMEOUT / 2));
        assert!(delivery.handle_tick(now + TIMEOUT));
        assert!(!delivery.handle_tick(now + TIMEOUT));
        assert!(delivery.next_frame(now + TIMEOUT + RETRY_MAX).is_some());
    }

    #[test]
    fn repeated_and_late_answers_do_no_harm() {
        let now = Instant::now();
        let mut delivery = filled(1..=2);
        let first = delivery.next_frame(now).unwrap().attempt;
        delivery.handle_tick(now + TIMEOUT);
        delivery.enqueue(3, message(3));
        let second = delivery.next_frame(now + TIMEOUT + RETRY_MAX).unwrap().attempt;
        // The first try arrived after all; of the second one only message 3 is still open.
        assert_eq!(delivery.handle_ack(first), Some(2));
        assert_eq!(delivery.in_flight(), 1);
        assert_eq!(delivery.handle_ack(first), None);
        assert_eq!(delivery.handle_refusal(first), None);
        assert!(!delivery.handle_failure(first, now));
        assert_eq!(delivery.handle_ack(second), Some(3));
        assert_eq!(delivery.handle_ack(second), None);
        assert_eq!(delivery.handle_refusal(second), None);
        assert!(delivery.is_empty());
    }

    #[test]
    fn a_refused_frame_is_dropped_and_the_queue_goes_on() {
        let now = Instant::now();
        let mut delivery = filled(1..=3);
        let frame = delivery.next_frame(now).unwrap();
        delivery.enqueue(4, message(4));
        let refusal = delivery.handle_refusal(frame.attempt);
        assert_eq!(refusal, Some(Refusal { up_to: 3, count: 3 }));
        assert_eq!(ids(&delivery.next_frame(now).unwrap()), [4]);
    }

    #[test]
    fn what_is_forgotten_is_not_sent_unless_it_is_on_its_way() {
        let now = Instant::now();
        let mut delivery = filled(1..=2);
        let frame = delivery.next_frame(now).unwrap();
        for id in 3..=6 {
            delivery.enqueue(id, message(id));
        }
        delivery.forget(4);
        assert_eq!(delivery.handle_ack(frame.attempt), Some(2));
        assert_eq!(ids(&delivery.next_frame(now).unwrap()), [5, 6]);
        delivery.forget(6);
        assert_eq!(delivery.queued(), 2);
    }

    #[test]
    fn what_is_forgotten_on_its_way_is_not_sent_again_when_it_does_not_arrive() {
        let now = Instant::now();
        let mut delivery = filled(1..=2);
        let frame = delivery.next_frame(now).unwrap();
        delivery.enqueue(3, message(3));
        delivery.forget(2);
        assert!(delivery.handle_failure(frame.attempt, now));
        assert_eq!(ids(&delivery.next_frame(now + RETRY_MAX).unwrap()), [3]);
    }

    #[test]
    fn messages_are_stuck_from_the_last_one_that_arrived() {
        let now = Instant::now();
        let hour = Duration::from_secs(3_600);
        let mut delivery = filled(1..=1);
        assert_eq!(delivery.stuck_since(), None);
        delivery.handle_tick(now);
        let frame = delivery.next_frame(now).unwrap();
        delivery.enqueue(2, message(2));
        delivery.handle_tick(now + hour);
        assert_eq!(delivery.stuck_since(), Some(now));
        assert_eq!(delivery.handle_ack(frame.attempt), Some(1));
        delivery.handle_tick(now + 2 * hour);
        assert_eq!(delivery.stuck_since(), Some(now + 2 * hour));
        assert_eq!(delivery.expire(), Some(2));
        assert!(delivery.is_empty() && delivery.expire().is_none());
        // Offered again, it is still the same message; another one is new.
        assert!(!delivery.enqueue(2, message(2)) && delivery.enqueue(3, message(3)));
    }

    #[test]
    fn an_outbox_offered_twice_is_sent_once() {
        let now = Instant::now();
        let mut delivery = filled(1..=3);
        let frame = delivery.next_frame(now).unwrap();
        assert!(!delivery.enqueue(2, message(2)));
        delivery.handle_ack(frame.attempt);
        assert!(!delivery.enqueue(3, message(3)));
        assert!(delivery.is_empty());
    }

    /// A network that may do anything but reorder the frames of one connection: whatever
    /// fails, the receiver's committed messages are 1..=n in order once repeats are skipped.
    #[test]
    fn nothing_is_lost_or_reordered_over_any_sequence_of_failures() {
        for seed in 0..300_u64 {
            let mut random = seed.wrapping_mul(0x2545_f491_4f6c_dd1d) | 1;
            let mut roll = move || {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                random
            };
            let mut now = Instant::now();
            let mut delivery = delivery();
            let (mut offered, mut committed, mut forgotten) = (0, 0, 0);
            let mut flights: Vec<Attempt> = Vec::new();
            let mut pending: Option<Attempt> = None;
            for step in 0..400 {
                let calm = step >= 300;
                now += Duration::from_millis(roll() % 4000);
                if !calm {
                    for _ in 0..roll() % 4 {
                        offered += 1;
                        delivery.enqueue(offered, message(offered));
                    }
                }
                delivery.handle_tick(now);
                if let Some(frame) = delivery.next_frame(now) {
                    let lost = !calm && roll() % 3 == 0;
                    if !lost {
                        for id in ids(&frame) {
                            assert!(id <= committed + 1, "gap before {id}");
                            committed = committed.max(id);
                        }
                        flights.push(frame.attempt);
                    }
                    pending = Some(frame.attempt);
                }
                match if calm { 0 } else { roll() % 4 } {
                    0 => {
                        if let Some(up_to) = flights.pop().and_then(|a| delivery.handle_ack(a)) {
                            assert!(up_to <= committed && up_to > forgotten);
                            forgotten = up_to;
                        }
                    }
                    1 => {
                        if let Some(attempt) = pending.take() {
                            delivery.handle_failure(attempt, now);
                        }
                    }
                    _ => {}
                }
            }
            assert_eq!((committed, forgotten), (offered, offered), "seed {seed}");
            assert!(delivery.is_empty());
        }
    }
}
