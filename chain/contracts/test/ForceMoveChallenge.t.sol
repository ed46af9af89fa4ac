// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {ForceMoveTest} from './support/ForceMoveTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 7.1 and 13, ForceMove/challenge.
contract ForceMoveChallengeTest is ForceMoveTest {
    uint48 private constant TURN = 8;

    function challenger() private view returns (Signature memory) {
        return signChallenge(ALICE_KEY, fixedPart, variablePartAt(TURN));
    }

    function accepts(bytes32 before) private {
        setStatus(channelId, before);
        SignedVariablePart[] memory proof = proofFor(TURN);
        SignedVariablePart memory candidate = stateAt(TURN);
        Signature memory sig = challenger();

        vm.recordLogs();
        adjudicator.challenge(fixedPart, proof, candidate, sig);
        Vm.Log[] memory logs = vm.getRecordedLogs();

        same(adjudicator.statusOf(channelId), challengedAt(TURN, int48(DURATION)), 'status word');
        isEvent(
            logs[logs.length - 1],
            'ChallengeRegistered(bytes32,uint48,(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[])[],(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[]))',
            channelId,
            abi.encode(NOW + DURATION, proof, candidate)
        );
        same(logs.length, 1, 'number of logs');
    }

    function refuses(bytes32 before, string memory reason) private {
        setStatus(channelId, before);
        refuses(proofFor(TURN), stateAt(TURN), challenger(), reason);
        same(adjudicator.statusOf(channelId), before, 'status word untouched');
    }

    function refuses(
        SignedVariablePart[] memory proof,
        SignedVariablePart memory candidate,
        Signature memory sig,
        string memory reason
    ) private {
        expectReason(reason);
        adjudicator.challenge(fixedPart, proof, candidate, sig);
    }

    function test_accepts_on_an_empty_slot() public {
        accepts(0);
    }

    function test_accepts_in_an_open_channel() public {
        accepts(openAt(5));
    }

    function test_accepts_the_recorded_turn_again_in_an_open_channel() public {
        accepts(openAt(TURN));
    }

    function test_replaces_a_running_challenge_by_a_higher_turn() public {
        accepts(challengedAt(5, 100));
    }

    function test_refuses_an_older_turn_in_an_open_channel() public {
        refuses(openAt(20), 'turnNumRecord decreased.');
    }

    function test_refuses_an_older_turn_in_a_running_challenge() public {
        refuses(challengedAt(20, 100), 'turnNumRecord not increased.');
    }

    function test_refuses_the_same_turn_in_a_running_challenge() public {
        refuses(challengedAt(TURN, 100), 'turnNumRecord not increased.');
    }

    function test_refuses_once_a_challenge_ran_out() public {
        refuses(challengedAt(5, -1), 'Channel finalized.');
    }

    /// @dev The last second belongs to the finalized channel.
    function test_refuses_in_the_second_a_challenge_runs_out() public {
        refuses(challengedAt(5, 0), 'Channel finalized.');
    }

    function test_refuses_a_challenger_who_is_no_participant() public {
        Signature memory sig = signChallenge(STRANGER_KEY, fixedPart, variablePartAt(TURN));
        refuses(proofFor(TURN), stateAt(TURN), sig, 'Challenger is not a participant');
    }

    function test_refuses_a_challenge_signature_that_is_none() public {
        refuses(proofFor(TURN), stateAt(TURN), Signature(1, 0, 0), 'Invalid signature');
    }

    /// @dev Somebody who saw a state must not be able to present its signature as a challenge.
    function test_refuses_a_state_signature_as_the_challenge_signature() public {
        refuses(proofFor(TURN), stateAt(TURN), stateAt(TURN).sigs[0], 'Challenger is not a participant');
    }

    function test_refuses_with_the_reason_the_app_reverts_with() public {
        refuses(proofFor(TURN), miscountedAt(TURN), challenger(), 'Counter must be incremented');
        SignedVariablePart memory candidate = signedBy(fixedPart, variablePartAt(TURN), keyOf(TURN + 1));
        refuses(proofFor(TURN), candidate, challenger(), 'Invalid signedBy');
    }

    /// @dev This app does not revert when it is shown two proof states, but says no.
    function test_refuses_with_the_reason_the_app_returns() public {
        fixedPart = trio(vm.deployCode('InterestBearingApp.sol:InterestBearingApp'));
        refuses(proofFor(TURN), stateAt(TURN), challenger(), '|proof| > 1');
    }

    function test_refuses_one_state() public {
        refuses(noProof(), stateAt(TURN), challenger(), 'Invalid number of proof states');
    }

    function test_refuses_four_states() public {
        SignedVariablePart[] memory proof = new SignedVariablePart[](3);
        proof[0] = stateAt(TURN - 3);
        proof[1] = stateAt(TURN - 2);
        proof[2] = stateAt(TURN - 1);
        refuses(proof, stateAt(TURN), challenger(), 'Invalid number of proof states');
    }

    /// @dev One broken signature anywhere spoils the call, even beside a good one.
    function test_refuses_an_invalid_signature_in_a_proof_state() public {
        SignedVariablePart[] memory proof = proofFor(TURN);
        Signature[] memory sigs = new Signature[](2);
        sigs[0] = proof[0].sigs[0];
        proof[0].sigs = sigs;
        refuses(proof, stateAt(TURN), challenger(), 'Invalid signature');
    }

    function test_ignores_signatures_of_strangers() public {
        SignedVariablePart memory candidate =
            signedBy(fixedPart, variablePartAt(TURN), STRANGER_KEY, keyOf(TURN));
        adjudicator.challenge(fixedPart, proofFor(TURN), candidate, challenger());
        same(adjudicator.statusOf(channelId), challengedAt(TURN, int48(DURATION)), 'status word');
    }

    function test_reverts_silently_when_the_app_has_no_code() public {
        fixedPart.appDefinition = address(0);
        bytes memory call =
            abi.encodeCall(adjudicator.challenge, (fixedPart, proofFor(TURN), stateAt(TURN), challenger()));
        revertsSilently(address(adjudicator), call, 'no app');
    }

    function test_panics_when_the_deadline_does_not_fit() public {
        fixedPart.challengeDuration = type(uint48).max;
        SignedVariablePart[] memory proof = proofFor(TURN);
        SignedVariablePart memory candidate = stateAt(TURN);
        Signature memory sig = challenger();
        expectPanic(0x11);
        adjudicator.challenge(fixedPart, proof, candidate, sig);
    }

    /// @dev Spec section 4: a duration of zero finalizes in the block of the challenge itself.
    function test_finalizes_at_once_with_duration_zero() public {
        fixedPart.challengeDuration = 0;
        channelId = channelIdOf(fixedPart);
        adjudicator.challenge(fixedPart, proofFor(TURN), stateAt(TURN), challenger());
        expectReason('Channel finalized.');
        adjudicator.challenge(fixedPart, proofFor(TURN), stateAt(TURN), challenger());
    }

    function test_accepts_turn_zero_and_a_final_candidate() public {
        FixedPart memory f = pair(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
        VariablePart memory v = VariablePart(split(COIN, 1, 2), '', 0, true);
        adjudicator.challenge(f, noProof(), signedBy(f, v, BOB_KEY, ALICE_KEY), signChallenge(BOB_KEY, f, v));
        same(
            adjudicator.statusOf(channelIdOf(f)),
            statusWord(0, NOW + DURATION, stateHashOf(f, v), outcomeHashOf(v.outcome)),
            'status word'
        );
    }

    /// @dev The largest outcome that the original suite speaks of. Its calldata stays below what nodes relay.
    /// forge-config: default.isolate = true
    function test_six_hundred_allocations_stay_below_six_million_gas() public {
        FixedPart memory f = pair(vm.deployCode('ConsensusApp.sol:ConsensusApp'));
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](600);
        for (uint256 i = 0; i < allocations.length; ++i) {
            allocations[i] = simple(to(address(uint160(1000 + i))), i);
        }
        VariablePart memory v = VariablePart(outcomeOf(COIN, allocations), '', 0, false);
        SignedVariablePart memory candidate = signedBy(f, v, ALICE_KEY, BOB_KEY);
        Signature memory sig = signChallenge(BOB_KEY, f, v);
        holds(
            abi.encodeCall(adjudicator.challenge, (f, noProof(), candidate, sig)).length < 128 * 1024,
            'calldata below 128 KiB'
        );
        adjudicator.challenge(f, noProof(), candidate, sig);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        holds(used < 6_000_000, string.concat('gas ', vm.toString(used)));
    }
}
