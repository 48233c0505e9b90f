//! Whether there is what the gates ask for: streams and counters are known at the latest when every workload has run
//! once, and a gate on one that is nowhere ends the comparison then, and not after its last block.
//!
//! Next file to read: `effort.rs`.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;

use workloads::wire::Unit;

use super::effort;
use super::model::{Figures, Setup};
use crate::profile::{Gate, Metric, Of, nearest};

/// What is known of each workload's streams and counters.
#[derive(Clone, Debug)]
pub(crate) struct Known(Vec<Option<Names>>);

#[derive(Clone, Debug, Default)]
struct Names {
    streams: Vec<(String, Option<Unit>)>,
    /// `None`: they are not known yet.
    counters: Option<BTreeSet<String>>,
}

impl Known {
    /// What the bundled workloads say before they run.
    pub(crate) fn before(setup: &Setup) -> Self {
        let side = setup.sides.first();
        let of = |workload: usize| {
            let streams = effort::streams(side?.plans.get(workload)?)?;
            let streams = streams.into_iter().map(|name| (name, None)).collect();
            Some(Names { streams, counters: None })
        };
        Self((0..setup.workloads.len()).map(of).collect())
    }

    /// Nothing.
    pub(crate) fn nothing(setup: &Setup) -> Self {
        Self(vec![None; setup.workloads.len()])
    }

    /// A run of a workload has these.
    pub(crate) fn learn(&mut self, workload: usize, figures: &Figures) {
        let Some(known) = self.0.get_mut(workload) else { return };
        let names = known.get_or_insert_default();
        for stream in &figures.streams {
            if !names.streams.iter().any(|(name, _)| *name == stream.name) {
                names.streams.push((stream.name.clone(), Some(stream.unit)));
            }
        }
        // Counters are divided by operations: without any, as where the account began late, a run has none of them.
        if figures.operations > 0 {
            names.counters.get_or_insert_default().extend(figures.counters.keys().cloned());
        }
    }

    /// What a gate asks for that is nowhere, if that is certain already.
    pub(crate) fn objection(&self, setup: &Setup) -> Option<String> {
        let all: Vec<&Names> = self.0.iter().map(Option::as_ref).collect::<Option<_>>()?;
        setup.gates.iter().find_map(|(metric, gate)| objection(&all, metric, gate))
    }
}

fn objection(all: &[&Names], metric: &Metric, gate: &Gate) -> Option<String> {
    match metric {
        Metric::Percentile(Of::Stream(name), _) => {
            let streams: Vec<_> = all.iter().flat_map(|names| &names.streams).collect();
            if !streams.iter().any(|(stream, _)| stream == name) {
                let names: BTreeSet<_> = streams.iter().map(|(stream, _)| stream.as_str()).collect();
                return Some(nowhere("stream", name, &names));
            }
            limit_of(metric, gate, streams.into_iter().filter(|(stream, _)| stream == name))
        }
        Metric::Percentile(..) => {
            limit_of(metric, gate, all.iter().filter_map(|names| names.streams.first()))
        }
        Metric::Counter(name) => {
            let counters: Vec<_> = all.iter().map(|names| names.counters.as_ref()).collect::<Option<_>>()?;
            let names: BTreeSet<_> = counters.into_iter().flatten().map(String::as_str).collect();
            (!names.contains(name.as_str())).then(|| nowhere("counter", name, &names))
        }
        _ => None,
    }
}

fn nowhere(what: &str, name: &str, there: &BTreeSet<&str>) -> String {
    let near = nearest(name, there.iter().copied());
    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
    let there = there.iter().copied().collect::<Vec<_>>().join(", ");
    format!("a gate asks for `{name}`, and no workload has a {what} of that name{near} (there are: {there})")
}

/// A time as limit of what is none, or the other way round.
fn limit_of<'a>(
    metric: &Metric,
    gate: &Gate,
    mut streams: impl Iterator<Item = &'a (String, Option<Unit>)>,
) -> Option<String> {
    let text = &gate.limit.as_ref()?.text;
    let is_number = text.parse::<f64>().is_ok();
    streams.find_map(|(_, unit)| match (unit, is_number) {
        (Some(Unit::Nanoseconds), true) => {
            Some(format!("{metric} is a time: its limit is one such as 2ms, and not {text}"))
        }
        (Some(Unit::Count), false) => {
            Some(format!("{metric} is no time: its limit is a number, and not {text}"))
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::model::Histogram;
    use super::super::simulated;
    use super::*;
    use crate::profile::set_gate;

    fn figures(stream: &str, unit: Unit, counter: &str) -> Figures {
        let text = stream.to_owned();
        let histogram = Histogram { name: text.clone(), title: text, unit, data: String::new() };
        Figures {
            streams: vec![histogram],
            counters: [(counter.to_owned(), 1.0)].into(),
            operations: 1,
            ..Figures::default()
        }
    }

    fn with(gates: &[(&str, &str)]) -> Setup {
        let mut setup = simulated::setup(1, 8, 2);
        gates.iter().for_each(|(name, text)| set_gate(&mut setup.gates, name, text).unwrap());
        setup
    }

    #[test]
    fn a_gate_on_what_is_nowhere_is_told_as_soon_as_that_is_certain() {
        let setup = with(&[("servise.p99", "5%")]);
        let said = Known::before(&setup).objection(&setup).unwrap();
        assert!(said.contains("no workload has a stream of that name; did you mean `service`?"), "{said}");
        assert_eq!(Known::nothing(&setup).objection(&setup), None);

        let setup = with(&[("kib_hashed", "5%")]);
        let mut known = Known::before(&setup);
        assert_eq!(known.objection(&setup), None, "its runs may count it");
        known.learn(0, &Figures::default());
        assert_eq!(known.objection(&setup), None, "this one counted nothing");
        known.learn(0, &figures("latency", Unit::Nanoseconds, "polls"));
        let said = known.objection(&setup).unwrap();
        assert!(said.contains("no workload has a counter of that name (there are: polls)"), "{said}");
        known.learn(0, &figures("latency", Unit::Nanoseconds, "kib_hashed"));
        assert_eq!(known.objection(&setup), None);
    }

    #[test]
    fn a_limit_in_another_unit_than_its_metric_is_told() {
        let said = |text: &str, unit| {
            let setup = with(&[("p99", text)]);
            let mut known = Known::nothing(&setup);
            known.learn(0, &figures("latency", unit, "polls"));
            known.objection(&setup)
        };
        assert_eq!(said("<2ms", Unit::Nanoseconds), None);
        assert_eq!(said("<2", Unit::Count), None);
        assert!(said("<2", Unit::Nanoseconds).unwrap().contains("is a time"));
        assert!(said("<2ms", Unit::Count).unwrap().contains("is no time"));
    }
}
