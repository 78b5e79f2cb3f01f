"""Kaggle's dataset through kagglehub, or the way to get it by hand."""

import sys
from types import SimpleNamespace

import pytest

from covseg.data.layouts.covid_qu_ex.download import KAGGLE_DATASET, download
from covseg.errors import DataError


def test_without_kagglehub_a_download_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(DataError, match="needs kagglehub: run pip install kagglehub"):
        download(tmp_path)


def test_a_download_gives_the_folder_that_kagglehub_gives(monkeypatch, tmp_path):
    asked = []
    fake = SimpleNamespace(dataset_download=lambda name: asked.append(name) or str(tmp_path))
    monkeypatch.setitem(sys.modules, "kagglehub", fake)
    assert download(tmp_path) == tmp_path
    assert asked == [KAGGLE_DATASET]


def test_a_download_that_fails_is_said_with_its_cause_and_the_way_by_hand(monkeypatch, tmp_path):
    def fail(name):
        raise ConnectionError("no route to host")

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=fail))
    with pytest.raises(DataError, match="no route to host") as caught:
        download(tmp_path)
    assert KAGGLE_DATASET in str(caught.value)
