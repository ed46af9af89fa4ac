// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FalseToken, HookToken, ITokenSender, NoReturnToken} from './support/Tokens.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';
import {Vm} from './support/Vm.sol';

/// @dev Deposits, and deposits once more while its first deposit is still in the token's hands.
contract ReenteringDepositor is ITokenSender {
    INitroAdjudicator private immutable adjudicator;
    HookToken public immutable token = new HookToken();
    bytes32 private immutable channelId;
    bool private entered;

    constructor(INitroAdjudicator adjudicator_, bytes32 channelId_) {
        adjudicator = adjudicator_;
        channelId = channelId_;
        token.approve(address(adjudicator_), type(uint256).max);
    }

    function deposit(uint256 amount) external {
        adjudicator.deposit(address(token), channelId, 0, amount);
    }

    function tokensToSend(uint256) external override {
        if (entered) return;
        entered = true;
        adjudicator.deposit(address(token), channelId, 0, 3);
    }
}

/// @dev Spec sections 9.1 and 13, MultiAssetHolder/deposit.
contract DepositTest is NitroTest {
    IToken private token;
    bytes32 private constant CHANNEL = keccak256('channel');

    function setUp() public override {
        super.setUp();
        token = IToken(vm.deployCode('Token.sol:Token', abi.encode(address(this))));
        token.approve(address(adjudicator), 1000);
        vm.deal(address(this), 1000);
    }

    function depositsCoin(uint256 held, uint256 amount) private {
        vm.recordLogs();
        adjudicator.deposit{value: amount}(COIN, CHANNEL, held, amount);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        same(logs.length, 1, 'number of logs');
        isEvent(logs[0], 'Deposited(bytes32,address,uint256)', CHANNEL, abi.encode(COIN, held + amount));
        same(adjudicator.holdings(COIN, CHANNEL), held + amount, 'holdings');
        same(address(adjudicator).balance, held + amount, 'coin');
    }

    function depositsToken(uint256 held, uint256 amount) private {
        uint256 own = token.balanceOf(address(this));
        vm.recordLogs();
        adjudicator.deposit(address(token), CHANNEL, held, amount);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log[] memory ours = logsOf(logs, address(adjudicator));
        same(ours.length, 1, 'number of logs');
        isEvent(ours[0], 'Deposited(bytes32,address,uint256)', CHANNEL, abi.encode(token, held + amount));
        bool moved = false;
        for (uint256 i = 0; i < logs.length; ++i) {
            if (logs[i].topics[0] != keccak256('Transfer(address,address,uint256)')) continue;
            same(logs[i].topics[1], to(address(this)), 'from');
            same(logs[i].topics[2], to(address(adjudicator)), 'to');
            same(logs[i].data, abi.encode(amount), 'amount moved');
            moved = true;
        }
        holds(moved, 'the token moved');
        same(adjudicator.holdings(address(token), CHANNEL), held + amount, 'holdings');
        same(token.balanceOf(address(adjudicator)), held + amount, 'tokens');
        same(token.balanceOf(address(this)), own - amount, 'own tokens');
    }

    function test_coin_on_nothing_and_on_top() public {
        depositsCoin(0, 1);
        depositsCoin(1, 2);
    }

    function test_tokens_on_nothing_and_on_top() public {
        depositsToken(0, 1);
        depositsToken(1, 2);
    }

    function test_nothing_at_all_can_be_deposited() public {
        depositsCoin(0, 0);
        depositsToken(0, 0);
    }

    function test_refuses_when_less_is_held_than_expected() public {
        depositsCoin(0, 1);
        expectReason('held != expectedHeld');
        adjudicator.deposit{value: 1}(COIN, CHANNEL, 2, 1);
        depositsToken(0, 1);
        expectReason('held != expectedHeld');
        adjudicator.deposit(address(token), CHANNEL, 2, 1);
    }

    function test_refuses_when_more_is_held_than_expected() public {
        depositsCoin(0, 3);
        expectReason('held != expectedHeld');
        adjudicator.deposit{value: 1}(COIN, CHANNEL, 2, 1);
        depositsToken(0, 3);
        expectReason('held != expectedHeld');
        adjudicator.deposit(address(token), CHANNEL, 2, 1);
    }

    function test_refuses_coin_that_does_not_match_the_amount() public {
        expectReason('Incorrect msg.value for deposit');
        adjudicator.deposit{value: 1}(COIN, CHANNEL, 0, 2);
        expectReason('Incorrect msg.value for deposit');
        adjudicator.deposit{value: 2}(COIN, CHANNEL, 0, 1);
    }

    /// @dev W6: there is nobody this coin could be paid to.
    function test_refuses_coin_with_a_token_deposit() public {
        expectReason('Incorrect msg.value for deposit');
        adjudicator.deposit{value: 1}(address(token), CHANNEL, 0, 1);
    }

    /// @dev An address has no outcome that could ever pay the deposit out again.
    function test_refuses_an_external_destination() public {
        expectReason('Deposit to external destination');
        adjudicator.deposit{value: 1}(COIN, to(ALICE), 0, 1);
        expectReason('Deposit to external destination');
        adjudicator.deposit{value: 1}(COIN, 0, 0, 1);
        expectReason('Deposit to external destination');
        adjudicator.deposit{value: 1}(COIN, bytes32(uint256(type(uint160).max)), 0, 1);
        // The lowest bit above an address makes it a channel.
        adjudicator.deposit{value: 1}(COIN, bytes32(uint256(1) << 160), 0, 1);
    }

    function test_reports_the_tokens_own_reason() public {
        token.approve(address(adjudicator), 0);
        expectReason('ERC20: insufficient allowance');
        adjudicator.deposit(address(token), CHANNEL, 0, 1);
    }

    function test_refuses_an_asset_without_code() public {
        expectReason('Address: call to non-contract');
        adjudicator.deposit(address(0xdead), CHANNEL, 0, 1);
    }

    function test_a_token_that_returns_nothing_is_welcome() public {
        NoReturnToken silent = new NoReturnToken();
        silent.approve(address(adjudicator), 5);
        adjudicator.deposit(address(silent), CHANNEL, 0, 5);
        same(adjudicator.holdings(address(silent), CHANNEL), 5, 'holdings');
        same(silent.balanceOf(address(adjudicator)), 5, 'tokens');
    }

    function test_a_token_that_returns_false_is_not_credited() public {
        FalseToken failing = new FalseToken();
        failing.approve(address(adjudicator), 5);
        failing.fail();
        expectReason('SafeERC20: ERC20 operation did not succeed');
        adjudicator.deposit(address(failing), CHANNEL, 0, 5);
    }

    /// @dev W5: the inner deposit of 3 must not be overwritten by the outer one of 5.
    function test_a_deposit_within_a_deposit_is_not_lost() public {
        ReenteringDepositor depositor = new ReenteringDepositor(adjudicator, CHANNEL);
        depositor.deposit(5);
        HookToken hooked = depositor.token();
        same(hooked.balanceOf(address(adjudicator)), 8, 'tokens');
        same(adjudicator.holdings(address(hooked), CHANNEL), 8, 'holdings');
    }

    function test_panics_when_holdings_do_not_fit() public {
        setHoldings(COIN, CHANNEL, type(uint256).max);
        expectPanic(0x11);
        adjudicator.deposit{value: 1}(COIN, CHANNEL, type(uint256).max, 1);
    }

    function testFuzz_each_channel_and_asset_has_its_own_holdings(uint96 first, uint96 second, bytes32 other)
        public
    {
        vm.assume(uint256(other) >> 160 != 0 && other != CHANNEL);
        vm.deal(address(this), uint256(first) + second);
        adjudicator.deposit{value: first}(COIN, CHANNEL, 0, first);
        adjudicator.deposit{value: second}(COIN, other, 0, second);
        same(adjudicator.holdings(COIN, CHANNEL), first, 'first');
        same(adjudicator.holdings(COIN, other), second, 'second');
        same(adjudicator.holdings(address(token), CHANNEL), 0, 'another asset');
    }

    /// @dev Coin that comes without saying for which channel is refused.
    function test_refuses_plain_coin() public {
        (bool success,) = address(adjudicator).call{value: 1}('');
        holds(!success, 'plain coin is refused');
    }
}
