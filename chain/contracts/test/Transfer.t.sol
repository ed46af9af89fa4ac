// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {NitroTest} from './support/NitroTest.sol';
import {RejectingPayee} from './support/Payees.sol';
import {FalseToken, NoReturnToken} from './support/Tokens.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 9.3, 9.4 and 13, MultiAssetHolder/transfer and isExternalDestination.
contract TransferTest is NitroTest {
    bytes32 private constant CHANNEL = keccak256('from');
    bytes32 private constant INNER = keccak256('to a channel');
    bytes32 private constant STATE_HASH = keccak256('the state of a challenge');
    uint48 private constant TURN = 9;

    /// @dev A channel that a challenge finalized, so that turn, time and state hash must all survive.
    function finalized(ExitFormat.SingleAssetExit[] memory outcome) private {
        setStatus(CHANNEL, statusWord(TURN, NOW, STATE_HASH, outcomeHashOf(outcome)));
    }

    function pays(
        uint256 held,
        ExitFormat.Allocation[] memory allocations,
        uint256[] memory chosen,
        ExitFormat.Allocation[] memory left,
        uint256 finalHeld
    ) private {
        pays(held, allocations, chosen, left, finalHeld, false);
    }

    /// @param told Has what was paid to be said, because another payout would have left the holdings the same?
    function pays(
        uint256 held,
        ExitFormat.Allocation[] memory allocations,
        uint256[] memory chosen,
        ExitFormat.Allocation[] memory left,
        uint256 finalHeld,
        bool told
    ) private {
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, allocations);
        finalized(outcome);
        fundWithCoin(CHANNEL, held);

        vm.recordLogs();
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, chosen);
        Vm.Log[] memory logs = vm.getRecordedLogs();

        same(logs.length, told ? 2 : 1, 'number of logs');
        if (told) {
            uint256[] memory amounts = new uint256[](left.length);
            for (uint256 k = 0; k < left.length; ++k) {
                amounts[k] = allocations[k].amount - left[k].amount;
            }
            isEvent(logs[0], 'AllocationsPaid(bytes32,uint256,uint256[])', CHANNEL, abi.encode(0, amounts));
        }
        isEvent(
            logs[logs.length - 1],
            'AllocationUpdated(bytes32,uint256,uint256,uint256)',
            CHANNEL,
            abi.encode(0, held, finalHeld)
        );
        same(adjudicator.holdings(COIN, CHANNEL), finalHeld, 'holdings');
        same(
            adjudicator.statusOf(CHANNEL),
            statusWord(TURN, NOW, STATE_HASH, outcomeHashOf(outcomeOf(COIN, left))),
            'status word'
        );
    }

    function refuses(
        ExitFormat.SingleAssetExit[] memory outcome,
        bytes32 stateHash,
        uint256[] memory chosen,
        string memory reason
    ) private {
        expectReason(reason);
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), stateHash, chosen);
    }

    function a(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(to(ALICE), amount);
    }

    function b(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(to(BOB), amount);
    }

    function i(uint256 amount) private view returns (ExitFormat.Allocation memory) {
        return simple(to(irene), amount);
    }

    function inner(uint256 amount) private pure returns (ExitFormat.Allocation memory) {
        return simple(INNER, amount);
    }

    function test_pays_one_payee_that_is_fully_funded() public {
        pays(2, list(a(2)), indices(0), list(a(0)), 0);
        same(ALICE.balance, 2, 'Alice');
    }

    function test_pays_one_payee_that_is_overfunded() public {
        pays(3, list(a(2)), indices(0), list(a(0)), 1);
        same(ALICE.balance, 2, 'Alice');
    }

    function test_pays_one_payee_that_is_underfunded() public {
        pays(1, list(a(2)), indices(0), list(a(1)), 0);
        same(ALICE.balance, 1, 'Alice');
    }

    function test_pays_one_channel_that_is_fully_funded() public {
        pays(2, list(inner(2)), indices(0), list(inner(0)), 0);
        same(adjudicator.holdings(COIN, INNER), 2, 'channel');
        same(address(adjudicator).balance, 2, 'the coin stays');
    }

    function test_pays_one_channel_that_is_overfunded() public {
        pays(3, list(inner(2)), indices(0), list(inner(0)), 1);
        same(adjudicator.holdings(COIN, INNER), 2, 'channel');
    }

    function test_pays_one_channel_that_is_underfunded() public {
        pays(1, list(inner(2)), indices(0), list(inner(1)), 0);
        same(adjudicator.holdings(COIN, INNER), 1, 'channel');
    }

    function test_adds_to_what_a_channel_holds() public {
        setHoldings(COIN, INNER, 40);
        pays(2, list(inner(2)), indices(0), list(inner(0)), 0);
        same(adjudicator.holdings(COIN, INNER), 42, 'channel');
    }

    function test_pays_the_first_of_two() public {
        pays(2, list(a(1), b(1)), indices(0), list(a(0), b(1)), 1);
        same(ALICE.balance, 1, 'Alice');
        same(BOB.balance, 0, 'Bob');
    }

    function test_pays_the_second_of_two_and_reserves_for_the_first() public {
        pays(2, list(a(1), b(1)), indices(1), list(a(1), b(0)), 1, true);
        same(ALICE.balance, 0, 'Alice');
        same(BOB.balance, 1, 'Bob');
    }

    function test_pays_nothing_when_the_reserve_takes_all() public {
        pays(3, list(a(3), b(5)), indices(1), list(a(3), b(5)), 3);
        same(BOB.balance, 0, 'Bob');
    }

    function test_pays_two_of_two() public {
        pays(3, list(a(1), b(2)), indices(0, 1), list(a(0), b(0)), 0);
        same(ALICE.balance, 1, 'Alice');
        same(BOB.balance, 2, 'Bob');
    }

    function test_pays_two_of_three() public {
        pays(6, list(a(1), b(2), i(3)), indices(0, 2), list(a(0), b(2), i(0)), 2, true);
        same(ALICE.balance, 1, 'Alice');
        same(irene.balance, 3, 'Irene');
    }

    function test_pays_three_of_three() public {
        pays(6, list(a(1), b(2), i(3)), indices(0, 1, 2), list(a(0), b(0), i(0)), 0);
        same(irene.balance, 3, 'Irene');
    }

    function test_pays_all_without_indices() public {
        pays(6, list(a(1), inner(2), i(3)), indices(), list(a(0), inner(0), i(0)), 0);
        same(ALICE.balance, 1, 'Alice');
        same(adjudicator.holdings(COIN, INNER), 2, 'channel');
        same(irene.balance, 3, 'Irene');
    }

    /// @dev The reference has an empty payment for it, which a token refuses, being to the zero address.
    function test_refuses_an_index_out_of_range_for_every_asset() public {
        for (uint256 k = 0; k < 2; ++k) {
            ExitFormat.SingleAssetExit[] memory outcome = split(k == 0 ? COIN : address(0xa55e7), 1, 2);
            finalized(outcome);
            setHoldings(outcome[0].asset, CHANNEL, 6);
            expectPanic(0x32);
            adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices(7));
            expectPanic(0x32);
            adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices(0, 2));
        }
    }

    function test_the_rest_can_be_claimed_later() public {
        pays(1, list(a(2)), indices(), list(a(1)), 0);
        fundWithCoin(CHANNEL, 1);
        adjudicator.transfer(0, CHANNEL, abi.encode(outcomeOf(COIN, list(a(1)))), STATE_HASH, indices());
        same(ALICE.balance, 2, 'Alice');
    }

    function test_pays_the_asset_of_the_index() public {
        ExitFormat.SingleAssetExit[] memory outcome = new ExitFormat.SingleAssetExit[](2);
        outcome[0] = exitOf(address(0xa55e7), list(a(5)));
        outcome[1] = exitOf(COIN, list(b(5)));
        finalized(outcome);
        fundWithCoin(CHANNEL, 5);
        vm.recordLogs();
        adjudicator.transfer(1, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        isEvent(
            vm.getRecordedLogs()[0],
            'AllocationUpdated(bytes32,uint256,uint256,uint256)',
            CHANNEL,
            abi.encode(1, 5, 0)
        );
        same(BOB.balance, 5, 'Bob');
        outcome[1].allocations[0].amount = 0;
        same(
            adjudicator.statusOf(CHANNEL),
            statusWord(TURN, NOW, STATE_HASH, outcomeHashOf(outcome)),
            'status word'
        );
    }

    function test_refuses_unsorted_and_repeated_indices() public {
        ExitFormat.SingleAssetExit[] memory outcome = split(COIN, 1, 2);
        finalized(outcome);
        fundWithCoin(CHANNEL, 3);
        refuses(outcome, STATE_HASH, indices(1, 0), 'Indices must be sorted');
        refuses(outcome, STATE_HASH, indices(0, 0), 'Indices must be sorted');
        refuses(outcome, STATE_HASH, indices(0, 1, 1), 'Indices must be sorted');
    }

    function test_refuses_a_channel_that_is_not_finalized() public {
        ExitFormat.SingleAssetExit[] memory outcome = split(COIN, 1, 2);
        refuses(outcome, STATE_HASH, indices(), 'Channel not finalized.');
        setStatus(CHANNEL, openAt(5));
        refuses(outcome, STATE_HASH, indices(), 'Channel not finalized.');
        setStatus(CHANNEL, statusWord(TURN, NOW + 1, STATE_HASH, outcomeHashOf(outcome)));
        refuses(outcome, STATE_HASH, indices(), 'Channel not finalized.');
    }

    function test_refuses_another_outcome_or_state() public {
        finalized(split(COIN, 1, 2));
        refuses(split(COIN, 2, 1), STATE_HASH, indices(), 'incorrect fingerprint');
        refuses(split(COIN, 1, 2), 0, indices(), 'incorrect fingerprint');
    }

    function test_refuses_a_guarantee() public {
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(guarantee(INNER, 5, to(ALICE), to(BOB))));
        finalized(outcome);
        fundWithCoin(CHANNEL, 5);
        refuses(outcome, STATE_HASH, indices(0), 'cannot transfer a guarantee');
    }

    /// @dev W1 through the front door: the target channel's holdings stay empty.
    function test_refuses_a_guarantee_behind_a_simple_allocation() public {
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(a(5), guarantee(INNER, 5, to(ALICE), to(BOB))));
        finalized(outcome);
        fundWithCoin(CHANNEL, 10);
        refuses(outcome, STATE_HASH, indices(1), 'cannot transfer a guarantee');
        same(adjudicator.holdings(COIN, INNER), 0, 'holdings of the target');
    }

    function test_panics_on_an_asset_index_out_of_range() public {
        ExitFormat.SingleAssetExit[] memory outcome = split(COIN, 1, 2);
        finalized(outcome);
        expectPanic(0x32);
        adjudicator.transfer(1, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
    }

    function test_reverts_silently_on_an_outcome_that_does_not_decode() public {
        bytes memory garbage = hex'00112233';
        setStatus(CHANNEL, statusWord(TURN, NOW, STATE_HASH, keccak256(garbage)));
        bytes memory call = abi.encodeCall(adjudicator.transfer, (0, CHANNEL, garbage, STATE_HASH, indices()));
        revertsSilently(address(adjudicator), call, 'garbage');
    }

    /// @dev Spec section 2: an asset type above 3 does not exist.
    function test_reverts_silently_on_an_unknown_asset_type() public {
        bytes memory encoded = abi.encode(split(COIN, 1, 2));
        // Words of the encoding: offset, length, offset of asset 0, asset, offset of metadata, offset of allocations,
        // asset type.
        encoded[7 * 32 - 1] = 0x04;
        setStatus(CHANNEL, statusWord(TURN, NOW, STATE_HASH, keccak256(encoded)));
        bytes memory call = abi.encodeCall(adjudicator.transfer, (0, CHANNEL, encoded, STATE_HASH, indices()));
        revertsSilently(address(adjudicator), call, 'asset type 4');

        encoded[7 * 32 - 1] = 0x03;
        setStatus(CHANNEL, statusWord(TURN, NOW, STATE_HASH, keccak256(encoded)));
        fundWithCoin(CHANNEL, 3);
        adjudicator.transfer(0, CHANNEL, encoded, STATE_HASH, indices());
        same(ALICE.balance, 1, 'asset type 3 is paid like any other');
    }

    /// @dev W3: a payee who cannot be paid is owed its share, and does not stand in the way of the others.
    function test_a_payee_that_rejects_coin_blocks_only_itself() public {
        address rejecting = address(new RejectingPayee());
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, list(simple(to(rejecting), 1), b(2)));
        finalized(outcome);
        fundWithCoin(CHANNEL, 3);
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        same(BOB.balance, 2, 'Bob');
        same(adjudicator.claimable(COIN, rejecting), 1, 'owed');
        same(adjudicator.holdings(COIN, CHANNEL), 0, 'holdings');
    }

    function withToken(address token) private returns (ExitFormat.SingleAssetExit[] memory outcome) {
        outcome = outcomeOf(token, list(a(5), inner(2)));
        finalized(outcome);
        setHoldings(token, CHANNEL, 7);
    }

    /// @dev W2: a token that returns nothing can be paid out.
    function test_pays_a_token_that_returns_nothing() public {
        NoReturnToken token = new NoReturnToken();
        token.transfer(address(adjudicator), 7);
        ExitFormat.SingleAssetExit[] memory outcome = withToken(address(token));
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        same(token.balanceOf(ALICE), 5, 'Alice');
        same(token.balanceOf(address(adjudicator)), 2, 'of the channel');
        same(adjudicator.holdings(address(token), INNER), 2, 'channel');
    }

    /// @dev W2: a token that says it failed must not cost the payee the money.
    function test_a_token_that_returns_false_is_owed() public {
        FalseToken token = new FalseToken();
        token.transfer(address(adjudicator), 7);
        token.fail();
        ExitFormat.SingleAssetExit[] memory outcome = withToken(address(token));
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        same(adjudicator.claimable(address(token), ALICE), 5, 'owed');
        same(adjudicator.holdings(address(token), INNER), 2, 'channel');
        same(token.balanceOf(address(adjudicator)), 7, 'tokens');
    }

    function testFuzz_destinations_are_external_when_the_upper_bytes_are_zero(uint160 payee, uint96 upper)
        public
    {
        vm.assume(payee > 1000 && address(payee).code.length == 0 && address(payee).balance == 0);
        bytes32 destination = bytes32((uint256(upper) << 160) | payee);
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, list(simple(destination, 3)));
        finalized(outcome);
        fundWithCoin(CHANNEL, 3);
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        same(address(payee).balance, upper == 0 ? 3 : 0, 'balance of the address');
        same(adjudicator.holdings(COIN, destination), upper == 0 ? 0 : 3, 'holdings of the channel');
    }

    function test_zero_padded_is_external_and_one_padded_is_not() public {
        testFuzz_destinations_are_external_when_the_upper_bytes_are_zero(uint160(irene), 0);
        testFuzz_destinations_are_external_when_the_upper_bytes_are_zero(uint160(address(0xbeef)), 1 << 95);
        testFuzz_destinations_are_external_when_the_upper_bytes_are_zero(uint160(address(0xcafe)), 1);
    }

    function testFuzz_money_is_conserved(uint64[3] memory wants, uint64 held) public {
        uint256 start = uint256(held);
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(a(wants[0] % 2 ** 32), inner(wants[1] % 2 ** 32), i(wants[2])));
        finalized(outcome);
        fundWithCoin(CHANNEL, start);
        adjudicator.transfer(0, CHANNEL, abi.encode(outcome), STATE_HASH, indices());
        uint256 stays = adjudicator.holdings(COIN, CHANNEL) + adjudicator.holdings(COIN, INNER);
        same(address(adjudicator).balance, stays, 'every coin belongs to a channel');
        same(stays + ALICE.balance + irene.balance, start, 'no coin is lost or made');
    }
}
