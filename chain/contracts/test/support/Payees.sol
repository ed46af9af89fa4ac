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
