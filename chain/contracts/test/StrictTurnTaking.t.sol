// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../src/interfaces/INitroTypes.sol';
import {NitroTest} from './support/NitroTest.sol';

interface IStrictTurnTaking is INitroTypes {
    function requireValidTurnTaking(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure;
    function isSignedByMover(FixedPart calldata fixedPart, RecoveredVariablePart calldata state) external pure;
    function moverAddress(address[] calldata participants, uint48 turnNum) external pure returns (address);
    function requireValidInput(uint256 numParticipants, uint256 numProofStates) external pure;
}

/// @dev Spec sections 10.3 and 13, libraries/StrictTurnTaking. Participants: Alice, Irene, Bob.
contract StrictTurnTakingTest is NitroTest {
    IStrictTurnTaking private library_;

    function setUp() public override {
        super.setUp();
        library_ = IStrictTurnTaking(vm.deployCode('TESTStrictTurnTaking.sol:TESTStrictTurnTaking'));
    }

    function state(uint48 turnNum, uint256 signers) private pure returns (RecoveredVariablePart memory) {
        return RecoveredVariablePart(VariablePart(split(COIN, 1, 1), '', turnNum, false), signers);
    }

    function proof(RecoveredVariablePart memory first, RecoveredVariablePart memory second)
        private
        pure
        returns (RecoveredVariablePart[] memory states)
    {
        states = new RecoveredVariablePart[](2);
        (states[0], states[1]) = (first, second);
    }

    // isSignedByMover

    function test_the_mover_alone_must_have_signed() public {
        FixedPart memory f = trio(address(0));
        library_.isSignedByMover(f, state(3, 1));
        library_.isSignedByMover(f, state(4, 2));
        library_.isSignedByMover(f, state(5, 4));
        expectReason('Invalid signedBy');
        library_.isSignedByMover(f, state(3, 2));
        expectReason('Invalid signedBy');
        library_.isSignedByMover(f, state(3, 3));
        expectReason('Invalid signedBy');
        library_.isSignedByMover(f, state(3, 0));
    }

    // moverAddress

    function test_the_mover_follows_the_turn() public view {
        address[] memory participants = trio(address(0)).participants;
        address[3] memory movers = [ALICE, irene, BOB];
        for (uint48 turnNum = 0; turnNum < 8; ++turnNum) {
            same(library_.moverAddress(participants, turnNum), movers[turnNum % 3], 'mover');
        }
    }

    // requireValidInput

    function test_one_proof_state_fewer_than_participants() public view {
        library_.requireValidInput(2, 1);
        library_.requireValidInput(4, 3);
        library_.requireValidInput(255, 254);
    }

    function refusesInput(uint256 participants, uint256 states, string memory reason) private {
        expectReason(reason);
        library_.requireValidInput(participants, states);
    }

    function test_refuses_other_numbers() public {
        refusesInput(1, 0, 'Invalid number of proof states');
        refusesInput(0, 0, 'Invalid number of proof states');
        refusesInput(2, 0, 'Invalid number of proof states');
        refusesInput(2, 2, 'Invalid number of proof states');
        refusesInput(3, 1, 'Invalid number of proof states');
        refusesInput(256, 255, 'Too many participants');
    }

    // requireValidTurnTaking

    function test_accepts_a_round() public view {
        library_.requireValidTurnTaking(trio(address(0)), proof(state(3, 1), state(4, 2)), state(5, 4));
        library_.requireValidTurnTaking(trio(address(0)), proof(state(4, 2), state(5, 4)), state(6, 1));
    }

    function refuses(
        RecoveredVariablePart[] memory states,
        RecoveredVariablePart memory candidate,
        string memory reason
    ) private {
        FixedPart memory f = trio(address(0));
        expectReason(reason);
        library_.requireValidTurnTaking(f, states, candidate);
    }

    function test_refuses_a_wrong_signer_anywhere() public {
        refuses(proof(state(3, 2), state(4, 2)), state(5, 4), 'Invalid signedBy');
        refuses(proof(state(3, 1), state(4, 1)), state(5, 4), 'Invalid signedBy');
        refuses(proof(state(3, 1), state(4, 2)), state(5, 1), 'Invalid signedBy');
        refuses(proof(state(3, 1), state(4, 2)), state(5, 7), 'Invalid signedBy');
    }

    function test_refuses_a_gap_and_a_repetition() public {
        refuses(proof(state(3, 1), state(7, 2)), state(5, 4), 'Wrong variablePart.turnNum');
        refuses(proof(state(3, 1), state(3, 1)), state(4, 2), 'Wrong variablePart.turnNum');
        refuses(proof(state(3, 1), state(4, 2)), state(8, 4), 'Wrong variablePart.turnNum');
    }

    /// @dev Who signed is asked before when.
    function test_the_signer_is_checked_first() public {
        refuses(proof(state(3, 1), state(7, 1)), state(5, 4), 'Invalid signedBy');
    }

    function test_refuses_other_numbers_of_states() public {
        RecoveredVariablePart[] memory one = new RecoveredVariablePart[](1);
        one[0] = state(4, 2);
        refuses(one, state(5, 4), 'Invalid number of proof states');
        refuses(new RecoveredVariablePart[](0), state(5, 4), 'Invalid number of proof states');
        refuses(new RecoveredVariablePart[](3), state(5, 4), 'Invalid number of proof states');
    }
}
