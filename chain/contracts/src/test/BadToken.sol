// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title A token as some old ones are: its `transferFrom` returns nothing
/// @dev Spec section 11.
contract BadToken {
    mapping(address => uint256) private _balances;
    mapping(address => mapping(address => uint256)) private _allowances;

    event Transfer(address indexed from, address indexed to, uint256 value);

    event Approval(address indexed owner, address indexed spender, uint256 value);

    constructor(address owner) {
        _balances[owner] = 10_000_000_000;
        emit Transfer(address(0), owner, 10_000_000_000);
    }

    function balanceOf(address account) public view returns (uint256) {
        return _balances[account];
    }

    function allowance(address owner, address spender) public view returns (uint256) {
        return _allowances[owner][spender];
    }

    function transfer(address to, uint256 amount) public returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }

    function approve(address spender, uint256 amount) public returns (bool) {
        _approve(msg.sender, spender, amount);
        return true;
    }

    function increaseAllowance(address spender, uint256 addedValue) public returns (bool) {
        _approve(msg.sender, spender, _allowances[msg.sender][spender] + addedValue);
        return true;
    }

    function transferFrom(address from, address to, uint256 amount) public {
        uint256 allowed = _allowances[from][msg.sender];
        require(allowed >= amount, 'ERC20: insufficient allowance');
        _approve(from, msg.sender, allowed - amount);
        _move(from, to, amount);
    }

    function _approve(address owner, address spender, uint256 amount) private {
        _allowances[owner][spender] = amount;
        emit Approval(owner, spender, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        require(_balances[from] >= amount, 'ERC20: transfer amount exceeds balance');
        _balances[from] -= amount;
        _balances[to] += amount;
        emit Transfer(from, to, amount);
    }
}
