//! Whole conversations of the reference: every state and voucher in them, checked as a receiver
//! would check it.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::keccak256;
use engine::types::{Address, B256, ObjectiveId};
use serde_json::Value;

use super::loader::{address, amount, list, number, signature, state, text, vector, word};
use super::vouchers::voucher_preimage;

pub(super) const CHECKS: &[fn()] = &[scenario_one_holds_together, scenario_two_holds_together];

#[test]
fn scenario_one_holds_together() {
    let seen = Transcript::check("scenario1.transcript");
    assert_eq!((seen.states, seen.vouchers, seen.closings), (30, 2, 2));
}

#[test]
fn scenario_two_holds_together() {
    let seen = Transcript::check("scenario2.transcript");
    assert_eq!((seen.states, seen.vouchers, seen.closings), (72, 1, 0));
}

/// What a transcript holds, counted so that nothing is skipped unnoticed.
#[derive(Default)]
struct Transcript {
    states: usize,
    vouchers: usize,
    closings: usize,
    /// Hashes of vouchers that no message has carried yet.
    announced: BTreeSet<B256>,
    /// Who has signed each state.
    signers: BTreeMap<B256, BTreeSet<Address>>,
}

impl Transcript {
    fn check(name: &str) -> Self {
        let mut seen = Self::default();
        for (position, step) in list(vector(name).expected("steps")).iter().enumerate() {
            let place = format!("{name}, step {position}");
            match text(&step["event"]) {
                "message" => seen.message(step, &place),
                "chainTx" => seen.transaction(step, &place),
                "voucher" => {
                    seen.announced.insert(word(&step["voucherHash"]));
                }
                "cranked" => objective(&step["objective"], &place),
                other => panic!("{place}: unknown event {other}"),
            }
        }
        assert!(seen.announced.is_empty(), "{name} announces {:?}", seen.announced);
        seen
    }

    fn message(&mut self, step: &Value, place: &str) {
        let wire: Value = serde_json::from_str(text(&step["wire"])).unwrap();
        let sender = address(&wire["From"]);
        if step["payloadType"] == "SignedStatePayload" {
            objective(&step["objectiveId"], place);
            self.signed_state(step, sender, place);
        }
        for voucher in wire["Payments"].as_array().into_iter().flatten() {
            let preimage =
                voucher_preimage(word(&voucher["ChannelId"]), amount(&voucher["Amount"]));
            let hash = keccak256(preimage);
            assert_eq!(signature(&voucher["Signature"]).recover(hash), Ok(sender), "{place}");
            self.announced.remove(&hash);
            self.vouchers += 1;
        }
    }

    /// Every node sends its own signature, under its own index.
    fn signed_state(&mut self, step: &Value, sender: Address, place: &str) {
        let payload: Value = serde_json::from_str(text(&step["payload"])).unwrap();
        let (fixed, variable) = state(&payload["State"]);
        assert_eq!(fixed.channel_id().0, word(&step["channelId"]), "{place}");
        let hash = variable.hash(fixed.channel_id());
        assert_eq!(hash, word(&step["stateHash"]), "{place}");
        let signatures = payload["Sigs"].as_object().unwrap();
        assert_eq!(signatures.len(), 1, "{place}");
        for (index, signed) in signatures {
            let participant = fixed.participants[index.parse::<usize>().unwrap()];
            assert_eq!(signature(signed).recover(hash), Ok(participant), "{place}");
            assert_eq!(participant, sender, "{place}");
            self.signers.entry(hash).or_default().insert(participant);
        }
        self.states += 1;
    }

    /// A ledger is closed with a state that all have signed before.
    fn transaction(&mut self, step: &Value, place: &str) {
        if step["tx"] == "concludeAndTransferAllAssets" {
            let signers = &self.signers[&word(&step["stateHash"])];
            assert_eq!(signers.len() as u64, number(&step["nsigs"]), "{place}");
            self.closings += 1;
        }
    }
}

fn objective(value: &Value, place: &str) {
    let id: ObjectiveId = text(value).parse().unwrap_or_else(|error| panic!("{place}: {error}"));
    assert_eq!(id.to_string(), text(value), "{place}");
}
