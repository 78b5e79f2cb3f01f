"""``covseg.export``: the file runs without covseg and gives the probabilities of the checkpoint."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import covseg
from covseg.data.phantom.drawing import draw
from covseg.learn.networks.unet import UNet

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def images(finished_run: Path) -> np.ndarray:
    """Five images at the size of the network, resized without covseg, [5, 1, size, size]."""
    size = covseg.load(finished_run).image_size
    return np.stack(
        [cv2.resize(draw((k,), "COVID-19").image, (size, size), interpolation=cv2.INTER_AREA)[None]
         for k in range(5)]
    )  # fmt: skip


@pytest.fixture(scope="module")
def expected(finished_run: Path, images: np.ndarray) -> np.ndarray:
    """What the run's network makes of them, one at a time."""
    model = covseg.load(finished_run)
    return np.stack([model.predict(image[0])[None] for image in images])


def test_onnx_runs_without_covseg_in_batches_of_any_size(
    verb, finished_run, tmp_path, images, expected
):
    done = verb("export", f"run={finished_run}", "hydra.run.dir=made")
    assert done.code == 0, done.err
    assert done.out.endswith(f"{tmp_path / 'made' / 'model.onnx'}\n")
    path = tmp_path / "made" / "model.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = onnxruntime.InferenceSession(path)
    for batch in (images, images[:1], images[1:4]):
        [probability] = session.run(["probability"], {"image": batch})
        assert probability.dtype == np.float32
        where = [int(np.flatnonzero((images == image).all((1, 2, 3)))[0]) for image in batch]
        assert np.abs(probability - expected[where]).max() < 1e-5
    facts = json.loads(session.get_modelmeta().custom_metadata_map["covseg"])
    model = covseg.load(finished_run)
    assert facts["image_size"] == model.image_size == images.shape[-1]
    assert (facts["threshold"], facts["targets"]) == (model.threshold, ["infection"])


def test_torch_export_runs_without_the_code_of_the_network(
    verb, finished_run, tmp_path, images, expected
):
    done = verb("export", f"run={finished_run}", "format=torch_export", "hydra.run.dir=made")
    assert done.code == 0, done.err
    extra = {"covseg.json": ""}
    program = torch.export.load(tmp_path / "made" / "model.pt2", extra_files=extra)
    with torch.inference_mode():
        probability = program.module()(torch.from_numpy(images)).numpy()
    assert np.abs(probability - expected).max() < 1e-5
    assert json.loads(extra["covseg.json"])["run"] == finished_run.name


def test_a_file_that_gives_other_probabilities_is_refused_and_removed(
    verb, finished_run, tmp_path, monkeypatch
):
    """As an exporter that gets an operator wrong: its network has another bias."""
    from covseg.run.verbs import export

    right = export._onnx

    def wrong(program, facts):
        model = onnx.load_from_string(right(program, facts))
        [bias] = [w for w in model.graph.initializer if w.name.endswith("head.bias")]
        bias.CopyFrom(
            onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(bias) + 0.01, bias.name)
        )
        return model.SerializeToString()  # fmt: skip

    monkeypatch.setattr(export, "_onnx", wrong)
    done = verb("export", f"run={finished_run}", "hydra.run.dir=made")
    assert done.code == 1
    assert "gives other probabilities than the checkpoint" in done.err
    assert not list((tmp_path / "made").glob("model*"))


def test_a_run_that_cannot_be_read_is_one_sentence(verb, finished_run, tmp_path):
    shutil.copytree(finished_run, tmp_path / "run")
    (tmp_path / "run" / "checkpoints" / "best.ckpt").write_bytes(b"nothing")
    done = verb("export", "run=run")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "best.ckpt" in done.err


def test_a_network_that_torch_cannot_trace_is_one_sentence(verb, finished_run, monkeypatch):
    whole = UNet.forward

    def branches(network, image):
        return whole(network, image) if image.mean() > 0.5 else whole(network, 1 - image)

    monkeypatch.setattr(UNet, "forward", branches)
    done = verb("export", f"run={finished_run}")
    assert done.code == 1
    assert done.err.count("\n") == 1
    assert "has a network that torch cannot export" in done.err
