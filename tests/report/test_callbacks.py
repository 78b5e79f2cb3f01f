"""What is written while a network trains is of the epoch that it is written for."""

import csv
from itertools import pairwise
from pathlib import Path

import cv2
import lightning as L
import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.loggers import TensorBoardLogger

from covseg import build
from covseg.errors import ConfigError
from covseg.learn.losses import BCE
from covseg.measure.scores import SCORES
from covseg.report.callbacks import EpochTable, Pictures, draw_rows
from covseg.report.loggers.wandb import Wandb

HEIGHT = 22 + 256  # pixels of one line of panels


class Watched(torch.nn.Module):
    """Cross-entropy that keeps what it saw: (training, loss, squared errors)."""

    def __init__(self) -> None:
        super().__init__()
        self.loss, self.seen = BCE(), []

    def forward(self, logits: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        loss = self.loss(logits, mask)
        squares = (logits.detach().sigmoid() - mask).square().mean((-3, -2, -1))
        self.seen.append((self.training, float(loss.detach()), squares.tolist()))
        return loss


class Bias(L.Callback):
    """Sets the network's last bias before each validation: what is predicted is then known."""

    def __init__(self, *biases: float) -> None:
        self._biases = list(biases)

    def on_validation_start(self, trainer, pl_module) -> None:
        pl_module.network.head.weight.data.zero_()
        pl_module.network.head.bias.data.fill_(self._biases.pop(0))


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def fit_with_table(fit, tmp_path, *overrides, callbacks=(), **more):
    callbacks = (*callbacks, EpochTable(tmp_path / "metrics.csv"))
    fit(*overrides, callbacks=callbacks, **more)
    return table(tmp_path / "metrics.csv")


# --- metrics.csv


def test_a_row_has_the_numbers_of_its_own_epoch(fit, tmp_path):
    watched = Watched()

    def prepare(module) -> None:
        module.loss = watched

    rows = fit_with_table(
        fit, tmp_path, "trainer.max_epochs=3", "optimizer.lr=0.02", prepare=prepare
    )
    assert [(row["epoch"], row["step"]) for row in rows] == [("1", "2"), ("2", "4"), ("3", "6")]
    assert len(watched.seen) == 9  # two batches of Train, one of Val, an epoch
    for number, row in enumerate(rows):
        *train, val = watched.seen[3 * number : 3 * number + 3]
        assert [t for t, *_ in (*train, val)] == [True, True, False]
        assert float(row["train/loss"]) == pytest.approx(np.mean([x for _, x, _ in train]))
        squares = [s for *_, batch in train for s in batch]
        assert float(row["train/rmse"]) == pytest.approx(np.sqrt(np.mean(squares)), rel=1e-4)
        assert float(row["val/loss"]) == pytest.approx(val[1], rel=1e-5)
        # at the size of the truth, resized logits and resized probabilities hardly differ
        rmse = np.mean(np.sqrt(val[2]))
        assert float(row["val/rmse_per_image"]) == pytest.approx(rmse, rel=2e-2)
    for before, after in pairwise(rows):
        assert before["val/rmse_per_image"] != after["val/rmse_per_image"]


def test_val_in_a_row_is_exactly_that_of_the_network_then(fit, tmp_path, configured):
    biases = (1.0, -1.0, 0.2)
    rows = fit_with_table(fit, tmp_path, "trainer.max_epochs=3", callbacks=(Bias(*biases),))
    data = build.datamodule(
        configured().data, configured().protocol, report="Test", seed=configured().seed
    )
    data.setup()
    shares = np.array([data.store.masks["infection"][row].mean() for row in data.rows("Val")])
    for bias, row in zip(biases, rows, strict=True):
        p = sigmoid(bias)
        by_hand = np.mean(np.sqrt(shares * (1 - p) ** 2 + (1 - shares) * p**2))
        assert float(row["val/rmse_per_image"]) == pytest.approx(by_hand, rel=1e-4)


def test_a_score_that_is_undefined_in_an_epoch_is_empty_in_its_row(fit, tmp_path):
    rows = fit_with_table(fit, tmp_path, callbacks=(Bias(5.0, -5.0),))
    assert float(rows[0]["val/precision_pooled"]) > 0  # everything is predicted
    assert rows[1]["val/precision_pooled"] == ""  # nothing is: there is no precision


def test_an_epoch_without_validation_has_no_score_of_an_earlier_one(fit, tmp_path):
    rows = fit_with_table(
        fit, tmp_path, "trainer.max_epochs=3", "trainer.check_val_every_n_epoch=2"
    )
    assert [bool(row["val/rmse_per_image"]) for row in rows] == [False, True, False]


def test_the_rate_is_that_of_the_schedule(fit, tmp_path):
    rows = fit_with_table(fit, tmp_path, "scheduler=cosine", "optimizer.lr=1e-3")
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.5e-3, 0], abs=1e-9)


def test_without_a_val_split_the_table_has_training_alone(fit, tmp_path):
    rows = fit_with_table(fit, tmp_path, "protocol=paper")
    assert [row["step"] for row in rows] == ["3", "6"]
    assert not [name for name in rows[0] if name.startswith("val/")]


# --- pictures


def test_pictures_of_the_positive_images_of_val_are_written_after_every_epoch(fit, tmp_path):
    fit("trainer.max_epochs=2", callbacks=(Pictures(n_images=2),))
    for name in ("epoch_001.png", "epoch_002.png"):
        picture = cv2.imread(str(tmp_path / "pictures" / name))
        assert picture.shape == (2 * HEIGHT, 4 * 256 + 3 * 4, 3)
    first, second = (
        cv2.imread(str(tmp_path / "pictures" / f"epoch_00{n}.png"))[:, :256] for n in (1, 2)
    )
    np.testing.assert_array_equal(first, second)  # the same images


def test_a_picture_shows_the_image_of_the_named_row(fit):
    _, module, data = fit("data.image_size=256", "trainer.max_epochs=1")
    row = data.rows("Val")[1]
    picture = draw_rows(module, data, [row], 0.5)
    expected = data.store.images[row]
    assert np.abs(picture[22:, :256, 0].astype(int) - expected).max() <= 1


def test_pictures_come_as_often_as_asked(fit, tmp_path):
    fit("trainer.max_epochs=3", callbacks=(Pictures(every_n_epochs=2),))
    assert [path.name for path in (tmp_path / "pictures").iterdir()] == ["epoch_002.png"]


def test_there_are_no_more_pictures_than_positive_images(fit, tmp_path):
    fit("trainer.max_epochs=1", callbacks=(Pictures(n_images=100),))
    picture = cv2.imread(str(tmp_path / "pictures" / "epoch_001.png"))
    assert picture.shape[0] == 2 * HEIGHT  # half of Val's four images


@pytest.mark.parametrize("training", [True, False])
def test_drawing_leaves_the_mode_and_the_statistics_of_the_network(fit, training):
    _, module, data = fit("trainer.max_epochs=1")
    module.train(training)
    before = {name: value.clone() for name, value in module.state_dict().items()}
    draw_rows(module, data, data.rows("Val")[:2], 0.5)
    assert {part.training for part in module.modules()} == {training}
    assert all(torch.equal(before[name], value) for name, value in module.state_dict().items())


def test_training_goes_the_same_way_with_and_without_pictures(fit):
    watched, plain = (
        fit(callbacks=callbacks)[1].network.state_dict() for callbacks in ((Pictures(),), ())
    )
    assert all(torch.equal(watched[name], plain[name]) for name in plain)


@pytest.mark.parametrize("argument", ["n_images", "every_n_epochs"])
def test_no_picture_and_never_are_refused_before_training(configured, argument):
    config = configured("callbacks=default", f"callbacks.pictures.{argument}=0")
    with pytest.raises(ConfigError, match=r"callbacks\.pictures"):
        build.callbacks(config, build.scores(config.protocol))


def test_tensorboard_gets_the_picture_that_is_on_disk(fit, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    logger = TensorBoardLogger(tmp_path, name="", version="tensorboard")
    fit("trainer.max_epochs=1", callbacks=(Pictures(),), loggers=(logger,))
    recorded = events.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (image,) = recorded.Images("pictures")
    assert image.step == 2
    shown = cv2.imdecode(np.frombuffer(image.encoded_image_string, np.uint8), cv2.IMREAD_COLOR)
    on_disk = cv2.imread(str(tmp_path / "pictures" / "epoch_001.png"))
    np.testing.assert_array_equal(shown, on_disk)


def test_wandb_gets_the_picture_that_is_on_disk(fit, tmp_path, monkeypatch):
    import wandb

    monkeypatch.delenv("WANDB_MODE", raising=False)
    logger = Wandb(save_dir=str(tmp_path))
    try:
        fit("trainer.max_epochs=1", callbacks=(Pictures(),), loggers=(logger,))
    finally:
        wandb.finish()
    (shown,) = tmp_path.glob("wandb/offline-run-*/files/media/images/pictures*.png")
    on_disk = cv2.imread(str(tmp_path / "pictures" / "epoch_001.png"))
    np.testing.assert_array_equal(cv2.imread(str(shown)), on_disk)


def test_the_check_before_training_is_no_epoch(fit, tmp_path):
    """Lightning's sanity check scores the untrained network."""
    words = ("trainer.check_val_every_n_epoch=2", "trainer.max_epochs=2")
    checked = fit_with_table(fit, tmp_path, *words, "trainer.num_sanity_val_steps=2")
    assert checked[0]["val/loss"] == ""
    assert checked[0]["val/rmse_per_image"] == ""
    assert checked == fit_with_table(fit, tmp_path, *words)


# --- what is monitored, in its direction

STOP = "callbacks=early_stopping"


@pytest.fixture
def early_stopping(configured):
    """Overrides -> the callback."""

    def make(*overrides):
        built = build.callbacks(configured(*overrides), SCORES)
        return next(callback for callback in built if isinstance(callback, EarlyStopping))

    return make


@pytest.mark.parametrize(
    ("name", "better", "worse"),
    [
        *(("train/loss", "min", "max"), ("val/mae", "min", "max")),
        ("val/dice_positive", "max", "min"),
    ],
)
def test_a_score_is_monitored_in_the_direction_in_which_it_is_better(
    name, better, worse, early_stopping
):
    key = "callbacks.early_stopping"
    for given in ("null", better):
        words = (STOP, f"{key}.monitor={name}", f"{key}.mode={given}", "protocol=holdout")
        stop = early_stopping(*words)
        assert stop.mode == better
    with pytest.raises(ConfigError, match=rf"{key}\.mode={worse} .*{name}.*{key}\.mode={better}"):
        early_stopping(STOP, f"{key}.monitor={name}", f"{key}.mode={worse}")


def test_a_score_that_grows_does_not_stop_training(fit, early_stopping):
    """Dice is 0, then more in each epoch: with patience 1 all four are trained."""
    words = (STOP, "callbacks.early_stopping.monitor=val/dice_positive", "trainer.max_epochs=4")
    words += ("callbacks.early_stopping.patience=1",)
    stop = early_stopping(*words)

    class Grows(L.Callback):
        def on_validation_end(self, trainer, pl_module) -> None:
            trainer.callback_metrics["val/dice_positive"] = torch.tensor(
                0.1 * trainer.current_epoch
            )

    trainer, *_ = fit(*words, callbacks=(Grows(), stop))
    assert trainer.current_epoch == 4


def test_what_training_itself_measures_is_watched_when_an_epoch_of_it_is_over(fit, early_stopping):
    key = "callbacks.early_stopping"
    words = (STOP, f"{key}.monitor=train/loss", "trainer.val_check_interval=0.5")
    stop = early_stopping(*words)
    fit(*words, callbacks=(stop,))
    assert stop.best_score.isfinite()
    for name, when in (("train/loss", "false"), ("val/mae", "true")):
        words = (STOP, f"{key}.monitor={name}", f"+{key}.check_on_train_epoch_end={when}")
        with pytest.raises(ConfigError, match=rf"{key}\.check_on_train_epoch_end={when} looks at"):
            early_stopping(*words)
