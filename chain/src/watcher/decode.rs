//! A log of the adjudicator as a fact.

use alloy::primitives::Address;
use alloy::rpc::types::Log;
use alloy::sol_types::SolEventInterface;
use engine::chain::{ChainFact, ChannelLog, DebtChange, DebtLog};
use engine::types::{Amount, Asset, ChannelId, TurnNumber};

use crate::bindings::NitroAdjudicator::NitroAdjudicatorEvents as AdjudicatorEvent;
use crate::bindings::supported_state;

/// Why a log is skipped.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// Not an event of the adjudicator, or not encoded as one.
    #[error("not an event of the adjudicator: {0}")]
    Malformed(alloy::sol_types::Error),
    /// No outcome has that many assets or allocations.
    #[error("index exceeds 64 bits")]
    Index,
}

/// What a log is about.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Decoded {
    /// A channel.
    Channel(ChannelLog),
    /// A payee. Which channel could not be paid out is not in the log.
    Debt(DebtLog),
}

/// The fact of one log. Everything comes from the log itself: the reference node looked into the
/// calldata of the transaction and panicked when it was not the function it knew (gap C12).
pub(crate) fn decode(log: &Log) -> Result<Decoded, DecodeError> {
    let event = AdjudicatorEvent::decode_raw_log(log.topics(), &log.data().data)
        .map_err(DecodeError::Malformed)?;
    let (channel, fact) = match event {
        AdjudicatorEvent::Deposited(event) => (
            event.destination,
            ChainFact::Deposited {
                asset: Asset(event.asset),
                holdings: Amount::from(event.destinationHoldings),
            },
        ),
        AdjudicatorEvent::AllocationUpdated(event) => (
            event.channelId,
            ChainFact::AllocationUpdated {
                asset_index: index(event.assetIndex)?,
                initial: Amount::from(event.initialHoldings),
                holdings: Amount::from(event.finalHoldings),
            },
        ),
        AdjudicatorEvent::ChallengeRegistered(event) => (
            event.channelId,
            ChainFact::ChallengeRegistered {
                finalizes_at: event.finalizesAt.to::<u64>(),
                proof: event.proof.into_iter().map(supported_state).collect(),
                candidate: Box::new(supported_state(event.candidate)),
            },
        ),
        AdjudicatorEvent::ChallengeCleared(event) => (
            event.channelId,
            ChainFact::ChallengeCleared { turn: TurnNumber(event.newTurnNumRecord.to::<u64>()) },
        ),
        AdjudicatorEvent::Checkpointed(event) => (
            event.channelId,
            ChainFact::Checkpointed { turn: TurnNumber(event.newTurnNumRecord.to::<u64>()) },
        ),
        AdjudicatorEvent::StateCheckpointed(event) => (
            event.channelId,
            ChainFact::StateCheckpointed {
                proof: event.proof.into_iter().map(supported_state).collect(),
                candidate: Box::new(supported_state(event.candidate)),
            },
        ),
        AdjudicatorEvent::StateConcluded(event) => (
            event.channelId,
            ChainFact::StateConcluded {
                kept: event.kept,
                candidate: Box::new(supported_state(event.candidate)),
            },
        ),
        AdjudicatorEvent::Concluded(event) => {
            (event.channelId, ChainFact::Concluded { finalizes_at: event.finalizesAt.to::<u64>() })
        }
        AdjudicatorEvent::GuaranteeReclaimed(event) => (
            event.channelId,
            ChainFact::GuaranteeReclaimed {
                target: ChannelId(event.targetChannelId),
                asset_index: index(event.assetIndex)?,
                index: index(event.indexOfTargetInSource)?,
                to_left: Amount::from(event.toLeft),
                to_right: Amount::from(event.toRight),
            },
        ),
        AdjudicatorEvent::AllocationsPaid(event) => (
            event.channelId,
            ChainFact::AllocationsPaid {
                asset_index: index(event.assetIndex)?,
                amounts: event.amounts.into_iter().map(Amount::from).collect(),
            },
        ),
        AdjudicatorEvent::Reclaimed(event) => {
            (event.channelId, ChainFact::Reclaimed { asset_index: index(event.assetIndex)? })
        }
        AdjudicatorEvent::PayoutBlocked(event) => {
            let amount = Amount::from(event.amount);
            let change = DebtChange::Blocked { channel: None, amount };
            return Ok(debt(event.payee, event.asset, change));
        }
        AdjudicatorEvent::Claimed(event) => {
            let (to, amount) = (event.to, Amount::from(event.amount));
            return Ok(debt(event.payee, event.asset, DebtChange::Claimed { to, amount }));
        }
    };
    Ok(Decoded::Channel(ChannelLog { channel: ChannelId(channel), fact }))
}

const fn debt(payee: Address, asset: Address, change: DebtChange) -> Decoded {
    Decoded::Debt(DebtLog { payee, asset: Asset(asset), change })
}

fn index(index: alloy::primitives::U256) -> Result<u64, DecodeError> {
    u64::try_from(index).map_err(|_| DecodeError::Index)
}

#[cfg(test)]
mod tests {
    use alloy::primitives::aliases::U48;
    use alloy::primitives::{B256, LogData, U256, b256};
    use alloy::sol_types::SolEvent;

    use super::*;
    use crate::bindings::{INitroTypes, NitroAdjudicator};

    const CHANNEL: B256 = B256::repeat_byte(0xcc);

    fn log(data: LogData) -> Log {
        Log { inner: alloy::primitives::Log { data, ..Default::default() }, ..Log::default() }
    }

    fn fact(event: &impl SolEvent) -> ChainFact {
        let Decoded::Channel(decoded) = decode(&log(event.encode_log_data())).unwrap() else {
            panic!("about no channel");
        };
        assert_eq!(decoded.channel, ChannelId(CHANNEL));
        decoded.fact
    }

    #[test]
    fn topics_are_those_of_the_specification() {
        use NitroAdjudicator as A;
        let topics = [
            A::ChallengeRegistered::SIGNATURE_HASH,
            A::ChallengeCleared::SIGNATURE_HASH,
            A::Checkpointed::SIGNATURE_HASH,
            A::Concluded::SIGNATURE_HASH,
            A::Deposited::SIGNATURE_HASH,
            A::AllocationUpdated::SIGNATURE_HASH,
            A::Reclaimed::SIGNATURE_HASH,
        ];
        let expected = [
            b256!("0aa12461ee6c137332989aa12cec79f4772ab2c1a8732a382aada7e9f3ec9d34"),
            b256!("07da0a0674fb921e484018c8b81d80e292745e5d8ed134b580c8b9c631c5e9e0"),
            b256!("f3f2d5574c50e581f1a2371fac7dee87f7c6d599a496765fbfa2547ce7fd5f1a"),
            b256!("4f465027a3d06ea73dd12be0f5c5fc0a34e21f19d6eaed4834a7a944edabc901"),
            b256!("87d4c0b5e30d6808bc8a94ba1c4d839b29d664151551a31753387ee9ef48429b"),
            b256!("c36da2054c5669d6dac211b7366d59f2d369151c21edf4940468614b449e0b9a"),
            b256!("4d3754632451ebba9812a9305e7bca17b67a17186a5cff93d2e9ae1b01e3d27b"),
        ];
        assert_eq!(topics, expected);
    }

    #[test]
    fn decodes_every_event() {
        let turn = U48::from(8);
        assert_eq!(
            fact(&NitroAdjudicator::AllocationUpdated {
                channelId: CHANNEL,
                assetIndex: U256::from(1),
                initialHoldings: U256::from(9),
                finalHoldings: U256::from(4),
            }),
            ChainFact::AllocationUpdated {
                asset_index: 1,
                initial: Amount::from(9u64),
                holdings: Amount::from(4u64),
            }
        );
        assert_eq!(
            fact(&NitroAdjudicator::ChallengeCleared {
                channelId: CHANNEL,
                newTurnNumRecord: turn
            }),
            ChainFact::ChallengeCleared { turn: TurnNumber(8) }
        );
        assert_eq!(
            fact(&NitroAdjudicator::Checkpointed { channelId: CHANNEL, newTurnNumRecord: turn }),
            ChainFact::Checkpointed { turn: TurnNumber(8) }
        );
        assert_eq!(
            fact(&NitroAdjudicator::Concluded { channelId: CHANNEL, finalizesAt: turn }),
            ChainFact::Concluded { finalizes_at: 8 }
        );
        assert_eq!(
            fact(&NitroAdjudicator::Reclaimed { channelId: CHANNEL, assetIndex: U256::ZERO }),
            ChainFact::Reclaimed { asset_index: 0 }
        );
    }

    #[test]
    fn decodes_what_explains_another_event() {
        let target = B256::repeat_byte(0xdd);
        assert_eq!(
            fact(&NitroAdjudicator::GuaranteeReclaimed {
                channelId: CHANNEL,
                targetChannelId: target,
                assetIndex: U256::from(1),
                indexOfTargetInSource: U256::from(2),
                toLeft: U256::from(3),
                toRight: U256::MAX,
            }),
            ChainFact::GuaranteeReclaimed {
                target: ChannelId(target),
                asset_index: 1,
                index: 2,
                to_left: Amount::from(3u64),
                to_right: Amount::from(U256::MAX),
            }
        );
        assert_eq!(
            fact(&NitroAdjudicator::AllocationsPaid {
                channelId: CHANNEL,
                assetIndex: U256::from(1),
                amounts: vec![U256::from(5), U256::ZERO],
            }),
            ChainFact::AllocationsPaid {
                asset_index: 1,
                amounts: vec![Amount::from(5u64), Amount::ZERO],
            }
        );
    }

    fn signed(turn: u64) -> INitroTypes::SignedVariablePart {
        INitroTypes::SignedVariablePart {
            variablePart: INitroTypes::VariablePart {
                outcome: vec![],
                appData: vec![1].into(),
                turnNum: U48::from(turn),
                isFinal: false,
            },
            sigs: vec![INitroTypes::Signature { v: 99, r: B256::ZERO, s: B256::ZERO }],
        }
    }

    #[test]
    fn keeps_all_of_the_states_that_are_shown() {
        let (proof, candidate) = (signed(1), signed(2));
        let (first, second) = (supported_state(signed(1)), Box::new(supported_state(signed(2))));
        assert_eq!(
            fact(&NitroAdjudicator::ChallengeRegistered {
                channelId: CHANNEL,
                finalizesAt: U48::from(1_700_000_000),
                proof: vec![proof.clone()],
                candidate: candidate.clone(),
            }),
            ChainFact::ChallengeRegistered {
                finalizes_at: 1_700_000_000,
                proof: vec![first.clone()],
                candidate: second.clone(),
            }
        );
        assert_eq!(
            fact(&NitroAdjudicator::StateCheckpointed {
                channelId: CHANNEL,
                proof: vec![proof],
                candidate: candidate.clone(),
            }),
            ChainFact::StateCheckpointed { proof: vec![first], candidate: second.clone() }
        );
        assert_eq!(
            fact(&NitroAdjudicator::StateConcluded { channelId: CHANNEL, kept: true, candidate }),
            ChainFact::StateConcluded { kept: true, candidate: second }
        );
    }

    #[test]
    fn refuses_what_is_no_event_of_the_adjudicator() {
        let unknown = LogData::new_unchecked(vec![B256::ZERO], vec![].into());
        assert!(matches!(decode(&log(unknown)), Err(DecodeError::Malformed(_))));
        assert!(matches!(decode(&Log::default()), Err(DecodeError::Malformed(_))));
    }

    #[test]
    fn refuses_an_index_beyond_64_bits() {
        let beyond = U256::from(u64::MAX) + U256::from(1);
        let event = NitroAdjudicator::Reclaimed { channelId: CHANNEL, assetIndex: beyond };
        assert_eq!(decode(&log(event.encode_log_data())), Err(DecodeError::Index));
        let event = NitroAdjudicator::GuaranteeReclaimed {
            channelId: CHANNEL,
            targetChannelId: B256::ZERO,
            assetIndex: U256::ZERO,
            indexOfTargetInSource: beyond,
            toLeft: U256::ZERO,
            toRight: U256::ZERO,
        };
        assert_eq!(decode(&log(event.encode_log_data())), Err(DecodeError::Index));
    }
}
