"""What a page says of the audit: of the scored images alone, and nothing of copies."""

from covseg import build
from covseg.data import findings
from covseg.data.findings import Finding
from covseg.run.verbs.audit_notes import audit_notes


def test_kinds_are_counted_over_the_scored_images(configured, tmp_path):
    config = configured(f"data.cache_dir={tmp_path}")
    data = build.datamodule(config.data, config.protocol, report="Test")
    data.setup()
    assert audit_notes(data, "Test") == []
    test, train = (
        [row.key for row in data.index.rows if row.split == s] for s in ("Test", "Train")
    )
    found = [
        Finding("infection_is_lung", test[0]),
        Finding("infection_is_lung", test[1]),
        Finding("infection_is_lung", train[0]),
        Finding("odd_name", train[1]),
        Finding("near_duplicate", test[0], test[1], 0.98),
        Finding("masks_disagree", train[0], test[2], 0.5),
    ]
    findings.write(found, findings.cached(tmp_path, data.store.fingerprint))
    assert audit_notes(data, "Test") == [
        "2 image(s) of Test: the mask of the lesion is the lung mask (infection_is_lung of "
        "covseg.explore)",
        "1 image(s) of Test: copies whose masks differ (masks_disagree of covseg.explore)",
    ]
