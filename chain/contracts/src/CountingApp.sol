// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';
import {StrictTurnTaking} from './libraries/signature-logic/StrictTurnTaking.sol';

/// @title The least app in which participants take turns: each of them counts one further
/// @dev Spec section 10.7. For tests and as an example of rules for a step from one state to the next.
contract CountingApp is IForceMoveApp {
    /// @dev The app data.
    struct CountingAppData {
        uint256 counter;
    }

    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        StrictTurnTaking.requireValidTurnTaking(fixedPart, proof, candidate);
        for (uint256 i = 1; i < proof.length; ++i) {
            _requireStep(proof[i - 1].variablePart, proof[i].variablePart);
        }
        _requireStep(proof[proof.length - 1].variablePart, candidate.variablePart);
        return (true, '');
    }

    function _requireStep(VariablePart calldata a, VariablePart calldata b) private pure {
        require(_counter(b) == _counter(a) + 1, 'Counter must be incremented');
        require(
            keccak256(abi.encode(b.outcome)) == keccak256(abi.encode(a.outcome)), 'Outcome must not change'
        );
    }

    function _counter(VariablePart calldata state) private pure returns (uint256) {
        return abi.decode(state.appData, (CountingAppData)).counter;
    }
}
