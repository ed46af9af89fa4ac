// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Check} from './support/Check.sol';
import {IToken} from './support/IToken.sol';
import {NitroTest} from './support/NitroTest.sol';

interface IBatchOperator {
    function adjudicator() external view returns (address);
    function deposit_batch_eth(
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts
    ) external payable;
    function deposit_batch_erc20(
        address asset,
        bytes32[] calldata channelIds,
        uint256[] calldata expectedHelds,
        uint256[] calldata amounts,
        uint256 totalAmount
    ) external payable;
}

/// @dev Spec sections 11 and 13, BatchOperator/batchDeposits.
contract BatchOperatorTest is NitroTest {
    IBatchOperator private operator;
    address[3] private assets;
    bytes32[] private channels;

    function setUp() public override {
        super.setUp();
        operator = IBatchOperator(vm.deployCode('BatchOperator.sol:BatchOperator', abi.encode(adjudicator)));
        assets = [
            COIN,
            vm.deployCode('Token.sol:Token', abi.encode(this)),
            vm.deployCode('BadToken.sol:BadToken', abi.encode(this))
        ];
        for (uint256 i = 1; i < assets.length; ++i) {
            IToken(assets[i]).increaseAllowance(address(adjudicator), 1000);
            IToken(assets[i]).increaseAllowance(address(operator), 1000);
        }
        vm.deal(address(this), 1000);
        for (uint256 i = 0; i < 3; ++i) {
            channels.push(keccak256(abi.encode('channel', i)));
        }
    }

    function batch(address asset, uint256[] memory helds, uint256[] memory amounts, uint256 total) private {
        if (asset == COIN) {
            operator.deposit_batch_eth{value: total}(channels, helds, amounts);
        } else {
            operator.deposit_batch_erc20(asset, channels, helds, amounts, total);
        }
    }

    function accepts(uint256[] memory helds) private {
        for (uint256 k = 0; k < assets.length; ++k) {
            for (uint256 i = 0; i < helds.length; ++i) {
                uint256 value = assets[k] == COIN ? helds[i] : 0;
                adjudicator.deposit{value: value}(assets[k], channels[i], 0, helds[i]);
            }
            batch(assets[k], helds, indices(2, 0, 7), 9);
            same(adjudicator.holdings(assets[k], channels[0]), helds[0] + 2, 'first');
            same(adjudicator.holdings(assets[k], channels[1]), helds[1], 'second');
            same(adjudicator.holdings(assets[k], channels[2]), helds[2] + 7, 'third');
        }
        same(address(operator).balance, 0, 'coin left');
        same(IToken(assets[1]).balanceOf(address(operator)), 0, 'tokens left');
        same(IToken(assets[1]).allowance(address(operator), address(adjudicator)), 0, 'allowance left');
    }

    function test_on_nothing() public {
        accepts(indices(0, 0, 0));
    }

    function test_on_one_each() public {
        accepts(indices(1, 1, 1));
    }

    function test_on_different_holdings() public {
        accepts(indices(0, 1, 2));
    }

    function refuses(uint256[] memory helds, uint256[] memory amounts, uint256 total, string memory reason)
        private
    {
        for (uint256 k = 0; k < assets.length; ++k) {
            expectReason(reason);
            batch(assets[k], helds, amounts, total);
            same(adjudicator.holdings(assets[k], channels[0]), 0, 'nothing is deposited');
        }
    }

    function test_refuses_when_more_or_less_is_held() public {
        refuses(indices(0, 1, 0), indices(2, 0, 7), 9, 'held != expectedHeld');
        for (uint256 k = 0; k < assets.length; ++k) {
            adjudicator.deposit{value: assets[k] == COIN ? 1 : 0}(assets[k], channels[1], 0, 1);
        }
        refuses(indices(0, 0, 0), indices(2, 0, 7), 9, 'held != expectedHeld');
    }

    function test_refuses_lengths_that_do_not_match() public {
        refuses(indices(0, 0), indices(2, 0, 7), 9, 'Array lengths must match');
        refuses(indices(0, 0, 0), indices(2, 7), 9, 'Array lengths must match');
        channels.pop();
        refuses(indices(0, 0, 0), indices(2, 0, 7), 9, 'Array lengths must match');
    }

    /// @dev W14: whatever stayed here would be the next caller's.
    function test_refuses_a_total_that_is_not_the_sum() public {
        refuses(indices(0, 0, 0), indices(2, 0, 7), 10, 'amounts must add up to the total');
        for (uint256 k = 0; k < assets.length; ++k) {
            expectReason('amounts must add up to the total');
            batch(assets[k], indices(0, 0, 0), indices(2, 0, 7), 8);
        }
        expectReason('no coin with tokens');
        operator.deposit_batch_erc20{value: 1}(assets[1], channels, indices(0, 0, 0), indices(2, 0, 7), 9);
    }

    function test_knows_its_adjudicator() public view {
        same(operator.adjudicator(), address(adjudicator), 'adjudicator');
    }
}
