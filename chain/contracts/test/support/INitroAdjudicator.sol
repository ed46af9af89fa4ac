// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../../src/ExitFormat.sol';
import {IForceMove} from '../../src/interfaces/IForceMove.sol';
import {IMultiAssetHolder} from '../../src/interfaces/IMultiAssetHolder.sol';

/// @dev Spec section 5.1, as clients see the adjudicator. The tests know it by this interface only: importing the
/// contract itself would compile it once more, without the optimizer.
interface INitroAdjudicator is IForceMove, IMultiAssetHolder {
    struct Reclaim {
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        ExitFormat.SingleAssetExit[] targetOutcome;
        uint256 targetAssetIndex;
    }

    function settle(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] calldata outcome,
        bytes32 stateHash,
        Reclaim[] calldata reclaims
    ) external;

    function statusOf(bytes32 channelId) external view returns (bytes32);

    function unpackStatus(bytes32 channelId)
        external
        view
        returns (uint48 turnNumRecord, uint48 finalizesAt, uint160 fingerprint);

    function holdings(address asset, bytes32 channelId) external view returns (uint256);

    function compute_transfer_effects_and_interactions(
        uint256 initialHoldings,
        ExitFormat.Allocation[] memory allocations,
        uint256[] memory indices
    )
        external
        pure
        returns (
            ExitFormat.Allocation[] memory newAllocations,
            bool allocatesOnlyZeros,
            ExitFormat.Allocation[] memory exitAllocations,
            uint256 totalPayouts
        );

    function compute_reclaim_effects(
        ExitFormat.Allocation[] memory sourceAllocations,
        ExitFormat.Allocation[] memory targetAllocations,
        uint256 indexOfTargetInSource
    ) external pure returns (ExitFormat.Allocation[] memory);

    function concludeAndTransferAllAssets(FixedPart memory fixedPart, SignedVariablePart memory candidate)
        external;

    function transferAllAssets(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] memory outcome,
        bytes32 stateHash
    ) external;

    function stateIsSupported(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external view returns (bool, string memory);
}
