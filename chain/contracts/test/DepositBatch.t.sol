// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FeeToken, HookToken, ITokenSender} from './support/Tokens.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Deposits into the second channel, and has the first one pay, while a batch is in the token's hands.
contract BatchInterrupter is ITokenSender, NitroTest {
    HookToken public immutable token = new HookToken();
    bytes32[] private channels;
    bytes private payout;
    bool private entered;

    constructor(INitroAdjudicator adjudicator_, bytes32[] memory channels_) {
        adjudicator = adjudicator_;
        channels = channels_;
        token.approve(address(adjudicator_), type(uint256).max);
    }

    function batch(bytes memory payout_) external {
        payout = payout_;
        adjudicator.depositBatch(address(token), channels, indices(0, 3), indices(5, 7));
    }

    function tokensToSend(uint256) external override {
        if (entered) return;
        entered = true;
        adjudicator.deposit(address(token), channels[1], 0, 3);
        (bool success,) = address(adjudicator).call(payout);
        success;
    }
}

/// @dev Many deposits of one asset are the same as the deposits one by one.
contract DepositBatchTest is NitroTest {
    address[2] private assets;
    bytes32[] private channels;

    function setUp() public override {
        super.setUp();
        assets = [COIN, vm.deployCode('Token.sol:Token', abi.encode(this))];
        IToken(assets[1]).approve(address(adjudicator), 1000);
        vm.deal(address(this), 1000);
        channels.push(keccak256('first'));
        channels.push(keccak256('second'));
    }

    function batch(address asset, uint256[] memory helds, uint256[] memory amounts, uint256 coin) private {
        adjudicator.depositBatch{value: coin}(asset, channels, helds, amounts);
    }

    function test_credits_every_entry() public {
        for (uint256 k = 0; k < 2; ++k) {
            address asset = assets[k];
            vm.recordLogs();
            batch(asset, indices(0, 0), indices(5, 7), k == 0 ? 12 : 0);
            Vm.Log[] memory logs = logsOf(vm.getRecordedLogs(), address(adjudicator));
            same(logs.length, 2, 'logs');
            isEvent(logs[0], 'Deposited(bytes32,address,uint256)', channels[0], abi.encode(asset, 5));
            isEvent(logs[1], 'Deposited(bytes32,address,uint256)', channels[1], abi.encode(asset, 7));
            batch(asset, indices(5, 7), indices(1, 0), k == 0 ? 1 : 0);
            same(adjudicator.holdings(asset, channels[0]), 6, 'first');
            same(adjudicator.holdings(asset, channels[1]), 7, 'second');
        }
    }

    /// @dev The second entry counts on the first, as it would in a call of its own.
    function test_one_channel_twice() public {
        channels[1] = channels[0];
        for (uint256 k = 0; k < 2; ++k) {
            batch(assets[k], indices(0, 5), indices(5, 7), k == 0 ? 12 : 0);
            same(adjudicator.holdings(assets[k], channels[0]), 12, 'holdings');
        }
    }

    function test_refuses_what_a_deposit_refuses() public {
        for (uint256 k = 0; k < 2; ++k) {
            expectReason('held != expectedHeld');
            batch(assets[k], indices(0, 1), indices(5, 7), k == 0 ? 12 : 0);
            expectReason('Incorrect msg.value for deposit');
            batch(assets[k], indices(0, 0), indices(5, 7), k == 0 ? 11 : 12);
            expectReason('Array lengths must match');
            adjudicator.depositBatch(assets[k], channels, indices(0), indices(0, 0));
            expectReason('Array lengths must match');
            adjudicator.depositBatch(assets[k], channels, indices(0, 0), indices(0, 0, 0));
        }
        channels[1] = to(ALICE);
        expectReason('Deposit to external destination');
        batch(COIN, indices(0, 0), indices(5, 7), 12);
    }

    /// @dev Amounts that only together are small.
    function test_panics_on_amounts_that_overflow() public {
        for (uint256 k = 0; k < 2; ++k) {
            expectPanic(0x11);
            batch(assets[k], indices(0, 0), indices(type(uint256).max, 2), k == 0 ? 1 : 0);
        }
    }

    function test_refuses_a_token_that_takes_a_fee() public {
        FeeToken token = new FeeToken();
        token.approve(address(adjudicator), 1000);
        expectReason('token delivered less than amount');
        batch(address(token), indices(0, 0), indices(5, 7), 0);
    }

    /// @dev Nothing is credited before it arrived, and a deposit in between is not lost.
    function test_a_token_that_calls_back_gains_nothing() public {
        BatchInterrupter interrupter = new BatchInterrupter(adjudicator, channels);
        address token = address(interrupter.token());
        concluded(channels[0], split(token, 5, 0));
        interrupter.batch(
            abi.encodeCall(adjudicator.transferAllAssets, (channels[0], split(token, 5, 0), bytes32(0)))
        );
        same(adjudicator.holdings(token, channels[0]), 5, 'first');
        same(adjudicator.holdings(token, channels[1]), 10, 'second');
        same(IToken(token).balanceOf(ALICE), 0, 'Alice');
        same(IToken(token).balanceOf(address(adjudicator)), 15, 'tokens');
    }
}
