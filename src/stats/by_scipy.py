"""Prints what SciPy says of the data on standard input, as JSON: the independent half of the test beside this file."""
import json
import sys

import numpy
from scipy import stats

cases = json.load(sys.stdin)
out = []
for case in cases:
    a, b = numpy.array(case["a"]), numpy.array(case["b"])
    d = b - a
    out.append({
        "signed_rank_p": float(stats.wilcoxon(d, mode="exact").pvalue),
        "walsh_median": float(numpy.median([(x + y) / 2 for i, x in enumerate(d) for y in d[i:]])),
        "rank_sum_p": float(stats.mannwhitneyu(b, a, method="exact").pvalue),
        "welch_p": float(stats.ttest_ind(a, b, equal_var=False).pvalue),
        "spread": float(stats.median_abs_deviation(d, scale=1 / 1.4826)),
    })
json.dump(out, sys.stdout)
