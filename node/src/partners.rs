//! Tells the network with whom this node has channels, and puts away where they are.
//!
//! Partners find room and each other whatever strangers do, and also when every first contact is
//! away: the newest address record that each has signed is a row in the store.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::time::Duration;

use engine::effect::{Response, Update};
use engine::input::Request;
use engine::ledger::LedgerPhase;
use engine::payment::PaymentPhase;
use engine::query::{LedgerView, PaymentView};
use engine::types::{Address, Amount, ChannelId};
use p2p::Bytes;
use store::PartnerTable;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tracing::{debug, error};

use crate::handle::{CallError, NodeHandle};

/// Records on their way to the store. Each partner signs a few in a day; what does not fit is told
/// again within the hour.
pub(crate) const RECORDS: usize = 1_024;

/// New records are put away together after this long: a partner that signs all the time costs one
/// commit in that time, and not one for each.
const GATHER: Duration = Duration::from_secs(5);

/// A partner's newest address record.
pub(crate) type Located = (Address, Bytes);

/// Follows the engine's channels and the network's records until the node stops.
pub(crate) async fn run(
    handle: NodeHandle,
    table: PartnerTable,
    mut located: mpsc::Receiver<Located>,
) {
    // Listening before looking: a change in between is not missed.
    let mut updates = handle.updates();
    let Ok(mut partners) = Partners::list(&handle).await else { return };
    let Some(mut records) = Records::load(table).await else { return };
    for (peer, record) in &records.kept {
        // Fails when the network has stopped, like everything below.
        let _ = handle.p2p.remember(*peer, record.clone());
    }
    let mut told = partners.all(handle.address);
    let _ = handle.p2p.set_partners(told.clone());
    records.retain(&told);
    let mut gathered = tokio::time::interval(GATHER);
    loop {
        tokio::select! {
            biased;
            () = handle.stop.cancelled() => {
                records.save().await;
                return;
            }
            Some((peer, record)) = located.recv() => records.take(peer, record, &told),
            update = updates.recv() => {
                match update {
                    Ok(update) if !partners.heard(&update) => continue,
                    Ok(_) => {}
                    Err(RecvError::Lagged(_)) => match Partners::list(&handle).await {
                        Ok(listed) => partners = listed,
                        Err(_) => return,
                    },
                    Err(RecvError::Closed) => return,
                }
                let all = partners.all(handle.address);
                if all != told {
                    let _ = handle.p2p.set_partners(all.clone());
                    records.retain(&all);
                    told = all;
                }
            }
            _ = gathered.tick() => if !records.save().await {
                return;
            },
        }
    }
}

/// Who has something at stake with this node, by channel.
#[derive(Debug, Default)]
struct Partners {
    channels: BTreeMap<ChannelId, Vec<Address>>,
    towers: BTreeSet<Address>,
}

impl Partners {
    async fn list(handle: &NodeHandle) -> Result<Self, CallError> {
        let mut partners = Self::default();
        if let Response::Ledgers(ledgers) = handle.request(Request::ListLedgers).await? {
            for view in &ledgers {
                partners.ledger(view);
            }
        }
        let request = Request::ListPayments { ledger: None };
        if let Response::Payments(payments) = handle.request(request).await? {
            for view in &payments {
                partners.payment(view);
            }
        }
        if let Response::Towers(towers) = handle.request(Request::ListTowers).await? {
            partners.towers = towers.into_iter().map(|view| view.tower).collect();
        }
        Ok(partners)
    }

    /// True if it changed who is a partner, or may have.
    fn heard(&mut self, update: &Update) -> bool {
        match update {
            Update::Ledger(view) => self.ledger(view),
            Update::Payment(view) => self.payment(view),
            Update::Tower { tower, answer: Ok(_) } => self.towers.insert(*tower),
            Update::Tower { answer: Err(_), .. }
            | Update::Objective(_)
            | Update::Paid { .. }
            | Update::Credited { .. }
            | Update::Surpassed { .. }
            | Update::Received { .. }
            | Update::LeftBehind { .. }
            | Update::Unguarded { .. }
            | Update::Refused { .. }
            | Update::NotAgreed { .. }
            | Update::Debt(_)
            | Update::Sending(..)
            | Update::Challenged { .. } => false,
        }
    }

    fn ledger(&mut self, view: &LedgerView) -> bool {
        // What a stranger merely asks for costs it nothing, and earns it nothing.
        let is_staked = match view.phase {
            Some(LedgerPhase::Opening) => view.holdings > Amount::ZERO,
            Some(LedgerPhase::Open | LedgerPhase::Closing | LedgerPhase::Exiting(_)) => true,
            None => false,
        };
        self.set(view.id, is_staked.then(|| vec![view.peer]))
    }

    fn payment(&mut self, view: &PaymentView) -> bool {
        let is_staked = match view.phase {
            Some(PaymentPhase::Open | PaymentPhase::Closing | PaymentPhase::Exiting(_)) => true,
            Some(PaymentPhase::Funding | PaymentPhase::Cancelled(_)) | None => false,
        };
        self.set(view.id, is_staked.then(|| view.participants.clone()))
    }

    fn set(&mut self, channel: ChannelId, partners: Option<Vec<Address>>) -> bool {
        match partners {
            Some(partners) => self.channels.insert(channel, partners).is_none(),
            None => self.channels.remove(&channel).is_some(),
        }
    }

    fn all(&self, own: Address) -> HashSet<Address> {
        let in_channels = self.channels.values().flatten();
        in_channels.chain(&self.towers).copied().filter(|peer| *peer != own).collect()
    }
}

/// Address records of partners, with what is not on disk yet.
struct Records {
    table: PartnerTable,
    kept: BTreeMap<Address, Bytes>,
    unsaved: BTreeMap<Address, Option<Vec<u8>>>,
}

impl Records {
    async fn load(table: PartnerTable) -> Option<Self> {
        let rows = on_disk(&table, PartnerTable::load).await?;
        let kept = rows.into_iter().map(|(peer, record)| (peer, Bytes::from(record))).collect();
        Some(Self { table, kept, unsaved: BTreeMap::new() })
    }

    fn take(&mut self, peer: Address, record: Bytes, partners: &HashSet<Address>) {
        if partners.contains(&peer) && self.kept.get(&peer) != Some(&record) {
            debug!(%peer, "a partner says where it is");
            self.unsaved.insert(peer, Some(record.to_vec()));
            self.kept.insert(peer, record);
        }
    }

    /// Forgets who is no partner any more.
    fn retain(&mut self, partners: &HashSet<Address>) {
        let unsaved = &mut self.unsaved;
        self.kept.retain(|peer, _| {
            let stays = partners.contains(peer);
            if !stays {
                unsaved.insert(*peer, None);
            }
            stays
        });
    }

    /// False when the store has failed, which the engine finds out as well.
    async fn save(&mut self) -> bool {
        if self.unsaved.is_empty() {
            return true;
        }
        let rows: Vec<_> = std::mem::take(&mut self.unsaved).into_iter().collect();
        on_disk(&self.table, move |table| table.put(&rows)).await.is_some()
    }
}

async fn on_disk<T: Send + 'static>(
    table: &PartnerTable,
    work: impl FnOnce(&PartnerTable) -> Result<T, store::StoreError> + Send + 'static,
) -> Option<T> {
    let table = table.clone();
    match tokio::task::spawn_blocking(move || work(&table)).await {
        Ok(Ok(done)) => Some(done),
        Ok(Err(reason)) => {
            error!(%reason, "addresses of partners cannot be kept");
            None
        }
        Err(reason) => {
            error!(%reason, "addresses of partners cannot be kept");
            None
        }
    }
}
