"""A run that is resumed from a checkpoint ends bit for bit like one that never stopped."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping, StochasticWeightAveraging

from covseg import build
from covseg.errors import RunError
from covseg.learn.averaging import EMA
from covseg.learn.checkpoint import load_weights, read_checkpoint
from covseg.learn.progress import KEY, Progress, TrainingPaused, progress_of
from covseg.learn.restore import restore_progress
from covseg.learn.save import SaveBest, SaveProgress
from covseg.report.callbacks import EpochTable

pytestmark = pytest.mark.long

WORDS = (
    *("trainer.max_epochs=4", "trainer.enable_checkpointing=null", "augment=standard"),
    *("data.phantom.n_images={Train:24,Val:4,Test:4}", "seed=3"),
)
VARIANTS = {
    "a constant rate": (),
    "a schedule by steps": ("scheduler=one_cycle",),
    "a plateau that is reached": ("scheduler=plateau", "scheduler.patience=0", "optimizer.lr=0.3"),
    "batches that are gathered": ("trainer.accumulate_grad_batches=2",),
    "a last step of fewer batches": ("trainer.accumulate_grad_batches=5", "data.batch_size=2"),
    "loader processes": ("data.num_workers=2",),
    "a limit of steps": ("trainer.max_steps=21", "scheduler=cosine"),
    "momentum": ("optimizer=sgd",),
    "validation twice an epoch": ("trainer.val_check_interval=0.5",),
    "validation every four steps": (
        *("trainer.val_check_interval=4", "trainer.check_val_every_n_epoch=null"),
    ),
    "validation every other epoch": ("trainer.check_val_every_n_epoch=2", "scheduler=plateau"),
    "a part of every epoch": ("trainer.limit_train_batches=3", "trainer.max_epochs=6"),
}


class Fit:
    """One process: from the checkpoint in ``home``, if there is one, until it is paused."""

    def __init__(self, make: Callable[..., Any], home: Path, words: tuple[str, ...]) -> None:
        self.config, self.home, self.last = make(*WORDS, *words), home, home / "last.ckpt"
        self.callbacks: Callable[[], list[L.Callback]] = list
        home.mkdir(exist_ok=True)

    def run(self, until: int | None = None, every: int | None = None) -> Progress:
        """Fit to the end, or until a number of steps in total."""
        config = self.config
        L.seed_everything(config.seed, workers=True, verbose=False)
        network = build.network(config)
        module = build.module(config, network, build.scores(config.protocol))
        transforms = build.augment(config)
        stored = read_checkpoint(self.last) if self.last.exists() else None
        progress = progress_of(stored, self.last) if stored else Progress()
        data = build.datamodule(
            config.data,
            config.protocol,
            report="Test",
            seed=config.seed,
            augment=transforms,
            start=(progress.epoch, progress.batch),
        )
        steps: list[int] = []
        save = SaveProgress(
            self.last,
            every,
            config.trainer.whole_epochs,
            progress,
            lambda: until is not None and trainer.global_step >= until,
        )
        callbacks = [
            *(EpochTable(self.home / "metrics.csv"), Steps(steps)),
            *(*self.callbacks(), SaveBest(self.home, "val/loss"), save),
        ]
        trainer = build.trainer(config.trainer, self.home, callbacks, [])
        if stored:
            load_weights(network, self.last)
            restore_progress(stored, progress, trainer)
        try:
            trainer.fit(module, datamodule=data)
        except TrainingPaused as paused:
            return paused.progress
        finally:
            self.steps = steps
        return progress_of(read_checkpoint(self.last), self.last)


class Steps(L.Callback):
    """The images of each step."""

    def __init__(self, steps: list[Any]) -> None:
        self.steps = steps

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.steps.append((trainer.global_step, batch.row.tolist(), float(batch.image.sum())))


class StopsOnce(L.Callback):
    """Asks to stop after the first epoch, and no longer after the second."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        if trainer.current_epoch == 0:
            trainer.should_stop = True


def leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value with its path; a tensor as its dtype and bytes."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, f"{path}/{key}")
    elif isinstance(value, torch.Tensor):
        yield path, (value.dtype, value.numpy().tobytes())
    else:
        yield path, value


def assert_same(one: Path, other: Path) -> None:
    """Checkpoints tensor for tensor, tables byte for byte."""
    assert (one / "metrics.csv").read_bytes() == (other / "metrics.csv").read_bytes()
    for name in ("last.ckpt", "best.ckpt"):
        a, b = read_checkpoint(one / name), read_checkpoint(other / name)
        for part in ("state_dict", "optimizer_states", "lr_schedulers", "callbacks", KEY):
            assert dict(leaves(a[part], part)) == dict(leaves(b[part], part))


def assert_resumes(whole: Fit, parts: Fit) -> None:
    """One is fitted without a stop, the other is stopped repeatedly."""
    end = whole.run()
    seen = []
    for until in (3, 6, 7, 10):  # within an epoch, at its end, after it, and later
        assert parts.run(until=until).step < end.step
        seen += parts.steps
    assert parts.run() == end
    assert seen + parts.steps == whole.steps
    assert_same(whole.home, parts.home)


@pytest.mark.parametrize("words", VARIANTS.values(), ids=VARIANTS)
def test_wherever_it_stops_it_ends_the_same(words, configured, tmp_path):
    assert_resumes(*(Fit(configured, tmp_path / name, words) for name in ("whole", "parts")))


def test_weights_that_a_callback_averages_are_resumed(configured, tmp_path):
    fits = [Fit(configured, tmp_path / name, ()) for name in ("whole", "parts")]
    for fit in fits:
        fit.callbacks = lambda: [EMA(decay=0.9)]
    assert_resumes(*fits)


def test_a_callback_that_replaces_the_scheduler_cannot_be_resumed(configured, tmp_path):
    fit = Fit(configured, tmp_path, ())
    fit.callbacks = lambda: [StochasticWeightAveraging(swa_lrs=0.01, swa_epoch_start=1)]
    fit.run(until=15)
    with pytest.raises(RunError, match=r"replace the scheduler \(StochasticWeightAveraging\)"):
        fit.run()


def test_what_a_kill_costs_is_bounded(configured, tmp_path, monkeypatch):
    """After a kill only the steps since the last checkpoint are repeated."""
    whole, killed = (Fit(configured, tmp_path / name, ()) for name in ("whole", "killed"))
    whole.run()
    step = Steps.on_train_batch_end

    def dies(*arguments: Any) -> None:
        step(*arguments)
        if arguments[1].global_step == 11:
            raise SystemError("killed")

    monkeypatch.setattr(Steps, "on_train_batch_end", dies)
    with pytest.raises(SystemError):
        killed.run(every=4)
    monkeypatch.undo()
    at = progress_of(read_checkpoint(killed.last), killed.last)
    assert at == Progress(epoch=1, batch=2, step=8, batches=8)
    killed.run(every=4)
    assert killed.steps == whole.steps[8:]
    assert_same(whole.home, killed.home)


def test_training_that_a_callback_ended_is_over(configured, tmp_path):
    fit = Fit(configured, tmp_path, ("trainer.min_epochs=1",))
    fit.callbacks = lambda: [EarlyStopping("val/loss", patience=1, min_delta=1e9)]
    assert fit.run() == Progress(epoch=2, step=12, batches=12, stop=True)


def test_a_stop_that_has_to_wait_is_not_forgotten(configured, tmp_path):
    """A callback asks to stop before trainer.min_epochs allows it."""
    words = ("trainer.min_epochs=3", "trainer.max_epochs=6")
    fits = [Fit(configured, tmp_path / name, words) for name in ("whole", "parts")]
    for fit in fits:
        fit.callbacks = lambda: [StopsOnce()]
    assert_resumes(*fits)
    assert len((tmp_path / "whole" / "metrics.csv").read_text().splitlines()) == 1 + 3


def test_a_checkpoint_without_progress_is_refused(configured, tmp_path):
    fit = Fit(configured, tmp_path, ())
    fit.run(until=2)
    stored = read_checkpoint(fit.last)
    del stored[KEY]
    with pytest.raises(RunError, match="has no progress to resume from: start a new run"):
        progress_of(stored, fit.last)
