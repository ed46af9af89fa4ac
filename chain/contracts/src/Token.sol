// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ERC20} from '@openzeppelin/contracts/token/ERC20/ERC20.sol';

/// @title A token without value, for tests and demonstrations
contract Token is ERC20 {
    /// @param owner receives all there will ever be: 10 000 000 000 base units.
    constructor(address owner) ERC20('TestToken', 'TEST') {
        _mint(owner, 10_000_000_000);
    }
}
