// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Spec sections 8 and 13, NitroAdjudicator/concludeAndTransferAllAssets.
contract ConcludeAndTransferAllAssetsTest is NitroTest {
    IToken private token;
    FixedPart private f;
    bytes32 private channelId;

    function setUp() public override {
        super.setUp();
        token = IToken(vm.deployCode('Token.sol:Token', abi.encode(address(this))));
        token.approve(address(adjudicator), type(uint256).max);
        vm.deal(address(this), 1 ether);
        f = pair(address(1));
        channelId = channelIdOf(f);
    }

    function payee(uint256 i) private pure returns (address) {
        return address(uint160(0xaaaa000 + i));
    }

    function balance(address asset, address who) private view returns (uint256) {
        return asset == COIN ? who.balance : token.balanceOf(who);
    }

    /// @dev Pays `i + 1` to payee `i` out of a deposit of exactly that much.
    function pays(address asset, uint256 count, uint256 startBalance) private {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](count);
        uint256 total = 0;
        for (uint256 i = 0; i < count; ++i) {
            allocations[i] = simple(to(payee(i)), i + 1);
            total += i + 1;
            if (startBalance != 0 && asset == COIN) vm.deal(payee(i), startBalance);
            if (startBalance != 0 && asset != COIN) token.transfer(payee(i), startBalance);
        }
        adjudicator.deposit{value: asset == COIN ? total : 0}(asset, channelId, 0, total);
        SignedVariablePart memory candidate = finalState(f, outcomeOf(asset, allocations));

        vm.recordLogs();
        adjudicator.concludeAndTransferAllAssets(f, candidate);
        uint256 used = vm.lastCallGas().gasTotalUsed;
        holds(used < 6_000_000, string.concat('gas ', vm.toString(used)));

        Vm.Log[] memory logs = logsOf(vm.getRecordedLogs(), address(adjudicator));
        same(logs.length, 3, 'number of logs');
        same(logs[0].topics[0], IForceMove.StateConcluded.selector, 'first log');
        same(logs[0].topics[1], channelId, 'first log: channel');
        same(logs[0].data, abi.encode(f.participants.length != 2, candidate), 'first log: state');
        isEvent(logs[1], 'Concluded(bytes32,uint48)', channelId, abi.encode(NOW));
        isEvent(
            logs[2], 'AllocationUpdated(bytes32,uint256,uint256,uint256)', channelId, abi.encode(0, total, 0)
        );
        same(adjudicator.statusOf(channelId), 0, 'status');
        same(adjudicator.holdings(asset, channelId), 0, 'holdings');
        same(balance(asset, address(adjudicator)), 0, 'nothing stays behind');
        for (uint256 i = 0; i < count; ++i) {
            same(balance(asset, payee(i)), startBalance + i + 1, 'payee');
        }
    }

    function test_pays_coin_to_one() public {
        pays(COIN, 1, 0);
    }

    function test_pays_coin_to_two() public {
        pays(COIN, 2, 0);
    }

    function test_pays_tokens_to_one() public {
        pays(address(token), 1, 0);
    }

    function test_pays_tokens_to_two() public {
        pays(address(token), 2, 0);
    }

    function test_pays_payees_who_have_something_already() public {
        pays(COIN, 2, 7);
        pays(address(token), 2, 7);
    }

    /// forge-config: default.isolate = true
    function test_pays_ten() public {
        pays(address(token), 10, 0);
    }

    /// forge-config: default.isolate = true
    function test_pays_fifty() public {
        pays(address(token), 50, 0);
    }

    /// forge-config: default.isolate = true
    function test_pays_a_hundred_for_less_than_six_million_gas() public {
        pays(address(token), 100, 0);
    }

    function test_keeps_a_concluded_status_while_something_is_left() public {
        adjudicator.deposit{value: 3}(COIN, channelId, 0, 3);
        adjudicator.concludeAndTransferAllAssets(f, finalState(f, split(COIN, 2, 4)));
        same(
            adjudicator.statusOf(channelId),
            statusWord(0, NOW, 0, outcomeHashOf(split(COIN, 0, 3))),
            'status with the rest'
        );
        same(ALICE.balance, 2, 'Alice');
        same(BOB.balance, 1, 'Bob');
    }

    function test_moves_money_on_to_another_channel() public {
        bytes32 next = keccak256('next channel');
        adjudicator.deposit{value: 3}(COIN, channelId, 0, 3);
        adjudicator.concludeAndTransferAllAssets(
            f, finalState(f, outcomeOf(COIN, list(simple(next, 2), simple(to(BOB), 1))))
        );
        same(adjudicator.holdings(COIN, next), 2, 'next channel');
        same(BOB.balance, 1, 'Bob');
    }

    function refuses(SignedVariablePart memory candidate, string memory reason) private {
        expectReason(reason);
        adjudicator.concludeAndTransferAllAssets(f, candidate);
    }

    function test_refuses_what_conclude_refuses() public {
        VariablePart memory v = VariablePart(split(COIN, 1, 1), '', 6, false);
        refuses(signedBy(f, v, ALICE_KEY, BOB_KEY), 'State must be final');
        v.isFinal = true;
        refuses(signedBy(f, v, ALICE_KEY), '!unanimous');
        refuses(signedBy(f, v, ALICE_KEY, STRANGER_KEY), '!unanimous');
        SignedVariablePart memory candidate = signedBy(f, v, ALICE_KEY, BOB_KEY);
        candidate.sigs[1].r = 0;
        refuses(candidate, 'Invalid signature');
        setStatus(channelId, statusWord(3, NOW, 0, 0));
        refuses(signedBy(f, v, ALICE_KEY, BOB_KEY), 'Channel finalized.');
    }

    function testFuzz_money_is_conserved(uint64 held, uint64 alice, uint64 bob) public {
        vm.deal(address(this), held);
        adjudicator.deposit{value: held}(COIN, channelId, 0, held);
        adjudicator.concludeAndTransferAllAssets(f, finalState(f, split(COIN, alice, bob)));
        same(
            address(adjudicator).balance,
            adjudicator.holdings(COIN, channelId),
            'all coin belongs to the channel'
        );
        same(ALICE.balance + BOB.balance + address(adjudicator).balance, held, 'no coin is lost or made');
        same(ALICE.balance, held < alice ? held : alice, 'Alice comes first');
    }
}
