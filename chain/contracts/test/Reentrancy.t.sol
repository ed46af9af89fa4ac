// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {NitroTest} from './support/NitroTest.sol';
import {ReentrantPayee} from './support/Payees.sol';

/// @dev A payee is called while the adjudicator is at work. Whatever it does then, it gets its share once, and money
/// of other channels stays where it is.
contract ReentrancyTest is NitroTest {
    bytes32 private constant CHANNEL = keccak256('from');
    bytes32 private constant OTHER = keccak256('another channel');
    ReentrantPayee private thief;

    function setUp() public override {
        super.setUp();
        thief = new ReentrantPayee();
        fundWithCoin(OTHER, 100);
    }

    function paidOnce(uint256 share) private view {
        same(thief.attempts(), 1, 'was paid once');
        same(address(thief).balance, share, 'its share');
        same(adjudicator.holdings(COIN, OTHER), 100, 'holdings of the other channel');
        same(
            address(adjudicator).balance,
            100 + adjudicator.holdings(COIN, CHANNEL),
            'all coin belongs to a channel'
        );
    }

    function outcome(uint256 share, uint256 bob) private view returns (ExitFormat.SingleAssetExit[] memory) {
        return outcomeOf(COIN, list(simple(to(address(thief)), share), simple(to(BOB), bob)));
    }

    function test_transfer_again_with_the_old_outcome() public {
        ExitFormat.SingleAssetExit[] memory o = outcome(5, 5);
        concluded(CHANNEL, o);
        fundWithCoin(CHANNEL, 10);
        bytes memory call = abi.encodeCall(adjudicator.transfer, (0, CHANNEL, abi.encode(o), 0, indices(0)));
        thief.arm(address(adjudicator), call);
        adjudicator.transfer(0, CHANNEL, abi.encode(o), 0, indices(0));
        paidOnce(5);
        same(thief.successes(), 0, 'second attempt');
        same(thief.lastAnswer(), abi.encodeWithSignature('Error(string)', 'incorrect fingerprint'), 'why');
        same(adjudicator.holdings(COIN, CHANNEL), 5, 'Bob is covered');
    }

    /// @dev With the reduced outcome the second call is in order, and pays the thief the nothing it is owed.
    function test_transfer_again_with_the_new_outcome() public {
        ExitFormat.SingleAssetExit[] memory o = outcome(5, 5);
        concluded(CHANNEL, o);
        fundWithCoin(CHANNEL, 10);
        bytes memory call =
            abi.encodeCall(adjudicator.transfer, (0, CHANNEL, abi.encode(outcome(0, 5)), 0, indices(1)));
        thief.arm(address(adjudicator), call);
        adjudicator.transfer(0, CHANNEL, abi.encode(o), 0, indices(0));
        paidOnce(5);
        same(thief.successes(), 1, 'it paid Bob');
        same(BOB.balance, 5, 'Bob');
    }

    function test_transfer_all_again() public {
        ExitFormat.SingleAssetExit[] memory o = outcome(5, 5);
        concluded(CHANNEL, o);
        fundWithCoin(CHANNEL, 10);
        thief.arm(address(adjudicator), abi.encodeCall(adjudicator.transferAllAssets, (CHANNEL, o, 0)));
        adjudicator.transferAllAssets(CHANNEL, o, 0);
        paidOnce(5);
        same(thief.successes(), 0, 'second attempt');
        same(thief.lastAnswer(), abi.encodeWithSignature('Error(string)', 'Channel not finalized.'), 'why');
        same(BOB.balance, 5, 'Bob');
    }

    /// @dev Paying everything deletes the status, so a final state can be concluded once more (W7). It finds
    /// nothing left to pay, because the holdings were taken down before the first payee was called.
    function test_conclude_again() public {
        FixedPart memory f = pair(address(1));
        SignedVariablePart memory candidate = finalState(f, outcome(5, 5));
        fundWithCoin(channelIdOf(f), 10);
        thief.arm(
            address(adjudicator), abi.encodeCall(adjudicator.concludeAndTransferAllAssets, (f, candidate))
        );
        adjudicator.concludeAndTransferAllAssets(f, candidate);
        same(address(thief).balance, 5, 'its share');
        same(BOB.balance, 5, 'Bob');
        same(adjudicator.holdings(COIN, OTHER), 100, 'holdings of the other channel');
        same(address(adjudicator).balance, 100, 'coin of the other channel');
    }

    function test_deposit_while_being_paid() public {
        ExitFormat.SingleAssetExit[] memory o = outcome(5, 5);
        concluded(CHANNEL, o);
        fundWithCoin(CHANNEL, 10);
        thief.arm(address(adjudicator), abi.encodeCall(adjudicator.deposit, (COIN, CHANNEL, 5, 0)));
        adjudicator.transfer(0, CHANNEL, abi.encode(o), 0, indices(0));
        paidOnce(5);
        same(thief.successes(), 1, 'a deposit of nothing');
        same(adjudicator.holdings(COIN, CHANNEL), 5, 'holdings');
    }
}
