//! What the network has done since it started.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// The number now.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn increment(&self) {
        self.add(1);
    }
}

/// Counters of the network, readable at any time from any thread.
#[derive(Debug, Default)]
pub struct Metrics {
    /// Frames handed to a connection, resends included.
    pub frames_sent: Counter,
    /// Messages in those frames.
    pub messages_sent: Counter,
    /// Frames handed to the node.
    pub frames_received: Counter,
    /// Messages in those frames.
    pub messages_received: Counter,
    /// Own frames that the peer committed.
    pub frames_delivered: Counter,
    /// Own frames that the peer refused; their messages are dropped.
    pub frames_refused: Counter,
    /// Messages dropped because the peer refused them.
    pub messages_refused: Counter,
    /// Messages dropped because a stranger did not come for them.
    pub messages_expired: Counter,
    /// Own frames that failed, timed out or met a busy peer, and will be sent again.
    pub frames_failed: Counter,
    /// Messages offered a second time, which the queue already held or had sent.
    pub messages_repeated: Counter,
    /// Frames of peers that broke the frame format.
    pub frames_malformed: Counter,
    /// Frames of peers that the node rejected.
    pub frames_rejected: Counter,
    /// Frames turned away because the peer's last one was not settled yet.
    pub frames_busy: Counter,
    /// Acknowledgements that came after the peer had stopped waiting.
    pub acks_late: Counter,
    /// Connections closed because the peer's key is no Ethereum key.
    pub peers_nameless: Counter,
    /// Handshakes ended to make room for others.
    pub handshakes_dismissed: Counter,
    /// Connections turned away by a limit or a block.
    pub connections_denied: Counter,
    /// Idle connections of strangers closed to make room.
    pub connections_evicted: Counter,
    /// Dials not made because a stranger named a place that is not public, or too many places.
    pub dials_refused: Counter,
    /// Dials that reached nobody.
    pub dials_failed: Counter,
    /// Searches that ended without a connection.
    pub searches_failed: Counter,
    /// Address records of others that were stored or used.
    pub records_accepted: Counter,
    /// Address records refused: forged, malformed, stale or from the wrong peer.
    pub records_refused: Counter,
    /// Publications of the own address record that reached another node.
    pub records_published: Counter,
    /// Offences reported, by this crate or by the node.
    pub offences: Counter,
    /// Peers blocked for their offences.
    pub peers_blocked: Counter,
}

impl Metrics {
    /// Every counter by name, for an exporter.
    pub fn rows(&self) -> [(&'static str, u64); 26] {
        [
            ("frames_sent", self.frames_sent.get()),
            ("messages_sent", self.messages_sent.get()),
            ("frames_received", self.frames_received.get()),
            ("messages_received", self.messages_received.get()),
            ("frames_delivered", self.frames_delivered.get()),
            ("frames_refused", self.frames_refused.get()),
            ("messages_refused", self.messages_refused.get()),
            ("messages_expired", self.messages_expired.get()),
            ("frames_failed", self.frames_failed.get()),
            ("messages_repeated", self.messages_repeated.get()),
            ("frames_malformed", self.frames_malformed.get()),
            ("frames_rejected", self.frames_rejected.get()),
            ("frames_busy", self.frames_busy.get()),
            ("acks_late", self.acks_late.get()),
            ("peers_nameless", self.peers_nameless.get()),
            ("handshakes_dismissed", self.handshakes_dismissed.get()),
            ("connections_denied", self.connections_denied.get()),
            ("connections_evicted", self.connections_evicted.get()),
            ("dials_refused", self.dials_refused.get()),
            ("dials_failed", self.dials_failed.get()),
            ("searches_failed", self.searches_failed.get()),
            ("records_accepted", self.records_accepted.get()),
            ("records_refused", self.records_refused.get()),
            ("records_published", self.records_published.get()),
            ("offences", self.offences.get()),
            ("peers_blocked", self.peers_blocked.get()),
        ]
    }
}
