"""The measured speed is that of the steps, with what a slow loader makes them wait."""

import json
import time

import lightning as L
import pytest

from covseg.report.throughput import Throughput


class Slow(L.Callback):
    """Sleeps in every step, and in every validation."""

    def __init__(self, step: float, validation: float) -> None:
        self.step, self.validation = step, validation

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        time.sleep(self.step)

    def on_validation_start(self, trainer, pl_module) -> None:
        time.sleep(self.validation)


def test_validation_is_left_out_and_steps_are_not(fit):
    measured = Throughput()
    fit("trainer.max_epochs=3", callbacks=(measured, Slow(step=0.05, validation=1.0)))
    n_steps = 3 * 2 - 1  # but the first
    assert measured.images == n_steps * 4
    assert n_steps * 0.05 < measured.seconds < 1.0
    assert measured.waiting < measured.seconds / 2
    speed = measured.values["images_per_second"]
    assert speed == pytest.approx(measured.images / measured.seconds, abs=0.1)


def test_a_slow_loader_is_waiting(fit, monkeypatch):
    from covseg.data.dataset import XrayDataset

    read = XrayDataset.__getitem__

    def slowly(self, n):
        time.sleep(0.05)
        return read(self, n)

    monkeypatch.setattr(XrayDataset, "__getitem__", slowly)
    measured = Throughput()
    fit("trainer.max_epochs=2", callbacks=(measured,))
    assert measured.values["share_waiting_for_data"] > 0.5
    assert measured.waiting >= 0.05 * 4 * 2  # two batches of four, at least


def test_writing_checkpoints_is_no_waiting(verb, tmp_path, monkeypatch):
    from covseg.learn.checkpoint import AtomicCheckpointIO

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", lambda *_, **__: time.sleep(0.3))
    words = ("experiment=debug", "callbacks.checkpoint_every_n_steps=1", "trainer.max_epochs=3")
    verb("train", *words, "hydra.run.dir=run")  # ends without a checkpoint to score
    found = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert found["share_waiting_for_data"] < 0.3  # each of 11 steps writes for 0.3 seconds


def test_one_step_measures_nothing(fit):
    measured = Throughput()
    fit("trainer.max_steps=1", callbacks=(measured,))
    assert measured.values == {}


def test_a_run_says_how_fast_it_was(verb, tmp_path):
    done = verb("train", "experiment=debug", "hydra.run.dir=run")
    found = json.loads((tmp_path / "run" / "provenance.json").read_text())
    assert found["images_per_second"] > 0
    assert 0 <= found["share_waiting_for_data"] <= 1
    assert f"{found['images_per_second']:.0f} images/s while training" in done.err
