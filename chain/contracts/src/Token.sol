// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A token without value, for tests and demonstrations
/// @dev Spec section 11: an ERC-20 token with the reasons and the two extra functions that clients know. Using an
/// allowance is not logged, as in today's tokens: the transfer says it all.
contract Token {
    string public constant name = 'TestToken';
    string public constant symbol = 'TEST';
    uint8 public constant decimals = 18;
    uint256 public constant totalSupply = 10_000_000_000;

    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    event Transfer(address indexed from, address indexed to, uint256 value);

    event Approval(address indexed owner, address indexed spender, uint256 value);

    /// @param owner receives all there will ever be.
    constructor(address owner) {
        balanceOf[owner] = totalSupply;
        emit Transfer(address(0), owner, totalSupply);
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        uint256 allowed = allowance[from][msg.sender];
        // The largest allowance is not used up.
        if (allowed != type(uint256).max) {
            require(allowed >= amount, 'ERC20: insufficient allowance');
            unchecked {
                allowance[from][msg.sender] = allowed - amount;
            }
        }
        _move(from, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        _approve(msg.sender, spender, amount);
        return true;
    }

    function increaseAllowance(address spender, uint256 addedValue) external returns (bool) {
        _approve(msg.sender, spender, allowance[msg.sender][spender] + addedValue);
        return true;
    }

    function decreaseAllowance(address spender, uint256 subtractedValue) external returns (bool) {
        uint256 allowed = allowance[msg.sender][spender];
        require(allowed >= subtractedValue, 'ERC20: decreased allowance below zero');
        _approve(msg.sender, spender, allowed - subtractedValue);
        return true;
    }

    function _approve(address owner, address spender, uint256 amount) private {
        require(spender != address(0), 'ERC20: approve to the zero address');
        allowance[owner][spender] = amount;
        emit Approval(owner, spender, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(to != address(0), 'ERC20: transfer to the zero address');
        uint256 balance = balanceOf[from];
        require(balance >= amount, 'ERC20: transfer amount exceeds balance');
        unchecked {
            // No balance exceeds the supply.
            balanceOf[from] = balance - amount;
            balanceOf[to] += amount;
        }
        emit Transfer(from, to, amount);
    }
}
