// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IToken} from './support/IToken.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';
import {Check} from './support/Check.sol';
import {Handler} from './support/Handler.sol';

/// @dev What holds after any sequence of calls by anybody.
contract InvariantsTest is Check {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public {
        handler = new Handler();
        handler.setUp();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](14);
        selectors[0] = Handler.deposit.selector;
        selectors[1] = Handler.depositUpTo.selector;
        selectors[2] = Handler.conclude.selector;
        selectors[3] = Handler.challenge.selector;
        selectors[4] = Handler.checkpoint.selector;
        selectors[5] = Handler.concludeVirtual.selector;
        selectors[6] = Handler.wait.selector;
        selectors[7] = Handler.transfer.selector;
        selectors[8] = Handler.settle.selector;
        selectors[9] = Handler.openLatePayee.selector;
        selectors[10] = Handler.claim.selector;
        selectors[11] = Handler.claimTo.selector;
        selectors[12] = Handler.attackWithStates.selector;
        selectors[13] = Handler.attackWithOutcomes.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    function balance(address asset, address who) private view returns (uint256) {
        return asset == address(0) ? who.balance : IToken(asset).balanceOf(who);
    }

    /// @dev What was deposited was paid, is owed or is held, unit by unit; and whatever happened to a status was somebody's
    /// right, see `Handler.watched` and `Handler.attempt`.
    function invariant_money_is_conserved_and_statuses_are_earned() public view {
        same(bytes(handler.broken()), '', 'broken');
        INitroAdjudicator adjudicator = handler.nitro();
        for (uint256 a = 0; a < 2; ++a) {
            address asset = handler.assets(a);
            uint256 held = 0;
            for (uint256 i = 0; i <= handler.CHANNELS(); ++i) {
                held += adjudicator.holdings(asset, handler.channels(i));
            }
            uint256 paid = 0;
            for (uint256 i = 0; i < handler.payees(); ++i) {
                bytes32 destination = handler.destinations(i);
                if (uint256(destination) >> 160 != 0) continue;
                address payee = address(uint160(uint256(destination)));
                held += adjudicator.claimable(asset, payee);
                paid += balance(asset, payee);
            }
            same(balance(asset, address(adjudicator)), held, 'held and owed');
            same(handler.deposited(a), held + paid, 'deposited');
        }
    }
}
