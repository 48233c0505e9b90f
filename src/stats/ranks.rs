//! Ranks with ties, and the distribution of their sums under the hypothesis that signs or labels are arbitrary.
//!
//! Ties get the mean of their ranks. All ranks are doubled here, so that such means are whole numbers.
//!
//! Next file to read: `robust.rs`.
#![forbid(unsafe_code)]

/// Twice the rank of each value among `values`.
pub(super) fn doubled(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0; values.len()];
    let mut from = 0;
    while from < order.len() {
        let ties = order[from..].iter().take_while(|&&at| values[at] == values[order[from]]).count();
        // The mean of from+1 .. from+ties, doubled.
        let rank = 2 * from + ties + 1;
        order[from..from + ties].iter().for_each(|&at| ranks[at] = rank);
        from += ties;
    }
    ranks
}

/// The probability of each sum of `ranks` when each of them is in with probability one half.
pub(super) fn signed_sums(ranks: &[usize]) -> Vec<f64> {
    let mut of_sum = vec![0.0; ranks.iter().sum::<usize>() + 1];
    of_sum[0] = 1.0;
    let mut most = 0;
    for &rank in ranks {
        most += rank;
        for sum in (0..=most).rev() {
            let with = if sum >= rank { of_sum[sum - rank] } else { 0.0 };
            of_sum[sum] = 0.5 * (of_sum[sum] + with);
        }
    }
    of_sum
}

/// The probability of each sum of `chosen` of `ranks`, all choices alike.
pub(super) fn chosen_sums(ranks: &[usize], chosen: usize) -> Vec<f64> {
    let sums = ranks.iter().sum::<usize>() + 1;
    // After each rank, the chance to have taken so many so far with this sum. Taking the ranks one by one with the
    // probability that what is left to choose has of what is left to see keeps every number between 0 and 1.
    let mut of = vec![vec![0.0; sums]; chosen + 1];
    of[0][0] = 1.0;
    let mut most = 0;
    for (seen, &rank) in ranks.iter().enumerate() {
        let left = (ranks.len() - seen) as f64;
        for taken in (0..=chosen.min(seen)).rev() {
            let take = (chosen - taken) as f64 / left;
            for sum in (0..=most).rev() {
                let here = of[taken][sum];
                if here == 0.0 {
                    continue;
                }
                of[taken][sum] = here * (1.0 - take);
                if taken < chosen {
                    of[taken + 1][sum + rank] += here * take;
                }
            }
        }
        most += rank;
    }
    of.swap_remove(chosen)
}

/// Twice the smaller tail of `of_sum` at `observed`, at most 1.
pub(super) fn two_sided(of_sum: &[f64], observed: usize) -> f64 {
    let below: f64 = of_sum[..=observed].iter().sum();
    let above: f64 = of_sum[observed..].iter().sum();
    (2.0 * below.min(above)).min(1.0)
}

/// The largest `c` for which a tail up to `c` holds at most half of `alpha`.
pub(super) fn critical(of_sum: &[f64], alpha: f64) -> Option<usize> {
    let mut tail = 0.0;
    let fits = |probability: &&f64| {
        tail += **probability;
        2.0 * tail <= alpha
    };
    of_sum.iter().take_while(fits).count().checked_sub(1)
}
