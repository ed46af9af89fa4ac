// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Check} from './support/Check.sol';
import {Strangers} from './support/Strangers.sol';

/// @dev No sequence of calls by strangers, or by participants who are not honest, changes what an honest party can still
/// be paid, nor what can be learned from logs.
contract StrangersTest is Check {
    Strangers private strangers;

    function setUp() public {
        strangers = new Strangers();
        strangers.setUp();
    }

    function targetContracts() public view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(strangers);
    }

    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = Strangers.deposit.selector;
        selectors[1] = Strangers.payAll.selector;
        selectors[2] = Strangers.payOne.selector;
        selectors[3] = Strangers.payTwo.selector;
        selectors[4] = Strangers.settleSome.selector;
        selectors[5] = Strangers.reclaimOne.selector;
        selectors[6] = Strangers.show.selector;
        selectors[7] = Strangers.wait.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(strangers), selectors);
    }

    /// @dev V gave Bob all of its 10, W left Alice 2 of its 5, U left her 1 of its 4. Strangers may add to that.
    function invariant_the_honest_are_paid_whatever_strangers_do() public {
        strangers.check();
        (bool success, bytes memory answer) = address(strangers).call(abi.encodeCall(Strangers.exit, ()));
        holds(
            !success && bytes4(answer) == Strangers.Paid.selector,
            string.concat('exit: ', vm.toString(answer))
        );
        uint256[3] memory paid;
        assembly ('memory-safe') {
            mstore(paid, mload(add(answer, 0x24)))
            mstore(add(paid, 0x20), mload(add(answer, 0x44)))
            mstore(add(paid, 0x40), mload(add(answer, 0x64)))
        }
        holds(paid[0] >= 10 + 0 + 2 + 1, string.concat('Alice ', vm.toString(paid[0])));
        holds(paid[1] >= 10 + 10 + 3 + 3 + 10 + 0 + 2, string.concat('Irene ', vm.toString(paid[1])));
        holds(paid[2] >= 10 + 10 + 3, string.concat('Bob ', vm.toString(paid[2])));
    }
}
