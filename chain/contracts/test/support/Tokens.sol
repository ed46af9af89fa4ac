// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev The least a token can do. What the variants below do differently is what real tokens do differently.
abstract contract BareToken {
    mapping(address => uint256) public balanceOf;
    mapping(address => mapping(address => uint256)) public allowance;

    constructor() {
        balanceOf[msg.sender] = 1_000_000;
    }

    function approve(address spender, uint256 amount) external returns (bool) {
        allowance[msg.sender][spender] = amount;
        return true;
    }

    function _spend(address from, address to, uint256 amount) internal {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) internal {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}

/// @dev Returns nothing, as old tokens do.
contract NoReturnToken is BareToken {
    function transferFrom(address from, address to, uint256 amount) external {
        _spend(from, to, amount);
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }
}

/// @dev Says that it failed instead of reverting, from the moment it is told to.
contract FalseToken is BareToken {
    bool public failing;

    function fail() external {
        failing = true;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        if (!failing) _spend(from, to, amount);
        return !failing;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        if (!failing) _move(msg.sender, to, amount);
        return !failing;
    }
}

/// @dev Reverts with a reason of its own when it pays one particular address.
contract BlockingToken is BareToken {
    address private immutable blocked;

    constructor(address blocked_) {
        blocked = blocked_;
    }

    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _spend(from, to, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        require(to != blocked, 'payee is blocked');
        _move(msg.sender, to, amount);
        return true;
    }
}

interface ITokenSender {
    function tokensToSend(uint256 amount) external;
}

/// @dev Calls the sender before it moves anything, as an ERC-777 token does.
contract HookToken is BareToken {
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        ITokenSender(from).tokensToSend(amount);
        _spend(from, to, amount);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        return true;
    }
}

/// @dev Keeps one in a hundred, at least one, of what it moves.
contract FeeToken is BareToken {
    function transferFrom(address from, address to, uint256 amount) external returns (bool) {
        _spend(from, to, amount);
        _move(to, address(this), amount / 100 + 1);
        return true;
    }

    function transfer(address to, uint256 amount) external returns (bool) {
        _move(msg.sender, to, amount);
        _move(to, address(this), amount / 100 + 1);
        return true;
    }
}
