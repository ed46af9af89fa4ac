//! Lets a payer wait until the payee has committed a payment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use engine::types::{Address, MessageId};
use tokio::sync::oneshot;

/// Who waits for which message. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deliveries(Arc<Mutex<HashMap<Address, Peer>>>);

#[derive(Debug, Default)]
struct Peer {
    delivered: Option<MessageId>,
    waiting: BTreeMap<MessageId, Vec<oneshot::Sender<()>>>,
}

impl Deliveries {
    /// Resolves once the peer has committed the message, at once if it has already. A node that
    /// stops hears of no delivery any more: whoever waits must look out for that.
    pub(crate) fn wait(&self, to: Address, id: MessageId) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.entry(to).or_default();
        if peer.delivered.is_some_and(|delivered| delivered >= id) {
            let _ = sender.send(());
        } else {
            peer.waiting.entry(id).or_default().push(sender);
        }
        receiver
    }

    /// The peer has committed all messages up to this one.
    pub(crate) fn delivered(&self, to: Address, up_to: MessageId) {
        let mut peers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let peer = peers.entry(to).or_default();
        peer.delivered = peer.delivered.max(Some(up_to));
        let later = peer.waiting.split_off(&MessageId(up_to.0.saturating_add(1)));
        for sender in std::mem::replace(&mut peer.waiting, later).into_values().flatten() {
            let _ = sender.send(());
        }
    }
}
