//! Numbers as people read them. Next: `summary.rs`.
//!
//! Durations keep three significant digits and are written in ASCII (`us`, not a Greek letter): terminals, logs and
//! the plot library, which counts bytes, agree on it.
#![forbid(unsafe_code)]

use workloads::wire::Unit;

/// `48.1 us`, `1.20 ms`: nanoseconds with three significant digits.
pub(crate) fn duration(ns: f64) -> String {
    const STEPS: [(f64, &str); 4] = [(1.0, "ns"), (1e3, "us"), (1e6, "ms"), (1e9, "s")];
    if ns == 0.0 {
        return "0 ns".to_owned();
    }
    let sign = if ns < 0.0 { "-" } else { "" };
    let ns = ns.abs();
    if ns >= 99_999.5e9 {
        return format!("{sign}{:.1e} s", ns / 1e9);
    }
    // A value that would round to 1000 belongs to the next unit.
    let fits = |&&(scale, _): &&(f64, &str)| ns / scale < 999.5;
    let &(scale, unit) = STEPS.iter().find(fits).unwrap_or(&STEPS[3]);
    format!("{sign}{} {unit}", significant(ns / scale))
}

/// `20 us`, `1.5 ms`: a tick of an axis, with no more digits than it needs.
pub(crate) fn tick(ns: f64) -> String {
    if ns == 0.0 {
        return "0".to_owned();
    }
    let text = duration(ns);
    let (number, unit) = text.split_once(' ').unwrap_or((&text, ""));
    format!("{} {unit}", trimmed(number))
}

/// `2`, `0.5`, `20,000`: a plain number at a tick of an axis.
pub(crate) fn plain_tick(number: f64) -> String {
    trimmed(&significant(number)).to_owned()
}

fn trimmed(number: &str) -> &str {
    let decimal = number.contains('.') && !number.contains('e');
    if decimal { number.trim_end_matches('0').trim_end_matches('.') } else { number }
}

/// A value of a histogram in its unit.
pub(crate) fn value(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Nanoseconds => duration(value),
        Unit::Count if value.fract() == 0.0 => integer(value as u64),
        Unit::Count => significant(value),
    }
}

/// `19,998/s`, and decimals only for slow rates.
pub(crate) fn rate(per_second: f64) -> String {
    format!("{}/s", significant(per_second))
}

/// `4.25 MiB`.
pub(crate) fn bytes(bytes: u64) -> String {
    const STEPS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut scaled = bytes as f64 / 1024.0;
    let mut step = 0;
    while scaled >= 999.5 && step + 1 < STEPS.len() {
        scaled /= 1024.0;
        step += 1;
    }
    format!("{} {}", significant(scaled), STEPS[step])
}

/// `160,000`.
pub(crate) fn integer(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.char_indices() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `50`, `99.9`: a percentile without trailing zeros.
pub(crate) fn percentile(percentile: f64) -> String {
    format!("p{percentile}")
}

/// Three significant digits, all digits before the point.
pub(crate) fn significant(number: f64) -> String {
    if number == 0.0 {
        "0".to_owned()
    } else if number < 9.995 {
        format!("{number:.2}")
    } else if number < 99.95 {
        format!("{number:.1}")
    } else {
        integer(number.round() as u64)
    }
}

/// `text` without characters that a terminal would obey or XML forbids; line ends and tabs stay.
pub(crate) fn printable(text: &str) -> String {
    let safe = |c: char| match c {
        '\n' | '\t' => c,
        '\u{fffe}' | '\u{ffff}' => '\u{fffd}',
        c if c.is_control() => '\u{fffd}',
        c => c,
    };
    text.chars().map(safe).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_keep_three_digits_and_step_up_before_a_thousand() {
        let cases = [
            (0.0, "0 ns"),
            (7.0, "7.00 ns"),
            (850.0, "850 ns"),
            (999.4, "999 ns"),
            (999.6, "1.00 us"),
            (48_123.0, "48.1 us"),
            (999_600.0, "1.00 ms"),
            (1_204_000.0, "1.20 ms"),
            (3.6e12, "3,600 s"),
            (1e18, "1.0e9 s"),
            (-1500.0, "-1.50 us"),
        ];
        for (ns, text) in cases {
            assert_eq!(duration(ns), text, "{ns} ns");
        }
        assert_eq!(tick(20_000.0), "20 us");
        assert_eq!(tick(1_500_000.0), "1.5 ms");
        assert_eq!(tick(100.0), "100 ns");
        assert_eq!(tick(0.0), "0");
        assert_eq!([4.0, 0.5, 20_000.0].map(plain_tick), ["4", "0.5", "20,000"]);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(integer(0), "0");
        assert_eq!(integer(999), "999");
        assert_eq!(integer(1_000), "1,000");
        assert_eq!(integer(u64::MAX), "18,446,744,073,709,551,615");
        assert_eq!(rate(19_998.4), "19,998/s");
        assert_eq!(rate(1.5), "1.50/s");
        assert_eq!(bytes(1023), "1023 B");
        assert_eq!(bytes(4_456_448), "4.25 MiB");
        assert_eq!(bytes(1023 * 1024), "1.00 MiB");
        assert_eq!(percentile(99.999), "p99.999");
        assert_eq!(percentile(50.0), "p50");
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[31m\tb\nc"), "a\u{fffd}[31m\tb\nc");
    }
}
