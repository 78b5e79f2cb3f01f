"""Own data through the commands: explored, divided, trained, scored, by its own run and others."""

import csv
import json
import shlex
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

import covseg
import made_up
from covseg.config.data import Data
from covseg.data.datamodule import XrayDataModule
from covseg.data.findings import COPIES
from covseg.run.override import pattern_in_quotes
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


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("data.images=images/{name}.png", 'data.images="images/{name}.png"'),
        (
            "data.masks.lung=[a/{name}.png,b/{name}.png]",
            'data.masks.lung=["a/{name}.png","b/{name}.png"]',
        ),
        ("+data.masks.heart=h/{name}*", '+data.masks.heart="h/{name}*"'),
        ("data.images='images/{name}.png'", "data.images='images/{name}.png'"),
        ("data.phantom.n_images={Train:8}", "data.phantom.n_images={Train:8}"),
        ("data.images=images/*", "data.images=images/*"),
    ],
)
def test_a_pattern_may_be_typed_without_the_quotes_of_hydra(typed, meant):
    assert pattern_in_quotes(typed) == meant
