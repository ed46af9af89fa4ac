// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {NitroTest} from './support/NitroTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 9.5, 9.6 and 13, MultiAssetHolder/reclaim and computeReclaimEffects.
contract ReclaimTest is NitroTest {
    bytes32 private constant LEDGER = keccak256('ledger channel');
    bytes32 private constant VIRTUAL = keccak256('virtual channel');
    bytes32 private constant LEDGER_STATE = keccak256('ledger state');
    bytes32 private constant VIRTUAL_STATE = keccak256('virtual state');

    function a(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(to(ALICE), amount);
    }

    function b(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(to(BOB), amount);
    }

    function i(uint256 amount) private view returns (ExitFormat.Allocation memory) {
        return simple(to(irene), amount);
    }

    /// @dev Alice's ledger channel with Irene: Alice's side is left, Irene's is right.
    function g(uint256 amount) private view returns (ExitFormat.Allocation memory) {
        return guarantee(VIRTUAL, amount, to(ALICE), to(irene));
    }

    function compute(
        ExitFormat.Allocation[] memory source,
        ExitFormat.Allocation[] memory target,
        uint256 index
    ) private view returns (ExitFormat.Allocation[] memory) {
        return adjudicator.compute_reclaim_effects(source, target, index);
    }

    function refuses(
        ExitFormat.Allocation[] memory source,
        ExitFormat.Allocation[] memory target,
        uint256 index,
        string memory reason
    ) private {
        expectReason(reason);
        adjudicator.compute_reclaim_effects(source, target, index);
    }

    function same(ExitFormat.Allocation[] memory found, ExitFormat.Allocation[] memory expected)
        private
        pure
    {
        same(abi.encode(found), abi.encode(expected), 'allocations');
    }

    // computeReclaimEffects

    function test_computes_the_example_of_the_checklist() public view {
        same(compute(list(a(2), i(2), g(6)), list(a(1), b(5)), 2), list(a(3), i(7)));
    }

    function test_the_guarantee_may_stand_anywhere() public view {
        same(compute(list(g(6), a(2), i(2)), list(a(1), b(5)), 0), list(a(3), i(7)));
        same(compute(list(a(2), g(6), i(2)), list(a(1), b(5)), 1), list(a(3), i(7)));
    }

    function test_other_allocations_stay_as_they_are() public view {
        ExitFormat.Allocation memory other = ExitFormat.Allocation(keccak256('x'), 9, GUARANTEE, hex'beef');
        ExitFormat.Allocation[] memory source = new ExitFormat.Allocation[](4);
        (source[0], source[1], source[2], source[3]) = (other, a(2), g(6), i(2));
        same(compute(source, list(a(1), b(5)), 2), list(other, a(3), i(7)));
    }

    /// @dev Only the first allocation of a payee is added to, so nothing is credited twice.
    function test_a_payee_listed_twice_is_credited_once() public view {
        ExitFormat.Allocation[] memory source = new ExitFormat.Allocation[](4);
        (source[0], source[1], source[2], source[3]) = (a(2), a(2), i(2), g(6));
        same(compute(source, list(a(1), b(5)), 3), list(a(3), a(2), i(7)));
        (source[0], source[1], source[2], source[3]) = (i(2), a(2), i(2), g(6));
        same(compute(source, list(a(1), b(5)), 3), list(i(7), a(3), i(2)));
    }

    function test_left_and_right_may_be_the_same() public view {
        same(
            compute(list(a(2), guarantee(VIRTUAL, 6, to(ALICE), to(ALICE))), list(a(1), b(5)), 1), list(a(8))
        );
    }

    function test_refuses_when_left_or_right_is_not_there() public {
        refuses(list(b(2), i(2), g(6)), list(a(1), b(5)), 2, 'could not find left');
        refuses(list(a(2), b(2), g(6)), list(a(1), b(5)), 2, 'could not find right');
    }

    function test_refuses_when_the_target_is_not_the_guarantee() public {
        refuses(list(a(2), i(2), g(6)), list(a(1), b(4)), 2, 'totalReclaimed!=guarantee.amount');
        refuses(list(a(2), i(2), g(6)), list(a(2), b(5)), 2, 'totalReclaimed!=guarantee.amount');
    }

    function test_panics_on_bad_indices() public {
        ExitFormat.Allocation[] memory none = new ExitFormat.Allocation[](0);
        expectPanic(0x11);
        adjudicator.compute_reclaim_effects(none, list(a(1), b(5)), 0);
        expectPanic(0x32);
        adjudicator.compute_reclaim_effects(list(a(2), i(2), g(6)), list(a(1), b(5)), 3);
        expectPanic(0x32);
        adjudicator.compute_reclaim_effects(list(a(2), i(2), g(6)), list(a(6)), 2);
        expectPanic(0x32);
        adjudicator.compute_reclaim_effects(list(a(2), i(2), g(6)), none, 2);
    }

    function test_reverts_silently_on_metadata_that_is_no_guarantee() public {
        bytes memory call = abi.encodeCall(
            adjudicator.compute_reclaim_effects,
            (list(a(2), i(2), ExitFormat.Allocation(VIRTUAL, 6, GUARANTEE, hex'00')), list(a(1), b(5)), 2)
        );
        revertsSilently(address(adjudicator), call, 'metadata');
    }

    function testFuzz_value_is_conserved(uint64 left, uint64 right, uint64 forAlice, uint64 forBob)
        public
        view
    {
        uint256 amount = uint256(forAlice) + forBob;
        ExitFormat.Allocation[] memory result =
            compute(list(a(left), g(amount), i(right)), list(a(forAlice), b(forBob)), 1);
        same(result.length, 2, 'allocations');
        same(result[0].amount, uint256(left) + forAlice, 'left');
        same(result[1].amount, uint256(right) + forBob, 'right');
        same(result[0].amount + result[1].amount, uint256(left) + right + amount, 'value');
    }

    // reclaim

    function ledgerOutcome() private view returns (ExitFormat.SingleAssetExit[] memory) {
        return outcomeOf(COIN, list(a(10), i(10), g(10)));
    }

    function virtualOutcome() private pure returns (ExitFormat.SingleAssetExit[] memory) {
        return outcomeOf(COIN, list(a(7), b(3)));
    }

    function ready() private returns (IMultiAssetHolder.ReclaimArgs memory) {
        return ready(ledgerOutcome(), virtualOutcome());
    }

    function ready(ExitFormat.SingleAssetExit[] memory ledger, ExitFormat.SingleAssetExit[] memory virtual_)
        private
        returns (IMultiAssetHolder.ReclaimArgs memory)
    {
        setStatus(LEDGER, statusWord(4, NOW, LEDGER_STATE, outcomeHashOf(ledger)));
        setStatus(VIRTUAL, statusWord(2, NOW - 5, VIRTUAL_STATE, outcomeHashOf(virtual_)));
        return IMultiAssetHolder.ReclaimArgs(
            LEDGER, LEDGER_STATE, abi.encode(ledger), 0, 2, VIRTUAL_STATE, abi.encode(virtual_), 0
        );
    }

    function refuses(IMultiAssetHolder.ReclaimArgs memory args, string memory reason) private {
        expectReason(reason);
        adjudicator.reclaim(args);
    }

    function test_reclaims_the_example_of_the_checklist() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        bytes32 virtualStatus = adjudicator.statusOf(VIRTUAL);
        vm.recordLogs();
        adjudicator.reclaim(args);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(logs.length, 1, 'number of logs');
        isEvent(logs[0], 'Reclaimed(bytes32,uint256)', LEDGER, abi.encode(0));
        same(
            adjudicator.statusOf(LEDGER),
            statusWord(4, NOW, LEDGER_STATE, outcomeHashOf(outcomeOf(COIN, list(a(17), i(13))))),
            'status of the source'
        );
        same(adjudicator.statusOf(VIRTUAL), virtualStatus, 'status of the target');
    }

    /// @dev What was reclaimed is money: both sides of the ledger channel are paid what the voucher said.
    function test_what_is_reclaimed_can_be_transferred() public {
        adjudicator.reclaim(ready());
        fundWithCoin(LEDGER, 30);
        ExitFormat.SingleAssetExit[] memory left = outcomeOf(COIN, list(a(17), i(13)));
        adjudicator.transfer(0, LEDGER, abi.encode(left), LEDGER_STATE, indices());
        same(ALICE.balance, 17, 'Alice');
        same(irene.balance, 13, 'Irene');
    }

    function test_cannot_be_reclaimed_twice() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        adjudicator.reclaim(args);
        refuses(args, 'incorrect fingerprint');
        args.sourceOutcomeBytes = abi.encode(outcomeOf(COIN, list(a(17), i(13))));
        args.indexOfTargetInSource = 1;
        refuses(args, 'not a guarantee allocation');
    }

    function test_assets_may_stand_at_different_places() public {
        address token = address(0xa55e7);
        ExitFormat.SingleAssetExit[] memory ledger = new ExitFormat.SingleAssetExit[](2);
        ledger[0] = exitOf(token, list(a(1)));
        ledger[1] = exitOf(COIN, list(a(10), i(10), g(10)));
        IMultiAssetHolder.ReclaimArgs memory args = ready(ledger, virtualOutcome());
        args.sourceAssetIndex = 1;
        vm.recordLogs();
        adjudicator.reclaim(args);
        isEvent(vm.getRecordedLogs()[0], 'Reclaimed(bytes32,uint256)', LEDGER, abi.encode(1));
        ledger[1].allocations = list(a(17), i(13));
        same(
            adjudicator.statusOf(LEDGER),
            statusWord(4, NOW, LEDGER_STATE, outcomeHashOf(ledger)),
            'status of the source'
        );
    }

    function test_refuses_while_either_channel_is_not_finalized() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        bytes32 ledgerStatus = adjudicator.statusOf(LEDGER);
        setStatus(LEDGER, statusWord(4, NOW + 1, LEDGER_STATE, keccak256(args.sourceOutcomeBytes)));
        refuses(args, 'Channel not finalized.');
        setStatus(LEDGER, ledgerStatus);
        setStatus(VIRTUAL, statusWord(2, NOW + 1, VIRTUAL_STATE, keccak256(args.targetOutcomeBytes)));
        refuses(args, 'Channel not finalized.');
    }

    function test_refuses_other_outcomes_and_states() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        args.sourceOutcomeBytes = abi.encode(virtualOutcome());
        refuses(args, 'incorrect fingerprint');
        args = ready();
        args.sourceStateHash = 0;
        refuses(args, 'incorrect fingerprint');
        args = ready();
        args.targetOutcomeBytes = abi.encode(outcomeOf(COIN, list(a(10), b(0))));
        refuses(args, 'incorrect fingerprint');
        args = ready();
        args.targetStateHash = 0;
        refuses(args, 'incorrect fingerprint');
    }

    function test_refuses_what_is_no_guarantee() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        args.indexOfTargetInSource = 0;
        refuses(args, 'not a guarantee allocation');
        // 1 is a guarantee for some clients, but not on chain.
        ExitFormat.SingleAssetExit[] memory ledger = ledgerOutcome();
        ledger[0].allocations[2].allocationType = 1;
        args = ready(ledger, virtualOutcome());
        refuses(args, 'not a guarantee allocation');
    }

    function test_refuses_another_asset() public {
        ExitFormat.SingleAssetExit[] memory virtual_ = virtualOutcome();
        virtual_[0].asset = address(0xa55e7);
        refuses(ready(ledgerOutcome(), virtual_), 'targetAsset != guaranteeAsset');
    }

    function test_panics_on_indices_out_of_range() public {
        IMultiAssetHolder.ReclaimArgs memory args = ready();
        args.sourceAssetIndex = 1;
        expectPanic(0x32);
        adjudicator.reclaim(args);
        args = ready();
        args.targetAssetIndex = 1;
        expectPanic(0x32);
        adjudicator.reclaim(args);
        args = ready();
        args.indexOfTargetInSource = 3;
        expectPanic(0x32);
        adjudicator.reclaim(args);
    }
}
