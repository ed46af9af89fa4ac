//! Records with fixed content, and what tests do again and again.

use std::collections::BTreeMap;
use std::path::Path;

use engine::chain::{BlockRef, ChainCall};
use engine::crypto::Signature;
use engine::ledger::{CallState, Change, Closing, Guarantee, Ledger, Pending, Side};
use engine::objectives::{DeclineReason, Objective, ObjectiveStatus, WaitingFor};
use engine::payment::{FinalState, PaymentChannel, PaymentPhase};
use engine::ports::Store;
use engine::state::FixedPart;
use engine::step::{Batch, ChainCursor, Paid, Row, Write};
use engine::types::{
    Address, Amount, Asset, B256, BlockNumber, CallId, ChannelId, ObjectiveId, Timestamp,
    TurnNumber,
};
use engine::vouchers::Voucher;
use fjall::Database;
use store::{Config, FjallStore};

pub(crate) fn open(path: &Path) -> FjallStore {
    FjallStore::open(path, &Config::default()).unwrap()
}

pub(crate) fn commit(store: &mut FjallStore, writes: impl IntoIterator<Item = Write>) {
    store.commit(&batch(writes)).unwrap();
}

pub(crate) fn batch(writes: impl IntoIterator<Item = Write>) -> Batch {
    let mut batch = Batch::default();
    writes.into_iter().for_each(|write| batch.push(write));
    batch
}

pub(crate) fn load(store: &mut FjallStore) -> BTreeMap<Row, Write> {
    by_row(store.load().unwrap())
}

pub(crate) fn by_row(writes: impl IntoIterator<Item = Write>) -> BTreeMap<Row, Write> {
    writes.into_iter().map(|write| (write.row(), write)).collect()
}

/// Opens the database under a store that is closed, past all of the store's checks.
pub(crate) fn with_database<T>(folder: &Path, act: impl FnOnce(&Database) -> T) -> T {
    let database = Database::builder(folder.join("database")).open().unwrap();
    act(&database)
}

pub(crate) fn channel(byte: u8) -> ChannelId {
    ChannelId(B256::repeat_byte(byte))
}

pub(crate) fn peer(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

pub(crate) fn signature(byte: u8) -> Signature {
    Signature([byte; 65])
}

fn fixed(participants: &[u8]) -> FixedPart {
    FixedPart {
        participants: participants.iter().map(|byte| peer(*byte)).collect(),
        nonce: 0x0102_0304_0506_0708,
        app: peer(0xaa),
        challenge_duration: 3_600,
    }
}

/// Every field differs from its default.
pub(crate) fn ledger() -> Ledger {
    let mut ledger = Ledger::new(
        fixed(&[1, 2]),
        Asset(peer(0x70)),
        Side::Leader,
        Amount::from(1_000_u64),
        Amount::from(u128::MAX),
    );
    let guarantee = Guarantee { amount: 300_u64.into(), left: Side::Follower };
    ledger.prefund = [Some(signature(3)), Some(signature(4))];
    ledger.signatures = [Some(signature(5)), None];
    ledger.agreed.turn = TurnNumber(70_000);
    ledger.agreed.guarantees.insert(channel(9), guarantee);
    let change = Change::Add { target: channel(8), guarantee, left_deposit: 200_u64.into() };
    let pending = Pending {
        turn: TurnNumber(70_001),
        parent: TurnNumber(70_000),
        change,
        hash: B256::repeat_byte(6),
        signature: signature(7),
    };
    let removal = Change::Remove { target: channel(9), left_amount: 100_u64.into() };
    let after = Pending { turn: TurnNumber(70_002), change: removal, ..pending.clone() };
    ledger.pending = vec![pending, after];
    ledger.signed_turn = TurnNumber(70_002);
    ledger.closing = Some(Closing {
        turn: TurnNumber(70_003),
        hash: B256::repeat_byte(0x7c),
        signatures: [None, Some(signature(8))],
    });
    ledger.call = CallState::InFlight(CallId(300));
    ledger
}

pub(crate) fn payment() -> PaymentChannel {
    let mut channel_record =
        PaymentChannel::new(fixed(&[1, 2, 3]), Asset::NATIVE, Amount::from(500_u64), 1);
    channel_record.phase = PaymentPhase::Cancelled(DeclineReason::NoLedger);
    channel_record.left = Some(channel(0x11));
    channel_record.right = Some(channel(0x12));
    channel_record.prefund[1] = Some(signature(1));
    channel_record.postfund[2] = Some(signature(2));
    channel_record.final_state =
        Some(FinalState { paid: 77_u64.into(), signatures: vec![None, Some(signature(3)), None] });
    channel_record.declined_by[0] = true;
    channel_record.decline_sent_left = true;
    channel_record.early_voucher = Some(voucher(channel_record.id, 5));
    channel_record
}

fn voucher(channel: ChannelId, total: u64) -> Voucher {
    Voucher { channel, total: total.into(), signature: signature(0x1b) }
}

pub(crate) fn paid(total: u64) -> Paid {
    Paid { total: total.into(), voucher: Some(voucher(channel(0x21), total)) }
}

pub(crate) fn running(id: ObjectiveId) -> Objective {
    Objective {
        id,
        status: ObjectiveStatus::Running(WaitingFor::CompletePostfund),
        started: Timestamp(1_700_000_000_000),
        deadline: Timestamp(1_700_000_060_000),
    }
}

pub(crate) fn ended(id: ObjectiveId) -> Objective {
    let status = ObjectiveStatus::Declined { by: peer(2), reason: DeclineReason::TimedOut };
    Objective { status, ..running(id) }
}

pub(crate) fn deposit(amount: u64) -> ChainCall {
    ChainCall::Deposit {
        channel: channel(0x31),
        asset: Asset::NATIVE,
        expected_held: Amount::ZERO,
        amount: amount.into(),
    }
}

pub(crate) fn withdrawal() -> ChainCall {
    let ledger = ledger();
    ChainCall::ConcludeAndTransfer {
        fixed: ledger.fixed.clone(),
        state: ledger.final_state(TurnNumber(70_003)),
        signatures: vec![signature(1), signature(2)],
    }
}

pub(crate) fn cursor() -> ChainCursor {
    let block = |number| BlockRef {
        number: BlockNumber(number),
        hash: B256::repeat_byte(0x41),
        timestamp: 1_700_000_000,
    };
    ChainCursor { recent: vec![block(299), block(300)] }
}

/// Whose records the fixtures are.
pub(crate) fn identity() -> store::Identity {
    let address = engine::types::Address::repeat_byte;
    store::Identity {
        address: address(1),
        deployment: engine::state::Deployment {
            chain_id: 1,
            adjudicator: address(2),
            consensus_app: address(3),
            payment_app: address(4),
        },
    }
}
