// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {NitroTest} from './support/NitroTest.sol';
import {BombPayee, BurningPayee, LatePayee, RejectingPayee} from './support/Payees.sol';
import {BlockingToken} from './support/Tokens.sol';
import {Vm} from './support/Vm.sol';

/// @dev Payees that cannot be paid, and how they come by their money after all.
contract ClaimTest is NitroTest {
    bytes32 private constant CHANNEL = keccak256('from');

    /// @dev The hostile payee comes first and Alice second.
    function paid(address payee) private returns (uint256 gasUsed) {
        ExitFormat.SingleAssetExit[] memory outcome =
            outcomeOf(COIN, list(simple(to(payee), 5), simple(to(ALICE), 6)));
        concluded(CHANNEL, outcome);
        fundWithCoin(CHANNEL, 11);
        gasUsed = gasleft();
        adjudicator.transferAllAssets(CHANNEL, outcome, 0);
        gasUsed -= gasleft();
        same(ALICE.balance, 6, 'Alice');
        same(adjudicator.statusOf(CHANNEL), 0, 'the channel is done');
    }

    function owed(address payee) private {
        holds(paid(payee) < 600_000, 'what a payee can burn is bounded');
        same(adjudicator.claimable(COIN, payee), 5, 'owed');
    }

    function test_a_payee_that_reverts() public {
        owed(address(new RejectingPayee()));
    }

    function test_a_payee_that_burns_all_gas() public {
        owed(address(new BurningPayee()));
    }

    function test_a_payee_that_answers_with_a_megabyte() public {
        owed(address(new BombPayee(true)));
        address friendly = address(new BombPayee(false));
        vm.deal(ALICE, 0);
        holds(paid(friendly) < 600_000, 'gas');
        same(friendly.balance, 5, 'is paid and its answer ignored');
    }

    function test_anybody_may_push_a_claim() public {
        LatePayee payee = new LatePayee();
        owed(address(payee));
        expectReason('payee cannot be paid');
        adjudicator.claim(COIN, address(payee));
        same(adjudicator.claimable(COIN, address(payee)), 5, 'still owed');

        payee.open();
        vm.recordLogs();
        vm.prank(BOB);
        adjudicator.claim(COIN, address(payee));
        isEvent(
            vm.getRecordedLogs()[0],
            'Claimed(address,address,address,uint256)',
            to(address(payee)),
            abi.encode(COIN, payee, 5)
        );
        same(address(payee).balance, 5, 'paid');
        expectReason('nothing to claim');
        adjudicator.claim(COIN, address(payee));
    }

    function test_a_payee_may_name_another_address() public {
        address payee = address(new RejectingPayee());
        owed(payee);
        expectReason('nothing to claim');
        adjudicator.claimTo(COIN, BOB);
        vm.prank(payee);
        adjudicator.claimTo(COIN, BOB);
        same(BOB.balance, 5, 'Bob');
        same(adjudicator.claimable(COIN, payee), 0, 'owed');
    }

    function test_a_blocked_token_payee_claims_to_another_address() public {
        BlockingToken token = new BlockingToken(ALICE);
        token.transfer(address(adjudicator), 3);
        concluded(CHANNEL, split(address(token), 1, 2));
        setHoldings(address(token), CHANNEL, 3);
        adjudicator.transferAllAssets(CHANNEL, split(address(token), 1, 2), 0);
        same(token.balanceOf(BOB), 2, 'Bob');
        expectReason('payee cannot be paid');
        adjudicator.claim(address(token), ALICE);
        vm.prank(ALICE);
        adjudicator.claimTo(address(token), irene);
        same(token.balanceOf(irene), 1, 'Irene');
    }

    /// @dev A token whose code is gone pays nobody, but does not lock up the other assets.
    function test_a_token_without_code() public {
        address token = address(0xdead);
        concluded(CHANNEL, split(token, 1, 2));
        setHoldings(token, CHANNEL, 3);
        adjudicator.transferAllAssets(CHANNEL, split(token, 1, 2), 0);
        same(adjudicator.claimable(token, ALICE), 1, 'Alice is owed');
        same(adjudicator.claimable(token, BOB), 2, 'Bob is owed');
    }

    /// @dev Whoever sends too little gas does not get an honest payee put off: the transaction fails as a whole.
    function testFuzz_too_little_gas_pushes_nobody_into_a_claim(uint256 gasLimit) public {
        LatePayee payee = new LatePayee();
        payee.open();
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, list(simple(to(address(payee)), 5)));
        concluded(CHANNEL, outcome);
        fundWithCoin(CHANNEL, 5);
        gasLimit = 20_000 + gasLimit % 300_000;
        try adjudicator.transferAllAssets{gas: gasLimit}(CHANNEL, outcome, 0) {
            same(address(payee).balance, 5, 'paid');
        } catch {
            same(adjudicator.claimable(COIN, address(payee)), 0, 'not owed either');
        }
    }
}
