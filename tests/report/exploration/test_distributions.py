"""Percentiles by split and class are those of the images that have the statistic."""

import numpy as np

from covseg.report.exploration.distributions import by_group


def test_missing_numbers_and_empty_groups_are_left_out(store):
    index = store.index
    values = np.arange(float(len(index.rows)))
    normal = np.array([row.patient_class == "Normal" for row in index.rows])
    values[normal] = np.nan
    values[0] = np.nan
    groups = by_group(values, index)
    assert {patient_class for _, patient_class in groups} == {"COVID-19", "Non-COVID"}
    for (split, patient_class), cuts in groups.items():
        here = [n for n, r in enumerate(index.rows) if r.key[:2] == (split, patient_class) and n]
        assert cuts.n_images == len(here)
        assert cuts.p50 == np.median(here)
        assert cuts.p5 <= cuts.p25 <= cuts.p50 <= cuts.p75 <= cuts.p95
