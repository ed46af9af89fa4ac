// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from '@openzeppelin/contracts/token/ERC20/ERC20.sol';

/// @title The token that the existing contracts were measured with, for tests
/// @dev Spec section 11: OpenZeppelin's of version 4.9, which logs an `Approval` when an allowance is used.
contract TESTToken is ERC20 {
    constructor(address owner) ERC20('TestToken', 'TEST') {
        _mint(owner, 10_000_000_000);
    }
}
