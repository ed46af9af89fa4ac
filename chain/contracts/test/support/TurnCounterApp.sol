// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from '../../src/interfaces/IForceMoveApp.sol';
import {NitroUtils} from '../../src/libraries/NitroUtils.sol';

/// @dev An app in which participants take turns: a state is supported by one state of each of the others before it.
/// App data is a counter that every state increments. It exists to drive ForceMove with proofs of several states.
contract TurnCounterApp is IForceMoveApp {
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        uint256 n = fixedPart.participants.length;
        require(proof.length + 1 == n, 'Invalid number of proof states');
        for (uint256 i = 0; i < proof.length; ++i) {
            _requireMover(n, proof[i]);
            RecoveredVariablePart calldata next = i + 1 < proof.length ? proof[i + 1] : candidate;
            require(
                next.variablePart.turnNum == proof[i].variablePart.turnNum + 1, 'Wrong variablePart.turnNum'
            );
            if (_counter(next) != _counter(proof[i]) + 1) {
                return (false, 'Counter must be incremented');
            }
        }
        _requireMover(n, candidate);
        return (true, '');
    }

    function _requireMover(uint256 n, RecoveredVariablePart calldata state) private pure {
        require(
            NitroUtils.isClaimedSignedOnlyBy(state.signedBy, uint8(state.variablePart.turnNum % n)),
            'Invalid signedBy'
        );
    }

    function _counter(RecoveredVariablePart calldata state) private pure returns (uint256) {
        return abi.decode(state.variablePart.appData, (uint256));
    }
}
