// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Check} from './support/Check.sol';
import {IToken} from './support/IToken.sol';

/// @dev Spec section 11, Token.
contract TokenTest is Check {
    address private constant OWNER = address(0x0e4);

    function test_owner_receives_all_there_is() public {
        IToken token = IToken(vm.deployCode('Token.sol:Token', abi.encode(OWNER)));
        same(token.totalSupply(), 10_000_000_000, 'supply');
        same(token.balanceOf(OWNER), 10_000_000_000, 'balance of the owner');
        same(bytes(token.name()), 'TestToken', 'name');
        same(bytes(token.symbol()), 'TEST', 'symbol');
        same(token.decimals(), 18, 'decimals');
    }

    function test_allowance_can_be_raised_and_lowered() public {
        IToken token = IToken(vm.deployCode('Token.sol:Token', abi.encode(OWNER)));
        token.increaseAllowance(OWNER, 5);
        token.increaseAllowance(OWNER, 5);
        token.decreaseAllowance(OWNER, 3);
        same(token.allowance(address(this), OWNER), 7, 'allowance');
    }
}
