//! What every store must do, as a test that each store runs on itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Random;
use crate::answers::Answer;
use crate::chain::{Account, BlockRef, ChainCall, DebtChange};
use crate::crypto::{LocalSigner, Signer};
use crate::debts::Debt;
use crate::guard::{GuardReceipt, Guarding, Rank, Terms, Tower, TowerRefusal};
use crate::ledger::{Ledger, Side};
use crate::objectives::{DeclineReason, Objective, ObjectiveStatus, WaitingFor};
use crate::payment::PaymentChannel;
use crate::ports::Store;
use crate::sending::{Sending, SendingEnd};
use crate::state::FixedPart;
use crate::step::{ArchivedChannel, Batch, Buried, ChainCursor, Paid, Row, Write};
use crate::types::{
    Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, MessageId, ObjectiveId,
    Timestamp, TurnNumber, U256,
};
use crate::vouchers::Voucher;

/// Checks a store against the contract of [`Store`]. `place` makes a new, empty place; `open`
/// opens the store there. A store is dropped before its place is opened again.
///
/// # Panics
/// When the store breaks the contract.
pub fn store_contract<P, S: Store>(mut place: impl FnMut() -> P, mut open: impl FnMut(&P) -> S) {
    let mut fresh = || {
        let place = place();
        let mut store = open(&place);
        assert_eq!(load(&mut store), Model::new(), "a new store is empty");
        (place, store)
    };
    let places = [fresh(), fresh(), fresh(), fresh(), fresh()];
    let [rows, removals, archive, order, random] = places;
    keeps_every_kind_of_row(rows, &mut open);
    forgets_removed_rows(removals, &mut open);
    knows_archived_channels(archive, &mut open);
    keeps_neighbouring_keys_apart(order, &mut open);
    agrees_with_a_model(random, &mut open);
}

type Model = BTreeMap<Row, Write>;

fn load(store: &mut impl Store) -> Model {
    let rows = store.load().expect("rows are readable");
    let count = rows.len();
    let model: Model = rows.into_iter().map(|write| (write.row(), write)).collect();
    assert_eq!(model.len(), count, "each row is loaded once");
    model
}

fn commit(store: &mut impl Store, writes: impl IntoIterator<Item = Write>) {
    let mut batch = Batch::default();
    writes.into_iter().for_each(|write| batch.push(write));
    store.commit(&batch).expect("a batch becomes durable");
}

fn model(writes: impl IntoIterator<Item = Write>) -> Model {
    writes.into_iter().map(|write| (write.row(), write)).collect()
}

fn keeps_every_kind_of_row<P, S: Store>(
    (place, mut store): (P, S),
    open: &mut impl FnMut(&P) -> S,
) {
    let writes = every_kind(1);
    commit(&mut store, writes.clone());
    assert_eq!(load(&mut store), model(writes.clone()), "what was committed is there at once");
    drop(store);
    let mut store = open(&place);
    assert_eq!(load(&mut store), model(writes.clone()), "and after opening the place again");
    assert_eq!(load(&mut store), model(writes), "and when it is read twice");

    let newer = every_kind_with(1, 99);
    commit(&mut store, newer.clone());
    drop(store);
    let mut store = open(&place);
    assert_eq!(load(&mut store), model(newer), "a later write replaces an earlier one");
}

fn forgets_removed_rows<P, S: Store>((place, mut store): (P, S), open: &mut impl FnMut(&P) -> S) {
    commit(&mut store, every_kind(1).into_iter().chain(every_kind(2)));
    // Also rows that were never there.
    commit(&mut store, removals(1).into_iter().chain(removals(3)));
    drop(store);
    let mut store = open(&place);
    assert_eq!(load(&mut store), model(every_kind(2)), "removed rows are gone, others stay");
    commit(&mut store, removals(2).into_iter().chain(every_kind(4)));
    drop(store);
    let mut store = open(&place);
    let mut expected = model(every_kind(4));
    expected.retain(|_, write| !matches!(write, Write::NextCall(_) | Write::Cursor(_)));
    let mut found = load(&mut store);
    found.retain(|_, write| !matches!(write, Write::NextCall(_) | Write::Cursor(_)));
    assert_eq!(found, expected, "a batch removes and sets at once");
}

fn knows_archived_channels<P, S: Store>(
    (place, mut store): (P, S),
    open: &mut impl FnMut(&P) -> S,
) {
    let (ledger, payment) = (ledger(1, 7), payment(1, 7));
    let (ledger_id, payment_id) = (ledger.id, payment.id);
    let known = |store: &S, id| store.is_archived(id).expect("the archive is readable");
    commit(
        &mut store,
        [
            Write::Ledger(ledger_id, Some(Box::new(ledger.clone()))),
            Write::Payment(payment_id, Some(Box::new(payment.clone()))),
            Write::Paid(payment_id, Some(paid(payment_id, 7))),
        ],
    );
    assert!(!known(&store, ledger_id) && !known(&store, payment_id), "open channels are not");
    let objective = ObjectiveId::DirectDefund(ledger_id);
    let archive = [
        Write::Ledger(ledger_id, None),
        Write::Payment(payment_id, None),
        Write::Paid(payment_id, None),
        Write::ArchivedChannel(ledger_id, Box::new(ArchivedChannel::Ledger(ledger))),
        Write::ArchivedChannel(
            payment_id,
            Box::new(ArchivedChannel::Payment(payment, Some(paid(payment_id, 7)))),
        ),
        Write::ArchivedObjective(objective, completed(objective)),
    ];
    commit(&mut store, archive.clone());
    // Archiving again changes nothing, as a repeated turn would.
    commit(&mut store, archive);
    for _ in 0..2 {
        assert!(known(&store, ledger_id) && known(&store, payment_id));
        assert!(!known(&store, ChannelId(B256::repeat_byte(9))), "nobody has closed that one");
        assert_eq!(load(&mut store), Model::new(), "the archive is not loaded");
        drop(store);
        store = open(&place);
    }
}

/// Keys that are near each other in any encoding: long and short numbers, first and last bytes.
fn keeps_neighbouring_keys_apart<P, S: Store>(
    (place, mut store): (P, S),
    open: &mut impl FnMut(&P) -> S,
) {
    const IDS: [u64; 9] = [0, 1, 250, 251, 255, 256, 65_535, 65_536, u64::MAX];
    let peers = [Address::repeat_byte(0), Address::with_last_byte(1), Address::repeat_byte(0xff)];
    let mut writes = Vec::new();
    for id in IDS {
        let bytes = id.to_be_bytes().to_vec();
        for peer in peers {
            writes.push(Write::Message(peer, MessageId(id), Some(bytes.clone())));
        }
        writes.push(Write::Call(CallId(id), Some(deposit(id))));
    }
    let channel = ChannelId(B256::repeat_byte(0xff));
    for objective in [
        ObjectiveId::DirectFund(channel),
        ObjectiveId::DirectDefund(channel),
        ObjectiveId::VirtualFund(channel),
        ObjectiveId::VirtualDefund(channel),
        ObjectiveId::Exit(channel),
    ] {
        writes.push(Write::Objective(objective, Some(completed(objective))));
    }
    // An empty message and a large one.
    writes.push(Write::Message(peers[1], MessageId(2), Some(Vec::new())));
    writes.push(Write::Message(peers[1], MessageId(3), Some(vec![0xa5; 100_000])));
    commit(&mut store, writes.clone());
    drop(store);
    let mut store = open(&place);
    assert_eq!(load(&mut store), model(writes.clone()));
    let gone = Write::Message(peers[1], MessageId(255), None);
    let mut expected = model(writes);
    expected.remove(&gone.row());
    commit(&mut store, [gone]);
    drop(store);
    assert_eq!(load(&mut open(&place)), expected, "one row is removed and no other");
}

fn agrees_with_a_model<P, S: Store>((place, mut store): (P, S), open: &mut impl FnMut(&P) -> S) {
    let mut random = Random::new(20);
    let mut expected = Model::new();
    for _ in 0..60 {
        let mut batch = Batch::default();
        for _ in 0..random.between(0, 8) {
            let (variant, content) = (random.below(4), random.below(250));
            let writes = if random.chance(40) {
                removals(variant)
            } else {
                every_kind_with(variant, content)
            };
            batch.push(random.pick(&writes).clone());
        }
        store.commit(&batch).expect("a batch becomes durable");
        for write in batch.writes() {
            if removals(0)
                .iter()
                .chain(&removals(1))
                .chain(&removals(2))
                .chain(&removals(3))
                .any(|removal| removal == write)
            {
                expected.remove(&write.row());
            } else {
                expected.insert(write.row(), write.clone());
            }
        }
        if random.chance(20) {
            drop(store);
            store = open(&place);
        }
        assert_eq!(load(&mut store), expected);
    }
}

/// A row of every live kind. Rows of different variants have different keys.
fn every_kind(variant: u64) -> Vec<Write> {
    every_kind_with(variant, variant)
}

fn every_kind_with(variant: u64, content: u64) -> Vec<Write> {
    let (ledger, payment) = (ledger(variant, content), payment(variant, content));
    let objective = Objective {
        id: ObjectiveId::VirtualFund(payment.id),
        status: ObjectiveStatus::Running(WaitingFor::CompleteFunding),
        started: Timestamp(content),
        deadline: Timestamp(content).after(Duration::from_secs(60)),
    };
    vec![
        Write::Paid(payment.id, Some(paid(payment.id, content))),
        Write::Objective(objective.id, Some(objective)),
        Write::Message(payment.payer(), MessageId(variant), Some(vec![0; content as usize])),
        Write::Call(CallId(variant), Some(deposit(content))),
        Write::NextCall(CallId(content)),
        Write::Cursor(ChainCursor { recent: (0..=content % 64).map(block).collect() }),
        Write::Buried(payment.id, Some(Box::new(buried(payment.clone(), content)))),
        Write::Answer(payment.id, Some(answer(payment.payer(), content))),
        Write::Waiting(payment.payer(), Some(Timestamp(content))),
        Write::Tower(payment.payer(), Some(tower(content))),
        Write::Guard(payment.payer(), ledger.id, Some(Box::new(guarding(ledger.id, content)))),
        Write::Debt(Asset(payment.payer()), Some(Box::new(debt(payment.id, content)))),
        Write::Sending(payment.id.0, Some(sending(variant, content))),
        Write::Ledger(ledger.id, Some(Box::new(ledger))),
        Write::Payment(payment.id, Some(Box::new(payment))),
    ]
}

fn debt(channel: ChannelId, content: u64) -> Debt {
    let blocked = DebtChange::Blocked { channel: Some(channel), amount: content.into() };
    let claimed = DebtChange::Claimed { to: Address::ZERO, amount: content.into() };
    Debt::new([(BlockNumber(content), blocked), (BlockNumber(content), claimed)])
}

fn sending(variant: u64, content: u64) -> Sending {
    let (from, to) = (Account::Channel, Address::repeat_byte(3));
    let call = ChainCall::Transfer { from, asset: Asset::NATIVE, to, amount: content.into() };
    let end = Some(SendingEnd::Refused { reason: "no".to_owned() });
    Sending { call, id: CallId(variant), began: Timestamp(content), end }
}

fn answer(to: Address, content: u64) -> Answer {
    Answer { to, reason: DeclineReason::Busy, until: Timestamp(content) }
}

fn removals(variant: u64) -> Vec<Write> {
    let removed = every_kind(variant).into_iter().filter_map(|write| match write {
        Write::Ledger(id, _) => Some(Write::Ledger(id, None)),
        Write::Payment(id, _) => Some(Write::Payment(id, None)),
        Write::Paid(id, _) => Some(Write::Paid(id, None)),
        Write::Objective(id, _) => Some(Write::Objective(id, None)),
        Write::Message(to, id, _) => Some(Write::Message(to, id, None)),
        Write::Call(id, _) => Some(Write::Call(id, None)),
        Write::Buried(id, _) => Some(Write::Buried(id, None)),
        Write::Answer(id, _) => Some(Write::Answer(id, None)),
        Write::Waiting(peer, _) => Some(Write::Waiting(peer, None)),
        Write::Tower(tower, _) => Some(Write::Tower(tower, None)),
        Write::Guard(tower, id, _) => Some(Write::Guard(tower, id, None)),
        Write::Debt(asset, _) => Some(Write::Debt(asset, None)),
        Write::Sending(key, _) => Some(Write::Sending(key, None)),
        Write::NextCall(_)
        | Write::Cursor(_)
        | Write::ArchivedChannel(..)
        | Write::ArchivedObjective(..) => None,
    });
    removed.collect()
}

fn signer() -> LocalSigner {
    LocalSigner::new([0x5e; 32]).expect("a key below the curve order")
}

fn fixed(variant: u64, participants: Vec<Address>) -> FixedPart {
    FixedPart {
        participants,
        nonce: variant,
        app: Address::repeat_byte(0xaa),
        challenge_duration: 3_600,
    }
}

fn ledger(variant: u64, content: u64) -> Ledger {
    let participants = vec![signer().address(), Address::repeat_byte(0xbb)];
    let (leader, follower) = (Amount::from(content), Amount::from(U256::MAX >> 8));
    let fixed = fixed(variant, participants);
    let mut ledger = Ledger::new(fixed, Asset::NATIVE, Side::Leader, leader, follower);
    ledger.prefund[0] = Some(signer().sign(ledger.prefund_hash()));
    ledger.agreed.turn = TurnNumber(content);
    ledger
}

fn payment(variant: u64, content: u64) -> PaymentChannel {
    let payer = Address::repeat_byte(u8::try_from(variant).unwrap_or(u8::MAX));
    let participants = vec![payer, signer().address(), Address::repeat_byte(0xcc)];
    let asset = Asset(Address::repeat_byte(0x70));
    let mut channel = PaymentChannel::new(fixed(variant, participants), asset, content.into(), 1);
    channel.prefund[1] = Some(signer().sign(channel.prefund_hash()));
    channel.left = Some(ChannelId(B256::repeat_byte(1)));
    channel
}

fn paid(channel: ChannelId, content: u64) -> Paid {
    let total = Amount::from(content);
    let voucher = (content > 0).then(|| Voucher::sign(channel, total, &signer()));
    Paid { total, voucher }
}

fn buried(payment: PaymentChannel, content: u64) -> Buried {
    let channel = ArchivedChannel::Payment(payment, None);
    Buried { channel, until: BlockNumber(content) }
}

fn tower(content: u64) -> Tower {
    let channels = u32::try_from(content).unwrap_or(u32::MAX);
    Tower::Serving(Terms { channels, guard_bytes: 65_536 })
}

fn guarding(channel: ChannelId, content: u64) -> Guarding {
    let sent = Rank { turn: TurnNumber(content), paid: Amount::from(U256::MAX) };
    let (deployment, state) = (super::fixtures::DEPLOYMENT, B256::repeat_byte(9));
    let (client, at) = (signer().address(), Timestamp(content));
    let receipt = GuardReceipt::sign(&deployment, client, channel, sent, state, at, &signer());
    let refused = Some(TowerRefusal::Older(sent));
    Guarding { sent, state, answered: true, receipt: Some(receipt), refused }
}

fn deposit(content: u64) -> ChainCall {
    ChainCall::Deposit {
        channel: ChannelId(B256::repeat_byte(3)),
        asset: Asset::NATIVE,
        expected_held: content.into(),
        amount: Amount::from(U256::MAX),
    }
}

fn block(number: u64) -> BlockRef {
    let hash = B256::from(U256::from(number));
    BlockRef { number: BlockNumber(number), hash, timestamp: number }
}

fn completed(id: ObjectiveId) -> Objective {
    let reason = DeclineReason::TimedOut;
    Objective {
        id,
        status: ObjectiveStatus::Declined { by: signer().address(), reason },
        started: Timestamp(1),
        deadline: Timestamp(2),
    }
}
