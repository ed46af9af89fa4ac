// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../interfaces/INitroTypes.sol';
import {StrictTurnTaking} from '../libraries/signature-logic/StrictTurnTaking.sol';

/// @title StrictTurnTaking as a contract, for tests
/// @dev Spec section 11.
contract TESTStrictTurnTaking is INitroTypes {
    function requireValidTurnTaking(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure {
        StrictTurnTaking.requireValidTurnTaking(fixedPart, proof, candidate);
    }

    function isSignedByMover(
        FixedPart calldata fixedPart,
        RecoveredVariablePart calldata recoveredVariablePart
    ) external pure {
        StrictTurnTaking.requireSignedByMover(fixedPart, recoveredVariablePart);
    }

    function moverAddress(address[] calldata participants, uint48 turnNum) external pure returns (address) {
        return StrictTurnTaking.moverAddress(participants, turnNum);
    }

    function requireValidInput(uint256 numParticipants, uint256 numProofStates) external pure {
        StrictTurnTaking.requireValidInput(numParticipants, numProofStates);
    }
}
