// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {ForceMoveTest} from './support/ForceMoveTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 7.2 and 13, ForceMove/checkpoint.
contract ForceMoveCheckpointTest is ForceMoveTest {
    uint48 private constant TURN = 8;

    function accepts(bytes32 before, string memory signature) private {
        setStatus(channelId, before);
        vm.recordLogs();
        adjudicator.checkpoint(fixedPart, proofFor(TURN), stateAt(TURN));
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(adjudicator.statusOf(channelId), openAt(TURN), 'status word');
        same(logs.length, 2, 'number of logs');
        same(logs[0].topics[0], IForceMove.StateCheckpointed.selector, 'first log');
        same(logs[0].topics[1], channelId, 'first log: channel');
        same(logs[0].data, abi.encode(proofFor(TURN), stateAt(TURN)), 'first log: states');
        isEvent(logs[1], signature, channelId, abi.encode(TURN));
    }

    function refuses(bytes32 before, SignedVariablePart memory candidate, string memory reason) private {
        setStatus(channelId, before);
        SignedVariablePart[] memory proof = proofFor(TURN);
        expectReason(reason);
        adjudicator.checkpoint(fixedPart, proof, candidate);
        same(adjudicator.statusOf(channelId), before, 'status word untouched');
    }

    function test_accepts_on_an_empty_slot() public {
        accepts(0, 'Checkpointed(bytes32,uint48)');
    }

    function test_accepts_in_an_open_channel() public {
        accepts(openAt(5), 'Checkpointed(bytes32,uint48)');
    }

    function test_clears_a_running_challenge() public {
        accepts(challengedAt(7, 1), 'ChallengeCleared(bytes32,uint48)');
    }

    function test_refuses_a_turn_that_is_not_higher_in_an_open_channel() public {
        refuses(openAt(TURN), stateAt(TURN), 'turnNumRecord not increased.');
        refuses(openAt(20), stateAt(TURN), 'turnNumRecord not increased.');
    }

    function test_refuses_a_turn_that_is_not_higher_in_a_running_challenge() public {
        refuses(challengedAt(TURN, 100), stateAt(TURN), 'turnNumRecord not increased.');
        refuses(challengedAt(20, 100), stateAt(TURN), 'turnNumRecord not increased.');
    }

    function test_refuses_a_bad_transition() public {
        refuses(openAt(5), miscountedAt(TURN), 'Counter must be incremented');
        refuses(challengedAt(5, 100), miscountedAt(TURN), 'Counter must be incremented');
    }

    function test_refuses_the_wrong_signer() public {
        SignedVariablePart memory candidate = signedBy(fixedPart, variablePartAt(TURN), keyOf(TURN + 1));
        refuses(openAt(5), candidate, 'Invalid signedBy');
        refuses(challengedAt(5, 100), candidate, 'Invalid signedBy');
    }

    function test_refuses_once_a_challenge_ran_out() public {
        refuses(challengedAt(5, -1), stateAt(TURN), 'Channel finalized.');
        refuses(challengedAt(5, 0), stateAt(TURN), 'Channel finalized.');
    }

    /// @dev Spec section 7.2: nothing is lower than the record of a channel that was never seen.
    function test_refuses_turn_zero() public {
        FixedPart memory f = pair(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
        VariablePart memory v = VariablePart(split(COIN, 1, 2), '', 0, false);
        SignedVariablePart memory candidate = signedBy(f, v, ALICE_KEY, BOB_KEY);
        expectReason('turnNumRecord not increased.');
        adjudicator.checkpoint(f, noProof(), candidate);
    }

    /// @dev The whole point of a checkpoint: an older state cannot start a challenge afterwards.
    function test_an_older_state_cannot_challenge_after_a_checkpoint() public {
        adjudicator.checkpoint(fixedPart, proofFor(TURN), stateAt(TURN));
        SignedVariablePart[] memory proof = proofFor(TURN - 1);
        SignedVariablePart memory candidate = stateAt(TURN - 1);
        Signature memory sig = signChallenge(ALICE_KEY, fixedPart, variablePartAt(TURN - 1));
        expectReason('turnNumRecord decreased.');
        adjudicator.challenge(fixedPart, proof, candidate, sig);
    }
}
