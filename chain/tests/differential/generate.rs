//! Random content of channels: mostly right, often wrong in one place, sometimes at the very edge.

use std::sync::LazyLock;

use engine::crypto::{LocalSigner, Signature, Signer};
use engine::outcome::{Allocation, AllocationKind, Outcome, SingleAssetExit};
use engine::state::{FixedPart, SupportedState, VariablePart};
use engine::testing::Random;
use engine::types::{
    Address, Amount, Asset, B256, Bytes, ChannelId, Destination, TurnNumber, U256,
};

/// Keys that sign; the last ones are never participants.
pub(crate) const KEYS: u8 = 6;

/// How many of the keys may be participants.
pub(crate) const PARTICIPANTS: u8 = 4;

static SIGNERS: LazyLock<Vec<LocalSigner>> =
    LazyLock::new(|| (1..=KEYS).map(|byte| LocalSigner::new([byte; 32]).unwrap()).collect());

pub(crate) fn key(index: u8) -> &'static LocalSigner {
    &SIGNERS[usize::from(index)]
}

/// The key's owner.
pub(crate) fn account(index: u8) -> Address {
    key(index).address()
}

pub(crate) fn index(random: &mut Random, bound: usize) -> usize {
    usize::try_from(random.below(bound as u64)).unwrap()
}

/// Small numbers that meet each other, numbers of any size, and the ends of the range.
pub(crate) fn amount(random: &mut Random) -> Amount {
    match random.below(8) {
        0 => Amount::ZERO,
        1 => U256::MAX.into(),
        2 => Amount::from(U256::MAX >> 1),
        3 => Amount::from(U256::from(random.number()) << (8 * random.below(24))),
        _ => random.below(20).into(),
    }
}

/// Accounts and channels.
pub(crate) fn destination(random: &mut Random) -> Destination {
    match random.below(8) {
        0 => Destination(B256::repeat_byte(0x80 + u8::try_from(random.below(3)).unwrap())),
        1 => Destination(B256::ZERO),
        _ => account(u8::try_from(random.below(4)).unwrap()).into(),
    }
}

pub(crate) fn bytes(random: &mut Random, bound: u64) -> Bytes {
    let length = random.below(bound);
    Bytes((0..length).map(|_| random.number().to_be_bytes()[7]).collect())
}

pub(crate) fn simple(random: &mut Random) -> Allocation {
    Allocation::simple(destination(random), amount(random))
}

pub(crate) fn allocation(random: &mut Random) -> Allocation {
    let kind = match random.below(8) {
        0 => AllocationKind(1),
        1 => AllocationKind(u8::try_from(random.below(256)).unwrap()),
        _ => AllocationKind::SIMPLE,
    };
    let metadata = if random.chance(20) { bytes(random, 80) } else { Bytes::default() };
    Allocation { kind, metadata, ..simple(random) }
}

pub(crate) fn guarantee(random: &mut Random, locked: Amount) -> Allocation {
    let target = ChannelId(B256::repeat_byte(0x90 + u8::try_from(random.below(3)).unwrap()));
    let mut lock = Allocation::guarantee(target, locked, destination(random), destination(random));
    if random.chance(10) {
        lock.metadata.0.truncate(index(random, 70));
    }
    if random.chance(5) {
        lock.metadata.0.push(1);
    }
    lock
}

pub(crate) fn exit(random: &mut Random) -> SingleAssetExit {
    let count = random.below(4);
    SingleAssetExit {
        asset: if random.chance(70) { Asset::NATIVE } else { Asset(Address::repeat_byte(0x70)) },
        asset_type: u8::try_from(if random.chance(95) { random.below(4) } else { 4 }).unwrap(),
        metadata: if random.chance(80) { Bytes::default() } else { bytes(random, 40) },
        allocations: (0..count).map(|_| allocation(random)).collect(),
    }
}

pub(crate) fn outcome(random: &mut Random) -> Outcome {
    let count = if random.chance(80) { 1 } else { random.below(4) };
    Outcome((0..count).map(|_| exit(random)).collect())
}

pub(crate) fn fixed(random: &mut Random, app: Address, participants: Vec<u8>) -> FixedPart {
    FixedPart {
        participants: participants.into_iter().map(account).collect(),
        nonce: random.number(),
        app,
        challenge_duration: u32::try_from(random.below(1 << 32)).unwrap(),
    }
}

/// A few participants, rarely none and rarely one twice.
pub(crate) fn participants(random: &mut Random) -> Vec<u8> {
    let count = if random.chance(2) { 0 } else { random.between(1, u64::from(PARTICIPANTS)) };
    let mut some: Vec<u8> = (0..u8::try_from(count).unwrap()).collect();
    if random.chance(3) {
        some.push(0);
    }
    some
}

pub(crate) fn turn(random: &mut Random) -> TurnNumber {
    match random.below(8) {
        0 => TurnNumber::MAX,
        1 => TurnNumber(random.below(1 << 48)),
        _ => TurnNumber(random.below(4)),
    }
}

/// Signs as everybody does, or with one fault.
pub(crate) fn sign(
    random: &mut Random,
    fixed: &FixedPart,
    state: VariablePart,
    signers: &[u8],
    faults: u64,
) -> SupportedState {
    let hash = state.hash(fixed.channel_id());
    let mut signers = signers.to_vec();
    let mut signatures: Vec<Signature>;
    if random.chance(faults) {
        let at = index(random, signers.len());
        match random.below(5) {
            0 if !signers.is_empty() => {
                signers.remove(at);
            }
            // A stranger in place of a participant, or beside them.
            1 if !signers.is_empty() => signers[at] = KEYS - 1,
            2 => signers.push(KEYS - 1),
            // Somebody twice, with or without all others.
            3 if !signers.is_empty() => signers.push(signers[at]),
            _ => {}
        }
        signatures = signers.iter().map(|signer| key(*signer).sign(hash)).collect();
        if random.chance(40) && !signatures.is_empty() {
            let at = index(random, signatures.len());
            signatures[at] = broken(random, signatures[at]);
        }
    } else {
        signatures = signers.iter().map(|signer| key(*signer).sign(hash)).collect();
    }
    if random.chance(10) {
        signatures.reverse();
    }
    SupportedState { state, signatures }
}

/// A signature with one fault: some recover to a stranger, some to nobody, some have a twin.
pub(crate) fn broken(random: &mut Random, good: Signature) -> Signature {
    let mut bytes = good.0;
    match random.below(6) {
        0 => bytes[64] = 55 - bytes[64],
        1 => bytes[64] = u8::try_from(random.below(256)).unwrap(),
        2 => bytes[index(random, 64)] ^= 1,
        3 => bytes[..32].fill(u8::try_from(random.below(2) * 255).unwrap()),
        4 => bytes[32..64].fill(0),
        _ => {
            // The twin with high s.
            const ORDER: U256 = U256::from_limbs([
                0xbfd2_5e8c_d036_4141,
                0xbaae_dce6_af48_a03b,
                0xffff_ffff_ffff_fffe,
                0xffff_ffff_ffff_ffff,
            ]);
            let high = ORDER - U256::from_be_bytes(good.s().0);
            bytes[32..64].copy_from_slice(&high.to_be_bytes::<32>());
            bytes[64] = 55 - bytes[64];
        }
    }
    Signature(bytes)
}
