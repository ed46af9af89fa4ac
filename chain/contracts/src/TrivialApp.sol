// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';

/// @title An app without rules, for tests: it supports whatever it is shown
/// @dev Spec section 10.10. A channel with this app belongs to whoever challenges first.
contract TrivialApp is IForceMoveApp {
    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata,
        RecoveredVariablePart[] calldata,
        RecoveredVariablePart calldata
    ) external pure override returns (bool, string memory) {
        return (true, '');
    }
}
