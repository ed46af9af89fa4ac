// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @dev Cannot receive coin.
contract RejectingPayee {}

/// @dev Uses the coin it is paid to call back, as often as it is paid, and remembers what came of it.
contract ReentrantPayee {
    address private target;
    bytes private data;
    uint256 public attempts;
    uint256 public successes;
    bytes public lastAnswer;

    function arm(address target_, bytes calldata data_) external {
        target = target_;
        data = data_;
    }

    receive() external payable {
        if (target == address(0)) return;
        ++attempts;
        (bool success, bytes memory answer) = target.call(data);
        if (success) ++successes;
        lastAnswer = answer;
    }
}

/// @dev Burns whatever gas it is given.
contract BurningPayee {
    receive() external payable {
        while (true) {}
    }
}

/// @dev Answers with far more than anybody wants to read.
contract BombPayee {
    bool private immutable failing;

    constructor(bool failing_) {
        failing = failing_;
    }

    receive() external payable {
        bool fails = failing;
        assembly ('memory-safe') {
            if fails { revert(0, 150000) }
            return(0, 150000)
        }
    }
}

/// @dev Takes coin once it is open, and spends most of what a payee is granted on it.
contract LatePayee {
    bool private isOpen;
    uint256 private written;

    function open() external {
        isOpen = true;
    }

    receive() external payable {
        require(isOpen, 'not yet');
        for (uint256 i = 0; i < 6; ++i) {
            written = uint256(keccak256(abi.encode(written, i)));
        }
    }
}
