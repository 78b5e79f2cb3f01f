"""MLflow's database, read back by MLflow."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

mlflow = pytest.importorskip("mlflow", reason="pip install 'covseg[mlflow]'")

DEBUG = ("experiment=debug", "logger=mlflow", "trainer.log_every_n_steps=1")


def found(home):
    client = mlflow.MlflowClient(f"sqlite:///{home}/outputs/mlflow.db")
    experiment = client.get_experiment_by_name("covseg")
    return client, client.search_runs([experiment.experiment_id])


def test_a_run_is_there_with_curves_scores_settings_and_files(command, tmp_path):
    done = command("train", *DEBUG, "hydra.run.dir=run", "tags=[a,b]")
    assert done.code == 0, done.err
    client, (run,) = found(tmp_path)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "run")
    assert run.data.tags["tags"] == "a, b"
    assert run.data.params["model/depth"] == "2"
    scores = json.loads((tmp_path / "run" / "summary.json").read_text())["scores"]
    for bound in ("value", "low", "high"):
        name = "Test/mae" if bound == "value" else f"Test/mae_{bound}"
        assert run.data.metrics[name] == pytest.approx(scores["mae"][bound])
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/mae")]
    assert steps == [4, 8]
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"summary.json", "config.yaml", "pictures"} <= files
    assert not (tmp_path / "mlruns").exists()


def test_a_run_that_is_killed_and_resumed_is_one_run_without_a_step_twice(
    command, environment, tmp_path
):
    words = (*DEBUG, "trainer.max_epochs=8", "data.phantom.n_images={Train:48,Val:8,Test:8}")
    process = subprocess.Popen(
        [sys.executable, "-m", "covseg.train", *words, "hydra.run.dir=run"],
        cwd=tmp_path,
        env=environment,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    log = tmp_path / "run" / "train.log"
    while not (log.exists() and "epoch 2:" in log.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    done = command("train", "resume=run")
    assert done.code == 0, done.err
    client, (run,) = found(tmp_path)
    assert run.info.status == "FINISHED"
    for name, n in (("val/mae", 8), ("train/loss", 8), ("train/loss_step", 96)):
        steps = [point.step for point in client.get_metric_history(run.info.run_id, name)]
        assert len(steps) == len(set(steps)) == n, name


def test_a_run_that_is_prolonged_is_one_run_with_the_settings_of_its_start(verb, tmp_path):
    assert verb("train", *DEBUG, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    done = verb("train", "resume=run", "trainer.max_epochs=2")
    assert done.code == 0, done.err
    client, (run,) = found(tmp_path)
    assert run.data.params["trainer/max_epochs"] == "1"
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "val/mae")]
    assert steps == [4, 8]


def test_a_server_that_cannot_be_reached_costs_the_dashboard_and_not_the_run(command, tmp_path):
    done = command(
        *("train", *DEBUG, "hydra.run.dir=run"),
        MLFLOW_TRACKING_URI="http://127.0.0.1:9",
        MLFLOW_HTTP_REQUEST_MAX_RETRIES="0",
    )
    assert done.code == 0, done.err
    assert "MLflow is not used (" in done.err
    assert json.loads((tmp_path / "run" / "provenance.json").read_text())["finished"]
