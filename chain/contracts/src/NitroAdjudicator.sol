// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from './ExitFormat.sol';
import {ForceMove} from './ForceMove.sol';
import {MultiAssetHolder} from './MultiAssetHolder.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title The contract that holds the money of all channels and settles them
/// @dev Spec section 8.
contract NitroAdjudicator is ForceMove, MultiAssetHolder {
    /// @notice Finalizes a channel with a final state that everyone signed and pays everybody, in one transaction.
    function concludeAndTransferAllAssets(FixedPart memory fixedPart, SignedVariablePart memory candidate)
        public
        virtual
    {
        bytes32 channelId = _conclude(fixedPart, candidate);
        transferAllAssets(channelId, candidate.variablePart.outcome, bytes32(0));
    }

    /// @notice Pays every allocation of every asset of a finalized channel, as far as its holdings reach.
    /// @dev Fails as a whole when one payee refuses; `transfer` with indices pays the others then.
    function transferAllAssets(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] memory outcome,
        bytes32 stateHash
    ) public virtual {
        _requireChannelFinalized(channelId);
        _requireMatchingFingerprint(stateHash, NitroUtils.hashOutcome(outcome), channelId);

        ExitFormat.Allocation[][] memory exits = new ExitFormat.Allocation[][](outcome.length);
        uint256[] memory initialHoldings = new uint256[](outcome.length);
        uint256[] memory totalPayouts = new uint256[](outcome.length);
        bool allocatesOnlyZeros = true;

        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            ExitFormat.SingleAssetExit memory single = outcome[assetIndex];
            initialHoldings[assetIndex] = holdings[single.asset][channelId];
            bool onlyZeros;
            (single.allocations, onlyZeros, exits[assetIndex], totalPayouts[assetIndex]) =
                compute_transfer_effects_and_interactions(
                    initialHoldings[assetIndex], single.allocations, new uint256[](0)
                );
            allocatesOnlyZeros = allocatesOnlyZeros && onlyZeros;
        }

        // An asset that is listed twice saw the same balance twice above; the checked subtraction stops it from
        // being paid twice.
        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            address asset = outcome[assetIndex].asset;
            uint256 finalHoldings = holdings[asset][channelId] - totalPayouts[assetIndex];
            holdings[asset][channelId] = finalHoldings;
            emit AllocationUpdated(channelId, assetIndex, initialHoldings[assetIndex], finalHoldings);
        }

        if (allocatesOnlyZeros) {
            delete statusOf[channelId];
        } else {
            _updateFingerprint(channelId, stateHash, NitroUtils.hashOutcome(outcome));
        }

        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            _payOut(outcome[assetIndex].asset, exits[assetIndex]);
        }
    }

    /// @notice What the channel's app says about the candidate, once signatures are recovered.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external view returns (bool, string memory) {
        (bool supported, string memory reason,) = _stateIsSupported(
            NitroUtils.getChannelId(fixedPart), fixedPart, proof, candidate
        );
        return (supported, reason);
    }
}
