//! What a comparison can judge, by the names that it has in profiles, on the command line and in files.
//!
//! Next file to read: `gate.rs`.
#![forbid(unsafe_code)]

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::problem::nearest;

/// One figure of a run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) enum Metric {
    /// A percentile of one of the workload's streams.
    Percentile(Of, Rank),
    /// Completed operations a second.
    Throughput,
    /// Processor time of the whole measuring process for each completed operation.
    Cpu,
    /// Context switches of the whole measuring process for each completed operation.
    Switches,
    /// What the workload or the runtime counts under this name, for each completed operation.
    Counter(String),
}

/// Of which stream.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Of {
    /// The workload's first one, which matters most.
    First,
    /// The one of this name.
    Stream(String),
    /// In a gate: all but the first, and but the generator's own lag.
    Others,
}

/// A percentile, in thousandths of a per cent, so that equal ones are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Rank(u32);

impl Rank {
    /// Those that every comparison shows.
    pub(crate) const SHOWN: [Self; 3] = [Self(50_000), Self(99_000), Self(99_900)];
    /// The median.
    pub(crate) const MEDIAN: Self = Self(50_000);
    /// The 99th percentile.
    pub(crate) const P99: Self = Self(99_000);

    /// In parts of 100,000.
    pub(crate) fn parts(self) -> u32 {
        self.0
    }
}

impl Metric {
    /// The first stream's median.
    pub(crate) const P50: Self = Self::Percentile(Of::First, Rank::MEDIAN);
    /// The first stream's 99th percentile.
    pub(crate) const P99: Self = Self::Percentile(Of::First, Rank::P99);
    /// The medians of the other streams, in a gate.
    pub(crate) const OTHER_P50: Self = Self::Percentile(Of::Others, Rank::MEDIAN);

    /// The names that are the same for all workloads.
    pub(crate) const NAMES: [&str; 5] = ["p50", "p99", "throughput", "cpu", "switches"];

    /// Whether a higher figure is the better one, where nobody says otherwise.
    pub(crate) fn more_is_better(&self) -> bool {
        *self == Self::Throughput
    }

    /// Whether runs may have nothing of it at all.
    pub(crate) fn may_be_zero(&self) -> bool {
        matches!(self, Self::Switches | Self::Counter(_))
    }

    /// Whether it is a time whatever the workload.
    pub(crate) fn is_time(&self) -> bool {
        match self {
            Self::Cpu => true,
            Self::Counter(name) => name.ends_with("_ns"),
            _ => false,
        }
    }
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p{}", f64::from(self.0) / 1000.0)
    }
}

impl FromStr for Rank {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let number = text.strip_prefix('p').ok_or(())?;
        let is_plain = number.starts_with(|c: char| c.is_ascii_digit());
        let number: f64 = if is_plain { number.parse().map_err(drop)? } else { return Err(()) };
        let parts = (number * 1000.0).round();
        let fits = (1.0..100_000.0).contains(&parts) && (parts / 1000.0 - number).abs() < 1e-9;
        fits.then_some(Self(parts as u32)).ok_or(())
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Percentile(Of::First, rank) => rank.fmt(f),
            Self::Percentile(Of::Stream(stream), rank) => write!(f, "{stream}.{rank}"),
            Self::Percentile(Of::Others, rank) => write!(f, "*.{rank}"),
            Self::Throughput => f.write_str("throughput"),
            Self::Cpu => f.write_str("cpu"),
            Self::Switches => f.write_str("switches"),
            Self::Counter(name) => f.write_str(name),
        }
    }
}

impl From<Metric> for String {
    fn from(metric: Metric) -> Self {
        metric.to_string()
    }
}

impl TryFrom<String> for Metric {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        name.parse()
    }
}

impl FromStr for Metric {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "throughput" => return Ok(Self::Throughput),
            "cpu" => return Ok(Self::Cpu),
            "switches" => return Ok(Self::Switches),
            _ => {}
        }
        if let Ok(rank) = name.parse() {
            return Ok(Self::Percentile(Of::First, rank));
        }
        if let Some((stream, rank)) = name.split_once(".p")
            && let Ok(rank) = format!("p{rank}").parse()
        {
            let of = if stream == "*" { Of::Others } else { Of::Stream(named(stream)?) };
            return Ok(Self::Percentile(of, rank));
        }
        Ok(Self::Counter(named(name)?))
    }
}

/// A name that a stream or a counter can have.
fn named(name: &str) -> Result<String, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if (1..=80).contains(&name.len()) && name.chars().all(fits) {
        return Ok(name.to_owned());
    }
    Err(format!(
        "`{name}` names no metric: expected one of {}, a stream's such as foreign.p99, or a counter",
        Metric::NAMES.join(", ")
    ))
}

/// The name that was meant where somebody writes one that looks like a misspelt metric.
pub(crate) fn misspelt(name: &str) -> Option<&'static str> {
    let near = nearest(name, Metric::NAMES).filter(|near| *near != name);
    // Counters have names of several words.
    near.filter(|_| !name.contains(['_', '.']) && name.parse::<Rank>().is_err())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_metric_has_a_name_that_reads_back() {
        let names = [
            "p50",
            "p99",
            "p99.9",
            "p99.999",
            "foreign.p99",
            "block_on.p99.9",
            "*.p50",
            "throughput",
            "cpu",
            "switches",
            "kib_hashed",
            "blocking.depth",
        ];
        for name in names {
            let metric: Metric = name.parse().unwrap();
            assert_eq!(metric.to_string(), name);
            let json = serde_json::to_string(&metric).unwrap();
            assert_eq!(serde_json::from_str::<Metric>(&json).unwrap(), metric);
        }
        assert_eq!("p99.0".parse::<Metric>().unwrap(), Metric::P99);
        assert_eq!(
            "a.b.p5".parse::<Metric>().unwrap(),
            Metric::Percentile(Of::Stream("a.b".into()), Rank(5000))
        );
        for wrong in ["", "a b", "*.p", "x/y", "*"] {
            assert!(wrong.parse::<Metric>().is_err(), "{wrong}");
        }
        // No percentile is 0 or 100, and none has more digits than histograms.
        for counter in ["p0", "p100", "p99.9999", "pinf", "p-1", "p+5", "polls"] {
            let parsed = counter.parse::<Metric>();
            assert!(!matches!(parsed, Ok(Metric::Percentile(..))), "{counter}");
        }
    }

    #[test]
    fn what_looks_like_a_misspelt_metric_is_one() {
        assert_eq!(misspelt("thruput"), Some("throughput"));
        assert_eq!(misspelt("switch"), Some("switches"));
        for fine in ["polls", "p98", "cpu", "kib_hashed", "foreign.p99"] {
            assert_eq!(misspelt(fine), None, "{fine}");
        }
    }
}
