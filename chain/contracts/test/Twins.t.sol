// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {Follower} from './support/Follower.sol';

/// @dev Outcomes that change in place, without being decoded, against the plain way of changing them: several assets,
/// metadata of any length, anything reclaimed in any order.
contract TwinsTest is Follower {
    bytes32 private constant LEDGER = keccak256('ledger channel');
    uint256 private seed;

    function draw(uint256 below) private returns (uint256) {
        seed = uint256(keccak256(abi.encode(seed)));
        return seed % below;
    }

    function someBytes(uint256 least) private returns (bytes memory data) {
        data = new bytes(least + draw(3) * draw(40));
        for (uint256 i = 0; i < data.length; ++i) {
            data[i] = bytes1(uint8(draw(256)));
        }
    }

    function targetOf(bytes32 id) private pure returns (ExitFormat.SingleAssetExit[] memory) {
        uint256 amount = uint256(uint8(id[31])) % 20;
        uint256 first = uint256(uint8(id[30])) % (amount + 1);
        return outcomeOf(COIN, list(simple(to(ALICE), first), simple(to(BOB), amount - first)));
    }

    function someGuarantee() private returns (ExitFormat.Allocation memory allocation) {
        bytes32 id = bytes32(draw(type(uint256).max) | 2 ** 255);
        ExitFormat.SingleAssetExit[] memory target = targetOf(id);
        uint256 amount = target[0].allocations[0].amount + target[0].allocations[1].amount;
        concluded(id, target);
        allocation = guarantee(id, amount, to(ALICE), to(irene));
        allocation.metadata = abi.encodePacked(allocation.metadata, someBytes(0));
    }

    function someAsset(address asset, bool guaranteeing)
        private
        returns (ExitFormat.SingleAssetExit memory single)
    {
        single.asset = asset;
        single.assetMetadata.metadata = someBytes(0);
        single.allocations = new ExitFormat.Allocation[](2 + draw(5));
        for (uint256 i = 0; i < single.allocations.length; ++i) {
            bytes32 inner = bytes32((i + 1) << 200);
            bytes32 destination = i == 0 ? to(ALICE) : i == 1 ? to(irene) : inner;
            single.allocations[i] = guaranteeing && i > 1 && draw(3) != 0
                ? someGuarantee()
                : ExitFormat.Allocation(destination, draw(30), uint8(draw(2)), someBytes(0));
        }
    }

    function someOutcome(uint256 from, bool guaranteeing)
        private
        returns (ExitFormat.SingleAssetExit[] memory outcome)
    {
        seed = from;
        outcome = new ExitFormat.SingleAssetExit[](1 + draw(3));
        for (uint256 i = 0; i < outcome.length; ++i) {
            outcome[i] = someAsset(COIN, guaranteeing);
            setHoldings(outcome[i].asset, LEDGER, draw(100));
        }
        concluded(LEDGER, outcome);
        vm.deal(address(adjudicator), 1000);
    }

    function isLeft(ExitFormat.SingleAssetExit[] memory outcome, string memory what) private view {
        bool closed = true;
        for (uint256 i = 0; i < outcome.length; ++i) {
            for (uint256 k = 0; k < outcome[i].allocations.length; ++k) {
                closed = closed && outcome[i].allocations[k].amount == 0;
            }
        }
        bytes32 left = statusWord(0, NOW, 0, outcomeHashOf(outcome));
        bytes32 status = adjudicator.statusOf(LEDGER);
        holds(status == left || (closed && status == 0), what);
    }

    /// @dev What every asset is paid, one after the other, out of what there is.
    function pay(ExitFormat.SingleAssetExit[] memory outcome) private view {
        uint256 held = adjudicator.holdings(COIN, LEDGER);
        for (uint256 i = 0; i < outcome.length; ++i) {
            uint256 surplus = held;
            for (uint256 k = 0; k < outcome[i].allocations.length; ++k) {
                ExitFormat.Allocation memory allocation = outcome[i].allocations[k];
                uint256 share = allocation.amount < surplus ? allocation.amount : surplus;
                surplus -= share;
                if (allocation.allocationType == GUARANTEE) continue;
                allocation.amount -= share;
                held -= share;
            }
        }
    }

    function testFuzz_settle_leaves_what_its_twin_leaves(uint256 from) public {
        ExitFormat.SingleAssetExit[] memory outcome = someOutcome(from, true);
        ExitFormat.SingleAssetExit[] memory twin =
            abi.decode(abi.encode(outcome), (ExitFormat.SingleAssetExit[]));
        INitroAdjudicator.Reclaim[] memory reclaims = new INitroAdjudicator.Reclaim[](20);
        uint256 count = 0;
        for (uint256 tries = 0; tries < 20; ++tries) {
            uint256 asset = draw(twin.length);
            uint256 index = draw(twin[asset].allocations.length);
            ExitFormat.Allocation memory allocation = twin[asset].allocations[index];
            if (allocation.allocationType != GUARANTEE) continue;
            ExitFormat.SingleAssetExit[] memory target = targetOf(allocation.destination);
            reclaims[count++] = INitroAdjudicator.Reclaim(asset, index, 0, target, 0);
            twin[asset].allocations = without(
                twin[asset].allocations,
                index,
                target[0].allocations[0].amount,
                target[0].allocations[1].amount
            );
        }
        assembly ('memory-safe') {
            mstore(reclaims, count)
        }
        pay(twin);
        adjudicator.settle(LEDGER, outcome, 0, reclaims);
        isLeft(twin, 'settled');
    }

    function testFuzz_reclaim_leaves_what_compute_says(uint256 from) public {
        ExitFormat.SingleAssetExit[] memory outcome = someOutcome(from, true);
        for (uint256 tries = 0; tries < 20; ++tries) {
            uint256 asset = draw(outcome.length);
            uint256 index = draw(outcome[asset].allocations.length);
            ExitFormat.Allocation memory allocation = outcome[asset].allocations[index];
            if (allocation.allocationType != GUARANTEE) continue;
            ExitFormat.SingleAssetExit[] memory target = targetOf(allocation.destination);
            IMultiAssetHolder.ReclaimArgs memory args = IMultiAssetHolder.ReclaimArgs(
                LEDGER, 0, abi.encode(outcome), asset, index, 0, abi.encode(target), 0
            );
            outcome[asset].allocations =
                adjudicator.compute_reclaim_effects(outcome[asset].allocations, target[0].allocations, index);
            adjudicator.reclaim(args);
            isLeft(outcome, 'reclaimed');
        }
    }

    function testFuzz_transfer_leaves_what_compute_says(uint256 from) public {
        ExitFormat.SingleAssetExit[] memory outcome = someOutcome(from, false);
        for (uint256 tries = 0; tries < 3; ++tries) {
            uint256 asset = draw(outcome.length);
            uint256 count = outcome[asset].allocations.length;
            uint256 mask = draw(2 ** count);
            uint256[] memory chosen = new uint256[](count);
            uint256 k = 0;
            for (uint256 i = 0; i < count; ++i) {
                if ((mask >> i) & 1 == 1) chosen[k++] = i;
            }
            assembly ('memory-safe') {
                mstore(chosen, k)
            }
            bytes memory encoded = abi.encode(outcome);
            uint256 held = adjudicator.holdings(COIN, LEDGER);
            uint256 total;
            (outcome[asset].allocations,,, total) = adjudicator.compute_transfer_effects_and_interactions(
                held, outcome[asset].allocations, chosen
            );
            adjudicator.transfer(asset, LEDGER, encoded, 0, chosen);
            isLeft(outcome, 'transferred');
            same(adjudicator.holdings(COIN, LEDGER), held - total, 'holdings');
        }
    }

    function testFuzz_transferAllAssets_leaves_what_its_twin_leaves(uint256 from) public {
        ExitFormat.SingleAssetExit[] memory outcome = someOutcome(from, false);
        ExitFormat.SingleAssetExit[] memory twin =
            abi.decode(abi.encode(outcome), (ExitFormat.SingleAssetExit[]));
        pay(twin);
        adjudicator.transferAllAssets(LEDGER, outcome, 0);
        isLeft(twin, 'paid');
    }
}
