"""findings.csv comes back as it was written; a file of somebody else is refused in one sentence."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from covseg.config.data import SPLITS
from covseg.data.findings import COLUMNS, COPIES, KINDS, Finding, read, write
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.errors import CovsegError, RunError

keys = st.tuples(
    st.sampled_from(SPLITS),
    st.sampled_from(PATIENT_CLASSES),
    st.text(st.characters(exclude_categories=["C"], exclude_characters="\r\n"), min_size=1),
)
values = st.one_of(st.floats(0, 1).map(lambda v: float(f"{v:.6g}")), st.just(""), st.just("a, b"))
findings = st.one_of(
    st.builds(Finding, st.sampled_from(KINDS), keys, keys, values),
    st.builds(Finding, st.sampled_from([k for k in KINDS if k not in COPIES]), keys, st.none()),
)


@given(st.lists(findings, max_size=8))
def test_what_was_written_is_read(tmp_path_factory, found):
    path = tmp_path_factory.mktemp("findings") / "findings.csv"
    write(found, path)
    assert sorted(map(repr, read(path))) == sorted(map(repr, found))
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)


@given(findings)
def test_a_leak_is_a_copy_or_a_patient_in_another_split(found):
    is_copy = found.kind in (*COPIES, "patient_in_splits") and found.b is not None
    assert found.is_leak == (is_copy and found.a[0] != found.b[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "has other columns than kind,split_a"),
        ("a,b\n1,2\n", "has other columns than kind,split_a"),
        (
            f"{','.join(COLUMNS)}\nnovelty,Train,Normal,a.png,,,,\n",
            "is not a finding (novelty,Train",
        ),
        (f"{','.join(COLUMNS)}\nodd_name,Train\n", "has other columns"),
        (
            f"{','.join(COLUMNS)}\nodd_name,Train,Normal,a.png,Exam,Normal,b.png,\n",
            "is not a finding (odd_name,Train",
        ),
        (
            f"{','.join(COLUMNS)}\nnear_duplicate,Train,Normal,a.png,,,,0.98\n",
            "is not a finding (near_duplicate",
        ),
        ("\xff\xfe\x00", "cannot be read"),
    ],
)
def test_another_file_is_refused(text, sentence, tmp_path):
    path = tmp_path / "findings.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(CovsegError) as refused:
        read(path)
    assert sentence in str(refused.value)
    assert str(path) in str(refused.value)


def test_what_a_spreadsheet_adds_changes_nothing(tmp_path: Path):
    found = [Finding("odd_name", ("Train", "Normal", "a.png"))]
    write(found, tmp_path / "plain.csv")
    text = (tmp_path / "plain.csv").read_text()
    (tmp_path / "saved.csv").write_text(f"\ufeff{text}\n,,,,,,,\n", encoding="utf-8")
    assert read(tmp_path / "saved.csv") == found


def test_a_file_that_is_not_there_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match="cannot be read \\(No such file or directory\\)"):
        read(tmp_path / "findings.csv")
