// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from '@openzeppelin/contracts/token/ERC20/IERC20.sol';
import {SafeERC20} from '@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol';
import {ExitFormat} from './ExitFormat.sol';
import {StatusManager} from './StatusManager.sol';
import {IMultiAssetHolder} from './interfaces/IMultiAssetHolder.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title Holding the assets of all channels and paying them out as their outcomes say
/// @dev Spec section 9. All effects on storage come before any call to a payee or a token's `transfer`.
contract MultiAssetHolder is IMultiAssetHolder, StatusManager {
    using SafeERC20 for IERC20;

    /// @dev The metadata of a guarantee: who receives what the first and second allocation of the target say.
    struct Guarantee {
        bytes32 left;
        bytes32 right;
    }

    /// @notice holdings[asset][channelId] is what the channel owns; what it allocates may be more or less.
    mapping(address => mapping(bytes32 => uint256)) public holdings;

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.1.
    function deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount)
        external
        payable
        virtual
        override
    {
        require(!_isExternalDestination(channelId), 'Deposit to external destination');
        mapping(bytes32 => uint256) storage balances = holdings[asset];
        uint256 held = balances[channelId];
        require(held == expectedHeld, 'held != expectedHeld');

        if (asset == address(0)) {
            require(msg.value == amount, 'Incorrect msg.value for deposit');
        } else {
            // Coin sent along with tokens would belong to nobody.
            require(msg.value == 0, 'Incorrect msg.value for deposit');
            IERC20(asset).safeTransferFrom(msg.sender, address(this), amount);
            // A token that calls back may have led to another deposit for the same channel in the meantime: reading
            // the balance again makes sure that neither of the two is lost.
            held = balances[channelId];
        }

        held += amount;
        balances[channelId] = held;
        emit Deposited(channelId, asset, held);
    }

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.3.
    function transfer(
        uint256 assetIndex,
        bytes32 fromChannelId,
        bytes memory outcomeBytes,
        bytes32 stateHash,
        uint256[] memory indices
    ) external override {
        _requireIncreasingIndices(indices);
        _requireChannelFinalized(fromChannelId);
        _requireMatchingFingerprint(stateHash, keccak256(outcomeBytes), fromChannelId);

        ExitFormat.SingleAssetExit[] memory outcome = ExitFormat.decodeExit(outcomeBytes);
        address asset = outcome[assetIndex].asset;
        uint256 initialHoldings = holdings[asset][fromChannelId];

        (
            ExitFormat.Allocation[] memory newAllocations,,
            ExitFormat.Allocation[] memory exitAllocations,
            uint256 totalPayouts
        ) = compute_transfer_effects_and_interactions(
            initialHoldings, outcome[assetIndex].allocations, indices
        );

        uint256 finalHoldings = initialHoldings - totalPayouts;
        holdings[asset][fromChannelId] = finalHoldings;
        outcome[assetIndex].allocations = newAllocations;
        _updateFingerprint(fromChannelId, stateHash, NitroUtils.hashOutcome(outcome));
        emit AllocationUpdated(fromChannelId, assetIndex, initialHoldings, finalHoldings);

        _payOut(asset, exitAllocations);
    }

    /// @notice What paying the allocations at `indices` (all, when empty) out of `initialHoldings` comes to.
    /// @dev Spec section 9.2. An allocation before a chosen one keeps its share, chosen or not: the order of
    /// allocations is their priority. Does not insist on sorted indices; those that never match pay nothing.
    function compute_transfer_effects_and_interactions(
        uint256 initialHoldings,
        ExitFormat.Allocation[] memory allocations,
        uint256[] memory indices
    )
        public
        pure
        returns (
            ExitFormat.Allocation[] memory newAllocations,
            bool allocatesOnlyZeros,
            ExitFormat.Allocation[] memory exitAllocations,
            uint256 totalPayouts
        )
    {
        bool all = indices.length == 0;
        exitAllocations = new ExitFormat.Allocation[](all ? allocations.length : indices.length);
        newAllocations = new ExitFormat.Allocation[](allocations.length);
        allocatesOnlyZeros = true;

        uint256 surplus = initialHoldings;
        uint256 k = 0;
        for (uint256 i = 0; i < allocations.length; ++i) {
            ExitFormat.Allocation memory allocation = allocations[i];
            uint256 affordable = allocation.amount < surplus ? allocation.amount : surplus;
            uint256 remaining = allocation.amount;

            if (all || (k < indices.length && indices[k] == i)) {
                // A guarantee is only ever turned into money by `reclaim`. Paid out, it would sit in the holdings of
                // the target channel for whoever finalizes that one, no longer backed by what left and right agreed.
                require(
                    allocation.allocationType != uint8(ExitFormat.AllocationType.guarantee),
                    'cannot transfer a guarantee'
                );
                remaining -= affordable;
                exitAllocations[k] = _withAmount(allocation, affordable);
                totalPayouts += affordable;
                ++k;
            }

            newAllocations[i] = _withAmount(allocation, remaining);
            if (remaining != 0) {
                allocatesOnlyZeros = false;
            }
            surplus -= affordable;
        }
    }

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.5. No money moves: the source channel's outcome changes, and only its fingerprint with it.
    function reclaim(ReclaimArgs memory reclaimArgs) external override {
        _requireChannelFinalized(reclaimArgs.sourceChannelId);
        _requireMatchingFingerprint(
            reclaimArgs.sourceStateHash,
            keccak256(reclaimArgs.sourceOutcomeBytes),
            reclaimArgs.sourceChannelId
        );

        ExitFormat.SingleAssetExit[] memory sourceOutcome =
            ExitFormat.decodeExit(reclaimArgs.sourceOutcomeBytes);
        ExitFormat.SingleAssetExit[] memory targetOutcome =
            ExitFormat.decodeExit(reclaimArgs.targetOutcomeBytes);
        ExitFormat.SingleAssetExit memory source = sourceOutcome[reclaimArgs.sourceAssetIndex];
        ExitFormat.Allocation memory guarantee = source.allocations[reclaimArgs.indexOfTargetInSource];
        require(
            guarantee.allocationType == uint8(ExitFormat.AllocationType.guarantee),
            'not a guarantee allocation'
        );
        ExitFormat.SingleAssetExit memory target = targetOutcome[reclaimArgs.targetAssetIndex];
        require(target.asset == source.asset, 'targetAsset != guaranteeAsset');

        // The target is named by the guarantee, not by the caller.
        _requireChannelFinalized(guarantee.destination);
        _requireMatchingFingerprint(
            reclaimArgs.targetStateHash, keccak256(reclaimArgs.targetOutcomeBytes), guarantee.destination
        );

        source.allocations = compute_reclaim_effects(
            source.allocations, target.allocations, reclaimArgs.indexOfTargetInSource
        );
        _updateFingerprint(
            reclaimArgs.sourceChannelId, reclaimArgs.sourceStateHash, NitroUtils.hashOutcome(sourceOutcome)
        );
        emit Reclaimed(reclaimArgs.sourceChannelId, reclaimArgs.sourceAssetIndex);
    }

    /// @notice The source allocations without the guarantee, its amount given to left and right as the target says.
    /// @dev Spec section 9.6. Target allocation 0 goes to left, 1 to right, and together they must be the guarantee.
    function compute_reclaim_effects(
        ExitFormat.Allocation[] memory sourceAllocations,
        ExitFormat.Allocation[] memory targetAllocations,
        uint256 indexOfTargetInSource
    ) public pure returns (ExitFormat.Allocation[] memory) {
        ExitFormat.Allocation[] memory newAllocations =
            new ExitFormat.Allocation[](sourceAllocations.length - 1);
        ExitFormat.Allocation memory guaranteeAllocation = sourceAllocations[indexOfTargetInSource];
        Guarantee memory guarantee = abi.decode(guaranteeAllocation.metadata, (Guarantee));

        bool foundLeft = false;
        bool foundRight = false;
        uint256 totalReclaimed = 0;
        uint256 k = 0;
        for (uint256 i = 0; i < sourceAllocations.length; ++i) {
            if (i == indexOfTargetInSource) {
                continue;
            }
            ExitFormat.Allocation memory allocation = sourceAllocations[i];
            uint256 amount = allocation.amount;
            if (!foundLeft && allocation.destination == guarantee.left) {
                amount += targetAllocations[0].amount;
                totalReclaimed += targetAllocations[0].amount;
                foundLeft = true;
            }
            if (!foundRight && allocation.destination == guarantee.right) {
                amount += targetAllocations[1].amount;
                totalReclaimed += targetAllocations[1].amount;
                foundRight = true;
            }
            newAllocations[k] = _withAmount(allocation, amount);
            ++k;
        }

        require(foundLeft, 'could not find left');
        require(foundRight, 'could not find right');
        require(totalReclaimed == guaranteeAllocation.amount, 'totalReclaimed!=guarantee.amount');
        return newAllocations;
    }

    /// @dev Spec section 9.4. Every effect of the calling function must be in storage already: both branches for
    /// external payees hand control to code we do not know.
    function _payOut(address asset, ExitFormat.Allocation[] memory exitAllocations) internal {
        for (uint256 i = 0; i < exitAllocations.length; ++i) {
            bytes32 destination = exitAllocations[i].destination;
            uint256 amount = exitAllocations[i].amount;
            if (!_isExternalDestination(destination)) {
                holdings[asset][destination] += amount;
            } else if (asset == address(0)) {
                (bool success,) = _bytes32ToAddress(destination).call{value: amount}('');
                require(success, 'Could not transfer ETH');
            } else {
                IERC20(asset).safeTransfer(_bytes32ToAddress(destination), amount);
            }
        }
    }

    function _withAmount(ExitFormat.Allocation memory allocation, uint256 amount)
        private
        pure
        returns (ExitFormat.Allocation memory)
    {
        return ExitFormat.Allocation(
            allocation.destination, amount, allocation.allocationType, allocation.metadata
        );
    }

    /// @dev Keeps turn and time, which say that the channel is finalized; only the outcome is another one.
    function _updateFingerprint(bytes32 channelId, bytes32 stateHash, bytes32 outcomeHash) internal {
        (uint48 turnNumRecord, uint48 finalizesAt,) = _unpackStatus(channelId);
        statusOf[channelId] =
            _packStatus(turnNumRecord, finalizesAt, _generateFingerprint(stateHash, outcomeHash));
    }

    function _requireChannelFinalized(bytes32 channelId) internal view {
        require(_mode(channelId) == ChannelMode.Finalized, 'Channel not finalized.');
    }

    function _requireMatchingFingerprint(bytes32 stateHash, bytes32 outcomeHash, bytes32 channelId)
        internal
        view
    {
        (,, uint160 fingerprint) = _unpackStatus(channelId);
        require(fingerprint == _generateFingerprint(stateHash, outcomeHash), 'incorrect fingerprint');
    }

    function _requireIncreasingIndices(uint256[] memory indices) internal pure {
        for (uint256 i = 1; i < indices.length; ++i) {
            require(indices[i] > indices[i - 1], 'Indices must be sorted');
        }
    }

    /// @dev External means payable to an address: the upper 12 bytes are zero. Anything else is a channel id.
    function _isExternalDestination(bytes32 destination) internal pure returns (bool) {
        return uint96(bytes12(destination)) == 0;
    }

    function _addressToBytes32(address participant) internal pure returns (bytes32) {
        return bytes32(uint256(uint160(participant)));
    }

    function _bytes32ToAddress(bytes32 destination) internal pure returns (address payable) {
        return payable(address(uint160(uint256(destination))));
    }
}
