//! Named parties, and channels between them that are ready to be used.

use std::collections::BTreeMap;

use super::world::{Party, World};
use crate::crypto::LocalSigner;
use crate::effect::Response;
use crate::input::Request;
use crate::ledger::LedgerPhase;
use crate::objectives::ObjectiveStatus;
use crate::payment::PaymentPhase;
use crate::policy::Policy;
use crate::state::Deployment;
use crate::types::{Address, Amount, Asset, ChannelId, ObjectiveId};

/// Contracts of the simulated chain.
pub const DEPLOYMENT: Deployment = Deployment {
    chain_id: 1_337,
    adjudicator: Address::repeat_byte(0xad),
    consensus_app: Address::repeat_byte(0xca),
    payment_app: Address::repeat_byte(0xfa),
};

/// An ERC-20 token.
pub const TOKEN: Asset = Asset(Address::repeat_byte(0x70));

/// Somebody without a part in any channel.
#[must_use]
pub const fn stranger() -> Address {
    Address::repeat_byte(0x57)
}

/// What everyone has of each asset when the world begins.
pub const PURSE: u64 = 1_000_000;

/// Challenge duration of every channel here, in seconds.
pub const CHALLENGE_DURATION: u32 = 86_400;

/// Published test keys of the reference system's actors.
const KEYS: [(&str, [u8; 32]); 4] = [
    ("alice", hex("2d999770f7b5d49b694080f987b82bbc9fc9ac2b4dcc10b0f8aba7d700f69c6d")),
    ("bob", hex("0279651921cd800ac560c21ceea27aab0107b67daf436cdd25ce84cad30159b4")),
    ("ivan", hex("1ea91a2724b40fb8fed6a3648d49e9431996c09744fb841b718377fb0700f3e7")),
    ("irene", hex("febb3b74b0b52d0976f6571d555f4ac8b91c308dfa25c7b58d1e6a7c3f50c781")),
];

/// The key of a named party. Parties without a published key have one made of their name.
///
/// # Panics
/// When the name makes no key, which no readable name does.
#[must_use]
pub fn key(name: &str) -> LocalSigner {
    let published = KEYS.iter().find(|(known, _)| *known == name).map(|(_, key)| *key);
    let named = || alloy_primitives::keccak256(name).0;
    LocalSigner::new(published.unwrap_or_else(named)).expect("a key below the curve order")
}

const fn hex(digits: &str) -> [u8; 32] {
    const fn digit(letter: u8) -> u8 {
        match letter {
            b'0'..=b'9' => letter - b'0',
            _ => letter - b'a' + 10,
        }
    }
    let (letters, mut bytes, mut index) = (digits.as_bytes(), [0; 32], 0);
    while index < 32 {
        bytes[index] = digit(letters[2 * index]) << 4 | digit(letters[2 * index + 1]);
        index += 1;
    }
    bytes
}

/// The policy of a node that lets its friends do everything.
#[must_use]
pub fn policy() -> Policy {
    let deposits = [Asset::NATIVE, TOKEN].map(|asset| (asset, Amount::from(PURSE)));
    Policy { max_peer_deposit: BTreeMap::from(deposits), ..Policy::default() }
}

impl World {
    /// Asks for a ledger and returns its id, without waiting for anything.
    ///
    /// # Panics
    /// When the request is refused.
    pub fn begin_ledger(
        &mut self,
        leader: Party,
        follower: Party,
        mine: u64,
        theirs: u64,
    ) -> ChannelId {
        let request = self.ledger_request(follower, mine, theirs);
        self.start(leader, request).channel()
    }

    /// A request for a ledger of the native coin.
    pub fn ledger_request(&mut self, follower: Party, mine: u64, theirs: u64) -> Request {
        Request::OpenLedger {
            peer: self.address(follower),
            asset: Asset::NATIVE,
            mine: mine.into(),
            theirs: theirs.into(),
            challenge_duration: CHALLENGE_DURATION,
            random: self.nonce(),
        }
    }

    /// Opens a ledger and waits until both sides have it.
    pub fn open_ledger(
        &mut self,
        leader: Party,
        follower: Party,
        mine: u64,
        theirs: u64,
    ) -> ChannelId {
        let id = self.begin_ledger(leader, follower, mine, theirs);
        self.run_until(|world| {
            [leader, follower].into_iter().all(|party| world.has_open_ledger(party, id))
        });
        id
    }

    /// Asks for a payment channel along a path and returns its id, without waiting for anything.
    ///
    /// # Panics
    /// When the request is refused.
    pub fn begin_payment(&mut self, path: &[Party], capacity: u64) -> ChannelId {
        let request = self.payment_request(path, capacity);
        self.start(path[0], request).channel()
    }

    /// A request for a payment channel of the native coin.
    pub fn payment_request(&mut self, path: &[Party], capacity: u64) -> Request {
        let addresses: Vec<Address> = path.iter().map(|party| self.address(*party)).collect();
        Request::OpenPayment {
            payee: addresses[path.len() - 1],
            relays: addresses[1..path.len() - 1].to_vec(),
            asset: Asset::NATIVE,
            capacity: capacity.into(),
            challenge_duration: CHALLENGE_DURATION,
            random: self.nonce(),
        }
    }

    /// Opens a payment channel and waits until everyone on the path has it.
    pub fn open_payment(&mut self, path: &[Party], capacity: u64) -> ChannelId {
        let id = self.begin_payment(path, capacity);
        self.run_until(|world| path.iter().all(|party| world.has_open_payment(*party, id)));
        id
    }

    /// Pays, without waiting for the voucher to arrive.
    ///
    /// # Panics
    /// When the payment is refused.
    pub fn pay(&mut self, payer: Party, channel: ChannelId, amount: u64) {
        let request = Request::Pay { channel, amount: amount.into() };
        let response = self.request(payer, request);
        assert!(matches!(response, Ok(Response::Paid { .. })), "{response:?}");
    }

    /// Closes a payment channel and waits until nothing is left to do.
    pub fn close_payment(&mut self, by: Party, channel: ChannelId) {
        self.start(by, Request::ClosePayment { channel });
        self.run_until_quiet();
    }

    /// Closes a ledger and waits until nothing is left to do.
    pub fn close_ledger(&mut self, by: Party, ledger: ChannelId) {
        self.start(by, Request::CloseLedger { ledger });
        self.run_until_quiet();
    }

    /// Asks for something that begins an objective.
    ///
    /// # Panics
    /// When it does not.
    pub fn start(&mut self, party: Party, request: Request) -> ObjectiveId {
        match self.request(party, request) {
            Ok(Response::Started(objective)) => objective,
            other => panic!("no objective began: {other:?}"),
        }
    }

    /// True when the ledger is open at a node that runs.
    #[must_use]
    pub fn has_open_ledger(&self, party: Party, id: ChannelId) -> bool {
        self.is_up(party)
            && self.ledger(party, id).is_some_and(|ledger| ledger.phase == LedgerPhase::Open)
    }

    /// True when the payment channel is open at a node that runs.
    #[must_use]
    pub fn has_open_payment(&self, party: Party, id: ChannelId) -> bool {
        self.is_up(party)
            && self.payment(party, id).is_some_and(|channel| channel.phase == PaymentPhase::Open)
    }

    /// True when the objective was reached.
    #[must_use]
    pub fn has_completed(&self, party: Party, id: ObjectiveId) -> bool {
        self.status(party, id) == Some(ObjectiveStatus::Completed)
    }

    /// True when the objective was given up.
    #[must_use]
    pub fn has_declined(&self, party: Party, id: ObjectiveId) -> bool {
        matches!(self.status(party, id), Some(ObjectiveStatus::Declined { .. }))
    }
}
