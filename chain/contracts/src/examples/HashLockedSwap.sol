// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';
import {IForceMoveApp} from '../interfaces/IForceMoveApp.sol';
import {StrictTurnTaking} from '../libraries/signature-logic/StrictTurnTaking.sol';

/// @title Two participants swap their amounts as soon as one of them shows the secret behind a hash
/// @dev Spec section 10.8.
contract HashLockedSwap is IForceMoveApp {
    /// @dev The app data: turn 3 fixes the hash, turn 4 shows its pre-image.
    struct AppData {
        bytes32 h;
        bytes preImage;
    }

    uint48 private constant UNLOCK_TURN = 4;

    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        require(proof.length == 1, 'proof.length!=1');
        require(candidate.variablePart.turnNum == UNLOCK_TURN, 'latest turn number != 4');
        StrictTurnTaking.requireValidTurnTaking(fixedPart, proof, candidate);

        ExitFormat.Allocation[] calldata locked = _pairOf(proof[0].variablePart);
        ExitFormat.Allocation[] calldata unlocked = _pairOf(candidate.variablePart);
        bytes memory preImage = abi.decode(candidate.variablePart.appData, (AppData)).preImage;
        require(
            sha256(preImage) == abi.decode(proof[0].variablePart.appData, (AppData)).h, 'incorrect preimage'
        );
        require(
            unlocked[0].destination == locked[0].destination
                && unlocked[1].destination == locked[1].destination,
            'destinations may not change'
        );
        require(
            unlocked[0].amount == locked[1].amount && unlocked[1].amount == locked[0].amount,
            'amounts must be permuted'
        );
        return (true, '');
    }

    function _pairOf(VariablePart calldata state)
        private
        pure
        returns (ExitFormat.Allocation[] calldata pair)
    {
        pair = state.outcome[0].allocations;
        require(pair.length == 2, 'allocation.length != 2');
    }
}
