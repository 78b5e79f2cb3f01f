"""Every kind of finding has its words."""

from covseg.data.findings import KINDS
from covseg.report.meaning import MEANINGS


def test_every_kind_is_explained_in_whole_sentences():
    assert set(MEANINGS) == set(KINDS)
    for meaning in MEANINGS.values():
        assert meaning.what
        assert meaning.why.endswith(".")
