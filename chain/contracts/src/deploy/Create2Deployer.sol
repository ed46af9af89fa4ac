// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Create2} from '@openzeppelin/contracts/utils/Create2.sol';

/// @title Deploys code to an address that follows from the code alone
/// @dev Spec section 11. Anybody may deploy, and whatever the order: an address is the same on every chain.
contract Create2Deployer {
    /// @dev The address and the salt, so that who deploys need not compute it.
    event Deployed(address indexed deployed, bytes32 salt);

    /// @param value what the new contract is given, which is all that comes with the call: nothing stays here.
    function deploy(uint256 value, bytes32 salt, bytes memory code) public payable {
        require(msg.value <= value, 'more coin than value');
        emit Deployed(Create2.deploy(value, salt, code), salt);
    }

    function computeAddress(bytes32 salt, bytes32 codeHash) public view returns (address) {
        return Create2.computeAddress(salt, codeHash);
    }

    function computeAddressWithDeployer(bytes32 salt, bytes32 codeHash, address deployer)
        public
        pure
        returns (address)
    {
        return Create2.computeAddress(salt, codeHash, deployer);
    }
}
