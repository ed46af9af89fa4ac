// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {INitroTypes} from '../interfaces/INitroTypes.sol';
import {Consensus} from '../libraries/signature-logic/Consensus.sol';

/// @title Consensus as a contract, for tests
/// @dev Spec section 11.
contract TESTConsensus is INitroTypes {
    function requireConsensus(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure {
        Consensus.requireConsensus(fixedPart, proof, candidate);
    }
}
