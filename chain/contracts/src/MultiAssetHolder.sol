// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from '@openzeppelin/contracts/token/ERC20/IERC20.sol';
import {ExitFormat} from './ExitFormat.sol';
import {StatusManager} from './StatusManager.sol';
import {IMultiAssetHolder} from './interfaces/IMultiAssetHolder.sol';
import {Canonical} from './libraries/Canonical.sol';
import {NitroUtils} from './libraries/NitroUtils.sol';

/// @title Holding the assets of all channels and paying them out as their outcomes say
/// @dev Spec section 9. All effects on storage come before any call to a payee or a token's `transfer`.
contract MultiAssetHolder is IMultiAssetHolder, StatusManager {
    /// @dev The metadata of a guarantee: who receives what the first and second allocation of the target say.
    struct Guarantee {
        bytes32 left;
        bytes32 right;
    }

    /// @dev One entry of `holdings`.
    struct Balance {
        uint256 amount;
    }

    /// @dev What one payee may burn while the others wait. The wallets that are contracts today take their coin for
    /// less than 50 000, and the dearest tokens in wide use move for less than 150 000; a hundred payees that all burn
    /// it still fit in a block. A payee who needs more claims its share, where it brings the gas itself.
    uint256 private constant PAYOUT_GAS = 200_000;

    /// @notice holdings[asset][channelId] is what the channel owns; what it allocates may be more or less.
    mapping(address => mapping(bytes32 => uint256)) public holdings;

    /// @inheritdoc IMultiAssetHolder
    mapping(address asset => mapping(address payee => uint256)) public override claimable;

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.1.
    function deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount)
        external
        payable
        virtual
        override
    {
        require(!_isExternalDestination(channelId), 'Deposit to external destination');
        Balance storage balance = _holdingsOf(asset, channelId);
        uint256 held = balance.amount;
        require(held == expectedHeld, 'held != expectedHeld');

        if (asset == address(0)) {
            require(msg.value == amount, 'Incorrect msg.value for deposit');
        } else {
            // Coin sent along with tokens would belong to nobody.
            require(msg.value == 0, 'Incorrect msg.value for deposit');
            _collect(asset, amount);
            // A token that calls back may have led to another deposit for the same channel in the meantime: reading
            // the balance again makes sure that neither of the two is lost.
            held = balance.amount;
        }

        held += amount;
        balance.amount = held;
        emit Deposited(channelId, asset, held);
    }

    /// @inheritdoc IMultiAssetHolder
    /// @dev Every entry is read and credited after the token was called, so nothing that happens meanwhile is lost.
    function depositBatch(
        address asset,
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts
    ) external payable virtual override {
        require(
            channelIds.length == expectedHelds.length && expectedHelds.length == amounts.length,
            'Array lengths must match'
        );
        uint256 total = 0;
        for (uint256 i = 0; i < amounts.length; ++i) {
            total += amounts[i];
        }
        require(msg.value == (asset == address(0) ? total : 0), 'Incorrect msg.value for deposit');
        if (asset != address(0)) {
            _collect(asset, total);
        }
        for (uint256 i = 0; i < amounts.length; ++i) {
            bytes32 channelId = channelIds[i];
            require(!_isExternalDestination(channelId), 'Deposit to external destination');
            Balance storage balance = _holdingsOf(asset, channelId);
            uint256 held = balance.amount;
            require(held == expectedHelds[i], 'held != expectedHeld');
            held += amounts[i];
            balance.amount = held;
            emit Deposited(channelId, asset, held);
        }
    }

    /// @inheritdoc IMultiAssetHolder
    function depositUpTo(address asset, bytes32 channelId, uint256 expectedHeld, uint256 targetHeld)
        external
        payable
        virtual
        override
    {
        require(!_isExternalDestination(channelId), 'Deposit to external destination');
        Balance storage balance = _holdingsOf(asset, channelId);
        uint256 held = balance.amount;
        require(held >= expectedHeld, 'held < expectedHeld');
        uint256 missing = targetHeld > held ? targetHeld - held : 0;

        uint256 surplus = 0;
        if (asset == address(0)) {
            require(msg.value >= missing, 'Incorrect msg.value for deposit');
            surplus = msg.value - missing;
        } else {
            require(msg.value == 0, 'Incorrect msg.value for deposit');
            if (missing != 0) {
                _collect(asset, missing);
                // Another deposit while the token calls back would push the channel beyond its target.
                require(balance.amount == held, 'held changed');
            }
        }

        held += missing;
        balance.amount = held;
        emit Deposited(channelId, asset, held);
        if (surplus != 0) {
            require(_send(address(0), msg.sender, surplus, gasleft()), 'Could not transfer ETH');
        }
    }

    /// @dev Finding the place of an entry once is cheaper than looking it up each time.
    function _holdingsOf(address asset, bytes32 channelId) internal pure returns (Balance storage balance) {
        assembly ('memory-safe') {
            mstore(0, asset)
            mstore(0x20, holdings.slot)
            mstore(0x20, keccak256(0, 0x40))
            mstore(0, channelId)
            balance.slot := keccak256(0, 0x40)
        }
    }

    /// @dev Takes tokens from the sender, and insists that all of them arrive: what a token keeps as a fee would be
    /// missing when another channel is paid.
    function _collect(address token, uint256 amount) private {
        uint256 before = _owned(token);
        bytes32 selector = IERC20.transferFrom.selector;
        bool success;
        bool accepted;
        assembly ('memory-safe') {
            let order := mload(0x40)
            mstore(order, selector)
            mstore(add(order, 0x04), caller())
            mstore(add(order, 0x24), address())
            mstore(add(order, 0x44), amount)
            success := call(gas(), token, 0, order, 0x64, 0, 0x20)
            accepted := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0), 1)))
        }
        if (!accepted) {
            _requireSilentSuccess(token, success);
        }
        require(_owned(token) >= before + amount, 'token delivered less than amount');
    }

    /// @dev Some tokens say nothing when all is well. What else is wrong clients expect to be told as SafeERC20 does;
    /// the last call must have been the token's.
    function _requireSilentSuccess(address token, bool success) private view {
        uint256 size;
        assembly ('memory-safe') {
            size := returndatasize()
        }
        if (!success) {
            require(size != 0, 'SafeERC20: low-level call failed');
            assembly ('memory-safe') {
                returndatacopy(mload(0x40), 0, size)
                revert(mload(0x40), size)
            }
        }
        require(token.code.length != 0, 'Address: call to non-contract');
        require(size == 0, 'SafeERC20: ERC20 operation did not succeed');
    }

    /// @dev What this contract has of a token, and nothing of an asset without code.
    function _owned(address token) private view returns (uint256 amount) {
        bytes32 selector = IERC20.balanceOf.selector;
        assembly ('memory-safe') {
            mstore(0, selector)
            mstore(0x04, address())
            if staticcall(gas(), token, 0, 0x24, 0, 0x20) {
                if gt(returndatasize(), 0x1f) { amount := mload(0) }
            }
        }
    }

    /// @inheritdoc IMultiAssetHolder
    function claim(address asset, address payee) external override {
        _claim(asset, payee, payee);
    }

    /// @inheritdoc IMultiAssetHolder
    function claimTo(address asset, address to) external override {
        _claim(asset, msg.sender, to);
    }

    /// @dev The debt is gone before anybody is called, so that nobody can claim twice. Whoever calls brings the gas.
    function _claim(address asset, address payee, address to) private {
        uint256 amount = claimable[asset][payee];
        require(amount != 0, 'nothing to claim');
        claimable[asset][payee] = 0;
        emit Claimed(payee, asset, to, amount);
        require(_send(asset, to, amount, gasleft()), 'payee cannot be paid');
    }

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.3.
    function transfer(
        uint256 assetIndex,
        bytes32 fromChannelId,
        bytes calldata outcomeBytes,
        bytes32 stateHash,
        uint256[] calldata indices
    ) external override {
        _requireIncreasingIndices(indices);
        _requireChannelFinalized(fromChannelId);
        _requireMatchingFingerprint(stateHash, keccak256(outcomeBytes), fromChannelId);

        (ExitFormat.SingleAssetExit[] memory outcome,) = Canonical.load(Canonical.decode(outcomeBytes));
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
    function reclaim(ReclaimArgs calldata reclaimArgs) external override {
        _requireChannelFinalized(reclaimArgs.sourceChannelId);
        _requireMatchingFingerprint(
            reclaimArgs.sourceStateHash,
            keccak256(reclaimArgs.sourceOutcomeBytes),
            reclaimArgs.sourceChannelId
        );

        (ExitFormat.SingleAssetExit[] memory sourceOutcome,) =
            Canonical.load(Canonical.decode(reclaimArgs.sourceOutcomeBytes));
        (ExitFormat.SingleAssetExit[] memory targetOutcome, bytes32 targetOutcomeHash) =
            Canonical.load(Canonical.decode(reclaimArgs.targetOutcomeBytes));
        _reclaim(
            sourceOutcome[reclaimArgs.sourceAssetIndex],
            reclaimArgs.indexOfTargetInSource,
            reclaimArgs.targetStateHash,
            targetOutcomeHash,
            targetOutcome[reclaimArgs.targetAssetIndex]
        );
        _updateFingerprint(
            reclaimArgs.sourceChannelId, reclaimArgs.sourceStateHash, NitroUtils.hashOutcome(sourceOutcome)
        );
        emit Reclaimed(reclaimArgs.sourceChannelId, reclaimArgs.sourceAssetIndex);
    }

    /// @dev Replaces one guarantee in `source`, in place, after all checks that do not concern the source's status.
    function _reclaim(
        ExitFormat.SingleAssetExit memory source,
        uint256 indexOfTargetInSource,
        bytes32 targetStateHash,
        bytes32 targetOutcomeHash,
        ExitFormat.SingleAssetExit memory target
    ) internal view {
        ExitFormat.Allocation memory guarantee = source.allocations[indexOfTargetInSource];
        require(
            guarantee.allocationType == uint8(ExitFormat.AllocationType.guarantee),
            'not a guarantee allocation'
        );
        require(target.asset == source.asset, 'targetAsset != guaranteeAsset');

        // The target is named by the guarantee, not by the caller.
        _requireChannelFinalized(guarantee.destination);
        _requireMatchingFingerprint(targetStateHash, targetOutcomeHash, guarantee.destination);

        source.allocations =
            compute_reclaim_effects(source.allocations, target.allocations, indexOfTargetInSource);
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

    /// @dev Spec section 9.4. Every effect of the calling function must be in storage already: external payees and
    /// tokens are code we do not know.
    function _payOut(address asset, ExitFormat.Allocation[] memory exitAllocations) internal {
        for (uint256 i = 0; i < exitAllocations.length; ++i) {
            _pay(asset, exitAllocations[i].destination, exitAllocations[i].amount);
        }
    }

    /// @dev A payee who cannot be paid is owed its share from then on and never stands in the way of others.
    function _pay(address asset, bytes32 destination, uint256 amount) internal {
        if (amount == 0) {
            return;
        }
        if (!_isExternalDestination(destination)) {
            holdings[asset][destination] += amount;
            return;
        }
        address payee = _bytes32ToAddress(destination);
        if (_send(asset, payee, amount, PAYOUT_GAS)) {
            return;
        }
        // A call gets at most 63/64 of what is left. Less than this left over means that the payee was given less
        // than its due: whoever sent the transaction was stingy, not the payee unable. It would only have cost the
        // payee a claim, but it must not cost a stranger less than a claim does.
        require(gasleft() >= PAYOUT_GAS / 63, 'not enough gas to pay');
        claimable[asset][payee] += amount;
        emit PayoutBlocked(payee, asset, amount);
    }

    /// @dev Did the payment go through? Never reverts, and copies no more of an answer than the one word that counts,
    /// so that a long answer costs its author and not us. A token may answer with nothing, as old ones do, but it must
    /// exist.
    function _send(address asset, address payee, uint256 amount, uint256 gasLimit)
        private
        returns (bool success)
    {
        if (asset == address(0)) {
            assembly ('memory-safe') {
                success := call(gasLimit, payee, amount, 0, 0, 0, 0)
            }
        } else {
            bytes32 selector = IERC20.transfer.selector;
            assembly ('memory-safe') {
                let order := mload(0x40)
                mstore(order, selector)
                mstore(add(order, 0x04), payee)
                mstore(add(order, 0x24), amount)
                success := call(gasLimit, asset, 0, order, 0x44, 0, 0x20)
                switch returndatasize()
                case 0 { success := and(success, gt(extcodesize(asset), 0)) }
                default { success := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0), 1))) }
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

    function _requireIncreasingIndices(uint256[] calldata indices) internal pure {
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
