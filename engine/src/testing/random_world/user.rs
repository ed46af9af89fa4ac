//! What the owners of nodes ask for.

use super::{NAMES, RandomWorld, Scope};
use crate::input::Request;
use crate::payment::{PaymentPhase, Role};
use crate::testing::world::Party;
use crate::testing::{fixtures, random_world::scope::MAX_CHALLENGE_DURATION};
use crate::types::{Amount, Asset, ChannelId};

impl RandomWorld {
    pub(super) fn accepted(&mut self, party: Party, request: Request) -> u64 {
        let answer = self.world.try_request(party, request);
        u64::from(answer.is_some_and(|answer| answer.is_ok()))
    }

    pub(super) fn ask_for_ledger(&mut self, party: Party) {
        let neighbour = Party((party.0 + 1) % self.world.parties().count());
        let (mine, theirs) = match self.scope {
            Scope::PLAIN => (1_000, 1_000),
            _ if self.world.random().chance(70) => (1_000, 1_000),
            _ => (self.world.random().below(1_000), self.world.random().below(1_000)),
        };
        let request = self.world.ledger_request(neighbour, mine, theirs);
        let request = self.vary(request);
        let accepted = self.accepted(party, request);
        self.tally.add("ledgers asked", accepted);
    }

    /// Along the circle, over up to two relays, in either direction.
    pub(super) fn ask_for_channel(&mut self, party: Party) {
        let (relays, forward) =
            (self.world.random().below(3) as usize, self.world.random().chance(50));
        let count = self.world.parties().count();
        let step = if forward { 1 } else { count - 1 };
        let path: Vec<Party> =
            (0..relays + 2).map(|hop| Party((party.0 + hop * step) % count)).collect();
        let capacity = self.world.random().between(1, 300);
        let request = self.world.payment_request(&path, capacity);
        let request = self.vary(request);
        let accepted = self.accepted(party, request);
        self.tally.add("channels asked", accepted);
    }

    /// Another asset and another challenge duration, where the world has such things.
    fn vary(&mut self, mut request: Request) -> Request {
        if self.scope == Scope::PLAIN {
            return request;
        }
        let token = self.scope.tokens && self.world.random().chance(40);
        let shortest = u64::from(crate::policy::Policy::default().min_challenge_duration);
        let duration = match self.world.random().below(10) {
            0 => self.world.random().between(shortest, u64::from(MAX_CHALLENGE_DURATION)),
            _ => shortest,
        };
        if let Request::OpenLedger { asset, challenge_duration, .. }
        | Request::OpenPayment { asset, challenge_duration, .. } = &mut request
        {
            *asset = if token { fixtures::TOKEN } else { Asset::NATIVE };
            *challenge_duration = u32::try_from(duration).unwrap_or(MAX_CHALLENGE_DURATION);
        }
        request
    }

    fn some_channel(&mut self, party: Party) -> Option<ChannelId> {
        let channels = self.world.is_up(party).then(|| self.world.payment_ids(party))?;
        (!channels.is_empty()).then(|| *self.world.random().pick(&channels))
    }

    /// Mostly a channel over which the party can pay, if there is any.
    fn sensible(&mut self, party: Party, channel: ChannelId) -> ChannelId {
        if self.scope == Scope::PLAIN || self.world.random().chance(20) {
            return channel;
        }
        let all = self.world.payment_ids(party).into_iter();
        let payable: Vec<ChannelId> = all
            .filter(|id| {
                self.world.payment(party, *id).is_some_and(|channel| {
                    channel.role() == Role::Payer && channel.phase == PaymentPhase::Open
                })
            })
            .collect();
        if payable.is_empty() { channel } else { *self.world.random().pick(&payable) }
    }

    pub(super) fn pay(&mut self, party: Party) {
        let Some(channel) = self.some_channel(party) else { return };
        let amount: Amount = self.world.random().between(1, 20).into();
        let channel = self.sensible(party, channel);
        let accepted = self.accepted(party, Request::Pay { channel, amount });
        self.tally.add("payments", accepted);
    }

    pub(super) fn close_channel(&mut self, party: Party) {
        let Some(channel) = self.some_channel(party) else { return };
        let accepted = self.accepted(party, Request::ClosePayment { channel });
        self.tally.add("closings asked", accepted);
    }

    pub(super) fn close_ledger(&mut self, party: Party) {
        let Some(ledger) = self.some_ledger(party) else { return };
        let accepted = self.accepted(party, Request::CloseLedger { ledger });
        self.tally.add("closings asked", accepted);
    }

    fn some_ledger(&mut self, party: Party) -> Option<ChannelId> {
        let ledgers =
            if self.world.is_up(party) { self.world.ledger_ids(party) } else { Vec::new() };
        if self.world.parties().count() == NAMES.len() || ledgers.is_empty() {
            return ledgers.first().copied();
        }
        Some(*self.world.random().pick(&ledgers))
    }

    pub(super) fn exit_ledger(&mut self, party: Party) {
        if !self.scope.exits {
            return;
        }
        let Some(ledger) = self.some_ledger(party) else { return };
        let accepted = self.accepted(party, Request::ExitLedger { ledger });
        self.tally.add("exits asked", accepted);
    }

    pub(super) fn exit_payment(&mut self, party: Party) {
        if !self.scope.exits {
            return;
        }
        let Some(channel) = self.some_channel(party) else { return };
        let accepted = self.accepted(party, Request::ExitPayment { channel });
        self.tally.add("exits asked", accepted);
    }

    pub(super) fn cancel(&mut self, party: Party) {
        if !self.scope.cancels || !self.world.is_up(party) {
            return;
        }
        let running = self.world.objective_ids(party);
        if running.is_empty() {
            return;
        }
        let objective = *self.world.random().pick(&running);
        let accepted = self.accepted(party, Request::Cancel { objective });
        self.tally.add("cancels", accepted);
    }
}
