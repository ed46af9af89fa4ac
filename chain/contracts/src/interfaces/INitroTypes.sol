// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ExitFormat} from '../ExitFormat.sol';

/// @title The types of a channel state
/// @dev Spec section 2.
interface INitroTypes {
    struct Signature {
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    /// @dev What never changes; its hash is the channel id.
    struct FixedPart {
        address[] participants;
        uint64 channelNonce;
        address appDefinition;
        uint48 challengeDuration;
    }

    /// @dev What every new state may change.
    struct VariablePart {
        ExitFormat.SingleAssetExit[] outcome;
        bytes appData;
        uint48 turnNum;
        bool isFinal;
    }

    struct SignedVariablePart {
        VariablePart variablePart;
        Signature[] sigs;
    }

    /// @dev Bit `i` of `signedBy` is set when participant `i` signed; an app trusts this and checks no signature.
    struct RecoveredVariablePart {
        VariablePart variablePart;
        uint256 signedBy;
    }
}
