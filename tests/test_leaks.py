"""What training does with copies: it says so, leaves them out, or keeps them in one fold."""

import csv
import json
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from covseg.data import findings
from covseg.data.findings import Finding
from covseg.data.phantom.dataset import write
from covseg.errors import RunError
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.run.verbs.kfold import report_folds

pytestmark = pytest.mark.long

TREE = "Infection Segmentation Data/Infection Segmentation Data"
TINY = (
    *("experiment=debug", "data=covid_qu_ex", "data.root=dataset", "data.cache_dir=cache"),
    *("callbacks=none", "model.base_channels=2"),
)
COPIES = {  # of an image of the second split in the first
    ("Train", "Test", "COVID-19"): 2,
    ("Train", "Val", "Normal"): 1,
    ("Val", "Test", "Non-COVID"): 1,
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Finding]]:
    """A dataset with copies in two splits, and the findings that say so."""
    root = tmp_path_factory.mktemp("planted")
    write(root, 5, {"Train": 16, "Val": 8, "Test": 8}, size=32)
    found = []
    for (one, other, patient_class), number in COPIES.items():
        a, b = (names(root, split, patient_class) for split in (one, other))
        for first, second in zip(a[:number], b[:number], strict=True):
            for kind in ("images", "infection masks", "lung masks"):
                places = (root / TREE / s / patient_class / kind for s in (one, other))
                source, copy = (p / n for p, n in zip(places, (first, second), strict=True))
                shutil.copy(source, copy)
            keys = (one, patient_class, first), (other, patient_class, second)
            found.append(Finding("exact_duplicate", *sorted(keys), 1.0))
    return root, found


def names(root: Path, split: str, patient_class: str) -> list[str]:
    return sorted(p.name for p in (root / TREE / split / patient_class / "images").iterdir())


@pytest.fixture
def dataset(planted: tuple[Path, list[Finding]], tmp_path: Path) -> Path:
    root, found = planted
    (tmp_path / "dataset").symlink_to(root)
    findings.write(found, tmp_path / "findings.csv")
    return tmp_path / "dataset"


def explored(tmp_path: Path, planted: tuple[Path, list[Finding]], run: Path) -> None:
    """Cache the findings as ``covseg.explore`` does, for the data of a run."""
    notes = json.loads((run / "provenance.json").read_text())
    findings.write(planted[1], findings.cached(tmp_path / "cache", notes["data"]["fingerprint"]))


def summary(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def scored(run: Path) -> set[tuple[str, str, str]]:
    with (run / "per_image.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {(row["split"], row["patient_class"], row["name"]) for row in rows}


def log(run: Path) -> str:
    return next(run.glob("*.log")).read_text()


def test_it_names_explore_then_counts_the_leaks_and_scores_without_them(
    dataset, planted, verb, tmp_path
):
    done = verb("train", *TINY, "hydra.run.dir=before")
    assert done.code == 0, done.err
    before = tmp_path / "before"
    cache = f"data.cache_dir={tmp_path / 'cache'}"
    assert f"; run python -m covseg.explore {cache} data.root={dataset}" in log(before)
    assert summary(before)["without_leaks"] is None
    explored(tmp_path, planted, before)

    assert (
        verb("evaluate", f"run={before}", "data.cache_dir=cache", "hydra.run.dir=again").code == 0
    )
    again = tmp_path / "again"
    assert "2 image(s) of Test have a copy that is fitted on, in 2 pair(s)" in log(again)
    assert "were reproduced" in log(again)
    done = verb("train", *TINY, "hydra.run.dir=after")
    after = tmp_path / "after"
    assert summary(after)["scores"] == summary(again)["scores"]
    assert summary(after)["without_leaks"] == summary(again)["without_leaks"]
    assert "without 2 images that have a copy among the fitted images: 6 images" in done.out

    records = Records.read(after / "per_image.csv")
    leaks = {key for finding in planted[1][:2] for key in (finding.a, finding.b)}
    rest = records.where(np.array([key not in leaks for key in records.keys]))
    found = summary(after)["without_leaks"]
    assert found["n_images"] == 6
    for name, score in SCORES.items():
        value = score(rest.counts())
        assert found["scores"][name]["value"] == pytest.approx(value, nan_ok=True), name
    assert findings.read(after / "findings.csv") == sorted(planted[1], key=lambda f: f.a)


def test_excluded_copies_are_neither_fitted_nor_chosen_by_and_evaluate_needs_no_file(
    dataset, planted, verb, tmp_path
):
    done = verb("train", *TINY, "data.exclude=findings.csv", "hydra.run.dir=run")
    assert done.code == 0, done.err
    run = tmp_path / "run"
    assert summary(run)["excluded"] == {"Train": 3, "Val": 1}
    assert "fitting 13 images of Train" in log(run)
    assert "have a copy" not in log(run)
    assert summary(run)["without_leaks"]["n_images"] == summary(run)["n_images"] == 8
    assert "excluded because of a copy in a later split" in done.out
    (tmp_path / "findings.csv").unlink()
    assert verb("evaluate", f"run={run}", "hydra.run.dir=e").code == 0
    assert summary(tmp_path / "e") == summary(run) | {"objective": None}
    assert verb("evaluate", f"run={run}", "split=Val", "hydra.run.dir=v").code == 0
    out = planted[1][-1]  # between Val and Test
    assert (out.a if out.a[0] == "Val" else out.b) not in scored(tmp_path / "v")
    assert len(scored(tmp_path / "v")) == 7


def test_a_run_that_goes_on_keeps_what_it_knew(dataset, verb, tmp_path):
    words = (*TINY, "data.exclude=findings.csv")
    assert verb("train", *words, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    (tmp_path / "findings.csv").write_text("nothing of use")
    done = verb("train", f"resume={tmp_path / 'run'}", "trainer.max_epochs=2")
    assert done.code == 0, done.err
    assert summary(tmp_path / "run")["excluded"] == {"Train": 3, "Val": 1}


def test_paper_excludes_against_test_alone(dataset, verb, tmp_path):
    words = ("protocol=paper", "data.exclude=findings.csv", "hydra.run.dir=run")
    assert verb("train", *TINY, *words).code == 0
    assert summary(tmp_path / "run")["excluded"] == {"Train": 2, "Val": 1}


def test_folds_end_with_one_table_of_every_image_scored_once(dataset, planted, verb, tmp_path):
    words = (*TINY, "protocol=kfold", "data.targets=[infection,lung]")
    done = verb("train", *words, "data.fold=0")
    assert done.code == 1
    cache = f"data.cache_dir={tmp_path / 'cache'}"
    assert f"run python -m covseg.explore {cache} data.root={dataset} first" in done.err
    stale = next((tmp_path / "cache").glob("store*")).name.partition("-")[2]
    findings.write(planted[1], findings.cached(tmp_path / "cache", stale.ljust(16)))

    done = verb("train", "-m", *words, "data.fold=0,1,2,3,4", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    runs = [tmp_path / "sweep" / str(fold) for fold in range(5)]
    joined = tmp_path / "sweep" / "folds_0_1_2_3_4"
    parts = [scored(run) for run in runs]
    assert sum(map(len, parts)) == len(set.union(*parts)) == len(scored(joined)) == 32
    for finding in planted[1]:
        assert any({finding.a, finding.b} <= part for part in parts)
    found = summary(joined)
    assert found["split"] == "folds"
    records = Records.read(joined / "per_image.csv")
    for target, part in found["targets"].items():
        of_target = records.where(records.target == target)
        assert part["n_images"] == 32
        for name, score in SCORES.items():
            assert part["scores"][name]["value"] == score(of_target.counts()), name
        nothing = part["baselines"]["predict_nothing"]["scores"]["mae"]
        folds = [summary(run)["targets"][target] for run in runs]
        mean = sum(
            f["n_images"] * f["baselines"]["predict_nothing"]["scores"]["mae"] for f in folds
        )
        assert nothing == pytest.approx(mean / 32)
    assert "folds, infection: 32 images" in done.out
    assert "job 3: fold, infection rmse_per_image " in done.out
    assert verb("evaluate", f"run={runs[2]}", "hydra.run.dir=e").code == 0
    assert (tmp_path / "e" / "per_image.csv").read_bytes() == (
        runs[2] / "per_image.csv"
    ).read_bytes()
    refused = verb("evaluate", f"run={runs[2]}", "split=Test")
    assert "split=Test was partly fitted on" in refused.err


@pytest.mark.nightly
def test_folds_in_several_processes_end_with_their_table(dataset, planted, command, tmp_path):
    assert command("train", *TINY, "hydra.run.dir=run").code == 0
    explored(tmp_path, planted, tmp_path / "run")
    words = ("protocol=kfold", "data.fold=0,1,2,3,4", "hydra.sweep.dir=sweep")
    several = ("hydra/launcher=joblib", "hydra.launcher.n_jobs=2")
    done = command("train", "-m", *TINY, *words, *several)
    assert done.code == 0, done.err
    assert len(scored(tmp_path / "sweep" / "folds_0_1_2_3_4")) == 32
    assert "folds: 32 images" in done.out


def test_no_table_without_every_fold(dataset, planted, verb, tmp_path):
    assert verb("train", *TINY, "hydra.run.dir=run").code == 0
    explored(tmp_path, planted, tmp_path / "run")
    words = ("protocol=kfold", "data.fold=0,1,2,3", "hydra.sweep.dir=sweep")
    done = verb("train", "-m", *TINY, *words)
    assert done.code == 0, done.err
    assert not list((tmp_path / "sweep").glob("folds*"))
    assert "no table of all images: fold 4 is not finished beside" in done.err


@pytest.mark.nightly  # ten seconds
def test_folds_that_differ_in_what_changes_no_result_are_one_table_over_what_was_scored(
    dataset, planted, verb, tmp_path
):
    assert verb("train", *TINY, "hydra.run.dir=run").code == 0
    explored(tmp_path, planted, tmp_path / "run")
    words = ("protocol=kfold", "name=fold_${data.fold}", "hydra.sweep.dir=sweep")
    few = "trainer.limit_test_batches=1"
    done = verb("train", "-m", *TINY, *words, few, "data.fold=0,1,2,3,4")
    assert done.code == 0, done.err
    joined = tmp_path / "sweep" / "folds_0_1_2_3_4"
    records = Records.read(joined / "per_image.csv")
    assert len(records.name) == 20
    assert "only 20 of the 32 images are scored" in done.err
    nothing = summary(joined)["baselines"]["predict_nothing"]["scores"]
    assert nothing["mae"] == pytest.approx(truth_share(records))
    notes = json.loads((joined / "provenance.json").read_text())
    assert notes["runs"] == [str(tmp_path / "sweep" / str(fold)) for fold in range(5)]

    other = shutil.copytree(tmp_path / "sweep" / "4", tmp_path / "sweep" / "other")
    of_other = json.loads((other / "provenance.json").read_text())
    of_other["data"]["fingerprint"] = "0" * 64  # as of a sweep over data.root
    (other / "provenance.json").write_text(json.dumps(of_other))
    report_folds([*(tmp_path / "sweep" / str(fold) for fold in range(4)), other], "train")
    assert not list((tmp_path / "sweep").glob("folds*other"))

    (tmp_path / "sweep" / "1" / "per_image.csv").write_text("nothing")
    with pytest.raises(RunError, match=r"per_image\.csv"):
        report_folds([tmp_path / "sweep" / str(fold) for fold in range(5)], "train")
    findings.write(planted[1][:1], tmp_path / "sweep" / "2" / "findings.csv")
    with pytest.raises(RunError, match="folds of different divisions"):
        report_folds([tmp_path / "sweep" / str(fold) for fold in range(5)], "train")


def truth_share(records: Records) -> float:
    counts = records.counts()
    return float((counts.tp + counts.fn).sum() / counts.n_pixels.sum())


def test_other_data_knows_nothing_of_the_runs_copies(dataset, planted, verb, tmp_path):
    words = ("data.exclude=findings.csv", "hydra.run.dir=run")
    assert verb("train", *TINY, *words).code == 0
    write(tmp_path / "other", 6, {"Train": 16, "Val": 8, "Test": 8}, size=32)
    words = (f"run={tmp_path / 'run'}", "data.root=other", "split=Val", "hydra.run.dir=e")
    assert verb("evaluate", *words).code == 0
    found = summary(tmp_path / "e")
    assert (found["n_images"], found["excluded"], found["without_leaks"]) == (8, {}, None)
    assert "comparing them with the" in log(tmp_path / "e")


# --- weights to begin with


def fitted(run: Path) -> set[tuple[str, str, str]]:
    with (run / "fitted.csv").open() as file:
        *rows, total = csv.DictReader(file)
    assert total["content"] == str(len(rows))
    return {(row["split"], row["class"], row["name"]) for row in rows}


def recomputed(run: Path, without: set[tuple[str, str, str]]) -> dict[str, float | None]:
    """Every score of the images of ``per_image.csv`` that are not among these."""
    records = Records.read(run / "per_image.csv").without(without)
    return {name: score(records.counts()) for name, score in SCORES.items()}


@pytest.fixture
def fold(dataset, planted, verb, tmp_path) -> Path:
    """A run that was fitted on four fifths of all images."""
    assert verb("train", *TINY, "trainer.max_epochs=1", "hydra.run.dir=known").code == 0
    explored(tmp_path, planted, tmp_path / "known")
    words = ("protocol=kfold", "data.fold=0", "trainer.max_epochs=1", "hydra.run.dir=fold")
    assert verb("train", *TINY, *words).code == 0
    return tmp_path / "fold"


def test_what_a_start_was_fitted_on_counts_as_fitted_along_a_chain_and_in_evaluate(
    fold, verb, tmp_path
):
    words = ("protocol=paper", "trainer.max_epochs=1")
    assert verb("train", *TINY, *words, "init=fold", "hydra.run.dir=second").code == 0
    assert verb("train", *TINY, *words, "init=second", "hydra.run.dir=third").code == 0
    test = scored(tmp_path / "third")
    seen = test & fitted(fold)
    assert 0 < len(seen) < len(test) == 8
    shutil.rmtree(fold)  # the chain is not followed: each run knows it all
    shutil.rmtree(tmp_path / "second")
    run = tmp_path / "third"
    assert verb("evaluate", f"run={run}", "hydra.run.dir=e").code == 0
    copies = {("Test", "COVID-19", n) for n in names(tmp_path / "dataset", "Test", "COVID-19")[:2]}
    copies |= {("Test", "Non-COVID", names(tmp_path / "dataset", "Test", "Non-COVID")[0])}
    for folder in (run, tmp_path / "e"):
        found = summary(folder)
        assert found["fitted_before"] == len(seen)
        scores = {name: s["value"] for name, s in found["without_leaks"]["scores"].items()}
        assert scores == recomputed(folder, seen | copies)
        words = f"{len(seen)} image(s) of Test are among those that the weights were fitted on"
        assert words in log(folder)
        n = len(copies - seen)  # each has one copy
        assert n > 0
        assert f"{n} image(s) of Test have a copy that is fitted on, in {n} pair(s)" in log(folder)
    assert "were reproduced" in log(tmp_path / "e")


def test_a_run_that_goes_on_needs_no_start_to_know_what_it_was_fitted_on(fold, verb, tmp_path):
    words = ("protocol=paper", "trainer.max_epochs=1", "init=fold", "hydra.run.dir=second")
    assert verb("train", *TINY, *words).code == 0
    run, before = tmp_path / "second", summary(tmp_path / "second")
    notes = json.loads((run / "provenance.json").read_text())
    (run / "provenance.json").write_text(json.dumps(notes | {"finished": False}))
    (run / "summary.json").unlink()
    shutil.rmtree(fold)
    assert verb("train", f"resume={run}").code == 0
    assert summary(run) == before


def test_without_findings_what_a_start_was_fitted_on_is_known_all_the_same(fold, verb, tmp_path):
    for path in (tmp_path / "cache").glob("findings*"):
        path.unlink()
    words = ("protocol=paper", "trainer.max_epochs=1", "init=fold", "hydra.run.dir=second")
    assert verb("train", *TINY, *words).code == 0
    found, run = summary(tmp_path / "second"), tmp_path / "second"
    seen = scored(run) & fitted(fold)
    assert found["without_leaks"]["n_images"] == 8 - len(seen)
    assert "it is not known how many images of Test have a copy" in log(run)


def test_a_start_that_knows_what_is_to_choose_is_refused(fold, verb, tmp_path):
    done = verb("train", *TINY, "init=fold", "hydra.run.dir=second")
    assert done.code == 1
    n_seen = sum(split == "Val" for split, *_ in fitted(fold))
    assert f"fold was fitted on {n_seen} of the images of Val, on which this run" in done.err
    assert not (tmp_path / "second").exists()


def test_a_start_that_knows_all_that_is_to_be_reported_is_refused(fold, verb, tmp_path):
    words = ("protocol=kfold", "data.fold=1", "init=fold", "hydra.run.dir=second")
    done = verb("train", *TINY, *words)
    assert done.code == 1
    assert "fold was fitted on every image of fold, which this run would report" in done.err


def test_a_start_on_the_same_splits_is_no_news(dataset, verb, tmp_path):
    """Protects: two images with the same pixels in Train and Val are copies, which is known."""
    assert verb("train", *TINY, "trainer.max_epochs=1", "hydra.run.dir=first").code == 0
    assert verb("train", *TINY, "init=first", "hydra.run.dir=second").code == 0
    assert "fitted_before" not in summary(tmp_path / "second")
    assert summary(tmp_path / "second")["without_leaks"] is None
    assert fitted(tmp_path / "second") == fitted(tmp_path / "first")


def test_a_fitted_image_is_known_in_other_data_and_under_another_name(
    dataset, planted, verb, tmp_path
):
    assert verb("train", *TINY, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    write(tmp_path / "other", 6, {"Train": 8, "Val": 4, "Test": 4}, size=32)
    old, new = tmp_path / "other" / TREE / "Val", dataset / TREE / "Train"
    for kind in ("images", "infection masks", "lung masks"):  # a Train image as Val's
        source = names(dataset, "Train", "Normal")[3]
        place = names(tmp_path / "other", "Val", "Normal")[0]
        shutil.copy(new / "Normal" / kind / source, old / "Normal" / kind / place)
    words = (f"run={tmp_path / 'run'}", "data.root=other", "split=Val", "hydra.run.dir=e")
    assert verb("evaluate", *words).code == 0
    found = summary(tmp_path / "e")
    assert found["fitted_before"] == 1
    assert found["without_leaks"]["n_images"] == 3
    assert "1 image(s) of Val are among those that the weights were fitted on" in log(
        tmp_path / "e"
    )


@pytest.mark.nightly  # a quarter of a minute
def test_the_table_of_folds_leaves_out_what_their_start_was_fitted_on(fold, verb, tmp_path):
    words = ("protocol=kfold", "data.fold=0,1,2,3,4", "trainer.max_epochs=1", "init=known")
    done = verb("train", "-m", *TINY, *words, "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    [table] = (tmp_path / "sweep").glob("folds_*")
    n_fitted = len(fitted(tmp_path / "known"))
    assert summary(table)["n_images"] == 32
    # 16 of Train, and the three images that are copies of one of them
    assert (n_fitted, summary(table)["without_leaks"]["n_images"]) == (16, 32 - 16 - 3)


@pytest.mark.parametrize("words", ["+data.fold=1", "+data.exclude=findings.csv"])
def test_an_evaluation_divides_as_the_run_did(words, finished_run, verb):
    done = verb("evaluate", f"run={finished_run}", words)
    assert done.code == 1
    assert words.removeprefix("+").partition("=")[0] in done.err


def test_a_fitted_split_has_no_leaks(dataset, planted, verb, tmp_path):
    words = ("protocol=paper", "hydra.run.dir=run")
    assert verb("train", *TINY, *words).code == 0
    explored(tmp_path, planted, tmp_path / "run")
    words = (f"run={tmp_path / 'run'}", "data.cache_dir=cache", "split=Val", "hydra.run.dir=e")
    assert verb("evaluate", *words).code == 0
    assert summary(tmp_path / "e")["without_leaks"] is None
    assert "have a copy" not in log(tmp_path / "e")


def test_the_command_that_is_named_is_one_that_can_be_typed(dataset, verb, tmp_path):
    place = tmp_path / "a b" / "data (1)"
    place.parent.mkdir()
    place.symlink_to(dataset.resolve())
    words = ("protocol=kfold", "data.fold=0", f'data.root="{place}"')
    done = verb("train", *TINY, *words)
    named = shlex.split(done.err.partition(": run ")[2].removesuffix(" first.\n"))
    assert named[:3] == ["python", "-m", "covseg.explore"]
    assert verb("explore", *named[3:]).code == 0
    assert verb("train", *TINY, *words).code == 0

    phantom = ("experiment=debug", "protocol=kfold", "data.fold=0", "data.cache_dir=cache")
    done = verb("train", *phantom)
    named = shlex.split(done.err.partition(": run ")[2].removesuffix(" first.\n"))
    assert verb("explore", *named[3:]).code == 0
    assert verb("train", *phantom).code == 0


def test_the_lung_tree_has_no_known_copies(verb, tmp_path):
    write(tmp_path / "both", 5, {"Train": 16, "Val": 4, "Test": 4}, size=32, lung_tree=True)
    words = (*TINY, "data.root=both", "data.targets=[lung]")
    done = verb("train", *words, "protocol=kfold", "data.fold=0")
    assert done.code == 1
    assert "compares only those of 'Infection Segmentation Data'" in done.err


def test_the_configuration_of_a_fold_is_as_it_was_asked_for(configured):
    config = configured("protocol=kfold", "protocol.report=fold", "data.fold=3")
    assert (config.protocol.fit, config.protocol.report, config.data.fold) == (
        ["others"],
        "fold",
        3,
    )
    assert yaml.safe_load(config.model_dump_json())["protocol"]["select"] is None
