//! Times as people read them. The chain and the interface count seconds since the Unix epoch.

use std::time::{SystemTime, UNIX_EPOCH};

const DAY: u64 = 86_400;

/// A time in seconds since the Unix epoch as `2026-11-23 20:03:11 UTC`.
pub(crate) fn utc(seconds: u64) -> String {
    let (year, month, day) = date(seconds / DAY);
    let rest = seconds % DAY;
    let (hour, minute, second) = (rest / 3_600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// The same with how far away it is by this machine's clock: `… UTC (in 23 h 59 min)`.
pub(crate) fn utc_and_distance(seconds: u64) -> String {
    let distance = match seconds.checked_sub(now()) {
        Some(left) if left > 0 => format!("in {}", span(left)),
        Some(_) | None => format!("{} ago", span(now().saturating_sub(seconds))),
    };
    format!("{} ({distance})", utc(seconds))
}

/// A length of time in its two largest units: `2 d 3 h`, `59 min 3 s`, `12 s`.
pub(crate) fn span(seconds: u64) -> String {
    let units = [("d", DAY), ("h", 3_600), ("min", 60), ("s", 1)];
    let first = units.iter().position(|(_, unit)| seconds >= *unit).unwrap_or(units.len() - 1);
    let mut left = seconds;
    let mut parts = Vec::new();
    for (index, (name, unit)) in units.iter().enumerate().skip(first).take(2) {
        let count = left / unit;
        left %= unit;
        if count > 0 || index == first {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.join(" ")
}

/// Seconds since the Unix epoch by this machine's clock.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}

/// Year, month and day of a count of days since 1970-01-01. Counts in eras of 400 years, each
/// beginning on the first of March, so that leap days stand at the end.
const fn date(days: u64) -> (u64, u64, u64) {
    const ERA: u64 = 146_097;
    // The chain's clock is any 64-bit number; beyond the year 999 999 nothing is told apart.
    let limit = 365_000_000;
    let shifted = if days < limit { days } else { limit } + 719_468;
    let (era, day_of_era) = (shifted / ERA, shifted % ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00 UTC"),
            (951_782_399, "2000-02-28 23:59:59 UTC"),
            (951_782_400, "2000-02-29 00:00:00 UTC"),
            (951_868_800, "2000-03-01 00:00:00 UTC"),
            (1_704_067_199, "2023-12-31 23:59:59 UTC"),
            (1_795_368_386, "2026-11-22 17:26:26 UTC"),
            (4_107_542_400, "2100-03-01 00:00:00 UTC"),
        ] {
            assert_eq!(utc(seconds), text);
        }
        assert!(utc(u64::MAX).ends_with("UTC"));
    }

    #[test]
    fn lengths_are_told_in_two_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (59, "59 s"),
            (60, "1 min"),
            (3_599, "59 min 59 s"),
            (3_605, "1 h"),
            (86_340, "23 h 59 min"),
            (86_400, "1 d"),
            (183_600, "2 d 3 h"),
        ] {
            assert_eq!(span(seconds), text);
        }
    }
}
