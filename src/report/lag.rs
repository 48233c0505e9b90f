//! Which figures hold the load generator's own lateness: each value that is printed of each stream that counts from
//! planned instants is compared with the same quantile of that lateness. Next: `quality.rs`.
#![forbid(unsafe_code)]

use workloads::wire::stream::{LAG, LATENCY};

use super::model::Stream;

/// The part of a value that may be the generator's.
const LATE: f64 = 0.10;

/// Marks what is limited by the generator in `streams`.
pub(super) fn mark(streams: &mut [Stream]) {
    for at in 0..streams.len() {
        let stream = &streams[at];
        // A child that does not say has the two well-known streams.
        let named = stream.lag.as_deref().or_else(|| (stream.name == LATENCY).then_some(LAG));
        let Some(lag) = named.and_then(|name| streams.iter().find(|lag| lag.name == name)).cloned() else {
            continue;
        };
        let stream = &mut streams[at];
        stream.lag = Some(lag.name);
        stream.max_generator_limited = limits(lag.max, stream.max);
        for (of, late) in stream.percentiles.iter_mut().zip(lag.percentiles) {
            of.generator_limited = limits(late.value, of.value);
        }
    }
}

fn limits(late: Option<u64>, value: Option<u64>) -> bool {
    late.zip(value).is_some_and(|(late, value)| late as f64 > value as f64 * LATE)
}

#[cfg(test)]
mod tests {
    use workloads::wire::Unit;

    use super::super::model::Percentile;
    use super::*;

    fn stream(name: &str, lag: Option<&str>, values: [Option<u64>; 3]) -> Stream {
        let percentile = |(percentile, value)| Percentile {
            percentile,
            value,
            samples_beyond: 0,
            thin: false,
            generator_limited: false,
        };
        Stream {
            name: name.to_owned(),
            title: String::new(),
            unit: Unit::Nanoseconds,
            count: 1,
            min: None,
            mean: None,
            stdev: None,
            max: values[2],
            lag: lag.map(str::to_owned),
            max_generator_limited: false,
            percentiles: [50.0, 99.9].into_iter().zip(values).map(percentile).collect(),
        }
    }

    fn marks(of: &Stream) -> [bool; 3] {
        [of.percentiles[0].generator_limited, of.percentiles[1].generator_limited, of.max_generator_limited]
    }

    #[test]
    fn each_value_of_each_stream_is_compared_with_its_own_lag() {
        let mut streams = [
            stream("task", Some("lag"), [Some(1000), Some(3000), Some(9000)]),
            stream("blocking_total", Some("lag"), [Some(1001), Some(100_000), None]),
            stream("service", None, [Some(1), Some(1), Some(1)]),
            stream("lag", None, [Some(100), Some(1500), Some(9000)]),
        ];
        mark(&mut streams);
        assert_eq!(marks(&streams[0]), [false, true, true]);
        assert_eq!(marks(&streams[1]), [false, false, false], "where nothing is printed, nothing is marked");
        assert_eq!(marks(&streams[2]), [false; 3], "it does not count from the plan");
    }

    #[test]
    fn the_well_known_streams_need_no_word() {
        let of = |name| {
            let mut streams = [
                stream(name, None, [Some(10), Some(10), Some(10)]),
                stream(LAG, None, [Some(0), Some(1), Some(2)]),
            ];
            mark(&mut streams);
            (marks(&streams[0]), streams[0].lag.clone())
        };
        assert_eq!(of(LATENCY), ([false, false, true], Some(LAG.to_owned())));
        assert_eq!(of("other"), ([false; 3], None));
    }
}
