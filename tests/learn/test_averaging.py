"""The averaged weights are those of the definition, and they are what is scored and kept."""

import lightning as L
import pytest
import torch

from covseg import build
from covseg.learn.averaging import EMA
from covseg.learn.checkpoint import read_checkpoint
from covseg.learn.save import SaveBest

DECAY = 0.7


class ByHand(L.Callback):
    """The average after each step, from the weights after each step."""

    def __init__(self) -> None:
        self.average: dict[str, torch.Tensor] = {}
        self.on_val: list[dict[str, torch.Tensor]] = []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx) -> None:
        now = {k: v.double().clone() for k, v in pl_module.network.state_dict().items()}
        share = DECAY if self.average else 0.0
        self.average = {k: share * self.average.get(k, 0) + (1 - share) * v for k, v in now.items()}

    def on_validation_batch_start(self, trainer, pl_module, batch, batch_idx) -> None:
        self.on_val.append({k: v.clone() for k, v in pl_module.network.state_dict().items()})


def are_close(weights: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> bool:
    floats = [name for name, value in weights.items() if value.is_floating_point()]
    return all(torch.allclose(weights[k].double(), expected[k], atol=1e-6) for k in floats)


@pytest.fixture
def averaged(fit, tmp_path):
    """A training with averaged weights, and the average by hand."""
    by_hand, best = ByHand(), SaveBest(tmp_path, "val/loss")
    words = ("trainer.enable_checkpointing=true", "trainer.max_epochs=1", "optimizer.lr=0.01")
    trainer, module, _ = fit(*words, callbacks=(by_hand, EMA(DECAY), best))
    return trainer, module, by_hand


def test_val_scores_the_average_of_weights_and_statistics(averaged):
    _, module, by_hand = averaged
    [scored, *_] = by_hand.on_val
    assert are_close(scored, by_hand.average)
    assert not are_close(module.network.state_dict(), by_hand.average)  # training would continue


def test_a_checkpoint_has_the_average_and_the_weights_that_training_continues_with(
    averaged, tmp_path
):
    trainer, module, by_hand = averaged
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    for name in ("best.ckpt", "last.ckpt"):
        stored = read_checkpoint(tmp_path / name)
        kept, current = (
            {k.removeprefix("network."): v for k, v in stored[part].items() if "network." in k}
            for part in ("state_dict", "current_model_state")
        )
        assert are_close(kept, by_hand.average)
        assert are_close(current, {k: v.double() for k, v in module.network.state_dict().items()})


def test_a_run_reports_the_average(verb, tmp_path):
    """``evaluate`` loads the checkpoint's average, and gets the same bytes."""
    words = ("experiment=debug", "callbacks=ema", "callbacks.ema.decay=0.5", "optimizer.lr=0.05")
    assert verb("train", *words, "hydra.run.dir=run").code == 0
    assert verb("evaluate", "run=run", "hydra.run.dir=again").code == 0
    run, again = (tmp_path / name / "per_image.csv" for name in ("run", "again"))
    assert run.read_bytes() == again.read_bytes()


def test_a_longer_run_with_averages_is_the_run_that_was_long_from_the_start(verb, tmp_path):
    words = ("experiment=debug", "callbacks=ema", "callbacks.ema.decay=0.5")
    assert verb("train", *words, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    assert verb("train", "resume=run", "trainer.max_epochs=2").code == 0
    assert verb("train", *words, "hydra.run.dir=long").code == 0
    for name in ("summary.json", "per_image.csv", "metrics.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "long" / name).read_bytes()


def test_the_callback_is_an_option(configured):
    config = configured("callbacks=ema", "~callbacks.pictures")
    [made] = build.callbacks(config, build.scores(config.protocol))
    assert isinstance(made, EMA)
