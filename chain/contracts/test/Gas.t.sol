// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';

/// @dev Whole transactions (base cost, calldata, refunds) beside the upper bounds of spec section 12. The figures there
/// imply, by what storage and accounts cost, that Alice had been paid before and Bob had not, that the adjudicator
/// held other tokens too, and that an allowance is used up by the deposit it is for.
/// forge-config: default.isolate = true
contract GasTest is NitroTest {
    IToken private token;

    function setUp() public override {
        super.setUp();
        token = IToken(vm.deployCode('Token.sol:Token', abi.encode(address(this))));
        vm.deal(address(this), 100 ether);
        vm.deal(ALICE, 1);
        token.transfer(ALICE, 1);
        token.transfer(address(adjudicator), 1);
    }

    function atMost(uint256 bound, string memory what) private {
        uint256 used = vm.lastCallGas().gasTotalUsed;
        emit Measured(what, used, bound);
        holds(used <= bound, string.concat(what, ' costs ', vm.toString(used)));
    }

    event Measured(string what, uint256 used, uint256 bound);

    function test_deposit_of_coin() public {
        bytes32 channelId = channelIdOf(pair(address(1)));
        adjudicator.deposit{value: 5}(COIN, channelId, 0, 5);
        atMost(46496, 'first deposit');
        adjudicator.deposit{value: 5}(COIN, channelId, 5, 5);
        atMost(29408, 'second deposit');
    }

    function test_deposit_of_tokens() public {
        bytes32 channelId = channelIdOf(pair(address(1)));
        token.increaseAllowance(address(adjudicator), 5);
        atMost(46193, 'first approval');
        adjudicator.deposit(address(token), channelId, 0, 5);
        atMost(69866, 'first token deposit');
        token.increaseAllowance(address(adjudicator), 5);
        atMost(46193, 'second approval');
        adjudicator.deposit(address(token), channelId, 5, 5);
        atMost(52778, 'second token deposit');
    }

    function test_conclude_and_pay_coin() public {
        FixedPart memory f = pair(address(1));
        adjudicator.deposit{value: 10}(COIN, channelIdOf(f), 0, 10);
        SignedVariablePart memory candidate = finalState(f, split(COIN, 5, 5));
        adjudicator.concludeAndTransferAllAssets(f, candidate);
        atMost(111514, 'conclude and pay coin');
    }

    function test_conclude_and_pay_tokens() public {
        FixedPart memory f = pair(address(1));
        token.approve(address(adjudicator), 10);
        adjudicator.deposit(address(token), channelIdOf(f), 0, 10);
        SignedVariablePart memory candidate = finalState(f, split(address(token), 5, 5));
        adjudicator.concludeAndTransferAllAssets(f, candidate);
        atMost(112690, 'conclude and pay tokens');
    }
}
