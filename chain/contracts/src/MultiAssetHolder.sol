// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from '@openzeppelin/contracts/token/ERC20/IERC20.sol';
import {ExitFormat} from './ExitFormat.sol';
import {StatusManager} from './StatusManager.sol';
import {IMultiAssetHolder} from './interfaces/IMultiAssetHolder.sol';
import {Canonical} from './libraries/Canonical.sol';
import {Demand} from './libraries/Demand.sol';

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

    /// @dev The fingerprint that a channel became final with, when its status has another one, see `REDUCED`.
    mapping(bytes32 channelId => uint256) internal _finalFingerprint;

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.1.
    function deposit(address asset, bytes32 channelId, uint256 expectedHeld, uint256 amount)
        external
        payable
        virtual
        override
    {
        Demand.that(!_isExternalDestination(channelId), 'Deposit to external destination');
        Balance storage balance = _holdingsOf(asset, channelId);
        uint256 held = balance.amount;
        Demand.that(held == expectedHeld, 'held != expectedHeld');

        if (asset == address(0)) {
            Demand.that(msg.value == amount, 'Incorrect msg.value for deposit');
        } else {
            // Coin sent along with tokens would belong to nobody.
            Demand.that(msg.value == 0, 'Incorrect msg.value for deposit');
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
        Demand.that(
            channelIds.length == expectedHelds.length && expectedHelds.length == amounts.length,
            'Array lengths must match'
        );
        uint256 total = 0;
        for (uint256 i = 0; i < amounts.length; ++i) {
            total += amounts[i];
        }
        Demand.that(msg.value == (asset == address(0) ? total : 0), 'Incorrect msg.value for deposit');
        if (asset != address(0)) {
            _collect(asset, total);
        }
        for (uint256 i = 0; i < amounts.length; ++i) {
            bytes32 channelId = channelIds[i];
            Demand.that(!_isExternalDestination(channelId), 'Deposit to external destination');
            Balance storage balance = _holdingsOf(asset, channelId);
            uint256 held = balance.amount;
            Demand.that(held == expectedHelds[i], 'held != expectedHeld');
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
        Demand.that(!_isExternalDestination(channelId), 'Deposit to external destination');
        Balance storage balance = _holdingsOf(asset, channelId);
        uint256 held = balance.amount;
        Demand.that(held >= expectedHeld, 'held < expectedHeld');
        uint256 missing = targetHeld > held ? targetHeld - held : 0;

        uint256 surplus = 0;
        if (asset == address(0)) {
            Demand.that(msg.value >= missing, 'Incorrect msg.value for deposit');
            surplus = msg.value - missing;
        } else {
            Demand.that(msg.value == 0, 'Incorrect msg.value for deposit');
            if (missing != 0) {
                _collect(asset, missing);
                // Another deposit while the token calls back would push the channel beyond its target.
                Demand.that(balance.amount == held, 'held changed');
            }
        }

        held += missing;
        balance.amount = held;
        emit Deposited(channelId, asset, held);
        if (surplus != 0) {
            Demand.that(_send(address(0), msg.sender, surplus, gasleft()), 'Could not transfer ETH');
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
        bytes32 order = IERC20.transferFrom.selector;
        bytes32 question = IERC20.balanceOf.selector;
        bool success;
        uint256 due;
        uint256 owned;
        assembly ('memory-safe') {
            // The question stays in the scratch space for the second time; an asset without code has no answer.
            mstore(0, question)
            mstore(0x04, address())
            let data := mload(0x40)
            mstore(data, 0)
            pop(staticcall(gas(), token, 0, 0x24, data, 0x20))
            due := add(mload(data), amount)
            mstore(data, order)
            mstore(add(data, 0x04), caller())
            mstore(add(data, 0x24), address())
            mstore(add(data, 0x44), amount)
            success := call(gas(), token, 0, data, 0x64, data, 0x20)
            owned := and(eq(mload(data), 1), gt(returndatasize(), 0x1f))
        }
        if (!success || owned == 0) {
            _requireSilentSuccess(token, success);
        }
        assembly ('memory-safe') {
            let data := mload(0x40)
            mstore(data, 0)
            pop(staticcall(gas(), token, 0, 0x24, data, 0x20))
            owned := mload(data)
        }
        Demand.that(owned >= due && due >= amount, 'token delivered less than amount');
    }

    /// @dev Some tokens say nothing when all is well. What else is wrong clients expect to be told as SafeERC20 does;
    /// the last call must have been the token's.
    function _requireSilentSuccess(address token, bool success) private view {
        uint256 size;
        assembly ('memory-safe') {
            size := returndatasize()
        }
        if (!success) {
            Demand.that(size != 0, 'SafeERC20: low-level call failed');
            assembly ('memory-safe') {
                returndatacopy(mload(0x40), 0, size)
                revert(mload(0x40), size)
            }
        }
        Demand.that(token.code.length != 0, 'Address: call to non-contract');
        require(size == 0, 'SafeERC20: ERC20 operation did not succeed');
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
        Demand.that(amount != 0, 'nothing to claim');
        claimable[asset][payee] = 0;
        emit Claimed(payee, asset, to, amount);
        Demand.that(_send(asset, to, amount, gasleft()), 'payee cannot be paid');
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
        uint256 word = _requirePayable(fromChannelId);
        _requireFingerprint(word, stateHash, keccak256(outcomeBytes));
        (uint256 outcome, uint256 size,) = Canonical.load(Canonical.decode(outcomeBytes));
        uint256 allocations = _allocationsOf(_element(outcome, assetIndex));
        if (_hasGuarantee(outcome)) {
            word |= SOURCE;
        }
        _reserve(allocations, indices);
        (uint256 book, uint256 end,) =
            _allot(fromChannelId, outcome, outcome + 32 * assetIndex, outcome + 32 * assetIndex + 32);
        uint256 original;
        assembly ('memory-safe') {
            original := sub(outcomeBytes.offset, sub(outcome, 0x20))
        }
        _tellPaid(fromChannelId, allocations, original, book);
        _setLeft(fromChannelId, word, stateHash, Canonical.hash(outcome, size));
        _payOut(fromChannelId, book, end);
    }

    /// @dev Whoever is not to be paid keeps its share, and so do guarantees: until `_tellPaid`, the others are guarantees.
    function _reserve(uint256 allocations, uint256[] calldata indices) private pure {
        bool all = indices.length == 0;
        uint256 count = _word(allocations, 0);
        uint256 k = 0;
        for (uint256 i = 0; i < count; ++i) {
            uint256 allocation = _element(allocations, i);
            if (all || (k < indices.length && indices[k] == i)) {
                Demand.that(_word(allocation, 0x40) != 2, 'cannot transfer a guarantee');
                ++k;
            } else {
                _setWord(allocation, 0x40, 2);
            }
        }
        if (k < indices.length) {
            Demand.panic(0x32);
        }
    }

    /// @dev Logs what each of the allocations was paid, unless that follows from the `AllocationUpdated` to come. How to
    /// tell is the third rule of the interface. What they were before lies in calldata, `original` bytes further.
    function _tellPaid(bytes32 channelId, uint256 allocations, uint256 original, uint256 book) private {
        bytes32 topic = AllocationsPaid.selector;
        assembly ('memory-safe') {
            let surplus := mload(add(book, 0x20))
            let total := sub(surplus, mload(add(book, 0x40)))
            let data := mload(0x40)
            mstore(data, mload(book))
            mstore(add(data, 0x20), 0x40)
            mstore(add(data, 0x40), mload(allocations))
            let to := add(data, 0x60)
            let all := 0
            // What the first allocation was paid whose share is the total.
            let first := not(0)
            for {
                let head := add(allocations, 0x20)
                let end := add(to, shl(5, mload(allocations)))
            } lt(to, end) {
                to := add(to, 0x20)
                head := add(head, 0x20)
            } {
                let allocation := add(add(allocations, 0x20), mload(head))
                let share := calldataload(add(add(allocation, 0x20), original))
                mstore(to, sub(share, mload(add(allocation, 0x20))))
                if gt(share, surplus) { share := surplus }
                surplus := sub(surplus, share)
                allocation := add(allocation, 0x40)
                mstore(allocation, calldataload(add(allocation, original)))
                if xor(mload(allocation), 2) {
                    all := add(all, share)
                    if and(eq(share, total), eq(first, not(0))) { first := mload(to) }
                }
            }
            if total {
                if iszero(or(eq(all, total), eq(first, total))) {
                    log2(data, sub(to, data), topic, channelId)
                }
            }
        }
    }

    /// @notice What paying the allocations at `indices` (all, when empty) out of `initialHoldings` comes to.
    /// @dev Spec section 9.2. An allocation before a chosen one keeps its share, chosen or not: the order of
    /// allocations is their priority. Does not insist on sorted indices; those that never match pay nothing.
    function compute_transfer_effects_and_interactions(
        uint256 initialHoldings,
        ExitFormat.Allocation[] memory allocations,
        uint256[] calldata indices
    )
        external
        pure
        returns (
            ExitFormat.Allocation[] memory newAllocations,
            bool allocatesOnlyZeros,
            ExitFormat.Allocation[] memory exitAllocations,
            uint256 totalPayouts
        )
    {
        exitAllocations = new ExitFormat
            .Allocation[](indices.length == 0 ? allocations.length : indices.length);
        newAllocations = allocations;
        allocatesOnlyZeros = true;

        uint256 surplus = initialHoldings;
        uint256 k = 0;
        for (uint256 i = 0; i < allocations.length; ++i) {
            ExitFormat.Allocation memory allocation = allocations[i];
            uint256 affordable = allocation.amount < surplus ? allocation.amount : surplus;

            if (indices.length == 0 || (k < indices.length && indices[k] == i)) {
                // A guarantee is only ever turned into money by `reclaim`. Paid out, it would sit in the holdings of
                // the target channel for whoever finalizes that one, no longer backed by what left and right agreed.
                Demand.that(
                    allocation.allocationType != uint8(ExitFormat.AllocationType.guarantee),
                    'cannot transfer a guarantee'
                );
                exitAllocations[k++] = ExitFormat.Allocation(
                    allocation.destination, affordable, allocation.allocationType, allocation.metadata
                );
                allocation.amount -= affordable;
                totalPayouts += affordable;
            }
            allocatesOnlyZeros = allocatesOnlyZeros && allocation.amount == 0;
            surplus -= affordable;
        }
    }

    /// @inheritdoc IMultiAssetHolder
    /// @dev Spec section 9.5.
    function reclaim(ReclaimArgs calldata reclaimArgs) external override {
        bytes32 channelId = reclaimArgs.sourceChannelId;
        bytes32 stateHash = reclaimArgs.sourceStateHash;
        uint256 word = _requirePayable(channelId);
        _requireFingerprint(word, stateHash, keccak256(reclaimArgs.sourceOutcomeBytes));
        (uint256 outcome,,) = Canonical.load(Canonical.decode(reclaimArgs.sourceOutcomeBytes));
        (uint256 target,,) = Canonical.load(Canonical.decode(reclaimArgs.targetOutcomeBytes));
        word |= _reclaim(
            channelId,
            _element(outcome, reclaimArgs.sourceAssetIndex),
            reclaimArgs.sourceAssetIndex,
            reclaimArgs.indexOfTargetInSource,
            _generateFingerprint(reclaimArgs.targetStateHash, keccak256(reclaimArgs.targetOutcomeBytes)),
            target,
            reclaimArgs.targetAssetIndex
        );
        _setLeft(channelId, word, stateHash, Canonical.hash(outcome, Canonical.compact(outcome)));
    }

    /// @dev Takes a guarantee out of an asset of an outcome in memory and gives its amount to left and right, as its
    /// target's outcome says. The allocation itself stays where it is, without a head, until the outcome is compacted.
    /// Returns the flag that the channel's status has from here on.
    function _reclaim(
        bytes32 channelId,
        uint256 single,
        uint256 assetIndex,
        uint256 index,
        uint160 targetFingerprint,
        uint256 target,
        uint256 targetAssetIndex
    ) internal returns (uint256) {
        uint256 guarantee = _element(_allocationsOf(single), index);
        Demand.that(_word(guarantee, 0x40) == 2, 'not a guarantee allocation');
        uint256 targetSingle = _element(target, targetAssetIndex);
        Demand.that(_word(targetSingle, 0) == _word(single, 0), 'targetAsset != guaranteeAsset');

        // The target is named by the guarantee, not by the caller.
        bytes32 targetId = bytes32(_word(guarantee, 0));
        uint256 word = _status[targetId];
        Demand.that(_modeOf(word) == ChannelMode.Finalized, 'Channel not finalized.');
        Demand.that(
            targetFingerprint == uint160(word & REDUCED == 0 ? word : _finalFingerprint[targetId]),
            'incorrect fingerprint'
        );
        // What such a channel had to give changes with its own guarantees, so its final outcome is not kept.
        Demand.that(word & SOURCE == 0 && !_hasGuarantee(target), 'target guarantees others');

        bool alone = _word(target, 0) == 1 && _guaranteesIn(single) == 1;
        (uint256 toLeft, uint256 toRight) =
            _share(_allocationsOf(single), guarantee, _allocationsOf(targetSingle));
        _drop(_allocationsOf(single), index);
        if (!alone) {
            emit GuaranteeReclaimed(channelId, targetId, assetIndex, index, toLeft, toRight);
        }
        emit Reclaimed(channelId, assetIndex);
        return SOURCE;
    }

    /// @dev Takes the head of an allocation out of the heads.
    function _drop(uint256 allocations, uint256 index) private view {
        assembly ('memory-safe') {
            let count := sub(mload(allocations), 1)
            mstore(allocations, count)
            let head := add(add(allocations, 0x20), shl(5, index))
            count := shl(5, sub(count, index))
            // The identity precompile reads all of its input before it writes.
            if iszero(staticcall(gas(), 4, add(head, 0x20), count, head, count)) { revert(0, 0) }
        }
    }

    /// @dev Spec section 9.6 on an outcome in memory.
    function _share(uint256 allocations, uint256 guarantee, uint256 targetAllocations)
        private
        pure
        returns (uint256 toLeft, uint256 toRight)
    {
        uint256 left;
        uint256 right;
        assembly ('memory-safe') {
            // The metadata of a guarantee are the two destinations.
            if lt(mload(add(guarantee, 0x80)), 0x40) { revert(0, 0) }
            let heads := add(allocations, 0x20)
            let last := add(heads, shl(5, mload(allocations)))
            for { let head := heads } lt(head, last) { head := add(head, 0x20) } {
                let allocation := add(heads, mload(head))
                if xor(allocation, guarantee) {
                    let destination := mload(allocation)
                    if lt(iszero(eq(destination, mload(add(guarantee, 0xa0)))), iszero(left)) {
                        left := allocation
                    }
                    if lt(iszero(eq(destination, mload(add(guarantee, 0xc0)))), iszero(right)) {
                        right := allocation
                    }
                    if left { if right { break } }
                }
            }
        }
        if (left != 0) {
            toLeft = _word(_element(targetAllocations, 0), 0x20);
            _setWord(left, 0x20, _word(left, 0x20) + toLeft);
        }
        if (right != 0) {
            toRight = _word(_element(targetAllocations, 1), 0x20);
            _setWord(right, 0x20, _word(right, 0x20) + toRight);
        }
        uint256 total = toLeft + toRight;
        Demand.that(left != 0, 'could not find left');
        Demand.that(right != 0, 'could not find right');
        Demand.that(total == _word(guarantee, 0x20), 'totalReclaimed!=guarantee.amount');
    }

    /// @notice The source allocations without the guarantee, its amount given to left and right as the target says.
    /// @dev Spec section 9.6. Target allocation 0 goes to left, 1 to right, and together they must be the guarantee.
    function compute_reclaim_effects(
        ExitFormat.Allocation[] memory sourceAllocations,
        ExitFormat.Allocation[] memory targetAllocations,
        uint256 indexOfTargetInSource
    ) external pure returns (ExitFormat.Allocation[] memory) {
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
            if (!foundLeft && allocation.destination == guarantee.left) {
                allocation.amount += targetAllocations[0].amount;
                totalReclaimed += targetAllocations[0].amount;
                foundLeft = true;
            }
            if (!foundRight && allocation.destination == guarantee.right) {
                allocation.amount += targetAllocations[1].amount;
                totalReclaimed += targetAllocations[1].amount;
                foundRight = true;
            }
            newAllocations[k++] = allocation;
        }

        Demand.that(foundLeft, 'could not find left');
        Demand.that(foundRight, 'could not find right');
        Demand.that(totalReclaimed == guaranteeAllocation.amount, 'totalReclaimed!=guarantee.amount');
        return newAllocations;
    }

    // Outcomes in memory, see `Canonical.load`

    function _word(uint256 position, uint256 offset) internal pure returns (uint256 value) {
        assembly ('memory-safe') {
            value := mload(add(position, offset))
        }
    }

    /// @dev Where element `index` of the array at `position` lies.
    function _element(uint256 position, uint256 index) internal pure returns (uint256) {
        if (index >= _word(position, 0)) {
            Demand.panic(0x32);
        }
        unchecked {
            return position + 0x20 + _word(position + 0x20, 32 * index);
        }
    }

    function _allocationsOf(uint256 single) internal pure returns (uint256) {
        unchecked {
            return single + _word(single, 0x40);
        }
    }

    function _setWord(uint256 position, uint256 offset, uint256 value) internal pure {
        assembly ('memory-safe') {
            mstore(add(position, offset), value)
        }
    }

    function _hasGuarantee(uint256 outcome) internal pure returns (bool) {
        for (uint256 i = _word(outcome, 0); i != 0; --i) {
            if (_guaranteesIn(_element(outcome, i - 1)) != 0) {
                return true;
            }
        }
        return false;
    }

    /// @dev How many of an asset's allocations are guarantees, where two stands for more: looking for all of them with
    /// every reclaim would take too long.
    function _guaranteesIn(uint256 single) internal pure returns (uint256 count) {
        uint256 allocations = _allocationsOf(single);
        assembly ('memory-safe') {
            let heads := add(allocations, 0x20)
            let last := add(heads, shl(5, mload(allocations)))
            for { let head := heads } lt(head, last) { head := add(head, 0x20) } {
                count := add(count, eq(mload(add(add(heads, mload(head)), 0x40)), 2))
                if gt(count, 1) { break }
            }
        }
    }

    /// @dev Something is still allocated.
    uint256 internal constant LEFT = 1;

    /// @dev A guarantee was met.
    uint256 internal constant MET = 2;

    /// @dev Something is still held.
    uint256 internal constant HELD = 4;

    /// @dev Takes off the outcome what the holdings pay, and off the holdings what the outcome is paid: every allocation
    /// that is not a guarantee, in order, as far as they reach; a guarantee keeps its share. The assets are those whose
    /// heads lie behind `head`, up to `last`; one that is listed twice is paid twice out of what there is, never out of
    /// what others hold.
    ///
    /// The book says per asset: its index, what was held and what is held now, where the next entry begins, the asset
    /// itself, then destination and amount of each payment that is due.
    function _allot(bytes32 channelId, uint256 outcome, uint256 head, uint256 last)
        internal
        returns (uint256 book, uint256 end, uint256 found)
    {
        assembly ('memory-safe') {
            book := mload(0x40)
            end := book
            for {} lt(head, last) {} {
                mstore(end, shr(5, sub(head, outcome)))
                head := add(head, 0x20)
                let heads := add(add(outcome, 0x20), mload(head))
                mstore(add(end, 0x80), mload(heads))
                mstore(0, mload(heads))
                mstore(0x20, holdings.slot)
                mstore(0x20, keccak256(0, 0x40))
                mstore(0, channelId)
                // The place of the holdings, until what is left of them is known.
                mstore(add(end, 0x40), keccak256(0, 0x40))
                let surplus := sload(mload(add(end, 0x40)))
                mstore(add(end, 0x20), surplus)
                let paid := 0
                let payment := add(end, 0xa0)

                heads := add(heads, mload(add(heads, 0x40)))
                let lastHead := add(heads, shl(5, mload(heads)))
                for {
                    let allocationHead := heads
                    heads := add(heads, 0x20)
                } lt(allocationHead, lastHead) {} {
                    allocationHead := add(allocationHead, 0x20)
                    let allocation := add(heads, mload(allocationHead))
                    let amount := mload(add(allocation, 0x20))
                    let share := amount
                    if gt(share, surplus) { share := surplus }
                    surplus := sub(surplus, share)
                    switch eq(mload(add(allocation, 0x40)), 2)
                    case 0 {
                        if share {
                            amount := sub(amount, share)
                            mstore(add(allocation, 0x20), amount)
                            paid := add(paid, share)
                            mstore(payment, mload(allocation))
                            mstore(add(payment, 0x20), share)
                            payment := add(payment, 0x40)
                        }
                    }
                    default { found := or(found, 2) }
                    if amount { found := or(found, 1) }
                }
                surplus := sub(mload(add(end, 0x20)), paid)
                if surplus { found := or(found, 4) }
                if paid { sstore(mload(add(end, 0x40)), surplus) }
                mstore(add(end, 0x40), surplus)
                mstore(add(end, 0x60), payment)
                end := payment
            }
            mstore(0x40, end)
        }
    }

    /// @dev Logs what became of the holdings, then pays. Spec section 9.4. Every effect of the calling function must be in
    /// storage already: external payees and tokens are code we do not know.
    function _payOut(bytes32 channelId, uint256 book, uint256 end) internal {
        bytes32 topic = AllocationUpdated.selector;
        assembly ('memory-safe') {
            for { let entry := book } lt(entry, end) { entry := mload(add(entry, 0x60)) } {
                log2(entry, 0x60, topic, channelId)
            }
        }
        while (book < end) {
            uint256 next = _word(book, 0x60);
            address asset = address(uint160(_word(book, 0x80)));
            book += 0xa0;
            while (book < next) {
                _pay(asset, bytes32(_word(book, 0)), _word(book, 0x20));
                unchecked {
                    book += 0x40;
                }
            }
        }
    }

    /// @dev Stores what is left to be paid by a final channel with this status. The final fingerprint is put aside before it
    /// is lost, unless nobody can ask for it because the channel guarantees others.
    function _setLeft(bytes32 channelId, uint256 word, bytes32 stateHash, bytes32 outcomeHash) internal {
        uint160 fingerprint = _generateFingerprint(stateHash, outcomeHash);
        if (uint160(word) != fingerprint && word & (SOURCE | REDUCED) == 0) {
            word |= REDUCED;
            _finalFingerprint[channelId] = uint160(word);
        }
        _status[channelId] = (word ^ uint160(word)) | fingerprint;
    }

    function _requireFingerprint(uint256 word, bytes32 stateHash, bytes32 outcomeHash) internal pure {
        Demand.that(uint160(word) == _generateFingerprint(stateHash, outcomeHash), 'incorrect fingerprint');
    }

    /// @dev A payee who cannot be paid is owed its share from then on and never stands in the way of others.
    function _pay(address asset, bytes32 destination, uint256 amount) internal {
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
        Demand.that(gasleft() >= PAYOUT_GAS / 63, 'not enough gas to pay');
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

    /// @dev The status of a channel that is final and has not paid everything yet. A closed one has nothing to pay, which
    /// clients know as not being final any more.
    function _requirePayable(bytes32 channelId) internal view returns (uint256 word) {
        word = _status[channelId];
        Demand.that(word & CLOSED == 0 && _modeOf(word) == ChannelMode.Finalized, 'Channel not finalized.');
    }

    function _requireIncreasingIndices(uint256[] calldata indices) internal pure {
        for (uint256 i = 1; i < indices.length; ++i) {
            Demand.that(indices[i] > indices[i - 1], 'Indices must be sorted');
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

