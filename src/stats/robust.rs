//! Location, spread and serial dependence that one wild value does not move far.
//!
//! Next file to read: `power.rs`.
#![forbid(unsafe_code)]

/// Makes a median absolute deviation estimate the standard deviation of normal values.
const TO_SIGMA: f64 = 1.4826;

/// The median of values in ascending order.
pub(crate) fn median_of_sorted(sorted: &[f64]) -> Option<f64> {
    let half = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[half]),
        _ => Some((sorted[half - 1] + sorted[half]) / 2.0),
    }
}

/// The values in ascending order.
pub(crate) fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The median.
pub(crate) fn median(values: &[f64]) -> Option<f64> {
    median_of_sorted(&sorted(values))
}

/// The quartiles: the median, and the medians of what lies on either side of it, itself included where it is a value.
pub(crate) fn quartiles(values: &[f64]) -> Option<[f64; 3]> {
    let sorted = sorted(values);
    let half = sorted.len().div_ceil(2);
    Some([
        median_of_sorted(&sorted[..half])?,
        median_of_sorted(&sorted)?,
        median_of_sorted(&sorted[sorted.len() - half..])?,
    ])
}

/// The scaled median absolute deviation: the standard deviation, were the values normal.
pub(crate) fn spread(values: &[f64]) -> Option<f64> {
    let center = median(values)?;
    let away: Vec<_> = values.iter().map(|value| (value - center).abs()).collect();
    Some(TO_SIGMA * median(&away)?)
}

/// The correlation of each value with the next. `None`: fewer than four values, or all alike.
pub(crate) fn lag_one(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let product: f64 = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum();
    (values.len() >= 4 && square > 0.0).then(|| product / square)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_medians_spreads_and_correlations() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&[]), None);
        assert_eq!(quartiles(&[5.0, 1.0, 4.0, 2.0, 3.0]), Some([2.0, 3.0, 4.0]));
        assert_eq!(quartiles(&[1.0, 2.0, 3.0, 4.0]), Some([1.5, 2.5, 3.5]));
        assert_eq!(quartiles(&[]), None);
        // The example of the modified z-score's handbook page: 1, 1, 2, 2, 4, 6, 9 has the deviation 1.
        assert_eq!(spread(&[1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0]), Some(TO_SIGMA));
        assert_eq!(spread(&[1.0, 1.0, 1.0, 1e9]), Some(0.0), "one wild value");
        assert_eq!(lag_one(&[1.0, -1.0, 1.0, -1.0]), Some(-0.75));
        assert_eq!(lag_one(&[1.0, 1.0, 1.0, 1.0]), None);
        assert_eq!(lag_one(&[1.0, 2.0, 3.0]), None);
    }
}
