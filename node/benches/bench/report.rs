//! What is printed, and which aims are missed.

use std::time::Duration;

/// Collects nothing but what is said again at the end.
pub(crate) struct Report {
    quick: bool,
    missed: Vec<String>,
}

impl Report {
    pub(crate) fn new(quick: bool) -> Self {
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        println!("cores: {cores}, others at work (load average, one minute): {}", load());
        if cfg!(debug_assertions) {
            println!("built without optimisation: these figures mean nothing");
        }
        Self { quick, missed: Vec::new() }
    }

    /// How long one rate is measured.
    pub(crate) const fn window(&self) -> Duration {
        if self.quick { Duration::from_millis(500) } else { Duration::from_secs(3) }
    }

    /// How often one duration is measured.
    pub(crate) const fn repeats(&self) -> usize {
        if self.quick { 3 } else { 9 }
    }

    pub(crate) fn section(&self, title: &str) {
        println!("\n{title}");
    }

    pub(crate) fn row(&self, name: &str, value: &str) {
        println!("  {name:<44} {value}");
    }

    /// Says whether an aim is met, now and, when it is not, again at the end.
    pub(crate) fn aim(&mut self, is_met: bool, what: &str) {
        if is_met {
            println!("  aim met: {what}");
        } else {
            println!("  aim missed: {what}");
            self.missed.push(what.to_owned());
        }
    }

    pub(crate) fn finish(self) {
        println!("\nothers at work at the end: {}", load());
        if self.missed.is_empty() {
            println!("every aim that was measured is met");
        }
        for what in self.missed {
            println!("aim missed: {what}");
        }
    }
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

/// A count per second, readable.
pub(crate) fn rate(per_second: f64) -> String {
    let whole = format!("{per_second:.0}");
    let mut text = String::new();
    for (index, digit) in whole.chars().enumerate() {
        if index > 0 && (whole.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text + "/s"
}

pub(crate) fn millis(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}

/// The value below which a part of all samples lies.
pub(crate) fn percentile(sorted: &[Duration], part: f64) -> Duration {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * part).round() as usize).copied().unwrap_or_default()
}

pub(crate) fn median(mut samples: Vec<Duration>) -> Duration {
    samples.sort_unstable();
    percentile(&samples, 0.5)
}
