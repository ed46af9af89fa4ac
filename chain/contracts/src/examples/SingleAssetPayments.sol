// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';
import {IForceMoveApp} from '../interfaces/IForceMoveApp.sol';
import {StrictTurnTaking} from '../libraries/signature-logic/StrictTurnTaking.sol';

/// @title Participants take turns, and whose turn it is may pay the others
/// @dev Spec section 10.9. Allocation `i` is participant `i`'s.
contract SingleAssetPayments is IForceMoveApp {
    /// @inheritdoc IForceMoveApp
    function stateIsSupported(
        FixedPart calldata fixedPart,
        RecoveredVariablePart[] calldata proof,
        RecoveredVariablePart calldata candidate
    ) external pure override returns (bool, string memory) {
        StrictTurnTaking.requireValidTurnTaking(fixedPart, proof, candidate);
        uint256 n = fixedPart.participants.length;
        ExitFormat.Allocation[] calldata before = _balances(proof[0].variablePart, n);
        for (uint256 i = 1; i < proof.length; ++i) {
            before = _requirePayment(before, proof[i].variablePart, n);
        }
        _requirePayment(before, candidate.variablePart, n);
        return (true, '');
    }

    function _balances(VariablePart calldata state, uint256 n)
        private
        pure
        returns (ExitFormat.Allocation[] calldata allocations)
    {
        require(state.outcome.length == 1, 'outcome: Only one asset allowed');
        allocations = state.outcome[0].allocations;
        require(allocations.length == n, '|Allocation|!=|participants|');
        for (uint256 i = 0; i < n; ++i) {
            require(
                allocations[i].allocationType == uint8(ExitFormat.AllocationType.simple),
                'not a simple allocation'
            );
        }
    }

    /// @dev Only who moves may have less afterwards. Returns the balances after the payment.
    function _requirePayment(ExitFormat.Allocation[] calldata before, VariablePart calldata state, uint256 n)
        private
        pure
        returns (ExitFormat.Allocation[] calldata afterwards)
    {
        afterwards = _balances(state, n);
        uint256 mover = state.turnNum % n;
        uint256 sumBefore = 0;
        uint256 sumAfterwards = 0;
        for (uint256 i = 0; i < n; ++i) {
            require(before[i].destination == afterwards[i].destination, 'Destinations may not change');
            sumBefore += before[i].amount;
            sumAfterwards += afterwards[i].amount;
            require(i == mover || afterwards[i].amount >= before[i].amount, 'Nonmover balance decreased');
        }
        require(sumBefore == sumAfterwards, 'Total allocated cannot change');
    }
}
