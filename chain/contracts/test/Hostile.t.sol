// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../src/ExitFormat.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {NitroTest} from './support/NitroTest.sol';
import {BombPayee, BurningPayee, ReentrantPayee, RejectingPayee} from './support/Payees.sol';
import {BlockingToken, HookToken, ITokenSender} from './support/Tokens.sol';

/// @dev Deposits once more, and takes part of it out again, while its first deposit is in the token's hands.
contract DepositorInDepositor is ITokenSender {
    INitroAdjudicator private immutable adjudicator;
    HookToken public immutable token = new HookToken();
    bool private entered;

    constructor(INitroAdjudicator adjudicator_) {
        adjudicator = adjudicator_;
        token.approve(address(adjudicator_), type(uint256).max);
    }

    function depositUpTo(bytes32 channelId, uint256 target) external {
        adjudicator.depositUpTo(address(token), channelId, 0, target);
    }

    function tokensToSend(uint256) external override {
        if (entered) return;
        entered = true;
        adjudicator.depositUpTo(address(token), keccak256('channel'), 0, 3);
    }
}

/// @dev Payouts to whoever, in any order: everybody honest is paid, everybody else is owed, and no unit is lost.
contract HostileTest is NitroTest {
    bytes32 private constant CHANNEL = keccak256('from');
    bytes32 private constant OTHER = keccak256('another channel');
    address[6] private payees;

    function setUp() public override {
        super.setUp();
        fundWithCoin(OTHER, 1000);
        payees = [
            ALICE,
            address(new RejectingPayee()),
            address(new BurningPayee()),
            address(new BombPayee(true)),
            address(new BombPayee(false)),
            address(new ReentrantPayee())
        ];
    }

    function testFuzz_payouts_of_coin(uint256 seed, uint64 held, uint32[6] memory amounts) public {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](6);
        for (uint256 i = 0; i < 6; ++i) {
            address payee = payees[uint256(keccak256(abi.encode(seed, i))) % 6];
            allocations[i] = simple(to(payee), amounts[i]);
        }
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, allocations);
        concluded(CHANNEL, outcome);
        uint256 start = uint256(held) % 2 ** 34;
        fundWithCoin(CHANNEL, start);
        ReentrantPayee(payable(payees[5]))
            .arm(address(adjudicator), abi.encodeCall(adjudicator.transferAllAssets, (CHANNEL, outcome, 0)));

        adjudicator.transferAllAssets(CHANNEL, outcome, 0);

        uint256[6] memory due;
        uint256 left = start;
        for (uint256 i = 0; i < 6; ++i) {
            uint256 share = amounts[i] < left ? amounts[i] : left;
            left -= share;
            for (uint256 k = 0; k < 6; ++k) {
                if (allocations[i].destination == to(payees[k])) due[k] += share;
            }
        }
        uint256 owed = 0;
        for (uint256 k = 0; k < 6; ++k) {
            bool refuses = k == 1 || k == 2 || k == 3;
            same(payees[k].balance, refuses ? 0 : due[k], 'paid');
            same(adjudicator.claimable(COIN, payees[k]), refuses ? due[k] : 0, 'owed');
            owed += adjudicator.claimable(COIN, payees[k]);
        }
        same(adjudicator.holdings(COIN, CHANNEL), left, 'holdings');
        same(address(adjudicator).balance, 1000 + left + owed, 'coin');
    }

    function testFuzz_payouts_of_a_token_that_blocks(uint32 blocked, uint32 free, uint64 held) public {
        BlockingToken token = new BlockingToken(ALICE);
        uint256 start = uint256(held) % 1_000_000;
        token.transfer(address(adjudicator), start);
        ExitFormat.SingleAssetExit[] memory outcome = split(address(token), blocked, free);
        concluded(CHANNEL, outcome);
        setHoldings(address(token), CHANNEL, start);
        adjudicator.transferAllAssets(CHANNEL, outcome, 0);
        uint256 first = blocked < start ? blocked : start;
        uint256 second = free < start - first ? free : start - first;
        same(adjudicator.claimable(address(token), ALICE), first, 'owed');
        same(token.balanceOf(BOB), second, 'Bob');
        same(token.balanceOf(address(adjudicator)), start - second, 'tokens');
    }

    /// @dev A payee that is called while it claims finds nothing left to claim.
    function test_claiming_within_a_claim() public {
        ReentrantPayee payee = new ReentrantPayee();
        address refusing = address(new RejectingPayee());
        concluded(CHANNEL, outcomeOf(COIN, list(simple(to(refusing), 5))));
        fundWithCoin(CHANNEL, 5);
        adjudicator.transferAllAssets(CHANNEL, outcomeOf(COIN, list(simple(to(refusing), 5))), 0);
        payee.arm(address(adjudicator), abi.encodeCall(adjudicator.claim, (COIN, refusing)));
        vm.prank(refusing);
        adjudicator.claimTo(COIN, address(payee));
        same(address(payee).balance, 5, 'once');
        same(payee.successes(), 0, 'not twice');
        same(payee.lastAnswer(), abi.encodeWithSignature('Error(string)', 'nothing to claim'), 'why');
    }

    /// @dev Both of two nested deposits counting on the same balance would push the channel beyond its target.
    function test_a_deposit_up_to_within_another() public {
        DepositorInDepositor depositor = new DepositorInDepositor(adjudicator);
        expectReason('held changed');
        depositor.depositUpTo(keccak256('channel'), 5);
        depositor.depositUpTo(keccak256('a second channel'), 5);
        address token = address(depositor.token());
        same(adjudicator.holdings(token, keccak256('a second channel')), 5, 'outer');
        same(adjudicator.holdings(token, keccak256('channel')), 3, 'inner');
    }

    /// @dev Every allocation that is not a guarantee is paid in order; a guarantee keeps its share.
    function testFuzz_settle_agrees_with_its_twin(uint16[5] memory wants, uint32 held, uint8 guarantees)
        public
    {
        ExitFormat.Allocation[] memory allocations = new ExitFormat.Allocation[](5);
        for (uint256 i = 0; i < 5; ++i) {
            allocations[i] = simple(bytes32(uint256(i + 1) << 200), wants[i]);
            if ((guarantees >> i) & 1 == 1) allocations[i].allocationType = GUARANTEE;
        }
        ExitFormat.SingleAssetExit[] memory outcome = outcomeOf(COIN, allocations);
        concluded(CHANNEL, outcome);
        uint256 left = uint256(held) % 2 ** 19;
        setHoldings(COIN, CHANNEL, left);
        adjudicator.settle(CHANNEL, outcome, 0, new INitroAdjudicator.Reclaim[](0));

        uint256 kept = left;
        bool finished = true;
        for (uint256 i = 0; i < 5; ++i) {
            uint256 share = wants[i] < left ? wants[i] : left;
            left -= share;
            bool isGuarantee = allocations[i].allocationType == GUARANTEE;
            same(adjudicator.holdings(COIN, allocations[i].destination), isGuarantee ? 0 : share, 'paid');
            if (isGuarantee) continue;
            kept -= share;
            allocations[i].amount -= share;
        }
        same(adjudicator.holdings(COIN, CHANNEL), kept, 'holdings');
        for (uint256 i = 0; i < 5; ++i) {
            finished = finished && allocations[i].amount == 0;
        }
        same(
            adjudicator.statusOf(CHANNEL),
            finished ? bytes32(0) : statusWord(0, NOW, 0, outcomeHashOf(outcome)),
            'status'
        );
    }
}
