//! What an endpoint means when it refuses (sans-IO).
//!
//! JSON-RPC has no codes of its own for this, and those that nodes use contradict each other: -32005
//! is a rate limit by EIP-1474 and a gas limit above the block's with Besu. So the words come
//! first, by the table below, and codes only where no words are known. What is in neither is
//! [`Refusal::Unclear`], which never ends a call.

/// The kind of a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Refusal {
    /// It has the transaction already, which is what we want.
    AlreadyKnown,
    /// The nonce is used up.
    NonceTooLow,
    /// Another transaction with this nonce pays as much or more.
    ReplacementUnderpriced,
    /// It offers less than the chain or the endpoint asks.
    FeeTooLow,
    /// It may cost more than the endpoint lets anybody pay by mistake.
    FeeTooHigh,
    /// The account cannot pay.
    InsufficientFunds,
    /// It needs more gas, or more bytes, than a transaction or a block may have.
    TooLarge,
    /// No node of this chain would ever take these bytes, though another transaction of the same
    /// call may be good.
    Invalid,
    /// The pool has no room at this price.
    PoolFull,
    /// The endpoint answers nobody at the moment, or us no more for a while.
    Busy,
    /// Not in the table; taken for passing.
    #[default]
    Unclear,
}

/// Words of nodes in lower case, the first match counts. Read in the sources of go-ethereum
/// (`core/error.go`, `core/txpool/errors.go`, `internal/ethapi`, `eth/gasestimator`), Erigon
/// (`txpoolcfg.go`), Nethermind (`TxPoolErrorMessages.cs`, `TxErrorMessages.cs`,
/// `GasEstimator.cs`), Besu (`RpcErrorType.java`, `MainnetTransactionValidator.java`), Reth
/// (`rpc-eth-types/src/error`) and anvil (`eth/error.rs`).
const WORDS: &[(&str, Refusal)] = &[
    // go-ethereum, Erigon, Nethermind, Reth.
    ("already known", Refusal::AlreadyKnown),
    // anvil.
    ("already imported", Refusal::AlreadyKnown),
    // It would be taken for the next.
    ("unknown transaction", Refusal::Unclear),
    // Besu.
    ("known transaction", Refusal::AlreadyKnown),
    // Erigon.
    ("existing txn with same hash", Refusal::AlreadyKnown),
    // Older Nethermind.
    ("alreadyknown", Refusal::AlreadyKnown),
    // All but the next; Besu writes it with a capital.
    ("nonce too low", Refusal::NonceTooLow),
    ("nonce is too low", Refusal::NonceTooLow),
    // Older Nethermind.
    ("oldnonce", Refusal::NonceTooLow),
    // go-ethereum, Erigon, Nethermind, Besu, Reth.
    ("replacement transaction underpriced", Refusal::ReplacementUnderpriced),
    // anvil.
    ("insufficient gas price to replace", Refusal::ReplacementUnderpriced),
    // Erigon.
    ("could not replace existing", Refusal::ReplacementUnderpriced),
    // go-ethereum: a nonce of the future in place of one that can be mined.
    ("future transaction tries to replace pending", Refusal::ReplacementUnderpriced),
    ("fee too low to replace", Refusal::ReplacementUnderpriced),
    // go-ethereum since EIP-7825: "transaction gas limit too high (cap: 16777216, tx: ...)"; Reth.
    ("gas limit too high", Refusal::TooLarge),
    // Erigon.
    ("gas limit is too high", Refusal::TooLarge),
    // Reth.
    ("exceeds max transaction gas limit", Refusal::TooLarge),
    // anvil and Reth, for the transaction's and for the block's limit.
    ("intrinsic gas too high", Refusal::TooLarge),
    // anvil.
    ("transaction gas limit is greater than", Refusal::TooLarge),
    // Nethermind.
    ("txgaslimitcapexceeded", Refusal::TooLarge),
    ("gas limit reached", Refusal::TooLarge),
    ("gaslimitexceeded", Refusal::TooLarge),
    // Besu.
    ("transaction gas limit must be at most", Refusal::TooLarge),
    // go-ethereum, Reth; "Transaction gas limit exceeds block gas limit" with Besu.
    ("exceeds block gas limit", Refusal::TooLarge),
    // Estimates of go-ethereum, Erigon, Reth and anvil.
    ("gas required exceeds", Refusal::TooLarge),
    // Estimates of Nethermind.
    ("gas spent exceeded transaction and block gas limit", Refusal::TooLarge),
    // By the bytes: go-ethereum, Erigon, Reth.
    ("oversized data", Refusal::TooLarge),
    // Erigon.
    ("rlptoolong", Refusal::TooLarge),
    // Nethermind.
    ("transaction too large", Refusal::TooLarge),
    // go-ethereum: "transaction underpriced"; Erigon: "underpriced".
    ("underpriced", Refusal::FeeTooLow),
    // go-ethereum, Reth, anvil.
    ("max fee per gas less than block base fee", Refusal::FeeTooLow),
    // Erigon.
    ("fee too low", Refusal::FeeTooLow),
    // Older Nethermind.
    ("feetoolow", Refusal::FeeTooLow),
    // Besu, both forms.
    ("gas price below", Refusal::FeeTooLow),
    // Reth.
    ("below minimum required priority fee", Refusal::FeeTooLow),
    // go-ethereum (`rpc.txfeecap`), Reth.
    ("exceeds the configured cap", Refusal::FeeTooHigh),
    // Besu.
    ("transaction fee cap exceeded", Refusal::FeeTooHigh),
    // All but Besu; anvil writes it with a capital.
    ("insufficient funds", Refusal::InsufficientFunds),
    ("insufficient balance", Refusal::InsufficientFunds),
    // Besu.
    ("upfront cost exceeds account balance", Refusal::InsufficientFunds),
    // All but the next two.
    ("intrinsic gas too low", Refusal::Invalid),
    // Erigon.
    ("intrinsicgas", Refusal::Invalid),
    // Besu.
    ("intrinsic gas exceeds gas limit", Refusal::Invalid),
    // go-ethereum since EIP-7623.
    ("insufficient gas for floor data gas cost", Refusal::Invalid),
    // go-ethereum, Reth, anvil; Besu says it otherwise.
    ("max priority fee per gas higher than max fee per gas", Refusal::Invalid),
    ("max priority fee per gas exceeds max fee per gas", Refusal::Invalid),
    ("gas uint64 overflow", Refusal::Invalid),
    ("gasuintoverflow", Refusal::Invalid),
    // go-ethereum, Reth.
    ("txpool is full", Refusal::PoolFull),
    ("account limit exceeded", Refusal::PoolFull),
    // Erigon, for each of its pools.
    ("sub-pool is full", Refusal::PoolFull),
    // Reth.
    ("due to pool size constraints", Refusal::PoolFull),
    // Nethermind.
    ("node is syncing", Refusal::Busy),
    // Besu.
    ("initial sync is still in progress", Refusal::Busy),
    // Services in front of nodes.
    ("rate limit", Refusal::Busy),
    ("too many requests", Refusal::Busy),
    ("request count exceeded", Refusal::Busy),
    ("compute units per second", Refusal::Busy),
];

/// Codes of services in front of nodes, where the words say nothing.
const CODES: &[(i64, Refusal)] = &[
    // The status of HTTP, repeated in the body.
    (429, Refusal::Busy),
    // EIP-1474, "limit exceeded".
    (-32005, Refusal::Busy),
];

impl Refusal {
    /// The kind, of an error's code and words.
    pub(crate) fn of(code: i64, message: &str) -> Self {
        let message = message.to_ascii_lowercase();
        let said = WORDS.iter().find(|(words, _)| message.contains(words)).map(|(_, kind)| *kind);
        let coded = || CODES.iter().find(|(known, _)| *known == code).map(|(_, kind)| *kind);
        said.or_else(coded).unwrap_or_default()
    }

    /// True when the same bytes will be refused until something is done about it here: waiting
    /// does not help, and whoever waits behind their nonce waits for ever.
    pub(crate) const fn is_definite(self) -> bool {
        match self {
            Self::FeeTooHigh | Self::InsufficientFunds | Self::TooLarge | Self::Invalid => true,
            Self::AlreadyKnown
            | Self::NonceTooLow
            | Self::ReplacementUnderpriced
            | Self::FeeTooLow
            | Self::PoolFull
            | Self::Busy
            | Self::Unclear => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understands_the_words_of_different_nodes() {
        for (message, refusal) in [
            // go-ethereum
            ("already known", Refusal::AlreadyKnown),
            ("nonce too low: next nonce 5, tx nonce 4", Refusal::NonceTooLow),
            ("replacement transaction underpriced", Refusal::ReplacementUnderpriced),
            ("transaction underpriced: gas tip cap 1, minimum needed 2", Refusal::FeeTooLow),
            ("max fee per gas less than block base fee: address 0x", Refusal::FeeTooLow),
            ("insufficient funds for gas * price + value: balance 1", Refusal::InsufficientFunds),
            ("transaction gas limit too high (cap: 16777216, tx: 16777217)", Refusal::TooLarge),
            ("exceeds block gas limit", Refusal::TooLarge),
            ("gas required exceeds allowance (16777216)", Refusal::TooLarge),
            ("oversized data: transaction size 140000, limit 131072", Refusal::TooLarge),
            ("intrinsic gas too low: gas 20000, minimum needed 21000", Refusal::Invalid),
            ("insufficient gas for floor data gas cost: gas 1, minimum needed 2", Refusal::Invalid),
            ("tx fee (4.20 ether) exceeds the configured cap (1.00 ether)", Refusal::FeeTooHigh),
            ("txpool is full", Refusal::PoolFull),
            // Erigon
            ("ALREADY_EXISTS: already known", Refusal::AlreadyKnown),
            ("underpriced", Refusal::FeeTooLow),
            ("could not replace existing tx", Refusal::ReplacementUnderpriced),
            ("gas limit is too high", Refusal::TooLarge),
            ("IntrinsicGas", Refusal::Invalid),
            ("baseFee sub-pool is full", Refusal::PoolFull),
            // Nethermind
            ("gas limit reached", Refusal::TooLarge),
            ("TxGasLimitCapExceeded: Gas limit 20 exceeded cap of 16.", Refusal::TooLarge),
            ("transaction too large", Refusal::TooLarge),
            (
                "Cannot estimate gas, gas spent exceeded transaction and block gas limit or \
                 transaction gas limit cap",
                Refusal::TooLarge,
            ),
            ("node is syncing", Refusal::Busy),
            // Reth
            ("gas limit too high", Refusal::TooLarge),
            ("exceeds max transaction gas limit", Refusal::TooLarge),
            ("out of gas: gas required exceeds: 30000000", Refusal::TooLarge),
            ("transaction discarded outright due to pool size constraints", Refusal::PoolFull),
            // anvil
            ("transaction already imported", Refusal::AlreadyKnown),
            (
                "intrinsic gas too high -- tx.gas_limit > env.cfg.tx_gas_limit_cap",
                Refusal::TooLarge,
            ),
            ("Out of gas: gas required exceeds allowance: 100000", Refusal::TooLarge),
            (
                "Tx: [0x1] insufficient gas price to replace existing transaction",
                Refusal::ReplacementUnderpriced,
            ),
            ("Insufficient funds for gas * price + value", Refusal::InsufficientFunds),
            // In front of nodes
            ("daily request count exceeded, request rate limited", Refusal::Busy),
            ("Your app has exceeded its compute units per second capacity", Refusal::Busy),
            // Nobody's
            ("the weather is bad", Refusal::Unclear),
            ("unknown transaction type", Refusal::Unclear),
        ] {
            assert_eq!(Refusal::of(-32000, message), refusal, "{message}");
        }
    }

    #[test]
    fn understands_besu_whose_code_for_a_large_transaction_is_a_rate_limit_elsewhere() {
        for (code, message, refusal) in [
            (-32000, "Known transaction", Refusal::AlreadyKnown),
            (-32001, "Nonce too low", Refusal::NonceTooLow),
            (-32003, "Intrinsic gas exceeds gas limit", Refusal::Invalid),
            (-32004, "Upfront cost exceeds account balance", Refusal::InsufficientFunds),
            (-32005, "Transaction gas limit exceeds block gas limit", Refusal::TooLarge),
            (-32000, "Transaction gas limit must be at most 16777216", Refusal::TooLarge),
            (-32009, "Gas price below current base fee", Refusal::FeeTooLow),
            (-32000, "Transaction fee cap exceeded", Refusal::FeeTooHigh),
            (-32005, "limit exceeded", Refusal::Busy),
            (429, "", Refusal::Busy),
        ] {
            assert_eq!(Refusal::of(code, message), refusal, "{message}");
        }
    }

    #[test]
    fn what_is_unclear_is_not_definite() {
        assert!(!Refusal::of(-32603, "internal error").is_definite());
        assert!(Refusal::of(-32000, "exceeds block gas limit").is_definite());
    }
}
