//! The submitter's durable memory: which nonce and which transactions a call has used.

use std::collections::BTreeSet;
use std::sync::Arc;

use alloy::primitives::{Address, B256, U256};
use engine::chain::Account;
use engine::types::{Bytes, CallId};
use serde::{Deserialize, Serialize};

/// Keeps one record per call. The node implements it over its store.
///
/// Calls come from one task, one at a time, and may block on the disk.
pub trait Journal: Send + Sync + 'static {
    /// Every record that was put and not removed.
    ///
    /// # Errors
    /// When the records cannot be read.
    fn load(&self) -> Result<Vec<(CallId, Vec<u8>)>, JournalError>;

    /// Replaces the record of a call. It must survive a power loss once this returns: the
    /// transaction that it describes is sent right after.
    ///
    /// # Errors
    /// When the record may not be durable. The chain service then stops the node, since it can
    /// no longer promise not to send twice.
    fn put(&self, call: CallId, record: &[u8]) -> Result<(), JournalError>;

    /// Forgets a call; forgetting an unknown one is no error.
    ///
    /// # Errors
    /// When the store refuses.
    fn remove(&self, call: CallId) -> Result<(), JournalError>;
}

/// The submitter's records cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The store refuses.
    #[error("the journal of chain calls is not usable: {0}")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A record is not one of ours.
    #[error("the record of chain call {} cannot be decoded: {reason}", .call.0)]
    Decode {
        /// Whose record.
        call: CallId,
        /// Why not.
        reason: String,
    },
    /// A record is larger than any call of ours.
    #[error("the record of chain call {} cannot be encoded: {reason}", .call.0)]
    Encode {
        /// Whose record.
        call: CallId,
        /// Why not.
        reason: String,
    },
}

/// What a call has done on chain so far. It holds whole transactions, so that an interrupted
/// call goes on after a restart before the engine offers it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Token whose allowance the call uses; such calls go one after another.
    pub(crate) token: Option<Address>,
    /// Approvals, the call itself, and what fills nonces before them.
    pub(crate) txs: Vec<SentTx>,
    /// The final answer. Kept with the transactions, because a deep reorganisation can take
    /// even these back.
    pub(crate) settled: Option<Settled>,
}

/// One nonce and all that was sent under it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SentTx {
    pub(crate) purpose: Purpose,
    pub(crate) nonce: u64,
    pub(crate) to: Address,
    pub(crate) value: U256,
    pub(crate) data: Bytes,
    pub(crate) gas: u64,
    /// The first, then its replacements; only fees differ.
    pub(crate) attempts: Vec<Attempt>,
}

/// Why a transaction was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Purpose {
    /// Lets the adjudicator take tokens.
    Approve,
    /// The call itself.
    Call,
    /// Nothing but its nonce, so that what is behind it can be mined.
    Fill,
}

/// One signed form of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Attempt {
    pub(crate) hash: B256,
    pub(crate) max_fee: u128,
    pub(crate) priority_fee: u128,
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Settled {
    /// Mined at this height, successfully.
    Succeeded(u64),
    /// Refused by a contract.
    Reverted(String),
    /// No transaction can hold it: what it needs, and what there may be.
    TooLarge(u64, u64),
    /// Taken back by the engine before there was a transaction.
    Withdrawn,
    /// A transfer whose transaction is lost, and which is not sent again.
    Unknown(String),
}

/// The records of one account among those of both. The node has one journal; ids of calls are the
/// engine's, or a watchtower's from 2^63 on, and neither makes 2^62 of them.
pub(crate) struct Part {
    pub(crate) journal: Arc<dyn Journal>,
    pub(crate) account: Account,
}

impl Part {
    /// Set in the ids under which the records of the channel account are kept.
    const CHANNEL: u64 = 1 << 62;

    const fn account(id: CallId) -> Account {
        if id.0 & Self::CHANNEL == 0 { Account::Chain } else { Account::Channel }
    }

    /// Calls that have transactions and no end.
    pub(crate) fn unfinished(&self) -> Result<BTreeSet<CallId>, JournalError> {
        let mut unfinished = BTreeSet::new();
        for (id, bytes) in self.load()? {
            let record = decode(id, &bytes)?;
            if record.settled.is_none() && !record.txs.is_empty() {
                unfinished.insert(id);
            }
        }
        Ok(unfinished)
    }

    const fn key(&self, call: CallId) -> CallId {
        match self.account {
            Account::Chain => call,
            Account::Channel => CallId(call.0 | Self::CHANNEL),
        }
    }
}

impl Journal for Part {
    fn load(&self) -> Result<Vec<(CallId, Vec<u8>)>, JournalError> {
        let all = self.journal.load()?.into_iter();
        let own = all.filter(|(id, _)| Self::account(*id) == self.account);
        Ok(match self.account {
            Account::Chain => own.collect(),
            Account::Channel => {
                own.map(|(id, record)| (CallId(id.0 & !Self::CHANNEL), record)).collect()
            }
        })
    }

    fn put(&self, call: CallId, record: &[u8]) -> Result<(), JournalError> {
        self.journal.put(self.key(call), record)
    }

    fn remove(&self, call: CallId) -> Result<(), JournalError> {
        self.journal.remove(self.key(call))
    }
}

impl Record {
    /// The call's own transaction, once there is one.
    pub(crate) fn call_tx(&self) -> Option<&SentTx> {
        self.txs.iter().find(|tx| tx.purpose == Purpose::Call)
    }

    /// How many approvals were sent.
    pub(crate) fn approvals(&self) -> usize {
        self.txs.iter().filter(|tx| tx.purpose == Purpose::Approve).count()
    }

    /// The nonces in use.
    pub(crate) fn nonces(&self) -> impl Iterator<Item = u64> {
        self.txs.iter().map(|tx| tx.nonce)
    }
}

/// Records by version; append only, the index of the variant is the first byte.
#[derive(Serialize, Deserialize)]
enum Versioned {
    V1(Record),
}

/// Far above a call with the largest outcome that fits a block.
const MAX_RECORD: usize = 1 << 20;

fn bincode_config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<MAX_RECORD>()
}

/// The bytes of a record.
pub(crate) fn encode(call: CallId, record: &Record) -> Result<Vec<u8>, JournalError> {
    bincode::serde::encode_to_vec(Versioned::V1(record.clone()), bincode_config())
        .map_err(|error| JournalError::Encode { call, reason: error.to_string() })
}

/// The record of bytes, and only of the bytes that [`encode`] writes: bincode alone would accept
/// trailing bytes and longer forms of a number.
pub(crate) fn decode(call: CallId, bytes: &[u8]) -> Result<Record, JournalError> {
    let refuse = |reason: String| JournalError::Decode { call, reason };
    let (Versioned::V1(record), read) =
        bincode::serde::decode_from_slice::<Versioned, _>(bytes, bincode_config())
            .map_err(|error| refuse(error.to_string()))?;
    if read != bytes.len() || encode(call, &record)? != bytes {
        return Err(refuse("not in canonical form".to_owned()));
    }
    Ok(record)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Mutex;

    use super::*;

    const CALL: CallId = CallId(7);

    fn record() -> Record {
        Record {
            token: Some(Address::repeat_byte(1)),
            txs: vec![SentTx {
                purpose: Purpose::Call,
                nonce: 3,
                to: Address::repeat_byte(2),
                value: U256::from(5),
                data: Bytes(vec![1, 2, 3]),
                gas: 21_000,
                attempts: vec![Attempt {
                    hash: B256::repeat_byte(9),
                    max_fee: 300,
                    priority_fee: 1,
                }],
            }],
            settled: Some(Settled::Reverted("no".to_owned())),
        }
    }

    #[derive(Default)]
    struct Rows(Mutex<BTreeMap<CallId, Vec<u8>>>);

    impl Journal for Rows {
        fn load(&self) -> Result<Vec<(CallId, Vec<u8>)>, JournalError> {
            Ok(self.0.lock().unwrap().clone().into_iter().collect())
        }

        fn put(&self, call: CallId, record: &[u8]) -> Result<(), JournalError> {
            self.0.lock().unwrap().insert(call, record.to_vec());
            Ok(())
        }

        fn remove(&self, call: CallId) -> Result<(), JournalError> {
            self.0.lock().unwrap().remove(&call);
            Ok(())
        }
    }

    #[test]
    fn the_records_of_both_accounts_are_apart() {
        let journal: Arc<dyn Journal> = Arc::new(Rows::default());
        let part = |account| Part { journal: Arc::clone(&journal), account };
        let (chain, channel) = (part(Account::Chain), part(Account::Channel));
        for id in [CALL, CallId(1 << 63 | 5)] {
            chain.put(id, &[1]).unwrap();
            channel.put(id, &[2]).unwrap();
            assert!(chain.load().unwrap().contains(&(id, vec![1])));
            assert!(channel.load().unwrap().contains(&(id, vec![2])));
        }
        chain.remove(CALL).unwrap();
        assert_eq!((chain.load().unwrap().len(), channel.load().unwrap().len()), (1, 2));
    }

    #[test]
    fn reads_what_it_writes() {
        let bytes = encode(CALL, &record()).unwrap();
        assert_eq!(decode(CALL, &bytes).unwrap(), record());
    }

    #[test]
    fn first_version_has_these_bytes() {
        let bytes = encode(CALL, &record()).unwrap();
        let mut expected = vec![0, 1, 20];
        expected.extend([1; 20]);
        expected.extend([1, 1, 3, 20]);
        expected.extend([2; 20]);
        expected.push(32);
        expected.extend(U256::from(5).to_be_bytes::<32>());
        expected.extend([3, 1, 2, 3]);
        expected.extend([251, 0x08, 0x52, 1, 32]);
        expected.extend([9; 32]);
        expected.extend([251, 0x2c, 0x01, 1, 1, 1, 2, b'n', b'o']);
        assert_eq!(bytes, expected);
    }

    #[test]
    fn refuses_trailing_bytes() {
        let mut bytes = encode(CALL, &record()).unwrap();
        bytes.push(0);
        assert!(matches!(decode(CALL, &bytes), Err(JournalError::Decode { call: CALL, .. })));
    }

    #[test]
    fn refuses_a_length_that_the_input_does_not_have() {
        // A bare token flag of 0, then 2^40 transactions.
        let bytes = [0, 0, 253, 0, 0, 0, 0, 0, 1, 0, 0];
        assert!(decode(CALL, &bytes).is_err());
    }
}
