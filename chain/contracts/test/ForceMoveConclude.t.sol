// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {ForceMoveTest} from './support/ForceMoveTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 7.3 and 13, ForceMove/conclude.
contract ForceMoveConcludeTest is ForceMoveTest {
    function finalAt(uint48 turnNum) private view returns (SignedVariablePart memory) {
        VariablePart memory v = variablePartAt(turnNum);
        v.isFinal = true;
        return signedByTrio(fixedPart, v);
    }

    function accepts(bytes32 before, uint48 turnNum) private {
        setStatus(channelId, before);
        SignedVariablePart memory candidate = finalAt(turnNum);
        vm.recordLogs();
        adjudicator.conclude(fixedPart, candidate);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(
            adjudicator.statusOf(channelId),
            statusWord(0, NOW, 0, outcomeHashOf(candidate.variablePart.outcome)),
            'status word'
        );
        same(logs.length, 2, 'number of logs');
        same(logs[0].topics[0], IForceMove.StateConcluded.selector, 'first log');
        same(logs[0].topics[1], channelId, 'first log: channel');
        same(logs[0].data, abi.encode(true, candidate), 'first log: state');
        isEvent(logs[1], 'Concluded(bytes32,uint48)', channelId, abi.encode(NOW));
    }

    function refuses(bytes32 before, SignedVariablePart memory candidate, string memory reason) private {
        setStatus(channelId, before);
        expectReason(reason);
        adjudicator.conclude(fixedPart, candidate);
        same(adjudicator.statusOf(channelId), before, 'status word untouched');
    }

    function test_accepts_on_an_empty_slot() public {
        accepts(0, 8);
    }

    function test_accepts_turn_zero_on_an_empty_slot() public {
        accepts(0, 0);
    }

    function test_accepts_in_an_open_channel() public {
        accepts(openAt(5), 8);
    }

    function test_accepts_a_lower_turn_in_an_open_channel() public {
        accepts(openAt(20), 8);
    }

    function test_accepts_during_a_challenge() public {
        accepts(challengedAt(5, 100), 8);
    }

    function test_accepts_a_lower_turn_during_a_challenge() public {
        accepts(challengedAt(20, 1), 8);
    }

    function test_refuses_a_finalized_channel() public {
        refuses(challengedAt(5, 0), finalAt(8), 'Channel finalized.');
    }

    function test_refuses_to_conclude_twice() public {
        adjudicator.conclude(fixedPart, finalAt(8));
        refuses(adjudicator.statusOf(channelId), finalAt(8), 'Channel finalized.');
    }

    function test_refuses_a_state_that_is_not_final() public {
        refuses(openAt(5), signedByTrio(fixedPart, variablePartAt(8)), 'State must be final');
    }

    function test_refuses_a_missing_signature() public {
        SignedVariablePart memory candidate = finalAt(8);
        refuses(openAt(5), signedBy(fixedPart, candidate.variablePart, ALICE_KEY, BOB_KEY), '!unanimous');
    }

    /// @dev One participant's signature many times over must not pass for many participants.
    function test_refuses_one_signature_seven_times() public {
        SignedVariablePart memory candidate = finalAt(8);
        Signature memory alice = candidate.sigs[0];
        candidate.sigs = new Signature[](7);
        for (uint256 i = 0; i < 7; ++i) {
            candidate.sigs[i] = alice;
        }
        refuses(openAt(5), candidate, '!unanimous');
    }

    /// @dev The bit field of signers has as many bits as there are states of a byte.
    function test_panics_on_a_signer_beyond_the_bit_field() public {
        fixedPart.participants = new address[](257);
        fixedPart.participants[256] = ALICE;
        VariablePart memory v = variablePartAt(8);
        v.isFinal = true;
        SignedVariablePart memory candidate = signedBy(fixedPart, v, ALICE_KEY);
        expectPanic(0x11);
        adjudicator.conclude(fixedPart, candidate);
    }

    /// @dev W10: such a channel could never be concluded if one signature did not stand for both positions.
    function test_a_participant_listed_twice_signs_for_both_positions() public {
        fixedPart.participants[1] = ALICE;
        channelId = channelIdOf(fixedPart);
        SignedVariablePart memory candidate = finalAt(8);
        refuses(0, signedBy(fixedPart, candidate.variablePart, ALICE_KEY), '!unanimous');
        setStatus(channelId, 0);
        adjudicator.conclude(fixedPart, signedBy(fixedPart, candidate.variablePart, ALICE_KEY, BOB_KEY));
        holds(adjudicator.statusOf(channelId) != 0, 'concluded');
    }

    /// @dev W10: everybody's money is not nobody's to take.
    function test_a_channel_without_participants_cannot_be_concluded() public {
        fixedPart.participants = new address[](0);
        channelId = channelIdOf(fixedPart);
        SignedVariablePart memory candidate = finalAt(8);
        candidate.sigs = new Signature[](0);
        refuses(0, candidate, '!unanimous');
    }

    /// @dev The app has no say in a unanimous conclusion: this one has no code.
    function test_does_not_ask_the_app() public {
        fixedPart.appDefinition = address(0);
        channelId = channelIdOf(fixedPart);
        accepts(0, 8);
    }
}
