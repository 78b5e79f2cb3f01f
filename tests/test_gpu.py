"""What belongs on a GPU; skipped on a machine without one.

The tests beside these do not see it: ``conftest`` hides it from them.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from covseg.data.phantom.drawing import draw
from covseg.measure.records import Records

DEBUG = ("train", "experiment=debug", "trainer=gpu", "callbacks=none")
PRECISIONS = ("null", "bf16-mixed", "16-mixed", "bf16-true", "16-true")


def n_gpus() -> int:
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return listed.stdout.count("GPU ")


pytestmark = pytest.mark.skipif(n_gpus() == 0, reason="no GPU on this machine")


@pytest.fixture
def gpu(tmp_path: Path, phantom_cache: Path) -> Callable[..., str]:
    """Run ``-m covseg.<words>``, or ``-c`` and a program, on this machine's GPUs; its stderr."""
    environment = os.environ | {"COVSEG_CACHE": str(phantom_cache)}
    environment["CUDA_VISIBLE_DEVICES"] = os.environ["COVSEG_TEST_GPUS"]
    if os.environ["COVSEG_TEST_GPUS"] == "all":
        del environment["CUDA_VISIBLE_DEVICES"]

    def run(*words: str) -> str:
        command = words if words[0] == "-c" else ("-m", f"covseg.{words[0]}", *words[1:])
        done = subprocess.run(
            [sys.executable, *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run


def score(run: Path) -> float:
    return json.loads((run / "summary.json").read_text())["scores"]["rmse_per_image"]["value"]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_trains_and_its_scores_are_those_of_a_cpu(precision, gpu, tmp_path):
    # Adam in 16 bits divides by its eps, which is 0 there
    words = ("optimizer=sgd", f"trainer.precision={precision}")
    log = gpu(*DEBUG, *words, "hydra.run.dir=run")
    assert "TF32 off" in log
    words = ("trainer.accelerator=cpu", "trainer.precision=32")
    gpu("evaluate", "run=run", *words, "hydra.run.dir=cpu")
    close = 1e-4 if precision == "null" else 0.02
    assert score(tmp_path / "cpu") == pytest.approx(score(tmp_path / "run"), abs=close)


def test_the_same_seed_gives_the_same_numbers_and_so_does_a_run_that_goes_on(gpu, tmp_path):
    words = (*DEBUG, "trainer.deterministic=true", "trainer.max_epochs=4")
    gpu(*words, "hydra.run.dir=a")
    gpu(*words, "hydra.run.dir=b")
    gpu(*words[:-1], "trainer.max_epochs=2", "hydra.run.dir=c")
    gpu("train", "resume=c", "trainer.max_epochs=4")
    tables = {name: (tmp_path / name / "per_image.csv").read_bytes() for name in "abc"}
    assert tables["a"] == tables["b"] == tables["c"]


def test_no_step_waits_for_the_gpu(gpu):
    """Lightning's first step registers what is logged, and the optimizer makes its states there."""
    gpu("-c", _STEPS)


_STEPS = """
import torch, lightning as L
from covseg.run.command import main
from covseg.learn.module import SegmentationModule
import covseg.train, sys

step = SegmentationModule.training_step
def watched(self, batch, batch_idx):
    torch.cuda.set_sync_debug_mode("error" if self.global_step else "default")
    try:
        return step(self, batch, batch_idx)
    finally:
        torch.cuda.set_sync_debug_mode("default")
SegmentationModule.training_step = watched
sys.argv = ["train", "experiment=debug", "trainer=gpu", "callbacks=none", "data.batch_size=2"]
covseg.train.main()
"""


@pytest.mark.skipif(n_gpus() < 2, reason="fewer than two GPUs")
def test_two_gpus_score_every_image_once(gpu, tmp_path):
    gpu(*DEBUG, "trainer.devices=2", "hydra.run.dir=two")
    names = Records.read(tmp_path / "two" / "per_image.csv").name
    assert len(np.unique(names)) == len(names) == 8


def test_the_last_pictures_are_drawn_on_the_gpu(gpu):
    """The same arithmetic as that of the scores: Lightning has left the device by then."""
    gpu("-c", _PICTURES)


_PICTURES = """
import sys, torch
import covseg.run.verbs.scoring as scoring
import covseg.train

predict, devices = scoring.predictions, []
def watched(module, *arguments):
    predicted = predict(module, *arguments)
    devices.append(next(module.network.parameters()).device.type)
    return predicted
scoring.predictions = watched
sys.argv = ["train", "experiment=debug", "trainer=gpu"]
covseg.train.main()
assert devices and set(devices) == {"cuda"}, devices
"""


def test_a_gpu_predicts_what_a_cpu_predicts(gpu, tmp_path):
    gpu(*DEBUG, "hydra.run.dir=run")
    (tmp_path / "xrays").mkdir()
    for number in range(5):
        image = draw((number,), "COVID-19", 100 + number).image
        cv2.imwrite(str(tmp_path / "xrays" / f"{number}.png"), image)
    for device in ("cpu", "gpu"):
        gpu("predict", "run=run", "input=xrays", f"output={device}", f"accelerator={device}")
    for path in (tmp_path / "cpu").glob("*_probability.png"):
        on_cpu, on_gpu = (
            cv2.imread(str(tmp_path / device / path.name), cv2.IMREAD_UNCHANGED).astype(int)
            for device in ("cpu", "gpu")
        )
        assert np.abs(on_cpu - on_gpu).max() < 20  # of 65,535
