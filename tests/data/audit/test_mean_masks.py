"""Maps of where infection lies, against plain means."""

from dataclasses import replace

import numpy as np

from covseg.data.audit.mean_masks import mean_mask
from listings import official, without_lungs


def test_it_is_the_mean_of_the_positive_masks_of_these_rows(store):
    rows = store.index.of_split("Train")
    found = mean_mask(store, rows)
    positive = [row for row in rows if store.masks["infection"][row].any()]
    assert 0 < len(positive) < len(rows)
    assert found.n_images == len(positive)
    for name, mean in (("infection", found.lesion), ("lung", found.lung)):
        expected = np.mean([store.masks[name][row] for row in positive], axis=0)
        np.testing.assert_allclose(mean, expected, rtol=1e-5)


def test_no_positive_image_has_no_map(store):
    healthy = [n for n, row in enumerate(store.index.rows) if row.patient_class == "Normal"]
    assert mean_mask(store, healthy) is None
    assert mean_mask(store, []) is None


def test_without_lung_masks_there_is_no_outline(store):
    rows = without_lungs(store.index.rows)
    without = replace(store, index=official(rows), home=None)
    assert mean_mask(without, range(len(rows))).lung is None


def test_a_large_mask_becomes_a_small_map_of_its_shape(store):
    large = np.zeros((len(store.index.rows), 300, 600), np.uint8)
    large[:, :150] = 1
    found = mean_mask(replace(store, masks={"infection": large, "lung": large}, home=None), [0, 1])
    assert found.lesion.shape == found.lung.shape == (64, 128)
    assert found.lesion.mean() == np.float32(0.5)
