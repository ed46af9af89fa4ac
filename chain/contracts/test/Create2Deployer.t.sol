// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Check} from './support/Check.sol';
import {Vm} from './support/Vm.sol';

interface ICreate2Deployer {
    function deploy(uint256 value, bytes32 salt, bytes calldata code) external payable;
    function computeAddress(bytes32 salt, bytes32 codeHash) external view returns (address);
    function computeAddressWithDeployer(bytes32 salt, bytes32 codeHash, address deployer)
        external
        pure
        returns (address);
}

/// @dev Spec section 11, Create2Deployer.
contract Create2DeployerTest is Check {
    bytes32 private constant SALT = keccak256('salt');
    // Creates a contract whose code is one zero byte.
    bytes private constant CODE = hex'60016000f3';
    ICreate2Deployer private deployer;

    function setUp() public {
        deployer = ICreate2Deployer(vm.deployCode('Create2Deployer.sol:Create2Deployer'));
        vm.deal(address(this), 10);
    }

    function test_deploys_where_it_says() public {
        address expected = deployer.computeAddress(SALT, keccak256(CODE));
        bytes memory preimage = abi.encodePacked(bytes1(0xff), deployer, SALT, keccak256(CODE));
        same(expected, address(uint160(uint256(keccak256(preimage)))), 'address');
        same(deployer.computeAddressWithDeployer(SALT, keccak256(CODE), address(deployer)), expected, 'named');
        vm.recordLogs();
        deployer.deploy(0, SALT, CODE);
        same(expected.code, hex'00', 'code');
        Vm.Log memory log = vm.getRecordedLogs()[0];
        same(log.topics[1], bytes32(uint256(uint160(expected))), 'reported address');
        expectReason('Create2: Failed on deploy');
        deployer.deploy(0, SALT, CODE);
    }

    /// @dev W15: coin comes with the call and goes on to the new contract.
    function test_passes_coin_on() public {
        deployer.deploy{value: 7}(7, SALT, CODE);
        same(deployer.computeAddress(SALT, keccak256(CODE)).balance, 7, 'coin');
        same(address(deployer).balance, 0, 'nothing stays');
        expectReason('Create2: insufficient balance');
        deployer.deploy{value: 1}(2, SALT, CODE);
        expectReason('more coin than value');
        deployer.deploy{value: 2}(1, SALT, CODE);
        expectReason('Create2: bytecode length is zero');
        deployer.deploy(0, SALT, '');
    }
}
