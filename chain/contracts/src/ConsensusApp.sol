// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMoveApp} from './interfaces/IForceMoveApp.sol';
import {Consensus} from './libraries/signature-logic/Consensus.sol';

/// @title The app of ledger channels: a state is supported when everyone signed it
/// @dev Spec section 10.4.
contract ConsensusApp is IForceMoveApp {
    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        Consensus.requireConsensus(fixedPart, proof, candidate);
        return (true, '');
    }
}
