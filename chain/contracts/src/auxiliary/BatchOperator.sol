// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from '@openzeppelin/contracts/token/ERC20/IERC20.sol';
import {SafeERC20} from '@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol';
import {MultiAssetHolder} from '../MultiAssetHolder.sol';

/// @title Funding many channels in one transaction
/// @dev Spec section 11. Between two calls it owns nothing and allows nobody anything: what comes in is deposited, to
/// the last unit, or the call fails. Coin or tokens left here would be the next caller's.
contract BatchOperator {
    using SafeERC20 for IERC20;

    MultiAssetHolder public immutable adjudicator;

    constructor(address adjudicatorAddr) {
        adjudicator = MultiAssetHolder(adjudicatorAddr);
    }

    function deposit_batch_eth(
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts
    ) external payable virtual {
        _requireSum(channelIds, expectedHelds, amounts, msg.value);
        adjudicator.depositBatch{value: msg.value}(address(0), channelIds, expectedHelds, amounts);
    }

    function deposit_batch_erc20(
        address asset,
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts,
        uint256 totalAmount
    ) external payable virtual {
        // Payable by its ABI only: coin would be stuck here.
        require(msg.value == 0, 'no coin with tokens');
        _requireSum(channelIds, expectedHelds, amounts, totalAmount);
        MultiAssetHolder holder = adjudicator;
        IERC20(asset).safeTransferFrom(msg.sender, address(this), totalAmount);
        IERC20(asset).forceApprove(address(holder), totalAmount);
        holder.depositBatch(asset, channelIds, expectedHelds, amounts);
    }

    function _requireSum(
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts,
        uint256 total
    ) private pure {
        require(
            channelIds.length == expectedHelds.length && expectedHelds.length == amounts.length,
            'Array lengths must match'
        );
        for (uint256 i = 0; i < amounts.length; ++i) {
            require(amounts[i] <= total, 'amounts must add up to the total');
            unchecked {
                total -= amounts[i];
            }
        }
        require(total == 0, 'amounts must add up to the total');
    }
}
