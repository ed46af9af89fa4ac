//! How much others may have of this node: coin in reserve, openings, messages that wait for peers
//! without a ledger, and refusals that are remembered.

use super::Draft;
use crate::answers::Answer;
use crate::error::RequestError;
use crate::ledger::{Ledger, LedgerPhase, Side};
use crate::objectives::DeclineReason;
use crate::payment::PaymentChannel;
use crate::policy::{Policy, gas};
use crate::quotas::{is_at_stake, promised};
use crate::types::{Address, Amount, Asset, ChannelId};

impl Draft<'_> {
    /// Is there coin to enforce every channel, and `ledgers` and `payments` more? The one moment to
    /// ask is before a channel is opened: afterwards a missing reserve is a loss.
    pub(crate) fn check_reserve(
        &self,
        ledgers: usize,
        payments: usize,
    ) -> Result<(), RequestError> {
        let needed = self.reserve(ledgers, payments);
        match self.coin_of_owner() {
            Some(available) if available < needed => {
                Err(RequestError::GasReserve { needed, available })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The same for a new ledger, as it will be once this node has made its deposit: what cannot be
    /// paid is better refused than left waiting for coin.
    pub(crate) fn check_deposit(&self, asset: Asset, deposit: Amount) -> Result<(), RequestError> {
        self.check_reserve(1, 0)?;
        let reserve = self.reserve(1, 0);
        let free = self.coin_of_owner().filter(|_| asset.is_native());
        let free = free.map(|coin| coin.saturating_sub(reserve));
        match free {
            Some(free) if free < deposit => Err(RequestError::DepositAboveCoin {
                deposit,
                missing: deposit.saturating_sub(free),
                kept: reserve.saturating_add(self.promised_by_owner()),
            }),
            Some(_) | None => Ok(()),
        }
    }

    /// The same where a peer asks: a quarter of the coin is kept for what the owner asks for, however
    /// many channels peers have filled the rest with.
    pub(crate) fn check_reserve_for_peer(
        &self,
        ledgers: usize,
        payments: usize,
    ) -> Result<(), DeclineReason> {
        let needed = self.reserve(ledgers, payments);
        let short = self.coin().is_some_and(|coin| is_short_for_peer(coin, needed));
        if short { Err(DeclineReason::GasReserve) } else { Ok(()) }
    }

    /// The same for a ledger of a peer with a deposit of this node's own, which nobody is to wait for
    /// in vain. It may take the place of an opening that is given up for it.
    pub(crate) fn check_deposit_for_peer(
        &self,
        ledger: &Ledger,
        instead: Option<&Ledger>,
    ) -> Result<(), DeclineReason> {
        let more = usize::from(!instead.is_some_and(is_at_stake));
        let needed = self.reserve(more, 0);
        let freed = instead.map(promised).unwrap_or_default();
        let Some(coin) = self
            .gas
            .balance
            .map(|balance| balance.saturating_sub(self.leaving_coin()))
            .map(|balance| balance.saturating_sub(self.promised().saturating_sub(freed)))
        else {
            return Ok(());
        };
        if is_short_for_peer(coin, needed) {
            return Err(DeclineReason::GasReserve);
        }
        match coin.checked_sub(promised(ledger)) {
            Some(left) if !is_short_for_peer(left, needed) => Ok(()),
            Some(_) | None => Err(DeclineReason::DepositAboveCoin),
        }
    }

    /// Coin of the account beside what is being sent and the deposits that are agreed and not made, in
    /// wei; none while the chain has not been heard.
    fn coin(&self) -> Option<Amount> {
        let spoken_for = self.promised().saturating_add(self.leaving_coin());
        self.gas.balance.map(|balance| balance.saturating_sub(spoken_for))
    }

    /// The same for what the owner asks for: peers who have paid nothing wait until he has what he
    /// wants.
    pub(super) fn coin_of_owner(&self) -> Option<Amount> {
        let spoken_for = self.promised_by_owner().saturating_add(self.leaving_coin());
        self.gas.balance.map(|balance| balance.saturating_sub(spoken_for))
    }

    fn promised_by_owner(&self) -> Amount {
        let asked = self.state.quotas.asked.saturating_add(self.fresh.asked);
        self.promised().saturating_sub(asked)
    }

    /// Coin that this node is about to deposit, this step's openings included, in wei.
    pub(super) fn promised(&self) -> Amount {
        self.state.quotas.promised.saturating_add(self.fresh.promised)
    }

    /// Coin that enforces every channel, this step's among them, and that many more.
    pub(super) fn reserve(&self, ledgers: usize, payments: usize) -> Amount {
        let ledgers = ledgers.saturating_add(self.fresh.at_stake);
        let payments = payments.saturating_add(self.fresh.own_funding);
        self.state.reserve(ledgers, payments, &self.gas)
    }

    // Quotas: what others can have for nothing is bounded for each of them and in all, with room
    // kept for the owner's own requests.

    /// May a peer open one more ledger?
    pub(crate) fn check_opening(&self, peer: Address) -> Result<(), DeclineReason> {
        let stored = self.state.ledgers_with(peer);
        let fresh = self.ledgers.iter().filter(|(id, _)| !self.state.ledgers.contains_key(*id));
        let theirs = stored.chain(fresh.map(|(id, _)| *id)).filter(|id| {
            self.ledger(*id).is_some_and(|ledger| {
                ledger.peer() == peer
                    && ledger.phase == LedgerPhase::Opening
                    && ledger.me == Side::Follower
            })
        });
        let all = self.state.quotas.opening.saturating_add(self.fresh.opening);
        let full = all >= self.policy.max_opening_ledgers
            || theirs.count() >= self.policy.max_opening_ledgers_per_peer;
        if full { Err(DeclineReason::Busy) } else { Ok(()) }
    }

    /// May one more payment channel wait for funds, asked for over that ledger, or by the owner?
    pub(crate) fn check_funding(&self, left: Option<ChannelId>) -> Result<(), DeclineReason> {
        let (stored, fresh) = (&self.state.quotas, &self.fresh);
        let theirs = stored.funding.saturating_add(fresh.funding);
        let own = stored.own_funding.saturating_add(fresh.own_funding);
        let max = self.policy.max_funding_payments;
        let mut full = theirs.saturating_add(own) >= max;
        if let Some(left) = left {
            let over = stored.funding_over(left).saturating_add(fresh.funding_over(left));
            full |= theirs >= Policy::share_of_peers(max);
            full |= over >= self.policy.max_funding_payments_per_ledger;
        }
        if full { Err(DeclineReason::Busy) } else { Ok(()) }
    }

    /// Least capacity of a payment channel over these ledgers at the present price of gas.
    pub(crate) fn least_capacity<'b>(
        &self,
        asset: Asset,
        hops: impl IntoIterator<Item = &'b Ledger>,
    ) -> Amount {
        // What is asked for counts as if it were there already, or many at once would pass.
        let carried = |hop: &Ledger| {
            let asked = [&self.state.quotas, &self.fresh].map(|quotas| quotas.funding_over(hop.id));
            hop.proposed().guarantees.len().saturating_add(asked.into_iter().sum::<usize>())
        };
        let beside = hops.into_iter().map(carried).max().unwrap_or_default();
        self.policy.least_capacity(asset, self.gas.cost(gas::PAYMENT), beside)
    }

    // Messages for peers without a ledger: they may not exist.

    pub(super) fn is_waited_for(&self, peer: Address) -> bool {
        match self.waiting.get(&peer) {
            Some(changed) => changed.is_some(),
            None => self.state.waiting.contains_key(&peer),
        }
    }

    /// Messages wait for a peer for some time from now.
    pub(crate) fn wait_on(&mut self, peer: Address) {
        let until = self.now.after(self.policy.stranger_patience());
        self.waiting.insert(peer, Some(until));
    }

    pub(crate) fn stop_waiting(&mut self, peer: Address) {
        if self.is_waited_for(peer) {
            self.waiting.insert(peer, None);
        }
    }

    /// True for a peer with whom a channel is shared, and for watchtowers of this node.
    pub(crate) fn has_business_with(&self, peer: Address) -> bool {
        let stored = self.state.ledgers_with(peer).any(|id| self.ledger(id).is_some());
        let party = |channel: &PaymentChannel| channel.fixed.index_of(peer).is_some();
        stored || self.tower(peer).is_some() || self.state.payments.values().any(party)
    }

    /// May another message wait for each of these peers because somebody asks for it?
    pub(crate) fn has_room_for(&self, peers: &[Address]) -> bool {
        let policy = self.policy;
        let fits = |peer: &Address| {
            let max = if self.may_be_nobody(*peer) {
                policy.max_stranger_backlog
            } else {
                policy.max_backlog
            };
            self.backlog(*peer) < max
        };
        let is_new = |peer: &&Address| self.may_be_nobody(**peer) && !self.is_waited_for(**peer);
        let new = peers.iter().filter(is_new).count();
        let all = self.state.waiting.len().saturating_add(self.waiting.len());
        peers.iter().all(fits) && (new == 0 || all.saturating_add(new) <= policy.max_strangers)
    }

    /// Towers of this node are the owner's choice.
    pub(super) fn may_be_nobody(&self, peer: Address) -> bool {
        self.is_stranger(peer) && self.tower(peer).is_none()
    }

    // Refusals.

    /// What was answered to whoever asked for the channel before.
    pub(crate) fn answer_to(&self, id: ChannelId) -> Option<DeclineReason> {
        let answer = match self.refusals.get(&id) {
            Some(changed) => changed.as_ref(),
            None => self.state.answers.get(&id),
        };
        answer.map(|answer| answer.reason)
    }

    /// Remembers a refusal; false when there is no room. Peers without a ledger have little, and
    /// leave half of all to those who have one.
    pub(crate) fn remember(&mut self, id: ChannelId, to: Address, reason: DeclineReason) -> bool {
        let policy = self.policy;
        let (each, all) = if self.is_stranger(to) {
            (policy.max_answers_per_stranger, policy.max_answers.div_ceil(2))
        } else {
            (policy.max_answers_per_peer, policy.max_answers)
        };
        let stored = self.state.answered.get(&to).copied().unwrap_or_default();
        let fresh = self.refused.get(&to).copied().unwrap_or_default();
        let total = self.state.answers.len().saturating_add(self.refusals.len());
        if stored.saturating_add(fresh) >= each || total >= all {
            return false;
        }
        self.refused.insert(to, fresh.saturating_add(1));
        let until = self.now.after(policy.answer_memory());
        self.refusals.insert(id, Some(Answer { to, reason, until }));
        true
    }

    pub(crate) fn forget_answer(&mut self, id: ChannelId) {
        self.refusals.insert(id, None);
    }

    /// True for a peer with whom no ledger is open or was: it may be one of a million names of
    /// somebody who has nothing to lose.
    pub(crate) fn is_stranger(&self, peer: Address) -> bool {
        !self
            .state
            .ledgers_with(peer)
            .any(|id| self.ledger(id).is_some_and(|ledger| ledger.phase != LedgerPhase::Opening))
    }
}

/// True when less than a quarter of the coin would be left for the owner.
fn is_short_for_peer(coin: Amount, needed: Amount) -> bool {
    coin.saturating_mul(3) < needed.saturating_mul(4)
}
