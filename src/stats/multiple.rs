//! Many tests at once: what is left significant.
//!
//! Next file to read: `bootstrap.rs`.
#![forbid(unsafe_code)]

/// Which of these hypotheses fall at family-wise level `alpha` (S. Holm, Scandinavian Journal of Statistics 6, 1979).
pub(crate) fn holm(p: &[f64], alpha: f64) -> Vec<bool> {
    let order = ascending(p);
    let mut falls = vec![false; p.len()];
    for (nth, &at) in order.iter().enumerate() {
        if p[at] > alpha / (p.len() - nth) as f64 {
            break;
        }
        falls[at] = true;
    }
    falls
}

/// Which of these fall when a share `q` of those that do may do so wrongly (Y. Benjamini and Y. Hochberg, Journal of
/// the Royal Statistical Society B 57, 1995).
pub(crate) fn benjamini_hochberg(p: &[f64], q: f64) -> Vec<bool> {
    let order = ascending(p);
    let fits = |nth: usize| p[order[nth]] <= q * (nth + 1) as f64 / p.len() as f64;
    let last = (0..p.len()).rev().find(|&nth| fits(nth));
    let mut falls = vec![false; p.len()];
    if let Some(last) = last {
        order[..=last].iter().for_each(|&at| falls[at] = true);
    }
    falls
}

fn ascending(p: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_by(|&a, &b| p[a].total_cmp(&p[b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holm_steps_down_and_stops_at_the_first_that_stands() {
        assert_eq!(holm(&[0.01, 0.04, 0.03, 0.005], 0.05), [true, false, false, true]);
        assert_eq!(holm(&[0.04], 0.05), [true]);
        assert_eq!(holm(&[], 0.05), Vec::<bool>::new());
    }

    /// The example of Benjamini and Hochberg's paper: 15 p-values, of which the first four fall at 5 %.
    #[test]
    fn the_papers_example() {
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let falls = benjamini_hochberg(&p, 0.05);
        assert_eq!(falls.iter().filter(|falls| **falls).count(), 4);
        assert_eq!(
            holm(&p, 0.05).iter().filter(|falls| **falls).count(),
            3,
            "as the paper says of Bonferroni's"
        );
    }
}
