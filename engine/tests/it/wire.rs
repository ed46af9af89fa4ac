//! Messages as bytes: one encoding each, small, and nothing else decodes.

use engine::crypto::{LocalSigner, Signer};
use engine::guard::{Guard, GuardReceipt, Rank, Terms, TowerRefusal};
use engine::ledger::{Change, Guarantee, Ledger, RefusalReason, Side};
use engine::objectives::DeclineReason;
use engine::state::{FixedPart, SupportedState};
use engine::testing::fixtures;
use engine::types::{
    Address, Amount, Asset, B256, ChannelId, ObjectiveId, Timestamp, TurnNumber, U256,
};
use engine::vouchers::{MAX_PAYMENTS, Voucher};
use engine::wire::{self, Evidence, MAX_MESSAGE_BYTES, Message, Seal, WireError};
use proptest::prelude::*;

fn alice() -> LocalSigner {
    fixtures::key("alice")
}

fn seal(name: &str) -> Seal {
    Seal::sign(B256::repeat_byte(0x11), &fixtures::key(name))
}

fn fixed(relays: usize) -> FixedPart {
    let relays = (0..relays).map(|index| Address::repeat_byte(index as u8 + 1));
    let ends = ["alice", "bob"].map(|name| fixtures::key(name).address());
    FixedPart {
        participants: [ends[0]].into_iter().chain(relays).chain([ends[1]]).collect(),
        nonce: fixtures::DEPLOYMENT.nonce(7),
        app: fixtures::DEPLOYMENT.payment_app,
        challenge_duration: fixtures::CHALLENGE_DURATION,
    }
}

/// One of each variant, with what an opened one holds.
fn every_variant() -> Vec<Message> {
    let channel = ChannelId(B256::repeat_byte(0x22));
    let ledger = ChannelId(B256::repeat_byte(0x33));
    let (amount, turn) = (Amount::from(1_000_u64), TurnNumber(300));
    let signers = ["alice", "bob"];
    let hash = B256::repeat_byte(0x11);
    let evidence = Evidence::new(
        hash,
        signers.map(|name| fixtures::key(name).sign(hash)).to_vec(),
        signers.map(|name| fixtures::key(name).address()).to_vec(),
    );
    let guarantee = Guarantee { amount, left: Side::Follower };
    let add = Change::Add { target: channel, guarantee, left_deposit: amount };
    let voucher = Voucher::sign(channel, amount, &alice());
    vec![
        Message::Voucher { voucher, payments: vec![7_u64.into()], signer: alice().address() },
        Message::OpenLedger {
            fixed: fixed(0),
            asset: Asset::NATIVE,
            leader: amount,
            follower: Amount::ZERO,
            seal: seal("alice"),
        },
        Message::LedgerPrefund { ledger, seal: seal("bob") },
        Message::LedgerPostfund { ledger, seal: seal("alice") },
        Message::CloseLedger { ledger, turn, seal: seal("alice") },
        Message::Propose {
            ledger,
            turn,
            parent: TurnNumber(299),
            change: add,
            seal: seal("alice"),
            evidence,
        },
        Message::Countersign { ledger, turn, seal: seal("bob") },
        Message::Refuse { ledger, turn, reason: RefusalReason::InsufficientFunds },
        Message::OpenPayment {
            fixed: fixed(1),
            asset: fixtures::TOKEN,
            capacity: amount,
            payer: seal("alice"),
            seal: seal("bob"),
        },
        Message::PaymentPostfund { channel, seal: seal("bob") },
        Message::RequestFinal { channel },
        Message::Finalize { channel, paid: amount, payer: seal("alice"), seal: seal("alice") },
        Message::Decline {
            objective: ObjectiveId::VirtualFund(channel),
            reason: DeclineReason::TimedOut,
        },
        Message::TowerHello { deployment: fixtures::DEPLOYMENT },
        Message::TowerTerms { terms: Terms { channels: 1_000, guard_bytes: 65_536 } },
        Message::Guard { guard: Box::new(guard(1)) },
        Message::Guarded { receipt: Box::new(receipt()), signer: fixtures::key("bob").address() },
        Message::GuardRefused { channel: Some(channel), reason: TowerRefusal::Quota(1_000) },
        Message::Unguard { channel },
        Message::Credited {
            channel,
            total: amount,
            proof: Some(voucher.signature),
            signer: alice().address(),
        },
    ]
}

/// A ledger's newest state with some guarantees, signed by both.
fn guard(guarantees: u64) -> Guard {
    let most = Amount::from(U256::MAX);
    let mut ledger = Ledger::new(fixed(0), Asset::NATIVE, Side::Leader, most, most);
    ledger.agreed.turn = TurnNumber::MAX;
    let guarantee = Guarantee { amount: most, left: Side::Leader };
    let targets = (0..guarantees).map(|index| ChannelId(B256::from(U256::from(index))));
    ledger.agreed.guarantees = targets.map(|target| (target, guarantee)).collect();
    let (hash, state) = (ledger.agreed_hash(), ledger.state(&ledger.agreed, false));
    let signatures = ["alice", "bob"].map(|name| fixtures::key(name).sign(hash)).to_vec();
    let candidate = SupportedState { state, signatures };
    Guard { fixed: ledger.fixed, proof: Vec::new(), candidate }
}

fn receipt() -> GuardReceipt {
    GuardReceipt::sign(
        &fixtures::DEPLOYMENT,
        alice().address(),
        ChannelId(B256::repeat_byte(0x22)),
        Rank { turn: TurnNumber::PAYMENT_FINAL, paid: 1_000_u64.into() },
        B256::repeat_byte(0x11),
        Timestamp(1_700_000_000_000),
        &fixtures::key("bob"),
    )
}

/// A ledger with as many guarantees as a policy allows can be handed to a watchtower.
#[test]
fn the_largest_guard_fits() {
    let most = u64::try_from(fixtures::policy().max_guarantees).unwrap();
    let length = wire::encode(&Message::Guard { guard: Box::new(guard(most)) }).len();
    assert!((20_000..MAX_MESSAGE_BYTES / 2).contains(&length), "{length}");
}

#[test]
fn every_message_comes_back_with_its_signers() {
    let from = alice().address();
    for (position, message) in every_variant().into_iter().enumerate() {
        let bytes = wire::encode(&message);
        assert_eq!(usize::from(bytes[1]), position, "the variant is the second byte");
        let envelope = wire::open(from, &bytes).unwrap();
        assert_eq!((envelope.from, envelope.message), (from, message));
    }
}

/// The wire format: a change here is a change that peers of another version do not understand.
#[test]
fn the_encoding_is_fixed() {
    let golden = include_str!("../vectors/messages.txt");
    let found: Vec<String> =
        every_variant().iter().map(|message| hex::encode(wire::encode(message))).collect();
    let expected: Vec<&str> = golden.lines().collect();
    assert_eq!(found, expected);
}

#[test]
fn a_voucher_is_small() {
    let channel = ChannelId(B256::repeat_byte(0xff));
    let message = |total: Amount, payment: Amount, count: usize| {
        let voucher = Voucher::sign(channel, total, &alice());
        let payments = vec![payment; count];
        wire::encode(&Message::Voucher { voucher, payments, signer: alice().address() }).len()
    };
    // Version, variant, length and channel, length and amount, length and signature, payments.
    let (ether, gwei) = (1_000_000_000_000_000_000_u64.into(), 1_000_000_000_u64.into());
    assert_eq!(message(ether, gwei, 1), 1 + 1 + 33 + 9 + 66 + 1 + 5);
    assert_eq!(message(Amount::from(U256::MAX), ether, 1), 144);
    // What each further payment of a turn costs.
    assert_eq!(message(ether, gwei, 512), 1 + 1 + 33 + 9 + 66 + 3 + 512 * 5);
    let most = message(U256::MAX.into(), U256::MAX.into(), MAX_PAYMENTS);
    assert!(most <= MAX_MESSAGE_BYTES, "{most}");
}

/// The bound of a frame's message leaves room for the most that a policy can allow.
#[test]
fn the_largest_honest_message_fits() {
    let hash = B256::repeat_byte(0x11);
    let signature = alice().sign(hash);
    let most = Amount::from(U256::MAX);
    let guarantee = Guarantee { amount: most, left: Side::Leader };
    let propose = Message::Propose {
        ledger: ChannelId(hash),
        turn: TurnNumber::MAX,
        parent: TurnNumber::MAX,
        change: Change::Add { target: ChannelId(hash), guarantee, left_deposit: most },
        seal: seal("alice"),
        evidence: Evidence::new(hash, vec![signature; 40], Vec::new()),
    };
    let length = wire::encode(&propose).len();
    assert!(length < 4 * 1024, "{length} bytes");
    assert!(length < MAX_MESSAGE_BYTES);
}

#[test]
fn refuses_other_versions_trailing_bytes_and_oversize() {
    let from = alice().address();
    for message in every_variant() {
        let bytes = wire::encode(&message);
        let mut other = bytes.clone();
        other[0] = 2;
        assert_eq!(wire::open(from, &other), Err(WireError::Version));
        let trailing = [&bytes[..], &[0]].concat();
        assert_eq!(wire::open(from, &trailing), Err(WireError::Malformed));
        for end in 1..bytes.len() {
            assert!(wire::open(from, &bytes[..end]).is_err(), "{end} of {message:?}");
        }
    }
    assert_eq!(wire::open(from, &[]), Err(WireError::Version));
    let long = vec![1; MAX_MESSAGE_BYTES + 1];
    assert_eq!(wire::open(from, &long), Err(WireError::TooLong(long.len())));
}

/// Bincode takes a small number in a longer form too; here it has one form.
#[test]
fn refuses_longer_forms_of_small_numbers() {
    let message = Message::RequestFinal { channel: ChannelId(B256::repeat_byte(0x22)) };
    let bytes = wire::encode(&message);
    assert_eq!(bytes[1], 10);
    // 251 announces two bytes.
    let longer = [&[bytes[0], 251, 10, 0][..], &bytes[2..]].concat();
    assert_eq!(wire::open(alice().address(), &longer), Err(WireError::Malformed));
}

#[test]
fn refuses_a_turn_above_48_bits() {
    let ledger = ChannelId(B256::repeat_byte(0x33));
    let reason = RefusalReason::NotUsable;
    let bytes = wire::encode(&Message::Refuse { ledger, turn: TurnNumber::MAX, reason });
    let at = bytes.len() - 9;
    assert_eq!(bytes[at - 1..bytes.len() - 1], [253, 255, 255, 255, 255, 255, 255, 0, 0]);
    let mut above = bytes.clone();
    above[at + 6] = 1;
    assert_eq!(wire::open(alice().address(), &above), Err(WireError::Malformed));
    assert!(wire::open(alice().address(), &bytes).is_ok());
}

#[test]
fn a_list_that_claims_more_than_there_is_allocates_nothing() {
    let Some(Message::Propose { .. }) = every_variant().into_iter().nth(5) else {
        panic!("the sixth variant is a proposal");
    };
    // An `OpenLedger` whose participants claim to be 2^32 many.
    let claim = [1, 1, 252, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(wire::open(alice().address(), &claim), Err(WireError::Malformed));
}

proptest! {
    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let opened = wire::open(Address::ZERO, &bytes);
        if let Ok(envelope) = opened {
            prop_assert_eq!(wire::encode(&envelope.message), bytes);
        }
    }

    /// Bytes that begin like a message reach deeper.
    #[test]
    fn any_change_of_a_message_is_another_message_or_an_error(
        variant in 0_usize..19,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = wire::encode(&every_variant()[variant]);
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        if let Ok(envelope) = wire::open(Address::ZERO, &bytes) {
            prop_assert_eq!(wire::encode(&envelope.message), bytes);
        }
    }
}
