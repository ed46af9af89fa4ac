//! Everything that villains have signed, heard and read on chain.

use std::collections::BTreeMap;

use super::Member;
use crate::chain::ChainFact;
use crate::crypto::{Signature, Signer};
use crate::ledger::{Balances, Change, Ledger, Side};
use crate::outcome::{Allocation, Outcome};
use crate::payment::PaymentChannel;
use crate::state::{FixedPart, SupportedState, VariablePart};
use crate::testing::Random;
use crate::testing::chain::FakeChain;
use crate::types::{Address, Amount, Asset, B256, Bytes, ChannelId, TurnNumber};
use crate::vouchers::Voucher;
use crate::wire::{Evidence, Message, Seal};

/// Messages, contents of one ledger and vouchers of one channel that are kept.
const MAX_MESSAGES: usize = 600;
const MAX_CONTENTS: usize = 60;
const MAX_VOUCHERS: usize = 12;

/// A ledger as its messages tell it.
#[derive(Clone, Debug)]
pub(super) struct LedgerBook {
    /// The leader's record at the opening.
    pub(super) ledger: Ledger,
    /// Contents that somebody has signed.
    pub(super) contents: Vec<Balances>,
    /// Final contents that somebody has signed.
    pub(super) finals: Vec<Balances>,
    /// Turn, hash and change of proposals.
    pub(super) proposals: Vec<(TurnNumber, B256, Change)>,
}

impl LedgerBook {
    pub(super) fn leader(&self) -> Address {
        self.ledger.participant(Side::Leader)
    }

    pub(super) fn follower(&self) -> Address {
        self.ledger.participant(Side::Follower)
    }

    /// Mostly the newest content.
    pub(super) fn some_content(&self, random: &mut Random) -> &Balances {
        let newest = self.contents.iter().max_by_key(|content| content.turn);
        match newest {
            Some(newest) if random.chance(75) => newest,
            _ => random.pick(&self.contents),
        }
    }
}

/// A payment channel as its messages tell it.
#[derive(Clone, Debug)]
pub(super) struct PaymentBook {
    pub(super) fixed: FixedPart,
    pub(super) asset: Asset,
    pub(super) capacity: Amount,
    /// The payer's record at the opening.
    pub(super) channel: PaymentChannel,
    pub(super) vouchers: Vec<Voucher>,
    /// Final amounts that somebody has signed.
    pub(super) finals: Vec<Amount>,
}

impl PaymentBook {
    pub(super) fn state(&self, turn: TurnNumber, paid: Amount, is_final: bool) -> VariablePart {
        let allocations = vec![
            Allocation::simple(self.channel.payer().into(), self.capacity.saturating_sub(paid)),
            Allocation::simple(self.channel.payee().into(), paid),
        ];
        let outcome = Outcome::single(self.asset, allocations);
        VariablePart { outcome, app_data: Bytes::default(), turn, is_final }
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Library {
    signatures: BTreeMap<(B256, Address), Signature>,
    pub(super) ledgers: BTreeMap<ChannelId, LedgerBook>,
    pub(super) payments: BTreeMap<ChannelId, PaymentBook>,
    /// Sender, receiver and content of messages.
    pub(super) messages: Vec<(Address, Address, Vec<u8>)>,
    read_up_to: u64,
}

/// Proof states and a candidate that the contract supports.
pub(super) type Supported = (Vec<SupportedState>, SupportedState);

impl Library {
    /// Takes a message in, whoever sent it to whom.
    pub(super) fn learn(&mut self, from: Address, to: Address, message: &Message, bytes: &[u8]) {
        if self.messages.len() >= MAX_MESSAGES {
            self.messages.remove(0);
        }
        self.messages.push((from, to, bytes.to_vec()));
        match message {
            Message::OpenLedger { fixed, asset, leader, follower, seal } => {
                self.keep(seal);
                self.open_ledger(fixed, *asset, [*leader, *follower]);
            }
            Message::LedgerPrefund { seal, .. }
            | Message::LedgerPostfund { seal, .. }
            | Message::Countersign { seal, .. }
            | Message::PaymentPostfund { seal, .. } => self.keep(seal),
            Message::CloseLedger { ledger, turn, seal } => {
                self.keep(seal);
                self.close(*ledger, *turn, seal.hash);
            }
            Message::Propose { ledger, turn, parent, change, seal, evidence } => {
                self.keep(seal);
                self.keep_evidence(evidence);
                self.propose(*ledger, [*turn, *parent], change, seal.hash);
            }
            Message::OpenPayment { fixed, asset, capacity, payer, seal } => {
                self.keep(payer);
                self.keep(seal);
                self.open_payment(fixed, *asset, *capacity);
            }
            Message::Finalize { channel, paid, payer, seal } => {
                self.keep(payer);
                self.keep(seal);
                if let Some(book) = self.payments.get_mut(channel)
                    && !book.finals.contains(paid)
                {
                    book.finals.push(*paid);
                }
            }
            Message::Voucher { voucher, signer, .. } => self.keep_voucher(*voucher, *signer),
            Message::Refuse { .. }
            | Message::RequestFinal { .. }
            | Message::Decline { .. }
            | Message::TowerHello { .. }
            | Message::TowerTerms { .. }
            | Message::Guard { .. }
            | Message::Guarded { .. }
            | Message::GuardRefused { .. }
            | Message::Unguard { .. }
            | Message::Credited { .. } => {}
        }
    }

    /// Reads what others have shown on chain.
    pub(super) fn read(&mut self, chain: &FakeChain) {
        let from = self.read_up_to;
        self.read_up_to = chain.head().number.0;
        for (channel, fact) in chain.logs_from(from) {
            let (proof, candidate) = match fact {
                ChainFact::ChallengeRegistered { proof, candidate, .. }
                | ChainFact::StateCheckpointed { proof, candidate } => {
                    (proof.as_slice(), candidate)
                }
                ChainFact::StateConcluded { candidate, .. } => (&[][..], candidate),
                _ => continue,
            };
            for shown in proof.iter().chain([candidate.as_ref()]) {
                let hash = shown.state.hash(channel);
                for signature in &shown.signatures {
                    if let Ok(signer) = signature.recover(hash) {
                        self.signatures.insert((hash, signer), *signature);
                    }
                }
            }
        }
    }

    fn keep(&mut self, seal: &Seal) {
        if let Ok(signer) = seal.signature.recover(seal.hash) {
            self.signatures.insert((seal.hash, signer), seal.signature);
        }
    }

    fn keep_evidence(&mut self, evidence: &Evidence) {
        for signature in &evidence.signatures {
            if let Ok(signer) = signature.recover(evidence.hash) {
                self.signatures.insert((evidence.hash, signer), *signature);
            }
        }
    }

    fn keep_voucher(&mut self, voucher: Voucher, signer: Address) {
        let Some(book) = self.payments.get_mut(&voucher.channel) else { return };
        if signer != book.channel.payer() || book.vouchers.contains(&voucher) {
            return;
        }
        if book.vouchers.len() >= MAX_VOUCHERS {
            book.vouchers.remove(1);
        }
        book.vouchers.push(voucher);
        book.vouchers.sort_by_key(|voucher| voucher.total);
    }

    fn open_ledger(&mut self, fixed: &FixedPart, asset: Asset, [leader, follower]: [Amount; 2]) {
        let ledger = Ledger::new(fixed.clone(), asset, Side::Leader, leader, follower);
        if fixed.participants.len() != 2 || self.ledgers.contains_key(&ledger.id) {
            return;
        }
        let prefund = Balances { turn: TurnNumber::PREFUND, ..ledger.agreed.clone() };
        let contents = vec![prefund, ledger.agreed.clone()];
        let (finals, proposals) = (Vec::new(), Vec::new());
        self.ledgers.insert(ledger.id, LedgerBook { ledger, contents, finals, proposals });
    }

    fn propose(
        &mut self,
        id: ChannelId,
        [turn, parent]: [TurnNumber; 2],
        change: &Change,
        hash: B256,
    ) {
        let Some(book) = self.ledgers.get_mut(&id) else { return };
        if book.proposals.len() >= MAX_CONTENTS {
            book.proposals.remove(0);
        }
        book.proposals.push((turn, hash, *change));
        let based = book.contents.iter().filter(|content| content.turn == parent);
        let next = based
            .filter_map(|content| content.apply(change, turn).ok())
            .find(|next| book.ledger.state_hash(next, false) == hash);
        let Some(next) = next.filter(|next| !book.contents.contains(next)) else { return };
        if book.contents.len() >= MAX_CONTENTS {
            book.contents.remove(2);
        }
        book.contents.push(next);
    }

    fn close(&mut self, id: ChannelId, turn: TurnNumber, hash: B256) {
        let Some(book) = self.ledgers.get_mut(&id) else { return };
        let finals = book.contents.iter().map(|content| Balances { turn, ..content.clone() });
        let meant = finals.into_iter().find(|last| book.ledger.state_hash(last, true) == hash);
        if let Some(last) = meant.filter(|last| !book.finals.contains(last)) {
            book.finals.push(last);
        }
    }

    fn open_payment(&mut self, fixed: &FixedPart, asset: Asset, capacity: Amount) {
        let channel = PaymentChannel::new(fixed.clone(), asset, capacity, 0);
        if fixed.participants.len() < 2 || self.payments.contains_key(&channel.id) {
            return;
        }
        let book = PaymentBook {
            fixed: fixed.clone(),
            asset,
            capacity,
            channel,
            vouchers: Vec::new(),
            finals: Vec::new(),
        };
        self.payments.insert(book.channel.id, book);
    }

    /// A signature on the hash: one that was heard, or a villain's own.
    pub(super) fn signature(
        &self,
        members: &[Member],
        hash: B256,
        signer: Address,
    ) -> Option<Signature> {
        match members.iter().find(|member| member.address == signer) {
            Some(member) => Some(member.key.sign(hash)),
            None => self.signatures.get(&(hash, signer)).copied(),
        }
    }

    /// Everybody's signature on the hash.
    pub(super) fn signatures(
        &self,
        members: &[Member],
        hash: B256,
        participants: &[Address],
    ) -> Option<Vec<Signature>> {
        participants.iter().map(|one| self.signature(members, hash, *one)).collect()
    }

    fn signed(
        &self,
        members: &[Member],
        fixed: &FixedPart,
        state: VariablePart,
    ) -> Option<SupportedState> {
        let hash = state.hash(fixed.channel_id());
        let signatures = self.signatures(members, hash, &fixed.participants)?;
        Some(SupportedState { state, signatures })
    }

    /// Every state of a ledger that the contract supports.
    pub(super) fn ledger_states(&self, members: &[Member], book: &LedgerBook) -> Vec<Supported> {
        let running = book.contents.iter().map(|content| book.ledger.state(content, false));
        let finals = book.finals.iter().map(|content| book.ledger.state(content, true));
        running
            .chain(finals)
            .filter_map(|state| self.signed(members, &book.ledger.fixed, state))
            .map(|signed| (Vec::new(), signed))
            .collect()
    }

    /// Every state of a payment channel that the contract supports.
    pub(super) fn payment_states(&self, members: &[Member], book: &PaymentBook) -> Vec<Supported> {
        let opening = [TurnNumber::PREFUND, TurnNumber::POSTFUND]
            .map(|turn| book.state(turn, Amount::ZERO, false));
        let finals =
            book.finals.iter().map(|paid| book.state(TurnNumber::PAYMENT_FINAL, *paid, true));
        let mut states: Vec<Supported> = opening
            .iter()
            .cloned()
            .chain(finals)
            .filter_map(|state| self.signed(members, &book.fixed, state))
            .map(|signed| (Vec::new(), signed))
            .collect();
        let payee = members.iter().find(|member| member.address == book.channel.payee());
        let [_, postfund] = opening;
        if let Some((payee, proof)) = payee.zip(self.signed(members, &book.fixed, postfund)) {
            states.extend(book.vouchers.iter().map(|voucher| {
                let state = VariablePart {
                    app_data: Bytes(voucher.redemption_data()),
                    ..book.state(TurnNumber::PAYMENT_FINAL, voucher.total, false)
                };
                let signatures = vec![payee.key.sign(state.hash(book.channel.id))];
                (vec![proof.clone()], SupportedState { state, signatures })
            }));
        }
        states
    }
}
