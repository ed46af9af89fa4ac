// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';
import {RejectingPayee} from './support/Payees.sol';
import {FeeToken} from './support/Tokens.sol';
import {Vm} from './support/Vm.sol';

/// @dev The deposit that no stranger can get in the way of.
contract DepositUpToTest is NitroTest {
    IToken private token;
    bytes32 private constant CHANNEL = keccak256('channel');

    function setUp() public override {
        super.setUp();
        token = IToken(vm.deployCode('Token.sol:Token', abi.encode(address(this))));
        token.approve(address(adjudicator), 1000);
        vm.deal(address(this), 1000);
    }

    receive() external payable {}

    function reports(uint256 held) private {
        Vm.Log[] memory logs = logsOf(vm.getRecordedLogs(), address(adjudicator));
        same(logs.length, 1, 'number of logs');
        isEvent(logs[0], 'Deposited(bytes32,address,uint256)', CHANNEL, abi.encode(COIN, held));
    }

    function test_credits_what_is_missing_and_returns_the_rest() public {
        vm.recordLogs();
        adjudicator.depositUpTo{value: 5}(COIN, CHANNEL, 0, 5);
        reports(5);
        adjudicator.depositUpTo{value: 9}(COIN, CHANNEL, 5, 8);
        reports(8);
        same(adjudicator.holdings(COIN, CHANNEL), 8, 'holdings');
        same(address(this).balance, 992, 'the rest came back');
    }

    /// @dev B4: one wei of a stranger stops `deposit`, but not this.
    function test_a_strangers_deposit_makes_it_smaller() public {
        adjudicator.deposit{value: 1}(COIN, CHANNEL, 0, 1);
        adjudicator.depositUpTo{value: 5}(COIN, CHANNEL, 0, 5);
        same(adjudicator.holdings(COIN, CHANNEL), 5, 'holdings');
        same(address(this).balance, 995, 'four of five were needed');
    }

    function test_does_nothing_twice() public {
        adjudicator.depositUpTo{value: 5}(COIN, CHANNEL, 0, 5);
        vm.recordLogs();
        adjudicator.depositUpTo{value: 5}(COIN, CHANNEL, 0, 5);
        reports(5);
        adjudicator.depositUpTo(COIN, CHANNEL, 0, 5);
        reports(5);
        same(adjudicator.holdings(COIN, CHANNEL), 5, 'holdings');
        same(address(this).balance, 995, 'own coin');
    }

    function test_takes_exactly_the_tokens_that_are_missing() public {
        adjudicator.deposit(address(token), CHANNEL, 0, 1);
        adjudicator.depositUpTo(address(token), CHANNEL, 1, 5);
        adjudicator.depositUpTo(address(token), CHANNEL, 0, 5);
        adjudicator.depositUpTo(address(token), CHANNEL, 0, 3);
        same(adjudicator.holdings(address(token), CHANNEL), 5, 'holdings');
        same(token.balanceOf(address(adjudicator)), 5, 'tokens');
        same(token.allowance(address(this), address(adjudicator)), 995, 'allowance');
    }

    function test_refuses_when_less_is_held_than_expected() public {
        adjudicator.deposit{value: 1}(COIN, CHANNEL, 0, 1);
        expectReason('held < expectedHeld');
        adjudicator.depositUpTo{value: 5}(COIN, CHANNEL, 2, 7);
        expectReason('held < expectedHeld');
        adjudicator.depositUpTo(address(token), CHANNEL, 1, 7);
    }

    function test_refuses_too_little_coin() public {
        expectReason('Incorrect msg.value for deposit');
        adjudicator.depositUpTo{value: 4}(COIN, CHANNEL, 0, 5);
        expectReason('Incorrect msg.value for deposit');
        adjudicator.depositUpTo{value: 1}(address(token), CHANNEL, 0, 5);
        adjudicator.depositUpTo(address(token), CHANNEL, 0, 5);
        expectReason('Incorrect msg.value for deposit');
        adjudicator.depositUpTo{value: 1}(address(token), CHANNEL, 0, 5);
    }

    function test_refuses_an_external_destination() public {
        expectReason('Deposit to external destination');
        adjudicator.depositUpTo{value: 1}(COIN, to(ALICE), 0, 1);
    }

    function test_refuses_when_the_rest_cannot_be_returned() public {
        address poor = address(new RejectingPayee());
        vm.deal(poor, 9);
        vm.prank(poor);
        expectReason('Could not transfer ETH');
        adjudicator.depositUpTo{value: 9}(COIN, CHANNEL, 0, 5);
    }

    /// @dev W4: what a token keeps would be missing when another channel is paid.
    function test_refuses_a_token_that_takes_a_fee() public {
        FeeToken fee = new FeeToken();
        fee.approve(address(adjudicator), 100);
        expectReason('token delivered less than amount');
        adjudicator.depositUpTo(address(fee), CHANNEL, 0, 50);
        expectReason('token delivered less than amount');
        adjudicator.deposit(address(fee), CHANNEL, 0, 50);
    }

    function testFuzz_never_holds_more_than_its_target(
        uint64 before,
        uint64 expected,
        uint64 target,
        uint64 sent
    ) public {
        vm.deal(address(this), uint256(before) + sent);
        adjudicator.deposit{value: before}(COIN, CHANNEL, 0, before);
        uint256 missing = target > before ? target - before : 0;
        if (before < expected) {
            expectReason('held < expectedHeld');
        } else if (sent < missing) {
            expectReason('Incorrect msg.value for deposit');
        }
        adjudicator.depositUpTo{value: sent}(COIN, CHANNEL, expected, target);
        bool accepted = before >= expected && sent >= missing;
        uint256 held = accepted ? before + missing : before;
        same(adjudicator.holdings(COIN, CHANNEL), held, 'holdings');
        same(address(adjudicator).balance, held, 'coin');
        same(address(this).balance, uint256(before) + sent - held, 'own coin');
    }
}
