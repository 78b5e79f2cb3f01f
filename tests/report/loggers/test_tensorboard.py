"""TensorBoard's files, read back by TensorBoard."""

import csv
import json
from pathlib import Path

import pytest

DEBUG = ("experiment=debug", "logger=tensorboard", "trainer.log_every_n_steps=1")


def accumulated(run: Path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    return events.EventAccumulator(str(run / "tensorboard"), size_guidance={"scalars": 0}).Reload()


def curves(run: Path) -> dict[str, list[tuple[int, float]]]:
    of = accumulated(run)
    return {
        name: [(point.step, point.value) for point in of.Scalars(name)]
        for name in of.Tags()["scalars"]
    }


def test_a_resumed_run_has_the_curves_of_one_that_was_never_interrupted(verb, tmp_path):
    assert verb("train", *DEBUG, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    assert verb("train", "resume=run", "trainer.max_epochs=3").code == 0
    assert verb("train", *DEBUG, "trainer.max_epochs=3", "hydra.run.dir=whole").code == 0
    resumed, whole = curves(tmp_path / "run"), curves(tmp_path / "whole")
    # the scores of its first end stay out
    assert resumed == whole
    with (tmp_path / "run" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = [(int(row["step"]), pytest.approx(float(row["val/mae"]))) for row in rows]
    assert resumed["val/mae"] == expected
    assert [value for _, value in resumed["epoch"][-1:]] == [3]
    for run in ("run", "whole"):
        assert len(accumulated(tmp_path / run).Images("pictures")) == 3


def test_the_settings_stand_beside_the_result(verb, tmp_path):
    assert verb("train", *DEBUG, "hydra.run.dir=run").code == 0
    of, summary = (
        accumulated(tmp_path / "run"),
        json.loads((tmp_path / "run" / "summary.json").read_text()),
    )
    assert of.Scalars("objective")[-1].value == pytest.approx(summary["objective"]["value"])
    assert "hp_metric" not in of.Tags()["scalars"]
    from tensorboard.plugins.hparams import plugin_data_pb2

    plugins = of.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    start = plugin_data_pb2.HParamsPluginData.FromString(plugins).session_start_info
    assert start.hparams["model/depth"].number_value == 2
    low, high = summary["scores"]["mae"]["low"], summary["scores"]["mae"]["high"]
    assert of.Scalars("Test/mae_low")[-1].value == pytest.approx(low)
    assert of.Scalars("Test/mae_high")[-1].value == pytest.approx(high)
    curve = of.Tensors("Test/precision_recall")[-1].tensor_proto
    n_thresholds = curve.tensor_shape.dim[1].size
    assert n_thresholds == 100
