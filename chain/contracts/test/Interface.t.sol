// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IForceMove} from '../src/interfaces/IForceMove.sol';
import {IForceMoveApp} from '../src/interfaces/IForceMoveApp.sol';
import {IMultiAssetHolder} from '../src/interfaces/IMultiAssetHolder.sol';
import {Check} from './support/Check.sol';
import {INitroAdjudicator} from './support/INitroAdjudicator.sol';

/// @dev The numbers of spec section 5. Deployed clients call and listen by them.
contract InterfaceTest is Check {
    function selector(bytes4 found, bytes4 expected, string memory name) private pure {
        same(bytes32(found), bytes32(expected), name);
    }

    function test_selectors_of_the_adjudicator() public pure {
        selector(IForceMove.challenge.selector, 0x8286a060, 'challenge');
        selector(IForceMove.checkpoint.selector, 0x6d2a9c92, 'checkpoint');
        selector(IForceMove.conclude.selector, 0xee049b50, 'conclude');
        selector(INitroAdjudicator.unpackStatus.selector, 0x552cfa50, 'unpackStatus');
        selector(INitroAdjudicator.statusOf.selector, 0xc7df14e2, 'statusOf');
        selector(IMultiAssetHolder.deposit.selector, 0x2fb1d270, 'deposit');
        selector(IMultiAssetHolder.transfer.selector, 0x3033730e, 'transfer');
        selector(IMultiAssetHolder.reclaim.selector, 0xd3c4e738, 'reclaim');
        selector(INitroAdjudicator.holdings.selector, 0x166e56cd, 'holdings');
        selector(
            INitroAdjudicator.compute_transfer_effects_and_interactions.selector,
            0x11e9f178,
            'compute_transfer_effects_and_interactions'
        );
        selector(INitroAdjudicator.compute_reclaim_effects.selector, 0x566d54c6, 'compute_reclaim_effects');
        selector(
            INitroAdjudicator.concludeAndTransferAllAssets.selector,
            0xec346235,
            'concludeAndTransferAllAssets'
        );
        selector(INitroAdjudicator.transferAllAssets.selector, 0x31afa0b4, 'transferAllAssets');
        selector(INitroAdjudicator.stateIsSupported.selector, 0x5685b7dc, 'stateIsSupported');
    }

    /// @dev What this adjudicator knows beyond the specification.
    function test_selectors_of_our_own() public pure {
        same(
            bytes32(IMultiAssetHolder.depositUpTo.selector),
            bytes32(bytes4(keccak256('depositUpTo(address,bytes32,uint256,uint256)'))),
            'depositUpTo'
        );
        same(
            bytes32(IMultiAssetHolder.depositBatch.selector),
            bytes32(bytes4(keccak256('depositBatch(address,bytes32[],uint256[],uint256[])'))),
            'depositBatch'
        );
        same(
            bytes32(INitroAdjudicator.settle.selector),
            bytes32(
                bytes4(
                    keccak256(
                        'settle(bytes32,(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes32,(uint256,uint256,bytes32,(address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],uint256)[])'
                    )
                )
            ),
            'settle'
        );
    }

    function test_selector_of_the_apps() public pure {
        selector(IForceMoveApp.stateIsSupported.selector, 0x9936d812, 'stateIsSupported');
    }

    /// @dev Every selector above leads somewhere: with no arguments at all, each call fails without a reason,
    /// whereas the code behind it is present in the dispatch table.
    function test_the_deployed_code_knows_every_selector() public {
        bytes memory code = vm.deployCode('NitroAdjudicator.sol:NitroAdjudicator').code;
        bytes4[14] memory known = [
            bytes4(0x8286a060),
            0x6d2a9c92,
            0xee049b50,
            0x552cfa50,
            0xc7df14e2,
            0x2fb1d270,
            0x3033730e,
            0xd3c4e738,
            0x166e56cd,
            0x11e9f178,
            0x566d54c6,
            0xec346235,
            0x31afa0b4,
            0x5685b7dc
        ];
        for (uint256 i = 0; i < known.length; ++i) {
            holds(contains(code, known[i]), vm.toString(bytes32(known[i])));
        }
        holds(!contains(code, 0x12345678), 'an unknown selector is not found');
    }

    /// @dev Spec section 11.
    function test_the_other_contracts_know_their_selectors() public {
        knows('BatchOperator.sol:BatchOperator', hex'09edf47e55d725fe');
        knows('Create2Deployer.sol:Create2Deployer', hex'66cfa057481286e656299481');
        knows('TESTForceMove.sol:TESTForceMove', hex'958c960ad6dad45ebb25a0a8eb403f2e6b21d49507aa1799');
        knows(
            'TESTNitroAdjudicator.sol:TESTNitroAdjudicator',
            hex'958c960ad6dad45ebb25a0a8eb403f2e6b21d49507aa17996156ff9ec2f5bec682c947b7'
        );
        knows('TESTNitroUtils.sol:TESTNitroUtils', hex'15029f201d68a9dbcdcafaddeb6d7abe2fff7cbe');
        knows('TESTStrictTurnTaking.sol:TESTStrictTurnTaking', hex'6d97d096fd9e5b18b576ba3c53f1dd19');
        knows('TESTConsensus.sol:TESTConsensus', hex'6c81528c');
        string[7] memory apps = [
            'ConsensusApp',
            'VirtualPaymentApp',
            'InterestBearingApp',
            'CountingApp',
            'TrivialApp',
            'HashLockedSwap',
            'SingleAssetPayments'
        ];
        for (uint256 i = 0; i < apps.length; ++i) {
            knows(string.concat(apps[i], '.sol:', apps[i]), hex'9936d812');
        }
    }

    function knows(string memory artifact, bytes memory selectors) private {
        bytes memory code = vm.deployCode(artifact, abi.encode(uint256(1))).code;
        for (uint256 i = 0; i < selectors.length; i += 4) {
            bytes4 word = bytes4(selectors[i]) | bytes4(selectors[i + 1]) >> 8 | bytes4(selectors[i + 2])
                >> 16 | bytes4(selectors[i + 3]) >> 24;
            holds(contains(code, word), string.concat(artifact, ' ', vm.toString(bytes32(word))));
        }
    }

    function contains(bytes memory code, bytes4 word) private pure returns (bool) {
        for (uint256 i = 0; i + 4 <= code.length; ++i) {
            bytes32 here;
            assembly ('memory-safe') {
                here := mload(add(add(code, 32), i))
            }
            if (bytes4(here) == word) return true;
        }
        return false;
    }

    function test_topics_of_events() public pure {
        same(
            IForceMove.ChallengeRegistered.selector,
            0x0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34,
            'ChallengeRegistered'
        );
        same(
            IForceMove.ChallengeCleared.selector,
            0x07da0a0674fb921e484018c8b81d80e292745e5d8ed134b580c8b9c631c5e9e0,
            'ChallengeCleared'
        );
        same(
            IForceMove.Checkpointed.selector,
            0xf3f2d5574c50e581f1a2371fac7dee87f7c6d599a496765fbfa2547ce7fd5f1a,
            'Checkpointed'
        );
        same(
            IForceMove.Concluded.selector,
            0x4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901,
            'Concluded'
        );
        same(
            IMultiAssetHolder.Deposited.selector,
            0x87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b,
            'Deposited'
        );
        same(
            IMultiAssetHolder.AllocationUpdated.selector,
            0xc36da2054c5669d6dac211b7366d59f2d369151c21edf4940468614b449e0b9a,
            'AllocationUpdated'
        );
        same(
            IMultiAssetHolder.Reclaimed.selector,
            0x4d3754632451ebba9812a9305e7bca17b67a17186a5cff93d2e9ae1b01e3d27b,
            'Reclaimed'
        );
    }

    /// @dev Beside the specification's. SignedVariablePart is what a client's library writes for it.
    function test_topics_of_our_own_events() public pure {
        string memory signed =
            '(((address,(uint8,bytes),(bytes32,uint256,uint8,bytes)[])[],bytes,uint48,bool),(uint8,bytes32,bytes32)[])';
        same(
            IForceMove.StateCheckpointed.selector,
            keccak256(bytes(string.concat('StateCheckpointed(bytes32,', signed, '[],', signed, ')'))),
            'StateCheckpointed'
        );
        same(
            IForceMove.StateConcluded.selector,
            keccak256(bytes(string.concat('StateConcluded(bytes32,bool,', signed, ')'))),
            'StateConcluded'
        );
        same(
            IMultiAssetHolder.GuaranteeReclaimed.selector,
            keccak256('GuaranteeReclaimed(bytes32,bytes32,uint256,uint256,uint256,uint256)'),
            'GuaranteeReclaimed'
        );
        same(
            IMultiAssetHolder.AllocationsPaid.selector,
            keccak256('AllocationsPaid(bytes32,uint256,uint256[])'),
            'AllocationsPaid'
        );
    }
}
