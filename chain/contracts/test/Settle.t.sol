// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {NitroTest} from './support/NitroTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev `settle`: reclaims and payouts of a ledger channel in one call.
contract SettleTest is NitroTest {
    bytes32 private constant LEDGER = keccak256('ledger channel');
    bytes32 private constant VIRTUAL = keccak256('virtual channel');
    bytes32 private constant SECOND = keccak256('second virtual channel');
    bytes32 private constant STATE = keccak256('ledger state');
    bytes32 private constant VIRTUAL_STATE = keccak256('virtual state');

    function a(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(to(ALICE), amount);
    }

    function i(uint256 amount) private view returns (ExitFormat.Allocation memory) {
        return simple(to(irene), amount);
    }

    function g(bytes32 target, uint256 amount) private view returns (ExitFormat.Allocation memory) {
        return guarantee(target, amount, to(ALICE), to(irene));
    }

    function ledger() private view returns (ExitFormat.SingleAssetExit[] memory outcome) {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](4);
        (allocations[0], allocations[1]) = (a(10), i(20));
        (allocations[2], allocations[3]) = (g(VIRTUAL, 10), g(SECOND, 5));
        return outcomeOf(COIN, allocations);
    }

    function finalized(ExitFormat.SingleAssetExit[] memory outcome, uint256 held) private {
        setStatus(LEDGER, statusWord(9, NOW, STATE, outcomeHashOf(outcome)));
        setStatus(VIRTUAL, statusWord(2, NOW, VIRTUAL_STATE, outcomeHashOf(split(COIN, 7, 3))));
        setStatus(SECOND, statusWord(2, NOW, VIRTUAL_STATE, outcomeHashOf(split(COIN, 0, 5))));
        fundWithCoin(LEDGER, held);
    }

    function reclaimed(ExitFormat.SingleAssetExit[] memory target, uint256 index)
        private
        pure
        returns (INitroAdjudicator.Reclaim memory)
    {
        return INitroAdjudicator.Reclaim(0, index, VIRTUAL_STATE, target, 0);
    }

    function none() private pure returns (INitroAdjudicator.Reclaim[] memory) {
        return new INitroAdjudicator.Reclaim[](0);
    }

    function one(INitroAdjudicator.Reclaim memory entry)
        private
        pure
        returns (INitroAdjudicator.Reclaim[] memory reclaims)
    {
        reclaims = new INitroAdjudicator.Reclaim[](1);
        reclaims[0] = entry;
    }

    /// @dev The second one counts in the outcome as the first one left it.
    function both() private pure returns (INitroAdjudicator.Reclaim[] memory reclaims) {
        reclaims = new INitroAdjudicator.Reclaim[](2);
        reclaims[0] = reclaimed(split(COIN, 7, 3), 2);
        reclaims[1] = reclaimed(split(COIN, 0, 5), 2);
    }

    function refuses(INitroAdjudicator.Reclaim[] memory reclaims, string memory reason) private {
        ExitFormat.SingleAssetExit[] memory outcome = ledger();
        expectReason(reason);
        adjudicator.settle(LEDGER, outcome, STATE, reclaims);
    }

    function test_reclaims_everything_and_pays_everybody() public {
        finalized(ledger(), 45);
        vm.recordLogs();
        adjudicator.settle(LEDGER, ledger(), STATE, both());
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(logs.length, 4, 'number of logs');
        // The first of two guarantees has to be named, the only one has not.
        same(logs[0].topics[0], IMultiAssetHolder.GuaranteeReclaimed.selector, 'first log');
        same(logs[0].topics[1], LEDGER, 'first log: channel');
        same(logs[0].topics[2], VIRTUAL, 'first log: target');
        same(logs[0].data, abi.encode(0, 2, 7, 3), 'first log: data');
        isEvent(logs[1], 'Reclaimed(bytes32,uint256)', LEDGER, abi.encode(0));
        isEvent(logs[2], 'Reclaimed(bytes32,uint256)', LEDGER, abi.encode(0));
        isEvent(logs[3], 'AllocationUpdated(bytes32,uint256,uint256,uint256)', LEDGER, abi.encode(0, 45, 0));
        same(ALICE.balance, 17, 'Alice');
        same(irene.balance, 28, 'Irene');
        same(adjudicator.statusOf(LEDGER), 0, 'the ledger channel is done');
        holds(adjudicator.statusOf(VIRTUAL) != 0, 'the target is untouched');
    }

    function test_a_guarantee_that_is_not_reclaimed_keeps_its_share() public {
        finalized(ledger(), 45);
        adjudicator.settle(LEDGER, ledger(), STATE, one(reclaimed(split(COIN, 7, 3), 2)));
        same(ALICE.balance, 17, 'Alice');
        same(irene.balance, 23, 'Irene');
        same(adjudicator.holdings(COIN, LEDGER), 5, 'held for the guarantee');
        ExitFormat.SingleAssetExit[] memory left = outcomeOf(COIN, list(a(0), i(0), g(SECOND, 5)));
        same(adjudicator.statusOf(LEDGER), statusWord(9, NOW, STATE, outcomeHashOf(left)), 'status');

        adjudicator.settle(LEDGER, left, STATE, one(reclaimed(split(COIN, 0, 5), 2)));
        same(irene.balance, 28, 'Irene has the rest');
        same(adjudicator.statusOf(LEDGER), 0, 'the ledger channel is done');
    }

    /// @dev Allocation order is priority: a guarantee in front keeps its share of scarce holdings.
    function test_a_guarantee_in_front_comes_first() public {
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, list(g(VIRTUAL, 10), a(10), i(20)));
        finalized(outcome, 15);
        adjudicator.settle(LEDGER, outcome, STATE, none());
        same(ALICE.balance, 5, 'Alice');
        same(irene.balance, 0, 'Irene');
        same(adjudicator.holdings(COIN, LEDGER), 10, 'held for the guarantee');
        outcome[0].allocations[1].amount = 5;
        same(adjudicator.statusOf(LEDGER), statusWord(9, NOW, STATE, outcomeHashOf(outcome)), 'status');
    }

    function test_without_guarantees_it_is_transferAllAssets() public {
        ExitFormat.SingleAssetExit[] memory outcome = split(COIN, 3, 4);
        finalized(outcome, 7);
        adjudicator.settle(LEDGER, outcome, STATE, none());
        same(ALICE.balance, 3, 'Alice');
        same(BOB.balance, 4, 'Bob');
        same(adjudicator.statusOf(LEDGER), 0, 'status');
    }

    function test_refuses_what_transferAllAssets_refuses() public {
        refuses(none(), 'Channel not finalized.');
        finalized(split(COIN, 1, 2), 3);
        refuses(none(), 'incorrect fingerprint');
    }

    function test_refuses_what_reclaim_refuses() public {
        finalized(ledger(), 45);
        refuses(one(reclaimed(split(COIN, 7, 3), 1)), 'not a guarantee allocation');
        refuses(one(reclaimed(split(address(1), 7, 3), 2)), 'targetAsset != guaranteeAsset');
        refuses(one(reclaimed(split(COIN, 8, 2), 2)), 'incorrect fingerprint');
        refuses(one(reclaimed(split(COIN, 7, 3), 3)), 'incorrect fingerprint');
        setStatus(VIRTUAL, statusWord(2, NOW, VIRTUAL_STATE, outcomeHashOf(split(COIN, 7, 2))));
        refuses(one(reclaimed(split(COIN, 7, 2), 2)), 'totalReclaimed!=guarantee.amount');
        setStatus(VIRTUAL, statusWord(2, NOW + 1, VIRTUAL_STATE, outcomeHashOf(split(COIN, 7, 3))));
        refuses(one(reclaimed(split(COIN, 7, 3), 2)), 'Channel not finalized.');
    }

    function test_panics_on_indices_out_of_range() public {
        finalized(ledger(), 45);
        INitroAdjudicator.Reclaim[] memory reclaims = both();
        reclaims[0].sourceAssetIndex = 1;
        expectPanic(0x32);
        adjudicator.settle(LEDGER, ledger(), STATE, reclaims);
        reclaims = both();
        reclaims[1].indexOfTargetInSource = 3;
        expectPanic(0x32);
        adjudicator.settle(LEDGER, ledger(), STATE, reclaims);
        reclaims = both();
        reclaims[0].targetAssetIndex = 1;
        expectPanic(0x32);
        adjudicator.settle(LEDGER, ledger(), STATE, reclaims);
    }
}
