// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Spec sections 9.2 and 13, MultiAssetHolder/computeTransferEffectsAndInteractions.
contract ComputeTransferTest is NitroTest {
    struct Effects {
        ExitFormat.Allocation[] left;
        bool onlyZeros;
        ExitFormat.Allocation[] exits;
        uint256 total;
    }

    function compute(uint256 held, ExitFormat.Allocation[] memory allocations, uint256[] memory chosen)
        private
        view
        returns (Effects memory e)
    {
        (e.left, e.onlyZeros, e.exits, e.total) =
            adjudicator.compute_transfer_effects_and_interactions(held, allocations, chosen);
    }

    function threeOf(uint256 a, uint256 b, uint256 c) private view returns (ExitFormat.Allocation[] memory) {
        return list(simple(to(ALICE), a), simple(keccak256('channel'), b), simple(to(irene), c));
    }

    function amounts(ExitFormat.Allocation[] memory found, uint256 a, uint256 b, uint256 c) private pure {
        same(found.length, 3, 'allocations');
        same(found[0].amount, a, 'amount 0');
        same(found[1].amount, b, 'amount 1');
        same(found[2].amount, c, 'amount 2');
    }

    function test_no_indices_means_all() public view {
        Effects memory e = compute(6, threeOf(1, 2, 3), indices());
        amounts(e.left, 0, 0, 0);
        amounts(e.exits, 1, 2, 3);
        holds(e.onlyZeros, 'nothing is left');
        same(e.total, 6, 'total');
    }

    function test_underfunded_pays_in_order() public view {
        Effects memory e = compute(2, threeOf(1, 2, 3), indices());
        amounts(e.left, 0, 1, 3);
        amounts(e.exits, 1, 1, 0);
        holds(!e.onlyZeros, 'something is left');
        same(e.total, 2, 'total');
    }

    function test_overfunded_pays_no_more_than_allocated() public view {
        Effects memory e = compute(100, threeOf(1, 2, 3), indices());
        amounts(e.exits, 1, 2, 3);
        same(e.total, 6, 'total');
    }

    function test_an_earlier_allocation_keeps_its_share() public view {
        Effects memory e = compute(4, threeOf(1, 2, 3), indices(2));
        amounts(e.left, 1, 2, 2);
        same(e.exits.length, 1, 'exits');
        same(e.exits[0].destination, to(irene), 'payee');
        same(e.exits[0].amount, 1, 'what the first two leave');
        same(e.total, 1, 'total');
    }

    /// @dev Entries whose turn never comes are empty, not an error: clients compare with such a result.
    function test_unsorted_indices_pay_the_first_that_matches() public view {
        Effects memory e = compute(6, threeOf(1, 2, 3), indices(1, 0));
        amounts(e.left, 1, 0, 3);
        same(e.exits.length, 2, 'exits');
        same(e.exits[0].destination, keccak256('channel'), 'payee');
        same(e.exits[0].amount, 2, 'paid');
        same(e.exits[1].destination, 0, 'no payee');
        same(e.exits[1].amount, 0, 'nothing');
        same(e.total, 2, 'total');
    }

    function test_indices_out_of_range_pay_nothing() public view {
        Effects memory e = compute(6, threeOf(1, 2, 3), indices(3));
        amounts(e.left, 1, 2, 3);
        same(e.exits.length, 1, 'exits');
        same(e.total, 0, 'total');
    }

    function test_an_empty_outcome_allocates_only_zeros() public view {
        Effects memory e = compute(6, new ExitFormat.Allocation[](0), indices());
        holds(e.onlyZeros, 'nothing is left');
        same(e.exits.length, 0, 'exits');
    }

    function test_type_and_metadata_are_kept() public view {
        ExitFormat.Allocation[] memory allocations = list(ExitFormat.Allocation(to(ALICE), 5, 77, hex'beef'));
        Effects memory e = compute(2, allocations, indices());
        same(e.left[0].destination, to(ALICE), 'destination left');
        same(e.left[0].allocationType, 77, 'type left');
        same(e.left[0].metadata, hex'beef', 'metadata left');
        same(e.exits[0].destination, to(ALICE), 'destination paid');
        same(e.exits[0].allocationType, 77, 'type paid');
        same(e.exits[0].metadata, hex'beef', 'metadata paid');
    }

    function refusesGuarantee(ExitFormat.Allocation[] memory allocations, uint256[] memory chosen) private {
        expectReason('cannot transfer a guarantee');
        adjudicator.compute_transfer_effects_and_interactions(10, allocations, chosen);
    }

    function aGuarantee() private pure returns (ExitFormat.Allocation memory) {
        return guarantee(keccak256('target'), 5, to(ALICE), to(BOB));
    }

    function test_a_guarantee_is_not_among_all() public {
        refusesGuarantee(list(simple(to(ALICE), 5), aGuarantee()), indices());
    }

    /// @dev W1: what counts is the type of the chosen allocation, wherever it stands. Were it that of allocation k,
    /// this guarantee would be paid into the target's holdings.
    function test_a_chosen_guarantee_is_refused_behind_a_simple_allocation() public {
        refusesGuarantee(list(simple(to(ALICE), 5), aGuarantee()), indices(1));
        refusesGuarantee(list(simple(to(ALICE), 5), simple(to(BOB), 5), aGuarantee()), indices(2));
        refusesGuarantee(list(aGuarantee()), indices(0));
    }

    /// @dev W1, the other half: a guarantee in the first place does not lock up the money of those behind it.
    function test_a_guarantee_in_front_blocks_nobody() public view {
        Effects memory e = compute(10, list(aGuarantee(), simple(to(BOB), 5)), indices(1));
        same(e.exits[0].destination, to(BOB), 'payee');
        same(e.exits[0].amount, 5, 'paid');
        same(e.left[0].amount, 5, 'guarantee untouched');
        same(e.left[0].allocationType, GUARANTEE, 'still a guarantee');
    }

    struct Tally {
        uint256 before;
        uint256 paid;
        uint256 left;
        uint256 k;
    }

    /// @dev The twin is the closed form of the rule: an allocation is affordable as far as the money reaches beyond
    /// everything before it. Six amounts below 2^16 against holdings below 2^19: running out midway is common.
    function testFuzz_agrees_with_its_twin(uint16[6] memory wants, uint256 held, uint8 mask) public view {
        held %= 2 ** 19;
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](6);
        for (uint256 i = 0; i < 6; ++i) {
            allocations[i] = simple(keccak256(abi.encode(i)), wants[i]);
        }
        Effects memory e = compute(held, allocations, indicesOf(mask));

        Tally memory tally;
        for (uint256 i = 0; i < 6; ++i) {
            bool chosen = mask % 64 == 0 || (mask >> i) & 1 == 1;
            uint256 due = affordable(held, tally.before, wants[i]);
            if (chosen) {
                same(e.exits[tally.k].destination, allocations[i].destination, 'payee');
                same(e.exits[tally.k].amount, due, 'paid');
                tally.k += 1;
                tally.paid += due;
            }
            same(e.left[i].amount, chosen ? wants[i] - due : wants[i], 'left');
            tally.before += wants[i];
            tally.left += e.left[i].amount;
        }
        same(e.exits.length, tally.k, 'exits');
        same(e.total, tally.paid, 'total');
        holds(e.total <= held, 'no more than there is');
        same(tally.left + tally.paid, tally.before, 'value is conserved');
        holds(e.onlyZeros == (tally.left == 0), 'only zeros');
    }

    function affordable(uint256 held, uint256 before, uint256 want) private pure returns (uint256) {
        uint256 reach = held > before ? held - before : 0;
        return reach < want ? reach : want;
    }

    function indicesOf(uint8 mask) private pure returns (uint256[] memory chosen) {
        uint256 count = 0;
        for (uint256 i = 0; i < 6; ++i) {
            if ((mask >> i) & 1 == 1) ++count;
        }
        chosen = new uint256[](count);
        for (uint256 i = 6; i > 0; --i) {
            if ((mask >> (i - 1)) & 1 == 1) chosen[--count] = i - 1;
        }
    }
}
