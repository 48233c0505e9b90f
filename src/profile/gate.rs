//! Gates: which metrics decide a comparison, and by which change or limit.
//!
//! Next file to read: `compare.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::metric::{Metric, Of, misspelt};

/// The gates of a comparison, by what they judge.
pub(crate) type Gates = BTreeMap<Metric, Gate>;

/// How a metric decides. Neither: it does not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Gate {
    /// By its change against the reference.
    pub(crate) change: Option<Change>,
    /// By what it is on the candidate, whatever the reference.
    pub(crate) limit: Option<Limit>,
}

/// The change that does not matter yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// Relative: 0.05 is 5 %.
    pub(crate) margin: f64,
    pub(crate) more_is_better: bool,
    /// Whether it decides only where the runs allow a judgement, and is left out where they do not.
    pub(crate) if_possible: bool,
}

/// A bound for the figure itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Limit {
    pub(crate) kind: Bound,
    /// In the metric's unit; times in nanoseconds.
    pub(crate) value: f64,
    /// As it was written.
    pub(crate) text: String,
}

/// On which side of a limit the good figures are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bound {
    Below,
    Above,
}

/// The gates where nobody says anything: medians, tail, throughput and cost.
pub(super) fn defaults() -> Gates {
    let gate = |metric: Metric, margin: f64, if_possible: bool| {
        let more_is_better = metric.more_is_better();
        (metric, Gate { change: Some(Change { margin, more_is_better, if_possible }), limit: None })
    };
    [
        gate(Metric::P50, 0.03, false),
        gate(Metric::P99, 0.10, true),
        gate(Metric::OTHER_P50, 0.05, true),
        gate(Metric::Throughput, 0.03, true),
        gate(Metric::Cpu, 0.03, false),
    ]
    .into()
}

/// The name that stands for all gates, to turn them off.
pub(super) const ALL: &str = "all";

/// Sets one gate: `5%`, `<2ms`, both of them with a comma between, or `off`; `all` can only be off.
///
/// # Errors
///
/// What was expected.
pub(crate) fn set_gate(gates: &mut Gates, name: &str, text: &str) -> Result<(), String> {
    if name == ALL {
        gates.clear();
        return if text.trim() == "off" {
            Ok(())
        } else {
            Err("all gates together can only be off".to_owned())
        };
    }
    if let Some(near) = misspelt(name) {
        let names = Metric::NAMES.join(", ");
        return Err(format!(
            "no metric is named `{name}`; did you mean `{near}`? (metrics: {names}, a stream's such as foreign.p99, a \
             counter)"
        ));
    }
    let metric: Metric = name.parse()?;
    if text.trim() == "off" {
        // A stream's own entry says that it is not one of the others.
        match &metric {
            Metric::Percentile(Of::Stream(_), _) => drop(gates.insert(metric, Gate::default())),
            _ => drop(gates.remove(&metric)),
        }
        return Ok(());
    }
    let mut gate = gates.get(&metric).cloned().unwrap_or_default();
    for part in text.split(',').map(str::trim) {
        match part.strip_prefix(['<', '>']) {
            Some(value) => {
                let kind = if part.starts_with('<') { Bound::Below } else { Bound::Above };
                gate.limit = Some(Limit {
                    kind,
                    value: amount(&metric, value.trim())?,
                    text: value.trim().to_owned(),
                });
            }
            None => gate.change = Some(change(&metric, part)?),
        }
    }
    gates.insert(metric, gate);
    Ok(())
}

/// Cuts `p99=5%`, `p99<2ms` or `p99=off` into the name and what [`set_gate`] takes.
pub(crate) fn cut_gate(text: &str) -> Result<(&str, &str), String> {
    let at = text
        .find(['=', '<', '>'])
        .ok_or("expected METRIC=MARGIN, such as p99=5%, or METRIC<LIMIT, such as p99<2ms")?;
    let (name, rest) = text.split_at(at);
    Ok((name.trim(), rest.strip_prefix('=').unwrap_or(rest)))
}

/// Reads `3%`, `+3%`, `-3%`, each with `?` behind it or not.
fn change(metric: &Metric, text: &str) -> Result<Change, String> {
    let (text, if_possible) = match text.strip_suffix('?') {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (share, more_is_better) = match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(share), _) => (share, false),
        (_, Some(share)) => (share, true),
        _ => (text, metric.more_is_better()),
    };
    let number = share.strip_suffix('%').and_then(|number| number.trim().parse::<f64>().ok());
    match number {
        Some(number) if (0.01..=1000.0).contains(&number) => {
            Ok(Change { margin: number / 100.0, more_is_better, if_possible })
        }
        _ => Err("expected a share such as 3%, from 0.01% to 1000%, a limit such as <2ms, or for a gate off"
            .to_owned()),
    }
}

/// Reads what a limit is compared with: a time, or a number for what is none.
fn amount(metric: &Metric, text: &str) -> Result<f64, String> {
    let number = || {
        let number = text.strip_suffix("/s").unwrap_or(text).replace('_', "");
        number.parse::<f64>().ok().filter(|number| number.is_finite() && *number > 0.0)
    };
    let time = || Some(humantime::parse_duration(text).ok()?.as_nanos() as f64).filter(|ns| *ns > 0.0);
    let found = match metric {
        Metric::Percentile(..) => time().or_else(number),
        metric if metric.is_time() => time(),
        _ => number(),
    };
    found.ok_or_else(|| match metric {
        Metric::Percentile(..) => format!("expected a limit such as 2ms, or a number, and not `{text}`"),
        metric if metric.is_time() => format!("expected a limit such as 20us, and not `{text}`"),
        _ => format!("expected a number above 0 as limit, and not `{text}`"),
    })
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.kind == Bound::Below { '<' } else { '>' };
        write!(f, "{sign}{}", self.text)
    }
}

/// A gate as it is written.
pub(crate) fn gate_text(metric: &Metric, gate: &Gate) -> String {
    let change = gate.change.as_ref().map(|change| {
        let sign = match change.more_is_better {
            more if more == metric.more_is_better() => "",
            true => "-",
            false => "+",
        };
        format!("{sign}{}{}", percent_text(change.margin), if change.if_possible { "?" } else { "" })
    });
    let limit = gate.limit.as_ref().map(Limit::to_string);
    let parts: Vec<_> = [change, limit].into_iter().flatten().collect();
    if parts.is_empty() { "off".to_owned() } else { parts.join(", ") }
}

/// Writes 0.03 as `3%`.
pub(crate) fn percent_text(share: f64) -> String {
    format!("{}%", (share * 1e6).round() / 1e4)
}

/// The gates of a workload with these streams, in its own order: those of the others spelt out.
pub(crate) fn resolved(gates: &Gates, streams: &[&str]) -> Gates {
    let mut resolved = Gates::new();
    let (first, others) = match streams.split_first() {
        Some((first, others)) => (Some(*first), others),
        None => (None, streams),
    };
    for (metric, gate) in gates {
        let Metric::Percentile(Of::Others, rank) = metric else { continue };
        for stream in others.iter().filter(|stream| **stream != workloads::wire::stream::LAG) {
            let of = Of::Stream((*stream).to_owned());
            resolved.insert(Metric::Percentile(of, *rank), gate.clone());
        }
    }
    for (metric, gate) in gates {
        match metric {
            Metric::Percentile(Of::Others, _) => {}
            Metric::Percentile(Of::Stream(name), rank) if Some(name.as_str()) == first => {
                resolved.insert(Metric::Percentile(Of::First, *rank), gate.clone());
            }
            _ => drop(resolved.insert(metric.clone(), gate.clone())),
        }
    }
    resolved.retain(|_, gate| gate.change.is_some() || gate.limit.is_some());
    resolved
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(written: &[(&str, &str)]) -> Result<Gates, String> {
        let mut gates = defaults();
        written.iter().try_for_each(|(name, text)| set_gate(&mut gates, name, text))?;
        Ok(gates)
    }

    fn texts(gates: &Gates) -> Vec<(String, String)> {
        gates.iter().map(|(metric, gate)| (metric.to_string(), gate_text(metric, gate))).collect()
    }

    #[test]
    fn what_is_written_reads_back_as_the_same_gates() {
        let written = [
            ("all", "off"),
            ("p99", "5%, <2ms"),
            ("p50", "1%?"),
            ("foreign.p99.9", "20%"),
            ("worker.p50", "off"),
            ("kib_hashed", "-5%"),
            ("polls", "7.5%"),
            ("throughput", "3%, >50000"),
            ("cpu", "<20us"),
        ];
        let gates = set(&written).unwrap();
        let shown = texts(&gates);
        let again: Vec<_> = shown.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
        assert_eq!(set(&[&[("all", "off")], again.as_slice()].concat()).unwrap(), gates);
        let mut expected: Vec<_> =
            written[1..].iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        let mut shown = shown;
        shown.sort();
        expected.sort();
        assert_eq!(shown, expected);
        let limit = gates[&Metric::P99].limit.as_ref().unwrap();
        assert_eq!((limit.kind, limit.value), (Bound::Below, 2e6));
        assert!(gates[&Metric::Counter("kib_hashed".to_owned())].change.as_ref().unwrap().more_is_better);
    }

    #[test]
    fn a_limit_joins_the_margin_that_is_there() {
        let gates = set(&[("p99", "<2ms")]).unwrap();
        assert_eq!(gate_text(&Metric::P99, &gates[&Metric::P99]), "10%?, <2ms");
        let gates = set(&[("p99", "<2ms"), ("p99", "off")]).unwrap();
        assert!(!gates.contains_key(&Metric::P99));
    }

    #[test]
    fn what_is_no_gate_says_what_was_expected() {
        let refused = [
            ("thruput", "3%", "did you mean `throughput`?"),
            ("p99", "much", "3%"),
            ("p99", "0%", "from 0.01%"),
            ("p99", "<soon", "2ms"),
            ("cpu", "<5", "20us"),
            ("throughput", "<2ms", "a number above 0"),
            ("a b", "3%", "names no metric"),
            ("all", "3%", "can only be off"),
        ];
        for (name, text, said) in refused {
            let error = set(&[(name, text)]).unwrap_err();
            assert!(error.contains(said), "{name}={text}: {error}");
        }
        assert_eq!(cut_gate("p99=5%"), Ok(("p99", "5%")));
        assert_eq!(cut_gate("p99<2ms"), Ok(("p99", "<2ms")));
        assert_eq!(cut_gate("throughput > 5"), Ok(("throughput", "> 5")));
        assert!(cut_gate("p99").is_err());
    }

    #[test]
    fn the_gates_of_a_workload_are_those_of_its_streams() {
        let names = |gates: &Gates| gates.keys().map(Metric::to_string).collect::<Vec<_>>();
        let streams = ["worker", "foreign", "block_on", "lag"];
        let gates = set(&[("worker.p99.9", "20%"), ("foreign.p50", "off"), ("lag.p50", "5%")]).unwrap();
        assert_eq!(
            names(&resolved(&gates, &streams)),
            ["p50", "p99", "p99.9", "block_on.p50", "lag.p50", "throughput", "cpu"]
        );
        assert_eq!(names(&resolved(&defaults(), &["latency"])), ["p50", "p99", "throughput", "cpu"]);
    }
}
