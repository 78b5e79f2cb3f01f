"""``examples/wandb_sweep.yaml`` as W&B's own programs use it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from wandb_server import wandb_server

BIN = Path(sys.executable).parent


@pytest.mark.nightly  # half a minute: an agent asks for its next job every five seconds
def test_the_jobs_of_an_agent_are_runs_of_the_sweep(tmp_path, environment):
    text = (Path(__file__).parents[3] / "examples" / "wandb_sweep.yaml").read_text()
    (tmp_path / "sweep.yaml").write_text(text.replace("experiment=demo", "experiment=debug"))
    with wandb_server() as server:
        known = {**environment, **server.environment, "HOME": str(tmp_path)}
        known["PATH"] = f"{BIN}{os.pathsep}{os.environ['PATH']}"

        def wandb(*words: str) -> None:
            command = [str(BIN / "wandb"), *words]
            done = subprocess.run(command, cwd=tmp_path, env=known, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr

        wandb("sweep", "--project", "covseg", "sweep.yaml")
        sent = yaml.safe_load(server.sweeps[-1])
        rates = (0.001, 0.01)
        server.jobs = [
            {
                "type": "run",
                "run_id": f"run{n}",
                "program": sent["program"],
                "args": {"optimizer.lr": {"value": rate}, "model.depth": {"value": 2}},
            }
            for n, rate in enumerate(rates)
        ]
        wandb("agent", "me/covseg/s1")
        assert sorted(server.runs) == ["run0", "run1"]
        for n, rate in enumerate(rates):
            run = server.runs[f"run{n}"]
            assert (run.sweep, run.exit_code) == ("s1", 0)
            assert run.config["optimizer"]["lr"] == rate
            # what the sweep minimises is there, and of Val
            assert 0 < run.summary[sent["metric"]["name"]] < 1
            assert "Val/dice_all" in run.summary
            assert "Test/dice_all" not in run.summary
