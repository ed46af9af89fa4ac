//! What everybody is due, told by nobody's records: what each began with, less what it has paid by
//! vouchers, plus what it was told it had received.

use std::collections::BTreeMap;

use crate::effect::Update;
use crate::payment::{End, Role};
use crate::step::ArchivedChannel;
use crate::testing::fixtures::{self, TOKEN};
use crate::testing::world::{Party, World};
use crate::types::{Amount, Asset, ChannelId};

/// Both assets of these worlds.
pub(super) const ASSETS: [Asset; 2] = [Asset::NATIVE, TOKEN];

/// What nodes have told their owners.
#[derive(Clone, Debug)]
pub(super) struct Dues {
    received: Vec<BTreeMap<ChannelId, Amount>>,
}

impl Dues {
    pub(super) fn new(parties: usize) -> Self {
        Self { received: vec![BTreeMap::new(); parties] }
    }

    /// "Received" is said only of what can be had.
    pub(super) fn take_note(&mut self, party: Party, update: &Update) {
        if let Update::Received { channel, total, .. } = update {
            let best = self.received[party.0].entry(*channel).or_default();
            *best = (*best).max(*total);
        }
    }

    /// What a party must have once it has left everything.
    pub(super) fn of(&self, world: &World, party: Party, asset: Asset) -> Amount {
        let told = &self.received[party.0];
        let (mut due, mut paid) = (Amount::from(fixtures::PURSE), Amount::ZERO);
        for (channel, role, of, total) in world.vouchers(party) {
            if of != asset {
                continue;
            }
            let sum = match role {
                Role::Payer => &mut paid,
                Role::Payee => &mut due,
                Role::Relay => continue,
            };
            let told = told.get(&channel).copied().unwrap_or_default();
            let more = if role == Role::Payee { told } else { total };
            *sum = sum.checked_add(more).expect("less than 2^256 of anything");
        }
        due.saturating_sub(paid)
    }
}

impl Dues {
    /// What makes up the due of a party, for a reader: each channel with its best voucher, what
    /// was told, and how it ended as far as its node knows.
    pub(super) fn describe(&self, world: &World, party: Party, asset: Asset) -> String {
        let mut text = String::new();
        for (id, role, of, total) in world.vouchers(party) {
            let told = self.received[party.0].get(&id).copied().unwrap_or_default();
            if of != asset || (total.is_zero() && told.is_zero()) {
                continue;
            }
            let ended = match world.archived(party, id) {
                Some(ArchivedChannel::Payment(channel, _)) => {
                    let time = world.chain().head().timestamp;
                    let end = match channel.end(time) {
                        End::Resolved(resolution) => format!("resolved {}", resolution.paid),
                        End::Agreed(paid) => format!("agreed {paid}"),
                        other => format!("{other:?}"),
                    };
                    format!("{:?} {end}", channel.phase)
                }
                _ => "still there".to_owned(),
            };
            text += &format!("  {id:?} {role:?} voucher {total} told {told}: {ended}\n");
        }
        for (id, deposit, last) in world.ledgers_ever(party, asset) {
            let paid = world.chain().paid(id, world.address(party));
            if paid < last {
                text +=
                    &format!("  ledger {id:?}: {deposit} put in, {last} at last, {paid} paid\n");
            }
        }
        text
    }
}

/// What a party has outside of channels, or may fetch.
pub(super) fn has(world: &World, party: Party, asset: Asset) -> Amount {
    let owed = world.chain().claimable(world.address(party), asset);
    world.purse(party, asset).checked_add(owed).expect("less than 2^256 of anything")
}
