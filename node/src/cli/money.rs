//! Amounts for people: exact, and with their unit.

use engine::types::{Amount, U256};

use super::ids::short_address;
use super::layout::CUT;
use crate::address::NATIVE;
use crate::amount::AmountText;

/// What a cell of a table has room for.
const CELL: usize = 14;

/// An amount with the largest unit that suits it; exact in every case. An empty asset is one that is not
/// known.
pub(super) fn money(asset: &str, amount: AmountText) -> String {
    let (number, unit) = parts(asset, amount);
    if asset == NATIVE {
        return format!("{number} {unit}");
    }
    if asset.is_empty() {
        return format!("{number} {unit}");
    }
    // The node does not know how many decimals a token has.
    format!("{number} {unit} of {}", short_address(asset))
}

/// An amount for a cell of a table, beside a note that names a token. Digits that have no room are
/// marked, never rounded; a number of many digits is told by its first ones and their count.
pub(super) fn brief(asset: &str, amount: AmountText) -> String {
    let (number, unit) = parts(asset, amount);
    let whole = if asset == NATIVE { format!("{number} {unit}") } else { number.clone() };
    if whole.len() <= CELL {
        return whole;
    }
    let unit = if asset == NATIVE { format!(" {unit}") } else { String::new() };
    let room = CELL - unit.len() - 1;
    let point = number.find('.').unwrap_or(number.len());
    if point < room {
        // The point stays: what is left out is behind it.
        return format!("{}{CUT}{unit}", &number[..room]);
    }
    let power = format!("{CUT}e{}", point - 1);
    let digits = &number[1..point.min(CELL - unit.len() - power.chars().count() - 1)];
    format!("{}.{digits}{power}{unit}", &number[..1])
}

/// What is counted, in full.
pub(super) fn asset_name(asset: &str) -> String {
    if asset == NATIVE { "native coin".to_owned() } else { format!("token {asset}") }
}

/// The note for a row whose cells count a token.
pub(super) fn token_note(asset: &str) -> Option<String> {
    (asset != NATIVE).then(|| format!("in units of token {asset}"))
}

fn parts(asset: &str, AmountText(amount): AmountText) -> (String, &'static str) {
    const GWEI: u64 = 1_000_000_000;
    if asset != NATIVE {
        return (amount.to_string(), "units");
    }
    if amount < Amount::from(GWEI) {
        return (amount.to_string(), "wei");
    }
    // A thousandth of an ether: below it, gwei are easier to read.
    if amount < Amount::from(GWEI * 1_000_000) {
        return (decimal(amount, 9), "gwei");
    }
    (decimal(amount, 18), "ether")
}

/// The amount with its point moved to the left.
fn decimal(amount: Amount, decimals: usize) -> String {
    let unit = U256::from(10).pow(U256::from(decimals));
    let (whole, rest) = amount.to_u256().div_rem(unit);
    let rest = format!("{rest:0>decimals$}");
    let rest = rest.trim_end_matches('0');
    if rest.is_empty() { whole.to_string() } else { format!("{whole}.{rest}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::amount::parse_amount;

    const TOKEN: &str = "0x5FbDB2315678afecb367f032d93F642f64180aa3";
    const MOST: &str =
        "115792089237316195423570985008687907853269984665640564039457584007913129639935";

    #[test]
    fn amounts_are_exact_in_every_unit() {
        for (wei, text) in [
            ("0", "0 wei"),
            ("999999999", "999999999 wei"),
            ("1000000000", "1 gwei"),
            ("1500000001", "1.500000001 gwei"),
            ("1000000000000000", "0.001 ether"),
            ("1500000000000000000", "1.5 ether"),
            ("1000000000000000001", "1.000000000000000001 ether"),
        ] {
            let amount = parse_amount(wei).unwrap();
            assert_eq!(money(NATIVE, AmountText(amount)), text);
            assert_eq!(parse_amount(text), Ok(amount));
        }
        let amount = AmountText(1_000_000_000_u64.into());
        assert_eq!(money(TOKEN, amount), "1000000000 units of 0x5FbD…0aa3");
    }

    #[test]
    fn a_cell_shows_what_it_leaves_out() {
        for (asset, wei, text) in [
            (NATIVE, "1500000000000000000", "1.5 ether"),
            (NATIVE, "1999999995000000000", "1.99999… ether"),
            (NATIVE, "9997999920324416441336", "9997.99… ether"),
            (NATIVE, "123456700000000000000001", "123456.… ether"),
            (NATIVE, "1234567000000000000000001", "1.234…e6 ether"),
            (NATIVE, "999999999999999", "999999.9… gwei"),
            (NATIVE, "999999999", "999999999 wei"),
            (NATIVE, MOST, "1.15…e59 ether"),
            (TOKEN, "5000", "5000"),
            (TOKEN, "12345678901234", "12345678901234"),
            (TOKEN, MOST, "1.15792089…e77"),
        ] {
            let cell = brief(asset, AmountText(parse_amount(wei).unwrap()));
            assert_eq!(cell, text);
            assert!(cell.chars().count() <= CELL, "{cell}");
        }
    }
}
