// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from './ExitFormat.sol';
import {ForceMove} from './ForceMove.sol';
import {MultiAssetHolder} from './MultiAssetHolder.sol';
import {Canonical} from './libraries/Canonical.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title The contract that holds the money of all channels and settles them
/// @dev Spec section 8.
contract NitroAdjudicator is ForceMove, MultiAssetHolder {
    /// @notice One guarantee to be replaced by the outcome of its target, see `IMultiAssetHolder.ReclaimArgs`.
    /// @dev `indexOfTargetInSource` counts in the source's outcome as the reclaims before this one left it.
    struct Reclaim {
        uint256 sourceAssetIndex;
        uint256 indexOfTargetInSource;
        bytes32 targetStateHash;
        ExitFormat.SingleAssetExit[] targetOutcome;
        uint256 targetAssetIndex;
    }

    /// @notice Finalizes a channel with a final state that everyone signed and pays everybody, in one transaction.
    function concludeAndTransferAllAssets(FixedPart calldata fixedPart, SignedVariablePart calldata candidate)
        external
        virtual
    {
        bytes32 channelId = _conclude(fixedPart, candidate);
        (ExitFormat.SingleAssetExit[] memory outcome,) = Canonical.load(candidate.variablePart.outcome);
        _requireNoGuarantee(outcome);
        _distribute(channelId, outcome, 0, uint48(block.timestamp), 0);
    }

    /// @notice Pays every allocation of every asset of a finalized channel, as far as its holdings reach.
    function transferAllAssets(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] calldata outcome,
        bytes32 stateHash
    ) external virtual {
        _requireChannelFinalized(channelId);
        (ExitFormat.SingleAssetExit[] memory known, bytes32 outcomeHash) = Canonical.load(outcome);
        _requireMatchingFingerprint(stateHash, outcomeHash, channelId);
        _requireNoGuarantee(known);
        (uint48 turnNumRecord, uint48 finalizesAt,) = _unpackStatus(channelId);
        _distribute(channelId, known, turnNumRecord, finalizesAt, stateHash);
    }

    /// @notice Finishes a finalized channel in one call: reclaims what it guaranteed, then pays everybody.
    /// @dev A guarantee whose target is not among `reclaims` stays in the outcome with its share of the holdings, to be
    /// settled later with the outcome that this call leaves.
    function settle(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] calldata outcome,
        bytes32 stateHash,
        Reclaim[] calldata reclaims
    ) external virtual {
        _requireChannelFinalized(channelId);
        (ExitFormat.SingleAssetExit[] memory current, bytes32 outcomeHash) = Canonical.load(outcome);
        _requireMatchingFingerprint(stateHash, outcomeHash, channelId);
        for (uint256 i = 0; i < reclaims.length; ++i) {
            Reclaim calldata entry = reclaims[i];
            (ExitFormat.SingleAssetExit[] memory target, bytes32 targetHash) =
                Canonical.load(entry.targetOutcome);
            _reclaim(
                current[entry.sourceAssetIndex],
                entry.indexOfTargetInSource,
                entry.targetStateHash,
                targetHash,
                target[entry.targetAssetIndex]
            );
            emit Reclaimed(channelId, entry.sourceAssetIndex);
        }
        (uint48 turnNumRecord, uint48 finalizesAt,) = _unpackStatus(channelId);
        _distribute(channelId, current, turnNumRecord, finalizesAt, stateHash);
    }

    /// @dev Pays every allocation that is not a guarantee as far as the holdings reach, in order; a guarantee keeps its
    /// share of them. Assets are taken down one after the other, so one that is listed twice is paid twice out of
    /// what there is, never out of what others hold.
    function _distribute(
        bytes32 channelId,
        ExitFormat.SingleAssetExit[] memory outcome,
        uint48 turnNumRecord,
        uint48 finalizesAt,
        bytes32 stateHash
    ) private {
        uint256[][] memory payments = new uint256[][](outcome.length);
        bool finished = true;
        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            ExitFormat.SingleAssetExit memory single = outcome[assetIndex];
            uint256 initialHoldings = holdings[single.asset][channelId];
            uint256 total;
            bool onlyZeros;
            (payments[assetIndex], total, onlyZeros) = _allot(initialHoldings, single.allocations);
            uint256 finalHoldings = initialHoldings - total;
            holdings[single.asset][channelId] = finalHoldings;
            emit AllocationUpdated(channelId, assetIndex, initialHoldings, finalHoldings);
            finished = finished && onlyZeros && finalHoldings == 0;
        }

        // Without a status the channel counts as never seen, and any state that was once supported would be supported
        // again. That is harmless only when there is nothing left to take.
        if (finished) {
            delete statusOf[channelId];
        } else {
            statusOf[channelId] = _packStatus(
                turnNumRecord, finalizesAt, _generateFingerprint(stateHash, NitroUtils.hashOutcome(outcome))
            );
        }

        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            ExitFormat.SingleAssetExit memory single = outcome[assetIndex];
            uint256[] memory amounts = payments[assetIndex];
            for (uint256 i = 0; i < amounts.length; ++i) {
                _pay(single.asset, single.allocations[i].destination, amounts[i]);
            }
        }
    }

    /// @dev What each allocation is paid; takes it off the allocation itself.
    function _allot(uint256 surplus, ExitFormat.Allocation[] memory allocations)
        private
        pure
        returns (uint256[] memory payments, uint256 total, bool onlyZeros)
    {
        payments = new uint256[](allocations.length);
        onlyZeros = true;
        for (uint256 i = 0; i < allocations.length; ++i) {
            ExitFormat.Allocation memory allocation = allocations[i];
            uint256 affordable = allocation.amount < surplus ? allocation.amount : surplus;
            surplus -= affordable;
            if (allocation.allocationType != uint8(ExitFormat.AllocationType.guarantee)) {
                payments[i] = affordable;
                total += affordable;
                allocation.amount -= affordable;
            }
            onlyZeros = onlyZeros && allocation.amount == 0;
        }
    }

    /// @dev See `compute_transfer_effects_and_interactions`.
    function _requireNoGuarantee(ExitFormat.SingleAssetExit[] memory outcome) private pure {
        for (uint256 assetIndex = 0; assetIndex < outcome.length; ++assetIndex) {
            ExitFormat.Allocation[] memory allocations = outcome[assetIndex].allocations;
            for (uint256 i = 0; i < allocations.length; ++i) {
                require(
                    allocations[i].allocationType != uint8(ExitFormat.AllocationType.guarantee),
                    'cannot transfer a guarantee'
                );
            }
        }
    }

    /// @notice What the channel's app says about the candidate, once signatures are recovered.
    function stateIsSupported(
        FixedPart calldata fixedPart,
        SignedVariablePart[] calldata proof,
        SignedVariablePart calldata candidate
    ) external view returns (bool, string memory) {
        (bool supported, string memory reason,) = _stateIsSupported(
            Canonical.channelId(fixedPart), fixedPart, proof, candidate
        );
        return (supported, reason);
    }
}
