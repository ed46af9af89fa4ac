// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../../interfaces/INitroTypes.sol';
import {NitroUtils} from '../NitroUtils.sol';

/// @title A state counts when every participant signed one of the last states, each in turn
/// @dev Spec section 10.3. Whoever signs a state has seen the one before it, so the whole round stands behind the last.
library StrictTurnTaking {
    function requireValidTurnTaking(
        INitroTypes.FixedPart calldata fixedPart,
        INitroTypes.RecoveredVariablePart[] calldata proof,
        INitroTypes.RecoveredVariablePart calldata candidate
    ) internal pure {
        requireValidInput(fixedPart.participants.length, proof.length);
        uint48 turnNum = proof[0].variablePart.turnNum;
        for (uint256 i = 0; i < proof.length; ++i) {
            _requireTurn(fixedPart, proof[i], turnNum);
            ++turnNum;
        }
        _requireTurn(fixedPart, candidate, turnNum);
    }

    function _requireTurn(
        INitroTypes.FixedPart calldata fixedPart,
        INitroTypes.RecoveredVariablePart calldata state,
        uint48 turnNum
    ) private pure {
        requireSignedByMover(fixedPart, state);
        require(state.variablePart.turnNum == turnNum, 'Wrong variablePart.turnNum');
    }

    /// @dev A signature by anybody else is one too many: it could be taken for the signature of another turn.
    function requireSignedByMover(
        INitroTypes.FixedPart calldata fixedPart,
        INitroTypes.RecoveredVariablePart calldata state
    ) internal pure {
        require(
            NitroUtils.isClaimedSignedOnlyBy(
                state.signedBy, uint8(state.variablePart.turnNum % fixedPart.participants.length)
            ),
            'Invalid signedBy'
        );
    }

    function moverAddress(address[] calldata participants, uint48 turnNum) internal pure returns (address) {
        return participants[turnNum % participants.length];
    }

    /// @dev Positions beyond 255 have no bit.
    function requireValidInput(uint256 numParticipants, uint256 numProofStates) internal pure {
        require(numProofStates > 0 && numParticipants == numProofStates + 1, 'Invalid number of proof states');
        require(numParticipants <= type(uint8).max, 'Too many participants');
    }
}
