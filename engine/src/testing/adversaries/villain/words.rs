//! What villains say beside their nodes.

use super::library::{LedgerBook, PaymentBook};
use super::{Plan, Ring};
use crate::ledger::{Balances, Change, Guarantee, RefusalReason, Side};
use crate::objectives::DeclineReason;
use crate::payment::PaymentChannel;
use crate::state::FixedPart;
use crate::testing::fixtures::TOKEN;
use crate::types::{Address, Amount, Asset, B256, ChannelId, ObjectiveId, Timestamp, TurnNumber};
use crate::vouchers::Voucher;
use crate::wire::{Evidence, Message, Seal};

impl Ring {
    /// Says something about a ledger that a villain shares with somebody.
    pub(super) fn speak_of_a_ledger(&mut self, now: Timestamp, villain: Address) {
        let books: Vec<&LedgerBook> = self
            .library
            .ledgers
            .values()
            .filter(|book| book.leader() == villain || book.follower() == villain)
            .collect();
        if books.is_empty() {
            return;
        }
        let book = (*self.random.pick(&books)).clone();
        let leads = book.leader() == villain;
        let to = if leads { book.follower() } else { book.leader() };
        let message = match self.random.below(10) {
            0..5 if leads => self.proposal(&book),
            0..4 => self.countersignature(&book, villain),
            4 => self.refusal(&book),
            5..7 => self.close(&book, villain),
            7 => self.funding_signature(&book, villain),
            8 => Some(self.decline_ledger(&book)),
            _ => None,
        };
        if let Some(message) = message {
            self.tally.count("words of villains about ledgers");
            self.say(now, villain, to, &message);
        }
    }

    fn seal(&self, villain: Address, hash: B256) -> Seal {
        let signature = self.library.signature(&self.members, hash, villain);
        Seal::new(hash, signature.expect("a villain signs anything"), villain)
    }

    /// A proposal that may be right in everything, or in nothing.
    fn proposal(&mut self, book: &LedgerBook) -> Option<Message> {
        let base = book.some_content(&mut self.random).clone();
        let change = self.change(book, &base)?;
        let highest = book.proposals.iter().map(|(turn, ..)| *turn).max().unwrap_or_default();
        let turn = match self.random.below(20) {
            0..12 => base.turn.next()?,
            12..17 => highest.max(base.turn).next()?,
            17 => TurnNumber(base.turn.0 + self.random.between(2, 50)),
            18 => TurnNumber::MAX,
            _ => base.turn,
        };
        let next = base.apply(&change, turn).ok();
        let hash = match next {
            Some(next) if self.random.chance(90) => book.ledger.state_hash(&next, false),
            _ => B256::repeat_byte(7),
        };
        let parent = match self.random.below(10) {
            0 => TurnNumber(self.random.below(base.turn.0 + 3)),
            _ => base.turn,
        };
        let evidence = self.evidence(&change);
        let (ledger, seal) = (book.ledger.id, self.seal(book.leader(), hash));
        Some(Message::Propose { ledger, turn, parent, change, seal, evidence })
    }

    fn change(&mut self, book: &LedgerBook, base: &Balances) -> Option<Change> {
        let guaranteed: Vec<ChannelId> = base.guarantees.keys().copied().collect();
        if !guaranteed.is_empty() && self.random.chance(50) {
            let target = *self.random.pick(&guaranteed);
            let locked = base.guarantees.get(&target)?.amount;
            let known = self.library.payments.get(&target);
            let vouchers = known.map(|book| book.vouchers.clone()).unwrap_or_default();
            let left_amount = match self.random.below(4) {
                0 => locked,
                1 => Amount::ZERO,
                2 if !vouchers.is_empty() => {
                    locked.saturating_sub(self.random.pick(&vouchers).total)
                }
                _ => Amount::from(self.random.below(300)),
            };
            return Some(Change::Remove { target, left_amount });
        }
        if self.random.chance(5) {
            return Some(Change::Keep);
        }
        let channels: Vec<ChannelId> = self.library.payments.keys().copied().collect();
        if channels.is_empty() {
            return None;
        }
        let target = *self.random.pick(&channels);
        let capacity = self.library.payments.get(&target)?.capacity;
        let amount = if self.random.chance(85) { capacity } else { self.random.below(300).into() };
        let left_deposit =
            if self.random.chance(85) { amount } else { self.random.below(300).into() };
        let left = match self.library.payments.get(&target) {
            Some(channel) if self.random.chance(85) => left_of(channel, book),
            _ if self.random.chance(50) => Side::Leader,
            _ => Side::Follower,
        };
        let guarantee = Guarantee { amount, left };
        Some(Change::Add { target, guarantee, left_deposit })
    }

    fn evidence(&mut self, change: &Change) -> Evidence {
        let target = change.target().and_then(|target| self.library.payments.get(&target));
        let Some(book) = target else {
            return Evidence::default();
        };
        let right = match change {
            Change::Add { .. } => book.channel.prefund_hash(),
            Change::Remove { left_amount, .. } => {
                book.channel.final_hash(book.capacity.saturating_sub(*left_amount))
            }
            Change::Keep => return Evidence::default(),
        };
        let hash = match self.random.below(10) {
            0 => book.channel.postfund_hash(),
            1 => B256::repeat_byte(9),
            _ => right,
        };
        let participants = book.fixed.participants.clone();
        let known = participants
            .iter()
            .filter_map(|one| self.library.signature(&self.members, hash, *one))
            .collect();
        Evidence::new(hash, known, participants)
    }

    fn countersignature(&mut self, book: &LedgerBook, villain: Address) -> Option<Message> {
        if book.proposals.is_empty() {
            return None;
        }
        let (turn, hash, _) = match book.proposals.last() {
            Some(newest) if self.random.chance(60) => *newest,
            _ => *self.random.pick(&book.proposals),
        };
        let hash = if self.random.chance(95) { hash } else { B256::repeat_byte(3) };
        let seal = self.seal(villain, hash);
        Some(Message::Countersign { ledger: book.ledger.id, turn, seal })
    }

    fn refusal(&mut self, book: &LedgerBook) -> Option<Message> {
        if book.proposals.is_empty() {
            return None;
        }
        let (turn, ..) = match book.proposals.last() {
            Some(newest) if self.random.chance(60) => *newest,
            _ => *self.random.pick(&book.proposals),
        };
        let reasons = [
            RefusalReason::NotUsable,
            RefusalReason::NotExpected,
            RefusalReason::Evidence,
            RefusalReason::InsufficientFunds,
            RefusalReason::TooManyGuarantees,
            RefusalReason::Invalid,
        ];
        let reason = *self.random.pick(&reasons);
        Some(Message::Refuse { ledger: book.ledger.id, turn, reason })
    }

    fn close(&mut self, book: &LedgerBook, villain: Address) -> Option<Message> {
        let content = book.some_content(&mut self.random).clone();
        let highest = book.proposals.iter().map(|(turn, ..)| *turn).max().unwrap_or_default();
        let turn = match self.random.below(10) {
            0..6 => content.turn.max(highest).next()?,
            6..9 => content.turn.next()?,
            _ => TurnNumber::MAX,
        };
        let content = Balances { turn, ..content };
        let seal = self.seal(villain, book.ledger.state_hash(&content, true));
        Some(Message::CloseLedger { ledger: book.ledger.id, turn, seal })
    }

    fn funding_signature(&mut self, book: &LedgerBook, villain: Address) -> Option<Message> {
        let ledger = book.ledger.id;
        let postfund = self.random.chance(50);
        let content = book.contents.get(usize::from(postfund))?;
        let seal = self.seal(villain, book.ledger.state_hash(content, false));
        Some(match postfund {
            true => Message::LedgerPostfund { ledger, seal },
            false => Message::LedgerPrefund { ledger, seal },
        })
    }

    fn decline_ledger(&mut self, book: &LedgerBook) -> Message {
        let id = book.ledger.id;
        let objectives = [ObjectiveId::DirectFund(id), ObjectiveId::DirectDefund(id)];
        let objective = *self.random.pick(&objectives);
        Message::Decline { objective, reason: DeclineReason::Cancelled }
    }

    /// Says something about a payment channel in which a villain takes part.
    pub(super) fn speak_of_a_payment_channel(&mut self, now: Timestamp, villain: Address) {
        let books: Vec<&PaymentBook> = self
            .library
            .payments
            .values()
            .filter(|book| book.fixed.index_of(villain).is_some())
            .collect();
        if books.is_empty() {
            return;
        }
        let book = (*self.random.pick(&books)).clone();
        let others: Vec<Address> =
            book.fixed.participants.iter().copied().filter(|one| *one != villain).collect();
        let message = match self.random.below(12) {
            0..2 => self.join(&book, villain),
            2..4 => {
                let seal = self.seal(villain, book.channel.postfund_hash());
                Some(Message::PaymentPostfund { channel: book.channel.id, seal })
            }
            4..8 if book.channel.payer() == villain => return self.overspend(now, &book, villain),
            4..7 => self.finalize(&book, villain),
            7 => Some(Message::RequestFinal { channel: book.channel.id }),
            8..10 => Some(self.decline_payment(&book)),
            _ => self.finalize(&book, villain),
        };
        let Some(message) = message else { return };
        self.tally.count("words of villains about payment channels");
        // To some of them only, as often as not.
        let all = self.random.chance(40);
        let chosen = *self.random.pick(&others);
        for to in others.into_iter().filter(|to| all || *to == chosen) {
            self.say(now, villain, to, &message);
        }
    }

    fn join(&mut self, book: &PaymentBook, villain: Address) -> Option<Message> {
        let hash = book.channel.prefund_hash();
        let payer = self.library.signature(&self.members, hash, book.channel.payer())?;
        Some(Message::OpenPayment {
            fixed: book.fixed.clone(),
            asset: book.asset,
            capacity: book.capacity,
            payer: Seal::new(hash, payer, book.channel.payer()),
            seal: self.seal(villain, hash),
        })
    }

    /// A refusal that goes with an acknowledgement, or what is said to be credited.
    pub(super) fn answer_of_chance(&mut self, villain: Address) -> Option<Message> {
        let books: Vec<&PaymentBook> = self
            .library
            .payments
            .values()
            .filter(|book| book.fixed.index_of(villain).is_some())
            .collect();
        if books.is_empty() {
            return None;
        }
        let book = (*self.random.pick(&books)).clone();
        Some(match self.random.chance(50) {
            true => self.decline_payment(&book),
            false => self.credited(&book),
        })
    }

    /// Any total, with any voucher's signature or none.
    fn credited(&mut self, book: &PaymentBook) -> Message {
        let total = self.random.below(400).into();
        let shown = (!book.vouchers.is_empty() && self.random.chance(70))
            .then(|| *self.random.pick(&book.vouchers));
        let (total, proof) = match shown {
            Some(voucher) if self.random.chance(70) => (voucher.total, Some(voucher.signature)),
            Some(voucher) => (total, Some(voucher.signature)),
            None => (total, None),
        };
        Message::Credited { channel: book.channel.id, total, proof, signer: Address::ZERO }
    }

    /// A voucher at any time, also during challenges, also above the capacity.
    fn overspend(&mut self, now: Timestamp, book: &PaymentBook, villain: Address) {
        let best = book.vouchers.last().map(|voucher| voucher.total).unwrap_or_default();
        let total = match self.random.below(6) {
            0 => book.capacity,
            1 => book.capacity.saturating_mul(2),
            2 => Amount::from(self.random.below(10)),
            _ => best.checked_add(self.random.between(1, 20).into()).unwrap_or(best),
        };
        let Some(key) = self.member(villain).map(|member| member.key.clone()) else { return };
        let voucher = Voucher::sign(book.channel.id, total, key.as_ref());
        // Whatever it says of them, the payee gets no more and no less than the total.
        let payments =
            (0..self.random.below(4)).map(|_| Amount::from(self.random.below(30))).collect();
        self.tally.count("vouchers beside the books");
        self.say(
            now,
            villain,
            book.channel.payee(),
            &Message::Voucher { voucher, payments, signer: villain },
        );
    }

    fn finalize(&mut self, book: &PaymentBook, villain: Address) -> Option<Message> {
        let best = book.vouchers.last().map(|voucher| voucher.total).unwrap_or_default();
        let paid = match self.random.below(5) {
            0 => Amount::ZERO,
            1 => book.capacity,
            2 if !book.finals.is_empty() => *self.random.pick(&book.finals),
            _ => best,
        };
        let hash = book.channel.final_hash(paid);
        let payer = self.library.signature(&self.members, hash, book.channel.payer())?;
        Some(Message::Finalize {
            channel: book.channel.id,
            paid,
            payer: Seal::new(hash, payer, book.channel.payer()),
            seal: self.seal(villain, hash),
        })
    }

    fn decline_payment(&mut self, book: &PaymentBook) -> Message {
        let id = book.channel.id;
        let objectives = [
            ObjectiveId::VirtualFund(id),
            ObjectiveId::VirtualFund(id),
            ObjectiveId::VirtualDefund(id),
        ];
        let objective = *self.random.pick(&objectives);
        Message::Decline { objective, reason: DeclineReason::InsufficientFunds }
    }

    /// Says again what was said before, to the same or to another.
    pub(super) fn repeat(&mut self, now: Timestamp, honest: &[Address]) {
        if self.library.messages.is_empty() || honest.is_empty() {
            return;
        }
        let (from, to, message) = self.random.pick(&self.library.messages).clone();
        // What was said to a villain may go back under its own name, or to the next.
        let from = if self.has(from) { from } else { to };
        let to = match self.has(to) || self.random.chance(20) {
            true => *self.random.pick(honest),
            false => to,
        };
        if from != to && self.has(from) {
            self.tally.count("repetitions by villains");
            self.plan(now, Plan::Say { from, to, message });
        }
    }

    /// Asks for a channel as no node would.
    pub(super) fn invent(&mut self, now: Timestamp, villain: Address, honest: &[Address]) {
        if honest.is_empty() {
            return;
        }
        self.tally.count("inventions of villains");
        let asset = if self.random.chance(40) { TOKEN } else { Asset::NATIVE };
        let random = u32::try_from(self.random.below(1 << 32)).unwrap_or_default();
        let nonce = self.deployment.nonce(random);
        let durations = [3_600, 3_600, 7_200, 21_600, 60, 100_000];
        let challenge_duration = *self.random.pick(&durations);
        let peer = *self.random.pick(honest);
        if self.random.chance(30) {
            let participants = vec![villain, peer];
            let app = self.deployment.consensus_app;
            let fixed = FixedPart { participants, nonce, app, challenge_duration };
            let amounts = [0, 1_000].map(|most| Amount::from(self.random.below(most + 1)));
            let [leader, follower] = amounts;
            let ledger =
                crate::ledger::Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
            let seal = self.seal(villain, ledger.prefund_hash());
            let open = Message::OpenLedger { fixed, asset, leader, follower, seal };
            return self.say(now, villain, peer, &open);
        }
        // Over an honest relay to the other villain, or to somebody honest.
        let mut participants = vec![villain, peer];
        let more: Vec<Address> = self.members.iter().map(|member| member.address).collect();
        let more: Vec<Address> = more.into_iter().chain(honest.iter().copied()).collect();
        if self.random.chance(70) {
            let last = *self.random.pick(&more);
            if !participants.contains(&last) {
                participants.push(last);
            }
        }
        let app = self.deployment.payment_app;
        let fixed = FixedPart { participants, nonce, app, challenge_duration };
        // Each hears of another capacity, as often as not.
        let same = self.random.chance(60);
        let first = self.random.between(1, 300);
        for to in fixed.participants.clone().into_iter().skip(1) {
            let capacity = if same { first } else { self.random.between(1, 300) };
            let channel = PaymentChannel::new(fixed.clone(), asset, capacity.into(), 0);
            let seal = self.seal(villain, channel.prefund_hash());
            let open = Message::OpenPayment {
                fixed: fixed.clone(),
                asset,
                capacity: capacity.into(),
                payer: seal,
                seal,
            };
            self.say(now, villain, to, &open);
        }
    }

    /// Answers in its own way what its node has just heard.
    pub(super) fn react(
        &mut self,
        now: Timestamp,
        villain: Address,
        from: Address,
        message: &Message,
    ) {
        self.tally.count("answers beside the node");
        match message {
            Message::Propose { ledger, turn, .. } => {
                let Some(book) = self.library.ledgers.get(ledger).cloned() else { return };
                for _ in 0..self.random.between(1, 2) {
                    let answer = match self.random.below(4) {
                        0 => self.countersignature(&book, villain),
                        1 => {
                            let reason = RefusalReason::NotExpected;
                            Some(Message::Refuse { ledger: *ledger, turn: *turn, reason })
                        }
                        2 => self.close(&book, villain),
                        _ => return self.plan_hostage(now, villain, &book),
                    };
                    if let Some(answer) = answer {
                        self.say(now, villain, from, &answer);
                    }
                }
            }
            Message::Countersign { ledger, .. } => {
                let Some(book) = self.library.ledgers.get(ledger).cloned() else { return };
                if self.random.chance(50) {
                    return self.plan_hostage(now, villain, &book);
                }
                if let Some(proposal) = self.proposal(&book) {
                    self.say(now, villain, from, &proposal);
                }
            }
            Message::OpenPayment { fixed, .. } => {
                let Some(book) = self.library.payments.get(&fixed.channel_id()).cloned() else {
                    return;
                };
                let decline = self.decline_payment(&book);
                self.say(now, villain, from, &decline);
            }
            Message::PaymentPostfund { channel, .. }
            | Message::Finalize { channel, .. }
            | Message::RequestFinal { channel } => {
                let Some(book) = self.library.payments.get(channel).cloned() else { return };
                let others: Vec<Address> =
                    book.fixed.participants.iter().copied().filter(|one| *one != villain).collect();
                let to = *self.random.pick(&others);
                let answer = match self.random.below(3) {
                    0 => Some(self.decline_payment(&book)),
                    1 => self.finalize(&book, villain),
                    _ => {
                        let seal = self.seal(villain, book.channel.postfund_hash());
                        Some(Message::PaymentPostfund { channel: *channel, seal })
                    }
                };
                if let Some(answer) = answer {
                    self.say(now, villain, to, &answer);
                }
            }
            _ => {}
        }
    }

    /// Shows on chain what it should have countersigned to its peer.
    fn plan_hostage(&mut self, now: Timestamp, villain: Address, book: &LedgerBook) {
        let states = self.library.ledger_states(&self.members, book);
        let newest = states.into_iter().max_by_key(|(_, candidate)| candidate.state.turn);
        let Some((proof, candidate)) = newest.filter(|(_, newest)| !newest.state.is_final) else {
            return;
        };
        let fixed = book.ledger.fixed.clone();
        let urgency = crate::chain::Urgency::default();
        let call = crate::chain::ChainCall::Checkpoint { fixed, proof, candidate, urgency };
        self.tally.count("hostages by checkpoint");
        let call = Box::new(call.into());
        self.plan(now, Plan::Call { sender: villain, first: true, call });
    }
}

/// Which side of a ledger stands on the payer's side of the channel.
fn left_of(channel: &PaymentBook, book: &LedgerBook) -> Side {
    let position = |one| channel.fixed.index_of(one).unwrap_or(usize::MAX);
    if position(book.leader()) < position(book.follower()) { Side::Leader } else { Side::Follower }
}
