//! The second fixture of the contracts' own library: states, challenges and vouchers of the
//! same Alice and Bob, computed by the TypeScript side.

use alloy_primitives::{address, b256, hex, keccak256};
use engine::crypto::{LocalSigner, Signature, Signer};
use engine::outcome::{Allocation, Outcome};
use engine::state::{FixedPart, VariablePart, challenge_hash};
use engine::types::{Asset, B256, Bytes, ChannelId, TurnNumber};

use super::vouchers::voucher_preimage;

pub(super) const CHECKS: &[fn()] = &[
    the_library_has_our_hashes,
    the_library_has_our_state_signatures,
    the_library_has_our_challenge,
    the_library_has_our_voucher,
];

const STATE_HASH: B256 =
    b256!("0x19e0c701fc6a46e835b7971fb2b79a1b720e742e8e48820c330a4fc66705a4ac");

fn alice() -> LocalSigner {
    let key = hex!("2d999770f7b5d49b694080f987b82bbc9fc9ac2b4dcc10b0f8aba7d700f69c6d");
    LocalSigner::new(key).unwrap()
}

fn bob() -> LocalSigner {
    let key = hex!("0279651921cd800ac560c21ceea27aab0107b67daf436cdd25ce84cad30159b4");
    LocalSigner::new(key).unwrap()
}

fn fixture() -> (ChannelId, VariablePart) {
    let participants = vec![alice().address(), bob().address()];
    let allocations = participants
        .iter()
        .map(|payee| Allocation::simple((*payee).into(), 5_u64.into()))
        .collect();
    let fixed = FixedPart {
        participants,
        nonce: 37_140_676_580,
        app: address!("0x5e29E5Ab8EF33F050c7cc10B5a0456D975C5F88d"),
        challenge_duration: 60,
    };
    let variable = VariablePart {
        outcome: Outcome::single(Asset::NATIVE, allocations),
        app_data: Bytes::default(),
        turn: TurnNumber(5),
        is_final: false,
    };
    (fixed.channel_id(), variable)
}

#[test]
fn the_library_has_our_hashes() {
    let (channel, state) = fixture();
    let id = b256!("0xe50a5b831f59ea1161c2ccb517e1ce3f8cb366abdfa5daf924797ecba3715058");
    let outcome = b256!("0x3540dd05bc4836047076aab800184f4eb343b865013c7ab482da234db1fa49cf");
    assert_eq!(channel.0, id);
    assert_eq!(state.outcome.hash(), outcome);
    assert_eq!(state.hash(channel), STATE_HASH);
}

#[test]
fn the_library_has_our_state_signatures() {
    let by_alice = Signature(hex!(
        "b05a775bae0fbffdefeb25b7f275b8588419d7123e4a4bf46691975b14f84ebe"
        "5558732a6cea7f69f02657ff1d194442e8d2d074b84101be9e4fca3d67952bff1b"
    ));
    let by_bob = Signature(hex!(
        "08ca97dd08faf3e2bbf61b8b2b33f140b0e2e4a16a9a48a55a11b366fbab8c99"
        "3aff39331dd550faf9b25f4447b2469c174a945efa2c3a4f029a1e319b87f7f51c"
    ));
    for (signer, signature) in [(alice(), by_alice), (bob(), by_bob)] {
        assert_eq!(signer.sign(STATE_HASH), signature);
        assert_eq!(signature.recover(STATE_HASH), Ok(signer.address()));
    }
}

#[test]
fn the_library_has_our_challenge() {
    let hash = b256!("0x47eb5152444e5ea2ed63243be256bf40087d6bffb0b5c0437932a070d878d233");
    let by_alice = Signature(hex!(
        "2f3d5ac415a968e53e6418afe607a743fc92d7c785eb81d182a0cc69d577ea9c"
        "0207a7020c62c1c222b1a9d2f30db7ed9e6ab30fa13e1b5e2b16adedbf69bee11b"
    ));
    assert_eq!(challenge_hash(STATE_HASH), hash);
    assert_eq!(alice().sign(hash), by_alice);
}

#[test]
fn the_library_has_our_voucher() {
    let expected = b256!("0x525d218ce36c6b14d0ef689ad5de5982ffa2c0ef8c9b1bb320b151d9bce42d5c");
    let by_alice = Signature(hex!(
        "40349275787b73d67caa11358a1d76f3703988fdb95870e730a27b65e9c05acd"
        "1761f945ef12d326102e2a5d30e5ffdc704880d2fbae3f68a6d52fed545297291b"
    ));
    let (channel, _) = fixture();
    let hash = keccak256(voucher_preimage(channel.0, 7_u64.into()));
    assert_eq!(hash, expected);
    assert_eq!(alice().sign(hash), by_alice);
}
