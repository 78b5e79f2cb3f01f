"""The curves that loggers get."""

import pytest
from lightning.pytorch.loggers.logger import DummyLogger

from covseg.report.curves import Curves


class Recorder(DummyLogger):
    """Keeps what it gets, and fails from a step on."""

    def __init__(self, fails_from: float = float("inf")) -> None:
        super().__init__()
        self.got, self._fails_from = [], fails_from

    def log_metrics(self, metrics, step=None):
        if step >= self._fails_from:
            raise ConnectionError("the server is gone")
        self.got.append((step, metrics))


def test_a_logger_that_fails_neither_ends_the_run_nor_costs_the_others_a_point(fit, caplog):
    whole, lost, curves = Recorder(), Recorder(fails_from=3), Curves()
    words = ("trainer.max_epochs=3", "trainer.log_every_n_steps=1")
    trainer, *_ = fit(*words, callbacks=(curves,), loggers=(lost, whole))
    assert trainer.global_step == 6
    assert [step for step, m in whole.got if "train/loss_step" in m] == [1, 2, 3, 4, 5, 6]
    assert max(step for step, _ in lost.got) == 2
    said = [record.message for record in caplog.records if "no more curves" in record.message]
    assert said == ["Recorder gets no more curves (the server is gone); metrics.csv has them"]


def test_a_step_of_several_batches_is_one_point_and_epochs_count_from_1(fit):
    logger, curves = Recorder(), Curves()
    words = ("trainer.accumulate_grad_batches=2", "trainer.log_every_n_steps=1")
    fit(*words, callbacks=(curves,), loggers=(logger,))
    steps = [(step, m["epoch"]) for step, m in logger.got if "train/loss_step" in m]
    assert steps == [(1, 1), (2, 2)]
    assert [m["epoch"] for _, m in logger.got if "val/loss" in m] == [1, 2]
    assert [point.step for point in curves.points if point.ends_epoch] == [1, 2]


def test_the_points_of_a_checkpoint_are_the_same_points(fit):
    curves, again = Curves(), Curves()
    fit(callbacks=(curves,), loggers=(Recorder(),))
    again.load_state_dict(curves.state_dict())
    assert again.points == curves.points
    last = curves.points[-1]
    assert again.at(last.step)["val/mae"] == pytest.approx(curves.at(last.step)["val/mae"])
    assert again.at(10**6) == {}
