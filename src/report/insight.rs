//! What the runtime tells of itself beyond counts: figures of its histograms and of its levels. Next: `quality.rs`.
#![forbid(unsafe_code)]

use workloads::wire::{Bucket, RuntimeCounters};

use super::model::{Counters, Durations, Level};

/// The model's counters from the wire's.
pub(super) fn counters(of: &RuntimeCounters) -> Counters {
    let durations = |(name, buckets): (&String, &Vec<Bucket>)| Some((name.clone(), durations(buckets)?));
    let level = |(name, level): (&String, &workloads::wire::Level)| {
        let mean = level.sum as f64 / level.samples as f64;
        (level.samples > 0).then(|| (name.clone(), Level { mean, max: level.max }))
    };
    Counters {
        workers: of.workers.clone(),
        global: of.global.clone(),
        steals: of.steals.clone(),
        histograms: of.histograms.iter().filter_map(durations).collect(),
        levels: of.levels.iter().filter_map(level).collect(),
    }
}

/// The sum of several slices' counters.
pub(super) fn sum<'a>(slices: impl IntoIterator<Item = &'a RuntimeCounters>) -> RuntimeCounters {
    let mut sums = RuntimeCounters::default();
    slices.into_iter().for_each(|slice| sums.add(slice));
    sums
}

/// The figures of a histogram. `None`: it is empty.
fn durations(buckets: &[Bucket]) -> Option<Durations> {
    let count = buckets.iter().fold(0_u64, |sum, bucket| sum.saturating_add(bucket.count));
    if count == 0 {
        return None;
    }
    let sum: f64 = buckets.iter().map(|bucket| bucket.count as f64 * inside(bucket, 0.5)).sum();
    let at = |quantile| value_at(buckets, count, quantile);
    let last = buckets.iter().rev().find(|bucket| bucket.count > 0)?;
    Some(Durations {
        count,
        mean: sum / count as f64,
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: inside(last, 1.0),
    })
}

/// The value at a quantile: within its bucket, as if the values in there were spread evenly.
fn value_at(buckets: &[Bucket], count: u64, quantile: f64) -> f64 {
    let rank = quantile * count as f64;
    let mut below = 0.0;
    for bucket in buckets.iter().filter(|bucket| bucket.count > 0) {
        let within = bucket.count as f64;
        if below + within >= rank {
            return inside(bucket, ((rank - below) / within).clamp(0.0, 1.0));
        }
        below += within;
    }
    buckets.last().map_or(0.0, |bucket| inside(bucket, 1.0))
}

/// The value at a part of a bucket's width. The last bucket of a histogram has no end: its values are its beginning's.
fn inside(bucket: &Bucket, part: f64) -> f64 {
    let from = bucket.from_ns as f64;
    if bucket.to_ns == u64::MAX { from } else { from + (bucket.to_ns as f64 - from) * part }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buckets(of: &[(u64, u64, u64)]) -> Vec<Bucket> {
        of.iter().map(|&(from_ns, to_ns, count)| Bucket { from_ns, to_ns, count }).collect()
    }

    #[test]
    fn quantiles_lie_within_their_buckets() {
        let histogram = buckets(&[(0, 100, 50), (100, 200, 40), (800, 1000, 10)]);
        let figures = durations(&histogram).unwrap();
        assert_eq!((figures.count, figures.p50, figures.p90, figures.max), (100, 100.0, 200.0, 1000.0));
        assert_eq!([figures.p99, figures.p999].map(f64::round), [980.0, 998.0]);
        assert_eq!(figures.mean, (50.0 * 50.0 + 40.0 * 150.0 + 10.0 * 900.0) / 100.0);
        assert_eq!(durations(&buckets(&[(0, 100, 0)])), None);
    }

    #[test]
    fn a_bucket_without_an_end_stands_for_its_beginning() {
        let figures = durations(&buckets(&[(0, 10, 1), (10, u64::MAX, 3)])).unwrap();
        assert_eq!((figures.p50, figures.max), (10.0, 10.0));
    }

    #[test]
    fn slices_add_up() {
        let level = |max| workloads::wire::Level { samples: 1, sum: max, max };
        let slice = |polls: u64, steals: Vec<Vec<u64>>, histogram, depth| RuntimeCounters {
            workers: vec![[("polls".to_owned(), polls)].into()],
            global: [("spawned".to_owned(), polls)].into(),
            steals,
            histograms: [("poll_time".to_owned(), buckets(histogram))].into(),
            levels: [("queue".to_owned(), level(depth))].into(),
        };
        let one = slice(3, vec![vec![0, 1], vec![2, 0]], &[(0, 10, 1), (20, 30, 5)], 4);
        let two = slice(4, vec![vec![0, 1], vec![2, 0]], &[(10, 20, 2), (20, 30, 1)], 2);
        let all = sum([&one, &two]);
        assert_eq!(all.workers[0]["polls"], 7);
        assert_eq!(all.global["spawned"], 7);
        assert_eq!(all.steals, [[0, 2], [4, 0]]);
        assert_eq!(all.histograms["poll_time"], buckets(&[(0, 10, 1), (10, 20, 2), (20, 30, 6)]));
        let told = counters(&all);
        assert_eq!(told.levels["queue"], Level { mean: 3.0, max: 4 });
        assert_eq!(told.histograms["poll_time"].count, 9);
    }
}
