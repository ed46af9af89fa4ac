//! What villains show on chain.

use super::library::Supported;
use super::{Plan, Ring};
use crate::chain::{ChainCall, Challenge, Urgency};
use crate::crypto::Signer;
use crate::state::{FixedPart, challenge_hash};
use crate::testing::chain::{ContractCall, FakeChain};
use crate::types::{Address, ChannelId, Timestamp};

impl Ring {
    /// Shows some state that is supported, at once or in the last second of a challenge.
    pub(super) fn show(&mut self, now: Timestamp, villain: Address, chain: &FakeChain) {
        let Some((fixed, states)) = self.some_states(villain) else { return };
        if states.is_empty() {
            return;
        }
        // The newest is what hurts most often, the oldest what is simplest.
        let newest = states.iter().max_by_key(|(_, candidate)| candidate.state.turn).cloned();
        let chosen = match newest {
            Some(newest) if self.random.chance(40) => newest,
            _ => self.random.pick(&states).clone(),
        };
        self.show_state(now, villain, fixed, chosen, chain);
    }

    fn some_states(&mut self, villain: Address) -> Option<(FixedPart, Vec<Supported>)> {
        if self.random.chance(45) {
            let books: Vec<_> = self.library.ledgers.values().collect();
            let books: Vec<_> = books
                .into_iter()
                .filter(|book| book.ledger.fixed.index_of(villain).is_some())
                .collect();
            let book = (!books.is_empty()).then(|| *self.random.pick(&books))?;
            let states = self.library.ledger_states(&self.members, book);
            return Some((book.ledger.fixed.clone(), states));
        }
        let books: Vec<_> = self
            .library
            .payments
            .values()
            .filter(|book| book.fixed.index_of(villain).is_some())
            .collect();
        let book = (!books.is_empty()).then(|| *self.random.pick(&books))?;
        Some((book.fixed.clone(), self.library.payment_states(&self.members, book)))
    }

    pub(super) fn show_state(
        &mut self,
        now: Timestamp,
        villain: Address,
        fixed: FixedPart,
        (proof, candidate): Supported,
        chain: &FakeChain,
    ) {
        let channel = fixed.channel_id();
        let turn = candidate.state.turn;
        let urgency = Urgency::default();
        let (what, call) = if candidate.state.is_final {
            let (state, signatures) = (candidate.state, candidate.signatures);
            let call = match self.random.chance(50) {
                true => ChainCall::ConcludeAndTransfer { fixed, state, signatures },
                false => ChainCall::Conclude { fixed, state, signatures, urgency },
            };
            ("conclusions by villains", call)
        } else if self.random.chance(50) {
            let Some(key) = self.member(villain).map(|member| member.key.clone()) else { return };
            let challenger = key.sign(challenge_hash(candidate.state.hash(channel)));
            let challenge = Challenge { fixed, proof, candidate, challenger };
            (
                "challenges by villains",
                ChainCall::Challenge { challenges: vec![challenge], urgency },
            )
        } else {
            ("checkpoints by villains", ChainCall::Checkpoint { fixed, proof, candidate, urgency })
        };
        let call: ContractCall = call.into();
        let at = self.moment(now, channel, chain);
        let time = (at.0 / 1_000).max(chain.head().timestamp);
        let accepted = chain.contract().clone().execute(villain, time, &call).is_ok();
        if !accepted && !self.random.chance(5) {
            return;
        }
        if accepted {
            self.tally.count(what);
            if what != "conclusions by villains" && turn.0 >= 2 && at > now {
                self.tally.count("last-second answers by villains");
            }
        }
        let first = self.random.chance(50);
        self.plan(at, Plan::Call { sender: villain, first, call: Box::new(call) });
    }

    /// Now, or the last second of the challenge that runs.
    fn moment(&mut self, now: Timestamp, channel: ChannelId, chain: &FakeChain) -> Timestamp {
        let running = chain
            .status(channel)
            .map(|status| status.finalizes_at * 1_000)
            .filter(|end| *end > now.0 + 2_000);
        match running {
            Some(end) if self.random.chance(50) => {
                Timestamp(end - 1_000 * self.random.between(1, 6))
            }
            _ => now,
        }
    }
}
