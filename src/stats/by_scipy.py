"""Prints what SciPy says of the data on standard input, as JSON: the independent half of the test beside this file.

Intervals are inverted tests: the values that a two-sided test by SciPy does not reject, searched among the pairwise
means or differences, where such a test changes its mind. An equivalence is two one-sided tests.

The committed values are its output: set BY_SCIPY to a file, and the test `scipy_itself` writes them there.
"""
import datetime
import json
import sys

import numpy
import scipy
from scipy import stats


def accepted(values, p, alpha):
    """From the least to the largest value, with a hair's breadth inwards, that the test `p` does not reject."""
    values = numpy.unique(values)
    hair = 1e-9 * max(1.0, float(numpy.abs(values).max()))
    low = next((v for v in values if p(v + hair) > alpha), None)
    high = next((v for v in values[::-1] if p(v - hair) > alpha), None)
    # Without a value that is rejected there is no interval.
    if low is None or p(values[0] - 1.0) > alpha:
        return None
    return [float(low), float(high)]


def tost(d, margin):
    up = stats.wilcoxon(d + margin, method="exact", alternative="greater").pvalue
    down = stats.wilcoxon(d - margin, method="exact", alternative="less").pvalue
    return bool(max(up, down) <= 0.05)


def holm(p, alpha):
    order = numpy.argsort(p)
    adjusted = numpy.maximum.accumulate([(len(p) - i) * p[at] for i, at in enumerate(order)])
    falls = numpy.empty(len(p), dtype=bool)
    falls[order] = adjusted <= alpha
    return falls.tolist()


given = json.load(sys.stdin)
margins = given["margins"]
out = []
for case in given["cases"]:
    a, b = numpy.array(case["a"]), numpy.array(case["b"])
    d = b - a
    walsh = numpy.array([(x + y) / 2 for i, x in enumerate(d) for y in d[i:]])
    shifts = numpy.subtract.outer(b, a).ravel()
    signed = lambda v: stats.wilcoxon(d - v, method="exact").pvalue
    summed = lambda v: stats.mannwhitneyu(b - v, a, method="exact").pvalue
    mean = stats.bootstrap((d,), numpy.mean, method="percentile", n_resamples=20000, rng=1).confidence_interval
    out.append({
        "signed_rank_p": float(signed(0.0)),
        "walsh_median": float(numpy.median(walsh)),
        "signed_rank_95": accepted(walsh, signed, 0.05),
        "signed_rank_90": accepted(walsh, signed, 0.10),
        "equivalent": [tost(d, margin) for margin in margins],
        "rank_sum_p": float(summed(0.0)),
        "shift": float(numpy.median(shifts)),
        "rank_sum_95": accepted(shifts, summed, 0.05),
        "welch_p": float(stats.ttest_ind(a, b, equal_var=False).pvalue),
        "spread": float(stats.median_abs_deviation(d, scale=1 / 1.4826)),
        "bootstrap_95": [float(mean.low), float(mean.high)],
        "standard_error": float(stats.sem(d)),
    })
p = numpy.array([case["rank_sum_p"] for case in out])
json.dump({
    "scipy": scipy.__version__,
    "date": datetime.date.today().isoformat(),
    "cases": out,
    "holm": holm(p, 0.05),
    "benjamini_hochberg": (stats.false_discovery_control(p, method="bh") <= 0.10).tolist(),
}, sys.stdout, indent=1)
print()
