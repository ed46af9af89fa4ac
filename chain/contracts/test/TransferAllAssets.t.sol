// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';
import {RejectingPayee} from './support/Payees.sol';
import {BlockingToken} from './support/Tokens.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 8 and 13, NitroAdjudicator/transferAllAssets.
contract TransferAllAssetsTest is NitroTest {
    bytes32 private constant CHANNEL = keccak256('from');
    bytes32 private constant INNER = keccak256('to a channel');
    bytes32 private constant STATE_HASH = keccak256('the state of a challenge');
    IToken private token;

    function setUp() public override {
        super.setUp();
        token = IToken(vm.deployCode('Token.sol:Token', abi.encode(address(adjudicator))));
    }

    function finalized(ExitFormat.SingleAssetExit[] memory outcome) private {
        setStatus(CHANNEL, statusWord(9, NOW, STATE_HASH, outcomeHashOf(outcome)));
    }

    function coinAndToken() private view returns (ExitFormat.SingleAssetExit[] memory outcome) {
        outcome = new ExitFormat.SingleAssetExit[](2);
        outcome[0] = exitOf(COIN, list(simple(to(ALICE), 2), simple(INNER, 3)));
        outcome[1] = exitOf(address(token), list(simple(to(BOB), 4), simple(to(irene), 5)));
    }

    function refuses(ExitFormat.SingleAssetExit[] memory outcome, bytes32 stateHash, string memory reason)
        private
    {
        expectReason(reason);
        adjudicator.transferAllAssets(CHANNEL, outcome, stateHash);
    }

    function test_pays_coin_and_tokens_together() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        finalized(outcome);
        fundWithCoin(CHANNEL, 5);
        setHoldings(address(token), CHANNEL, 9);

        vm.recordLogs();
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        Vm.Log[] memory logs = vm.getRecordedLogs();

        string memory signature = 'AllocationUpdated(bytes32,uint256,uint256,uint256)';
        same(logs.length, 4, 'number of logs');
        isEvent(logs[0], signature, CHANNEL, abi.encode(0, 5, 0));
        isEvent(logs[1], signature, CHANNEL, abi.encode(1, 9, 0));
        same(logs[2].emitter, address(token), 'token logs come last');
        same(logs[3].emitter, address(token), 'token logs come last');

        same(adjudicator.statusOf(CHANNEL), 0, 'status is deleted');
        same(adjudicator.holdings(COIN, CHANNEL), 0, 'coin held');
        same(adjudicator.holdings(address(token), CHANNEL), 0, 'tokens held');
        same(ALICE.balance, 2, 'Alice');
        same(adjudicator.holdings(COIN, INNER), 3, 'channel');
        same(token.balanceOf(BOB), 4, 'Bob');
        same(token.balanceOf(irene), 5, 'Irene');
    }

    /// @dev W7: the status reads as deleted, but no stale state can take the surplus.
    function test_keeps_the_surplus_when_everything_is_paid() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        finalized(outcome);
        fundWithCoin(CHANNEL, 5);
        setHoldings(address(token), CHANNEL, 10);
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);

        same(adjudicator.statusOf(CHANNEL), 0, 'status reads as deleted');
        expectReason('Channel not finalized.');
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        same(adjudicator.holdings(address(token), CHANNEL), 1, 'surplus');
        same(token.balanceOf(irene), 5, 'Irene');
    }

    function test_keeps_the_status_while_something_is_left() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        finalized(outcome);
        fundWithCoin(CHANNEL, 5);
        setHoldings(address(token), CHANNEL, 6);

        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);

        outcome[0].allocations[0].amount = 0;
        outcome[0].allocations[1].amount = 0;
        outcome[1].allocations[0].amount = 0;
        outcome[1].allocations[1].amount = 3;
        same(
            adjudicator.statusOf(CHANNEL),
            statusWord(9, NOW, STATE_HASH, outcomeHashOf(outcome)),
            'status with the rest'
        );

        setHoldings(address(token), CHANNEL, 3);
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        same(token.balanceOf(irene), 5, 'Irene has the rest');
        same(adjudicator.statusOf(CHANNEL), 0, 'status is deleted');
    }

    /// @dev An asset that is paid in full must not make the rest of an earlier one forgotten.
    function test_keeps_the_status_while_something_of_the_first_asset_is_left() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        finalized(outcome);
        fundWithCoin(CHANNEL, 4);
        setHoldings(address(token), CHANNEL, 9);

        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);

        outcome[0].allocations = list(simple(to(ALICE), 0), simple(INNER, 1));
        outcome[1].allocations = list(simple(to(BOB), 0), simple(to(irene), 0));
        same(
            adjudicator.statusOf(CHANNEL),
            statusWord(9, NOW, STATE_HASH, outcomeHashOf(outcome)),
            'status with the rest'
        );
    }

    function test_an_empty_outcome_deletes_the_status() public {
        ExitFormat.SingleAssetExit[] memory outcome = new ExitFormat.SingleAssetExit[](0);
        finalized(outcome);
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        same(adjudicator.statusOf(CHANNEL), 0, 'status');
    }

    function test_refuses_a_channel_that_is_not_finalized() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        refuses(outcome, STATE_HASH, 'Channel not finalized.');
        setStatus(CHANNEL, statusWord(9, NOW + 1, STATE_HASH, outcomeHashOf(outcome)));
        refuses(outcome, STATE_HASH, 'Channel not finalized.');
    }

    function test_refuses_another_outcome_or_state() public {
        ExitFormat.SingleAssetExit[] memory outcome = coinAndToken();
        finalized(outcome);
        refuses(outcome, 0, 'incorrect fingerprint');
        outcome[0].allocations[0].amount += 1;
        refuses(outcome, STATE_HASH, 'incorrect fingerprint');
    }

    function test_refuses_an_outcome_with_a_guarantee() public {
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(simple(to(ALICE), 5), guarantee(INNER, 5, to(ALICE), to(BOB))));
        finalized(outcome);
        fundWithCoin(CHANNEL, 10);
        refuses(outcome, STATE_HASH, 'cannot transfer a guarantee');
    }

    /// @dev W17: an asset that is listed twice is paid out of what there is, in order, and never twice.
    function test_an_asset_listed_twice_is_paid_once() public {
        ExitFormat.SingleAssetExit[] memory outcome = new ExitFormat.SingleAssetExit[](2);
        outcome[0] = exitOf(COIN, list(simple(to(ALICE), 5)));
        outcome[1] = exitOf(COIN, list(simple(to(BOB), 5)));
        finalized(outcome);
        fundWithCoin(CHANNEL, 7);
        fundWithCoin(INNER, 5);
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        same(ALICE.balance, 5, 'Alice');
        same(BOB.balance, 2, 'Bob');
        same(address(adjudicator).balance, 5, 'coin of other channels');
        outcome[0].allocations[0].amount = 0;
        outcome[1].allocations[0].amount = 3;
        same(
            adjudicator.statusOf(CHANNEL),
            statusWord(9, NOW, STATE_HASH, outcomeHashOf(outcome)),
            'status with the rest'
        );
    }

    /// @dev W3: one payee who cannot be paid stops nobody, for coin and for tokens alike.
    function test_a_payee_that_cannot_be_paid_is_owed_its_share() public {
        address rejecting = address(new RejectingPayee());
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(simple(to(rejecting), 1), simple(to(ALICE), 1)));
        finalized(outcome);
        fundWithCoin(CHANNEL, 2);
        vm.recordLogs();
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        isEvent(logs[1], 'PayoutBlocked(address,address,uint256)', to(rejecting), abi.encode(COIN, 1));
        same(ALICE.balance, 1, 'Alice');
        same(adjudicator.claimable(COIN, rejecting), 1, 'owed');
        same(adjudicator.statusOf(CHANNEL), 0, 'the channel is done');

        BlockingToken blocking = new BlockingToken(BOB);
        blocking.transfer(address(adjudicator), 2);
        outcome = split(address(blocking), 1, 1);
        finalized(outcome);
        setHoldings(address(blocking), CHANNEL, 2);
        adjudicator.transferAllAssets(CHANNEL, outcome, STATE_HASH);
        same(blocking.balanceOf(ALICE), 1, 'Alice');
        same(adjudicator.claimable(address(blocking), BOB), 1, 'Bob is owed');
    }
}
