"""Own data through the commands: explored, divided, trained, scored, by its own run and others."""

import csv
import json
import re
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import covseg
import made_up
from covseg import build
from covseg.config.data import Data
from covseg.data.datamodule import XrayDataModule
from covseg.data.findings import COPIES
from covseg.report.predictions import predictions
from covseg.run.folder.run_folder import RunFolder
from covseg.run.override import for_hydra
from covseg.run.verbs import leaks

onnxruntime = pytest.importorskip("onnxruntime")

SMALL = (
    *("data.image_size=32", "data.batch_size=4", "model=tiny", "trainer.max_epochs=1"),
    *("callbacks=none", "data.targets=[lung]", "data.fit=pad"),
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    made_up.montgomery(tmp_path / "montgomery")
    made_up.shenzhen(tmp_path / "shenzhen")
    return tmp_path


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def test_from_explore_to_the_scores_of_another_dataset(verb, data):
    """Protects: sizes, drawn splits, padding and the search for copies work together."""
    own, cache = f"data.root={data / 'montgomery'}", f"data.cache_dir={data / 'cache'}"
    train = ("train", "data=montgomery", own, cache, "data.split=auto", *SMALL)
    refused = verb(*train, f"hydra.run.dir={data / 'run'}")
    assert refused.code == 1
    command = shlex.split(refused.err.strip().rpartition("run ")[2].removesuffix(" first."))
    assert verb("explore", *command[3:], f"hydra.run.dir={data / 'explored'}").code == 0

    done = verb(*train, f"hydra.run.dir={data / 'run'}")
    assert done.code == 0, done.err
    assert "images of 2 sizes, from " in done.err
    parts = {row["name"]: row["part"] for row in csv.DictReader((data / "run/split.csv").open())}
    assert len(parts) == 24
    scored = list(csv.DictReader((data / "run/per_image.csv").open()))
    assert {row["name"] for row in scored} == {n for n, part in parts.items() if part == "Test"}
    assert {int(row["n_pixels"]) for row in scored} == {120 * 146}

    again = verb("evaluate", f"run={data / 'run'}", cache, f"hydra.run.dir={data / 'again'}")
    assert again.code == 0, again.err
    assert (data / "again/per_image.csv").read_bytes() == (data / "run/per_image.csv").read_bytes()
    table = (f"data.root={data / 'run/table.csv'}", "data.store_size=1024", cache)
    of_table = (*train[:1], "data=table", *table, f"data.split={data / 'run/split.csv'}", *SMALL)
    same = verb(*of_table, f"hydra.run.dir={data / 'same'}")
    assert same.code == 0, same.err
    assert (data / "same/per_image.csv").read_bytes() == (data / "run/per_image.csv").read_bytes()

    other = ("data=shenzhen", f"data.root={data / 'shenzhen'}", cache)
    foreign = verb("evaluate", f"run={data / 'run'}", *other, f"hydra.run.dir={data / 'foreign'}")
    assert foreign.code == 0, foreign.err
    assert "image(s) of all show a radiograph that the weights were fitted on" in foreign.err
    assert summary(data / "foreign")["split"] == "all"
    n_images = summary(data / "foreign")["n_images"]
    assert n_images == 20
    assert 0 < summary(data / "foreign")["without_leaks"]["n_images"] < n_images

    compared = verb("compare", f"runs=[{data / 'run'},{data / 'same'}]", "hydra.run.dir=compared")
    assert compared.code == 0, compared.err
    n_images = len(scored)
    assert f"lung on Test: the same {n_images} images" in compared.out
    check_exported(verb, data / "run", data / "montgomery/MontgomerySet/CXR_png")

    (data / "montgomery").rename(data / "moved")
    lost = verb("evaluate", f"run={data / 'run'}", *other, f"hydra.run.dir={data / 'lost'}")
    assert lost.code == 0, lost.err
    assert "it is not known how many images of all have a copy" in lost.err


def test_patients_and_copies_that_nobody_looked_for(verb, tmp_path):
    """Protects: a person in two splits is said, before and after the images were compared."""
    made_up.montgomery(tmp_path / "own")
    names = sorted(path.name for path in tmp_path.glob("own/MontgomerySet/CXR_png/*.png"))
    splits = dict(zip(names, ["Train"] * 14 + ["Val"] * 4 + ["Test"] * 6, strict=True))
    folder = "own/MontgomerySet"
    lines = [
        f"{folder}/CXR_png/{name},{split},p{n % 16},{folder}/ManualMask/leftMask/{name}\n"
        for n, (name, split) in enumerate(splits.items())
    ]
    (tmp_path / "rows.csv").write_text(f"image,split,patient,lung\n{''.join(lines)}")
    own = ("data=table", "data.root=rows.csv", "data.cache_dir=cache")
    done = verb("train", *own, *SMALL, "hydra.run.dir=run")
    assert done.code == 0, done.err
    assert "it is not known how many images of Test have a copy that is fitted on" in done.err
    assert "6 image(s) of Test are of a patient who was fitted on" in done.err
    assert not (tmp_path / "run/findings.csv").exists()

    explored = verb("explore", *own, "hydra.run.dir=explored")
    assert explored.code == 0, explored.err
    assert "patient_in_splits" in explored.out
    notes = json.loads((tmp_path / "explored/provenance.json").read_text())
    found = list(csv.DictReader((tmp_path / "explored/findings.csv").open()))
    n_copies = sum(row["kind"] in COPIES for row in found)
    assert notes["families"] <= n_copies < 8  # of copies; there are eight patients in two splits
    patients = [row for row in found if row["kind"] == "patient_in_splits"]
    assert {(row["split_a"], row["split_b"]) for row in patients} == {
        ("Train", "Val"),
        ("Train", "Test"),
    }
    settings = {"image_size": 32, "batch_size": 4, "num_workers": 0, "targets": ["lung"]}
    places = {"root": str(tmp_path / "rows.csv"), "cache_dir": str(tmp_path / "elsewhere")}
    other = XrayDataModule(
        Data(name="table", layout="table", **places, **settings), fingerprint="of other data"
    )
    other.setup()
    of_patients = leaks.families(other)  # intervals draw a person's images together
    assert of_patients is not None
    assert len(set(of_patients.values())) == 16
    again = verb("train", *own, *SMALL, "hydra.run.dir=again")
    assert "it is not known" not in again.err
    assert "6 image(s) of Test are of a patient who was fitted on" in again.err


def check_exported(verb, run: Path, images: Path) -> None:
    """An exported file gives the probabilities of the run, for squares that are padded by hand."""
    done = verb("export", f"run={run}", "hydra.run.dir=made")
    assert done.code == 0, done.err
    session = onnxruntime.InferenceSession(Path("made/model.onnx"))
    ours, exported = covseg.load(run), covseg.load("made/model.onnx")
    for path in sorted(images.glob("*.png"))[:3]:
        image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        height, width = image.shape
        small = [round(side * 32 / max(image.shape)) for side in image.shape]
        top, left = ((32 - side) // 2 for side in small)
        rows, columns = slice(top, top + small[0]), slice(left, left + small[1])
        square = np.zeros((1, 1, 32, 32), np.uint8)
        square[0, 0, rows, columns] = cv2.resize(image, small[::-1], interpolation=cv2.INTER_AREA)
        [probability] = session.run(["probability"], {"image": square})
        part = torch.from_numpy(probability[:, :, rows, columns])
        whole = interpolate(part, (height, width), mode="bilinear", align_corners=False)
        expected = ours.predict(path)
        assert np.abs(whole[0, 0].numpy() - expected).max() < 1e-5
        assert np.abs(exported.predict(path) - expected).max() < 1e-5


@pytest.mark.nightly  # half a minute; batches of images of several sizes are tested by themselves
def test_two_processes_learn_from_images_of_several_sizes(command, data):
    """What two processes have trained and scored is scored again by one, and other data by two."""
    source = ("data=shenzhen", f"data.root={data / 'shenzhen'}", f"data.cache_dir={data / 'cache'}")
    assert command("explore", *source).code == 0
    words = (*source, "data.split=auto", *SMALL, "data.batch_size=2")
    done = command("train", *words, "trainer.devices=2", "hydra.run.dir=run", measured=True)
    assert done.code == 0, done.err
    assert "images of 18 sizes" in done.err
    again = command("evaluate", "run=run", "hydra.run.dir=again")
    assert again.code == 0, again.err
    one, two = ((data / name / "per_image.csv").open() for name in ("run", "again"))
    for a, b in zip(csv.DictReader(one), csv.DictReader(two), strict=True):
        assert (a["name"], a["n_pixels"]) == (b["name"], b["n_pixels"])
        for field in ("absolute_error", "squared_error"):
            assert float(a[field]) == pytest.approx(float(b[field]), rel=1e-5)
    other = ("data=montgomery", f"data.root={data / 'montgomery'}", "trainer.devices=2")
    foreign = command("evaluate", "run=run", *other, "hydra.run.dir=foreign")
    assert foreign.code == 0, foreign.err
    assert foreign.err.count("comparing them with the") == 1
    assert 0 < summary(data / "foreign")["without_leaks"]["n_images"] < 24


@pytest.fixture
def effusions(tmp_path: Path) -> None:
    """A folder with two targets of their own, and a table of it with patients."""
    lines = ["image,split,patient,effusion,lung"]
    for n in range(24):
        name, size = f"x{n}.png", (40 + n, 64 - n)
        truth = np.zeros(size, np.uint8)
        truth[20 : 24 + n % 5, 10:20] = 255 * (n % 4 > 0)
        lung = np.zeros(size, np.uint8)
        lung[5:-5, 5:-5] = 255
        noise = np.random.default_rng(n).integers(0, 60, size, np.uint8)
        for folder, pixels in (("images", noise + truth // 2), ("fluid", truth), ("lungs", lung)):
            (tmp_path / "own" / folder).mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(tmp_path / "own" / folder / name), pixels)
        split = "Train" if n < 12 else "Val" if n < 16 else "Test"
        lines.append(f"own/images/{name},{split},p{n * 3 // 4},own/fluid/{name},own/lungs/{name}")
    (tmp_path / "rows.csv").write_text("\n".join(lines))


OF_EFFUSIONS = (
    *("data=table", "data.root=rows.csv", "data.cache_dir=cache", *SMALL[:4]),
    *("data.targets=[effusion,lung]", "data.fit=pad"),
)


def test_two_targets_of_ones_own(verb, tmp_path, effusions):
    """Protects: severity, pages, pictures, comparison and prediction know no infection."""
    done = verb("train", *OF_EFFUSIONS, "hydra.run.dir=run")
    assert done.code == 0, done.err
    made = summary(tmp_path / "run")
    assert set(made["targets"]) == {"effusion", "lung"}
    assert 0 <= made["severity"]["n_undefined"] <= 8
    again = verb("evaluate", "run=run", "hydra.run.dir=again")
    assert again.code == 0, again.err
    of_patients = made["targets"]["effusion"]["scores"]["rmse_per_image"]
    verb("compare", "runs=[run,again]", "hydra.run.dir=compared")
    compared = list(csv.DictReader((tmp_path / "compared/compare.csv").open()))
    row = next(row for row in compared if row["score"].endswith("rmse_per_image"))
    assert float(row["low"]) == pytest.approx(of_patients["low"])
    assert float(row["high"]) == pytest.approx(of_patients["high"])

    done = verb("predict", "run=run", "input=own/images", "hydra.run.dir=predicted")
    assert done.code == 0, done.err
    rows = list(csv.DictReader((tmp_path / "predicted/predictions.csv").open()))
    assert all((row["infected"] != "") == (row["target"] == "effusion") for row in rows)
    assert not any("grey values" in row["warning"] for row in rows)  # of 12 images


def test_a_picture_shows_an_image_where_its_truth_is(verb, tmp_path, effusions):
    """Protects: the black beside a padded image is in no picture."""
    done = verb("train", *OF_EFFUSIONS, "data.fit=pad", "hydra.run.dir=run")
    assert done.code == 0, done.err
    config = RunFolder(tmp_path / "run").config
    data = build.datamodule(config.data, config.protocol, report="Test")
    data.setup()
    trainer = build.trainer(config.trainer.scoring, tmp_path, [], [])
    module = build.module(config, build.network(config), build.scores(config.protocol))
    trainer.strategy.connect(module)
    module.trainer = trainer
    for shown in predictions(module, data, data.rows("Test")):
        assert shown.image.shape == shown.probability.shape
        ratio, expected = (a.shape[0] / a.shape[1] for a in (shown.image, shown.truth))
        assert ratio == pytest.approx(expected, rel=0.05)


def test_a_target_of_ones_own_in_a_folder(verb, tmp_path, effusions):
    words = ("data=folder", "data.root=own", "data.images=images/*", "data.cache_dir=cache")
    done = verb("explore", *words, "data.masks.effusion=fluid/{name}.png", "hydra.run.dir=seen")
    assert done.code == 0, done.err
    assert "masks of effusion: 24" in done.err
    page = (tmp_path / "seen/explore.html").read_text()
    assert "nfect" not in re.sub(
        r"infected_share_of|infection_|#infection|id=.infection|unexpected_infection", "", page
    )


@pytest.mark.parametrize("asked", ["split=Test", "threshold=auto", "detection_min_pixels=auto"])
def test_data_without_splits_has_none_to_score_or_choose_on(verb, tmp_path, effusions, asked):
    """One run for all: the parameters differ in what is asked of it."""
    assert verb("train", *OF_EFFUSIONS, "hydra.run.dir=run").code == 0
    rows = [line.split(",") for line in (tmp_path / "rows.csv").read_text().splitlines()]
    text = "\n".join(",".join([row[0], *row[3:]]) for row in rows[:9])
    (tmp_path / "other.csv").write_text(text)
    other = ("data=table", "data.root=other.csv", asked, "hydra.run.dir=other")
    done = verb("evaluate", "run=run", *other)
    assert done.code == 1
    assert f"{asked} needs splits, and {tmp_path / 'other.csv'} has none: leave it" in done.err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data.images=images/{name}.png", 'data.images="images/{name}.png"'),
        (
            "data.masks.lung=[a/{name}.png,b/{name}.png]",
            'data.masks.lung=["a/{name}.png","b/{name}.png"]',
        ),
        ("data.masks.heart=h/{name}*", '++data.masks.heart="h/{name}*"'),
        ("+data.masks.heart=h/{name}*", '+data.masks.heart="h/{name}*"'),
        ("data.images='images/{name}.png'", "data.images='images/{name}.png'"),
        ("data.phantom.n_images={Train:8}", "data.phantom.n_images={Train:8}"),
        ("data.images=images/*", "data.images=images/*"),
    ],
)
def test_a_pattern_may_be_typed_without_the_quotes_of_hydra(typed, meant):
    assert for_hydra(typed) == meant
