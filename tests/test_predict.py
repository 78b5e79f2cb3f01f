"""``covseg.predict``: what it writes for every image, however it is interrupted."""

import csv
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

import covseg
from covseg.data.phantom.drawing import draw
from covseg.errors import RunError
from covseg.run.verbs import runtime


@pytest.fixture(scope="module")
def drawn() -> list[np.ndarray]:
    return [draw((k,), "COVID-19", 64 + 16 * k).image for k in range(5)]


@pytest.fixture
def xrays(drawn: list[np.ndarray], tmp_path: Path) -> Path:
    """A folder of images of several formats and sizes, with other files among them."""
    home = tmp_path / "xrays"
    (home / "ward" / "old").mkdir(parents=True)
    names = ["a.png", "a.tif", "A.png", "ward/b.bmp", "ward/old/c.png"]
    for name, image in zip(names, drawn, strict=True):
        Image.fromarray(image).save(home / name)
    (home / "notes.txt").write_text("no image")
    (home / "ward" / "README").write_text("no image")
    return home


def table(folder: Path) -> list[dict[str, str]]:
    with (folder / "predictions.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_image_has_its_results_at_its_own_size(verb, finished_run, xrays, drawn, tmp_path):
    done = verb("predict", f"run={finished_run}", "input=xrays", "output=out", "threshold=0.497")
    assert done.code == 0, done.err
    assert done.out == f"predicted: 5\nother files, ignored: 2\nresults: {tmp_path}/out\n"
    model = covseg.load(finished_run)
    rows = table(tmp_path / "out")
    assert [row["input"] for row in rows] == [
        *("A.png", "a.png", "a.tif", "ward/b.bmp", "ward/old/c.png")
    ]
    assert len({row["result"].lower() for row in rows}) == 5
    for row in rows:
        image = cv2.imread(str(xrays / row["input"]), cv2.IMREAD_GRAYSCALE)
        kinds = ("mask", "probability", "overlay")
        of_row = {k: f"{tmp_path / 'out' / row['result']}_{k}.png" for k in kinds}
        mask = cv2.imread(of_row["mask"], cv2.IMREAD_UNCHANGED)
        probability = cv2.imread(of_row["probability"], cv2.IMREAD_UNCHANGED)
        assert mask.shape == probability.shape == image.shape
        assert (int(row["height"]), int(row["width"])) == image.shape
        assert probability.dtype == np.uint16
        expected = model.predict(xrays / row["input"])
        assert np.abs(probability / 65535 - expected).max() < 1e-4
        unsure = np.abs(expected - 0.497) < 1e-5
        assert np.array_equal((mask == 255) | unsure, (expected > 0.497) | unsure)
        assert set(np.unique(mask)) <= {0, 255}
        assert cv2.imread(of_row["overlay"]).shape[0] == len(image)
        assert int(row["pixels"]) == (mask > 0).sum()
        assert float(row["share"]) == pytest.approx((mask > 0).mean())
        assert float(row["mean_probability"]) == pytest.approx(expected.mean(), abs=1e-5)
        assert int(row["infected"]) == (mask > 0).any()


def test_an_exported_file_predicts_what_its_run_predicts(verb, finished_run, xrays, tmp_path):
    pytest.importorskip("onnxruntime")
    assert verb("export", f"run={finished_run}", "hydra.run.dir=made").code == 0
    for run, output in ((finished_run, "one"), ("made/model.onnx", "two")):
        assert verb("predict", f"run={run}", "input=xrays/*.png", f"output={output}").code == 0
    for path in (tmp_path / "one").rglob("*_probability.png"):
        one, two = (
            cv2.imread(str(p), cv2.IMREAD_UNCHANGED).astype(int)
            for p in (path, tmp_path / "two" / path.name)
        )
        assert np.abs(one - two).max() <= 1
    model = covseg.load(tmp_path / "made" / "model.onnx")
    assert model.predict(xrays / "a.png").shape == (64, 64)
    assert covseg.load(tmp_path / "made" / "model.onnx").typical is not None
    warnings = [[row["warning"] for row in table(tmp_path / output)] for output in ("one", "two")]
    assert warnings[0] == warnings[1]


def test_many_images_are_predicted_on_onnx_runtime_and_a_failure_of_it_is_a_warning(
    verb, finished_run, xrays, tmp_path, monkeypatch
):
    pytest.importorskip("onnxruntime")
    words = ("predict", f"run={finished_run}", "input=xrays")
    monkeypatch.setattr(runtime, "_MANY", 5)
    monkeypatch.setattr(runtime, "_LARGE", 32)
    said = "ONNX Runtime executes the network"
    assert said not in verb(*words, "output=torch", "runtime=torch").err
    assert said in verb(*words, "output=onnx").err
    assert said not in verb(*words, "output=fewer", "input=xrays/*.png").err
    for path in (tmp_path / "torch").rglob("*_probability.png"):
        same = tmp_path / "onnx" / path.relative_to(tmp_path / "torch")
        one, other = (cv2.imread(str(p), cv2.IMREAD_UNCHANGED).astype(int) for p in (path, same))
        assert np.abs(one - other).max() <= 1  # of 65535

    def fail(*_: object) -> None:
        raise RunError(finished_run, "has a network that torch cannot export", "change it")

    monkeypatch.setattr(runtime, "on_onnx_runtime", fail)
    done = verb(*words, "output=again")
    assert done.code == 0
    assert "torch executes the network: " in done.err
    assert len(table(tmp_path / "again")) == 5
    assert verb(*words, "output=wanted", "runtime=onnx").code == 1


def test_more_images_get_results_of_their_own_and_other_folders_are_refused(
    verb, finished_run, xrays, drawn, tmp_path
):
    words = ("predict", f"run={finished_run}", "output=out", "skip_existing=true")
    (xrays / "a.tif").rename(tmp_path / "a.tif")
    assert verb(*words, "input=xrays").code == 0
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*.png")}
    (tmp_path / "a.tif").rename(xrays / "a.tif")  # has the name of a.png but for the ending
    assert verb(*words, "input=xrays").out.startswith("predicted: 1\npredicted before: 4\n")
    results = [row["result"] for row in table(tmp_path / "out")]
    assert len({result.lower() for result in results}) == len(results) == 5
    for path, content in before.items():
        assert path.read_bytes() == content
    (tmp_path / "others").mkdir()
    Image.fromarray(drawn[1]).save(tmp_path / "others" / "a.png")
    refused = verb(*words, "input=others")
    assert refused.code == 1
    assert "or of another folder of images: name another folder" in refused.err


def test_a_pattern_takes_no_results_for_images(verb, finished_run, xrays):
    words = ("predict", f"run={finished_run}", "input=xrays/**/*.png", "output=xrays/out")
    assert verb(*words).out.startswith("predicted: 3\n")
    again = verb(*words, "skip_existing=true")
    assert again.out.startswith("predicted: 0\npredicted before: 3\n")


def test_a_name_that_is_no_text_is_shown_in_hexadecimal(verb, finished_run, drawn, tmp_path):
    (tmp_path / "odd").mkdir()
    with open(os.fsencode(tmp_path / "odd") + b"/\xff.png", "wb") as file:  # noqa: PTH123
        Image.fromarray(drawn[0]).save(file, format="png")
    with open(os.fsencode(tmp_path / "odd") + b"/\xfe.png", "wb") as file:  # noqa: PTH123
        file.write(b"no image")
    done = verb("predict", f"run={finished_run}", "input=odd", "output=out")
    assert done.code == 1
    rows = table(tmp_path / "out")
    assert {row["input"] for row in rows} == {r"\xfe.png", r"\xff.png"}
    assert [row["input"] for row in rows if row["error"]] == [r"\xfe.png"]


def test_infected_means_as_many_pixels_of_an_image_of_any_size(finished_run):
    """``detection_min_pixels`` is of the masks that were scored, here 256 x 256."""
    model = dataclasses.replace(covseg.load(finished_run), detection_min_pixels=100)
    scored = int(model.typical.shape.prod())
    assert model.infected_from(scored) == 100
    assert model.infected_from(4 * scored) == 400
    assert dataclasses.replace(model, detection_min_pixels=1).infected_from(4 * scored) == 1


@pytest.mark.parametrize("word", ["checkpoint=last", "runtime=torch"])
def test_what_does_not_apply_to_an_exported_file_is_refused(word, verb, xrays, tmp_path):
    (tmp_path / "model.onnx").write_bytes(b"")
    done = verb("predict", "run=model.onnx", "input=xrays", word)
    assert done.code == 1
    assert f"{word} does not apply to an exported file" in done.err


def test_dicom_gets_a_segmentation_and_others_are_named(verb, finished_run, tmp_path):
    pydicom = pytest.importorskip("pydicom")
    (tmp_path / "scans").mkdir()
    for name in ("MR_small.dcm", "693_J2KI.dcm"):
        shutil.copy(pydicom.data.get_testdata_file(name, download=False), tmp_path / "scans")
    assert verb("predict", f"run={finished_run}", "input=scans", "output=out").code == 0
    mask = cv2.imread(str(tmp_path / "out" / "MR_small_mask.png"), cv2.IMREAD_UNCHANGED)
    made = pydicom.dcmread(tmp_path / "out" / "MR_small_seg.dcm").pixel_array
    assert np.array_equal(made.squeeze() > 0, mask > 0)
    warnings = {row["input"]: row["warning"] for row in table(tmp_path / "out")}
    assert "gets no DICOM Segmentation" in warnings["693_J2KI.dcm"]
    assert "Segmentation" not in warnings["MR_small.dcm"]


def test_a_bad_file_stops_no_other(verb, finished_run, xrays, tmp_path):
    (xrays / "cut.png").write_bytes((xrays / "a.png").read_bytes()[:200])
    (xrays / "empty.jpg").touch()
    done = verb("predict", f"run={finished_run}", "input=xrays", "output=out", "batch_size=2")
    assert done.code == 1
    assert done.err.startswith("2 of 7 images cannot be read: see the column error of ")
    assert "not read: " in done.out
    rows = {row["input"]: row for row in table(tmp_path / "out")}
    assert len(rows) == 7
    assert [name for name, row in rows.items() if row["error"]] == ["cut.png", "empty.jpg"]
    shutil.copy(xrays / "a.png", xrays / "cut.png")
    (xrays / "empty.jpg").unlink()
    again = verb(
        "predict", f"run={finished_run}", "input=xrays", "output=out", "skip_existing=true"
    )
    assert again.code == 0, again.err
    assert again.out.startswith("predicted: 1\npredicted before: 5\n")
    assert not [row for row in table(tmp_path / "out") if row["error"]]


def test_results_are_neither_overwritten_nor_mixed(verb, finished_run, xrays, tmp_path):
    words = (f"run={finished_run}", "input=xrays/a.png", "output=out")
    assert verb("predict", *words).code == 0
    done = verb("predict", *words)
    assert done.code == 1
    assert "exists already: set skip_existing=true to go on" in done.err
    done = verb("predict", *words, "skip_existing=true", "threshold=0.4")
    assert done.code == 1
    assert "has results of another run, checkpoint or threshold" in done.err
    done = verb("predict", *words[:2], "output=xrays")
    assert "is the folder of the images itself" in done.err
    shutil.copytree(finished_run, tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").glob("*.*")}
    assert verb("predict", *words[:2], "output=run").code == 0
    assert {path: path.read_bytes() for path in before} == before
    assert json.loads((tmp_path / "run" / "predictions.json").read_text())["predictor"]
    done = verb("predict", *words[:2], "skip_existing=true")
    assert "set output=<that folder>" in done.err


def test_results_beside_the_images_are_no_images(verb, finished_run, xrays):
    words = (f"run={finished_run}", "input=xrays", "output=xrays/out")
    assert verb("predict", *words).code == 0
    done = verb("predict", *words, "skip_existing=true")
    assert done.out.startswith("predicted: 0\npredicted before: 5\n")


@pytest.mark.parametrize("asked", ["nowhere", "xrays/*.gif", "empty"])
def test_an_input_without_images_is_one_sentence(asked, verb, finished_run, xrays, tmp_path):
    (tmp_path / "empty").mkdir()
    done = verb("predict", f"run={finished_run}", f"input={asked}")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert done.err.startswith(f"input={asked} ")


@pytest.mark.nightly  # ten seconds
def test_a_killed_command_goes_on(finished_run, drawn, environment, tmp_path):
    home = tmp_path / "many"
    home.mkdir()
    for number in range(60):
        Image.fromarray(drawn[number % len(drawn)]).save(home / f"{number:03d}.png")
    command = [sys.executable, "-m", "covseg.predict", f"run={finished_run}", "input=many"]
    command += ["output=out", "batch_size=1"]
    killed = subprocess.Popen(command, cwd=tmp_path, env=environment)
    path = tmp_path / "out" / "predictions.csv"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (path.exists() and path.read_text().count("\n") > 5):
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    n_before = len(table(tmp_path / "out"))
    assert 5 <= n_before < 60
    path.write_text(path.read_text() + "059.png,infec")  # as if it had been killed in a row
    on = subprocess.run(
        [*command, "skip_existing=true"], cwd=tmp_path, env=environment, capture_output=True,
        text=True, check=True,
    )  # fmt: skip
    assert f"predicted: {60 - n_before}\npredicted before: {n_before}\n" in on.stdout
    assert [row["input"] for row in table(tmp_path / "out")] == [f"{n:03d}.png" for n in range(60)]
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == 60
