//! The quantile curves of all sides, with bands from whole blocks drawn again and again.
//!
//! Next file to read: `output/mod.rs`.
#![forbid(unsafe_code)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2DeflateSerializer};
use workloads::wire::{Stream, Unit};

use super::model::{self, Figures};
use super::series::Runs;
use crate::stats::bootstrap::{Band, Pile, band};

/// Drawings of each band.
const DRAWS: usize = if cfg!(test) { 50 } else { 1000 };
/// Points for each nine of a curve.
const POINTS: f64 = 24.0;
/// A curve ends where fewer samples lie beyond.
const FEWEST_BEYOND: f64 = 10.0;

/// Quantile curves of one stream.
#[derive(Clone, Debug)]
pub(crate) struct Curves {
    pub(crate) title: String,
    pub(crate) unit: Unit,
    /// `-log10(1 - q)` of each quantile q.
    pub(crate) nines: Vec<f64>,
    /// One for each side, the reference first.
    pub(crate) sides: Vec<Band>,
    /// Log ratios of each further side to the reference.
    pub(crate) shifts: Vec<Band>,
}

/// The curves of a stream. `None`: some runs have no histogram of it, or too few samples.
pub(crate) fn of(sides: &[Runs<'_>], paired: bool, stream: &str, seed: u64) -> Option<Curves> {
    let all = || sides.iter().flatten().flatten();
    let meaning = all().find_map(|run| run.streams.iter().find(|other| other.name == stream))?;
    let piles: Vec<Pile> = sides.iter().map(|runs| pile(runs, stream)).collect::<Option<_>>()?;
    let fewest = piles.iter().map(Pile::samples).min()?;
    let most = (fewest as f64 / FEWEST_BEYOND).log10();
    if !most.is_finite() || most <= 0.0 {
        return None;
    }
    let nines: Vec<f64> =
        (0..).map(|nth| f64::from(nth) / POINTS).take_while(|nines| *nines <= most).collect();
    let quantiles: Vec<f64> = nines.iter().map(|nines| 1.0 - 10f64.powf(-nines)).collect();
    let curve = |pile: &Pile, weights: &[u64]| pile.quantiles(weights, &quantiles);
    let one = |pile: &Pile| band(pile.blocks(), DRAWS, seed, |weights| curve(pile, weights));
    let ratio = |a: Vec<f64>, b: Vec<f64>| {
        let log = |(a, b): (&f64, &f64)| (b.max(1.0) / a.max(1.0)).ln();
        a.iter().zip(&b).map(log).collect::<Vec<_>>()
    };
    let (a, others) = piles.split_first()?;
    let shift = |b: &Pile| match paired && a.blocks() == b.blocks() {
        true => band(a.blocks(), DRAWS, seed, |weights| ratio(curve(a, weights), curve(b, weights))),
        // Blocks of either side are drawn by themselves.
        false => band(a.blocks() + b.blocks(), DRAWS, seed, |weights| {
            let (of_a, of_b) = weights.split_at(a.blocks());
            let all = |weights: &[u64]| match weights.iter().any(|weight| *weight > 0) {
                true => weights.to_vec(),
                false => vec![1; weights.len()],
            };
            ratio(curve(a, &all(of_a)), curve(b, &all(of_b)))
        }),
    };
    let (title, unit) = (meaning.title.clone(), meaning.unit);
    let shifts = others.iter().map(shift).collect();
    Some(Curves { title, unit, sides: piles.iter().map(one).collect(), shifts, nines })
}

/// Each block's histograms. `None`: one is missing or broken.
fn pile(runs: &Runs<'_>, stream: &str) -> Option<Pile> {
    let samples = |run: &Figures| {
        let kept = run.streams.iter().find(|other| other.name == stream)?;
        let bytes = STANDARD.decode(&kept.data).ok()?;
        let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut bytes.as_slice()).ok()?;
        let steps = histogram.iter_recorded();
        Some(steps.map(|step| (step.value_iterated_to(), step.count_at_value())).collect::<Vec<_>>())
    };
    let block = |[first, second]: &[&Figures; 2]| Some([samples(first)?, samples(second)?].concat());
    let blocks = runs.iter().map(block).collect::<Option<Vec<_>>>()?;
    (!blocks.is_empty()).then(|| Pile::new(&blocks))
}

/// A histogram as it is kept.
pub(crate) fn kept(stream: &Stream, histogram: &Histogram<u64>) -> Option<model::Histogram> {
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()?;
    let Stream { name, title, unit, .. } = stream.clone();
    Some(model::Histogram { name, title, unit, data: STANDARD.encode(bytes) })
}
