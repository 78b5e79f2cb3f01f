"""``covseg.results``: a document with the numbers of run folders of the same images."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
import yaml

from covseg.config.node import SHIPPED
from covseg.config.results import Results
from covseg.errors import ConfigError, RunError
from covseg.run.verbs.results import write_results

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "results.md"
OURS = ROOT / "docs" / "runs" / "main_seed0"


def written(out: Path, *runs: Path, command: str = "typed") -> str:
    write_results(Results(runs=list(map(str, runs))), out, command)
    return (out / "results.md").read_text(encoding="utf-8")


def table(text: str, title: str) -> dict[str, list[str]]:
    """The rows of a section's table, by their first cell."""
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row[1:] for row in rows}


def test_the_document_of_the_repository_is_what_its_command_writes(tmp_path, monkeypatch):
    text = DOCUMENT.read_text(encoding="utf-8")
    command = re.search(r"Written by\n`(.+?)`", text)[1]
    runs = re.search(r"runs=\[(.+?)\]", " ".join(shlex.split(command)))[1]
    monkeypatch.chdir(ROOT)
    assert written(tmp_path, *map(Path, runs.split(",")), command=command) == text


def test_every_score_stands_there_with_its_interval_and_in_one_table(tmp_path):
    text = written(tmp_path, SHIPPED, OURS)
    summary = json.loads((OURS / "summary.json").read_text())
    tables = [table(text, title) for title in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    for name, entry in summary["scores"].items():
        cells = [
            of["`main_seed0`"][place]
            for of in tables[1:6]
            for place, title in enumerate(next(iter(of.values())))
            if name in title
        ]
        expected = f"{entry['value']:.4f} ({entry['low']:.3f}–{entry['high']:.3f})"
        assert cells == [expected], name
    rest = summary["without_leaks"]
    without = table(text, "Without images that leak")["`main_seed0`"]
    assert without[0] == f"{rest['n_images']:,}"
    assert without[1].startswith(f"{rest['scores']['dice_positive']['value']:.4f} (")
    runs = table(text, "Runs")
    assert runs["`default`"][0] == "U-Net, EfficientNet-lite0"
    assert runs["`main_seed0`"][1] == "7,699,009"


def test_what_is_published_stands_beside_scores_of_the_official_split_alone(tmp_path):
    assert "MedSegBench" in written(tmp_path, OURS)
    assert "0.0695 on this split" in written(tmp_path, OURS)
    run = copy(tmp_path, "provenance.json", lambda of: of["data"].update(fingerprint="another"))
    text = written(tmp_path, run)
    assert "MedSegBench" not in text
    assert "0.0695 is that" not in text
    assert "Limits" not in text


def copy(folder: Path, file: str, change) -> Path:
    """A run folder with a change in one of its files."""
    run = folder / "other"
    shutil.copytree(OURS, run)
    content = json.loads((run / file).read_text())
    change(content)
    (run / file).write_text(json.dumps(content))
    return run


@pytest.mark.parametrize(
    ("file", "change", "sentence"),
    [
        ("summary.json", lambda of: of["scores"].pop("mae"), "has no mae: score the run again"),
        (
            "summary.json",
            lambda of: of.pop("scores"),
            "has no detection_sensitivity: ",
        ),
        ("summary.json", lambda of: of["scores"]["mae"].pop("low"), "has a damaged summary"),
        ("summary.json", lambda of: of.update(baselines=None), "has a damaged summary"),
        ("summary.json", lambda of: of.update(excluded=[]), "has a damaged summary"),
        ("provenance.json", lambda of: of.pop("data"), "has a damaged summary or provenance"),
        ("provenance.json", lambda of: of.pop("command"), "has a damaged summary or provenance"),
    ],
)
def test_a_damaged_run_is_one_sentence(file, change, sentence, tmp_path):
    with pytest.raises(RunError, match=sentence):
        written(tmp_path, OURS, copy(tmp_path, file, change))


def test_runs_of_other_images_are_refused(tmp_path):
    run = shutil.copytree(OURS, tmp_path / "other")
    text = (run / "per_image.csv").read_text().replace(",Test,", ",Val,")
    (run / "per_image.csv").write_text(text)
    with pytest.raises(RunError, match="was scored on other images or masks"):
        written(tmp_path, OURS, run)


def evaluation(folder: Path, **provenance) -> Path:
    """An evaluation of runs, with the scores of one."""
    folder.mkdir()
    for name in ("summary.json", "per_image.csv"):
        shutil.copy(OURS / name, folder)
    runs = [str(OURS), str(OURS.with_name("main_seed1"))]
    (folder / "config.yaml").write_text(yaml.safe_dump({"run": runs}))
    (folder / "provenance.json").write_text(json.dumps(provenance))
    return folder


def test_an_evaluation_of_several_runs_says_so_and_of_which_data_it_is(tmp_path):
    official = json.loads((OURS / "provenance.json").read_text())["data"]
    facts = {"command": "covseg.evaluate", "others": ["last.ckpt"]}
    text = written(tmp_path, evaluation(tmp_path / "two", data=official, **facts))
    assert table(text, "Runs")["`two`"][0] == "mean of 2, the first: U-Net, depth 3, 64 channels"
    assert ", then `covseg.evaluate`" in text
    assert "MedSegBench" in text
    other = evaluation(tmp_path / "other", data={"fingerprint": "another"}, **facts)
    assert "MedSegBench" not in written(tmp_path, other)


def test_what_is_fitted_and_chosen_stands_in_the_table_of_runs(tmp_path):
    run = copy(tmp_path, "summary.json", lambda of: of.update(excluded={"Train": 3, "Val": 2}))
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["data"]["fit_classes"] = ["COVID-19"]
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    rows = table(written(tmp_path, run, SHIPPED), "Runs")
    assert "holdout, fitted on COVID-19, without 5 copies" in rows["`other`"]
    assert "0.44, chosen on Val" in rows["`default`"]


def test_runs_that_cannot_be_read_are_one_sentence(tmp_path):
    with pytest.raises(ConfigError, match=r"names .* twice: name it once"):
        written(tmp_path, OURS, OURS)
    with pytest.raises(RunError, match="nowhere"):
        written(tmp_path, tmp_path / "nowhere")
    run = copy(tmp_path, "summary.json", lambda _: None)
    (run / "summary.json").write_text("[")
    with pytest.raises(RunError, match=r"summary.json is missing or damaged"):
        written(tmp_path, run)
    (run / "summary.json").write_text("[]")
    with pytest.raises(RunError, match=r"summary.json is damaged"):
        written(tmp_path, run)


def test_the_command_writes_where_it_is_told(verb, tmp_path):
    done = verb("results", f"runs=[{SHIPPED},{OURS}]", "output=here.md")
    assert done.code == 0, done.err
    assert f"results: {tmp_path / 'here.md'}" in done.out.replace("\n", "")
    assert (tmp_path / "here.md").read_text().startswith("# Results\n")


def test_a_run_of_several_targets_stands_beside_one_of_the_first(tmp_path):
    assert "| `default` |" in written(tmp_path, OURS, SHIPPED)
    lungs = shutil.copytree(SHIPPED, tmp_path / "lungs")
    config = yaml.safe_load((lungs / "config.yaml").read_text())
    config["data"]["targets"].reverse()
    (lungs / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(RunError, match="has no scores of the target lung"):
        written(tmp_path, lungs, OURS)
