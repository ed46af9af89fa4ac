// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {NitroUtils} from '../src/libraries/NitroUtils.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev The numbers of spec section 3, which were computed with the original library.
contract VectorsTest is NitroTest {
    address private constant APP = 0x5e29E5Ab8EF33F050c7cc10B5a0456D975C5F88d;
    bytes32 private constant STATE_HASH = 0x19e0c701fc6a46e835b7971fb2b79a1b720e742e8e48820c330a4fc66705a4ac;

    function fixture() private pure returns (FixedPart memory f, VariablePart memory v) {
        f = pair(APP);
        f.channelNonce = 37140676580;
        f.challengeDuration = 60;
        v = VariablePart(split(COIN, 5, 5), '', 5, false);
    }

    function signature(bytes32 r, bytes32 s, uint8 v) private pure returns (Signature memory) {
        return Signature(v, r, s);
    }

    function aliceOnState() private pure returns (Signature memory) {
        return signature(
            0xb05a775bae0fbffdefeb25b7f275b8588419d7123e4a4bf46691975b14f84ebe,
            0x5558732a6cea7f69f02657ff1d194442e8d2d074b84101be9e4fca3d67952bff,
            0x1b
        );
    }

    function bobOnState() private pure returns (Signature memory) {
        return signature(
            0x08ca97dd08faf3e2bbf61b8b2b33f140b0e2e4a16a9a48a55a11b366fbab8c99,
            0x3aff39331dd550faf9b25f4447b2469c174a945efa2c3a4f029a1e319b87f7f5,
            0x1c
        );
    }

    function aliceOnChallenge() private pure returns (Signature memory) {
        return signature(
            0x2f3d5ac415a968e53e6418afe607a743fc92d7c785eb81d182a0cc69d577ea9c,
            0x0207a7020c62c1c222b1a9d2f30db7ed9e6ab30fa13e1b5e2b16adedbf69bee1,
            0x1b
        );
    }

    function test_hashes_of_the_first_fixture() public pure {
        (FixedPart memory f, VariablePart memory v) = fixture();
        f.participants[0] = 0xF5A1BB5607C9D079E46d1B3Dc33f257d937b43BD;
        f.participants[1] = 0x760bf27cd45036a6C486802D30B5D90CfFBE31FE;
        v.outcome[0].allocations[0].destination = to(f.participants[0]);
        v.outcome[0].allocations[1].destination = to(0xEe18fF1575055691009aa246aE608132C57a422c);
        bytes32 channelId = NitroUtils.getChannelId(f);
        same(channelId, 0x3f9dfeabcc41d1618dd0711102018ab6c1a1d7c25111a425401c2e524eb073a2, 'channel id');
        same(
            NitroUtils.hashState(channelId, v),
            0x8e20f2e5f2cd3b3d4805eb3b98d2cf2945631042f4cb69fc629425dd28efe184,
            'state hash'
        );
    }

    function test_hashes_of_the_second_fixture() public pure {
        (FixedPart memory f, VariablePart memory v) = fixture();
        bytes32 channelId = NitroUtils.getChannelId(f);
        same(channelId, 0xe50a5b831f59ea1161c2ccb517e1ce3f8cb366abdfa5daf924797ecba3715058, 'channel id');
        same(
            NitroUtils.hashOutcome(v.outcome),
            0x3540dd05bc4836047076aab800184f4eb343b865013c7ab482da234db1fa49cf,
            'outcome hash'
        );
        same(NitroUtils.hashState(channelId, v), STATE_HASH, 'state hash');
        same(
            NitroUtils.hashState(channelId, v.appData, v.outcome, v.turnNum, v.isFinal),
            STATE_HASH,
            'state hash from its parts'
        );
        // The helpers that all other tests build on.
        same(channelIdOf(f), channelId, 'channel id of the tests');
        same(stateHashOf(f, v), STATE_HASH, 'state hash of the tests');
    }

    function test_state_signatures_recover_to_their_signers() public pure {
        same(NitroUtils.recoverSigner(STATE_HASH, aliceOnState()), ALICE, 'Alice');
        same(NitroUtils.recoverSigner(STATE_HASH, bobOnState()), BOB, 'Bob');
        Signature memory own = sign(ALICE_KEY, STATE_HASH);
        same(own.s, aliceOnState().s, 'a signature made here is the same');
    }

    function test_challenge_hash_and_signature() public pure {
        bytes32 hash = keccak256(abi.encode(STATE_HASH, 'forceMove'));
        same(hash, 0x47eb5152444e5ea2ed63243be256bf40087d6bffb0b5c0437932a070d878d233, 'challenge hash');
        same(NitroUtils.recoverSigner(hash, aliceOnChallenge()), ALICE, 'challenger');
    }

    function test_voucher_hash_and_signature() public pure {
        (FixedPart memory f,) = fixture();
        bytes32 hash = keccak256(abi.encode(NitroUtils.getChannelId(f), uint256(7)));
        same(hash, 0x525d218ce36c6b14d0ef689ad5de5982ffa2c0ef8c9b1bb320b151d9bce42d5c, 'voucher hash');
        Signature memory voucher = signature(
            0x40349275787b73d67caa11358a1d76f3703988fdb95870e730a27b65e9c05acd,
            0x1761f945ef12d326102e2a5d30e5ffdc704880d2fbae3f68a6d52fed54529729,
            0x1b
        );
        same(NitroUtils.recoverSigner(hash, voucher), ALICE, 'voucher signer');
    }

    /// @dev The three status words come out of the deployed adjudicator. Its app check needs an app at the fixture's
    /// address, which is the consensus app here.
    function test_status_words() public {
        (FixedPart memory f, VariablePart memory v) = fixture();
        vm.etch(APP, vm.deployCode('ConsensusApp.sol:ConsensusApp').code);
        bytes32 channelId = channelIdOf(f);
        SignedVariablePart memory candidate = SignedVariablePart(v, new Signature[](2));
        candidate.sigs[0] = aliceOnState();
        candidate.sigs[1] = bobOnState();

        vm.warp(NOW - 60);
        adjudicator.challenge(f, noProof(), candidate, aliceOnChallenge());
        same(
            adjudicator.statusOf(channelId),
            0x00000000000500006553f100c646f4825b430b5a0d0ffac406057ec83b2fa933,
            'challenge finalizing at 1700000000'
        );

        setStatus(channelId, 0);
        adjudicator.checkpoint(f, noProof(), candidate);
        same(
            adjudicator.statusOf(channelId),
            0x0000000000050000000000003f17f1962b36e491b30a40b2405849e597ba5fb5,
            'checkpoint at 5'
        );

        vm.warp(NOW);
        v.isFinal = true;
        adjudicator.conclude(f, signedBy(f, v, ALICE_KEY, BOB_KEY));
        same(
            adjudicator.statusOf(channelId),
            0x00000000000000006553f1001952c43f4d03d1a6035866b4f53bf1ecf053550f,
            'concluded at 1700000000'
        );
    }
}
