// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20Metadata} from '@openzeppelin/contracts/token/ERC20/extensions/IERC20Metadata.sol';

/// @dev The test token, by its interface for the same reason as the adjudicator.
interface IToken is IERC20Metadata {
    function increaseAllowance(address spender, uint256 addedValue) external returns (bool);
    function decreaseAllowance(address spender, uint256 subtractedValue) external returns (bool);
}
