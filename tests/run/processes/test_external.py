"""torchrun and srun start covseg themselves: one folder, one log, every image once."""

import csv
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

import pytest

from covseg.errors import ConfigError
from covseg.run.processes.external import ExternalProcess, external_process

pytestmark = pytest.mark.long

TRAIN = ("-m", "covseg.train", "experiment=debug", "callbacks=none", "trainer.max_epochs=1")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run")


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def agents() -> list[list[str]]:
    """Two of them, which stand for two machines."""
    where = ("--master-addr=127.0.0.1", f"--master-port={free_port()}", "--nproc-per-node=1")
    return [[*TORCHRUN, "--nnodes=2", f"--node-rank={n}", *where, *TRAIN] for n in (0, 1)]


def tasks() -> list[list[str]]:
    """What srun would start: plain processes that are told apart by their environment."""
    known = {"JOB_ID": os.getpid(), "STEP_ID": 0, "STEP_NUM_TASKS": 2, "STEP_NUM_NODES": 1}
    known |= {"NTASKS": 2, "STEP_NODELIST": "localhost", "NODEID": 0}
    names = [f"SLURM_{key}={value}" for key, value in known.items()]
    return [
        ["env", *names, f"SLURM_PROCID={n}", f"SLURM_LOCALID={n}", sys.executable, *TRAIN]
        for n in (1, 0)
    ]


LAUNCHES: dict[str, Callable[[], list[list[str]]]] = {
    "torchrun": lambda: [[*TORCHRUN, "--nproc-per-node=2", *TRAIN]],
    "two agents of torchrun": agents,
    "srun": tasks,
}


def run_all(commands: list[list[str]], home: Path, cache: Path) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of commands that run side by side."""
    started = [
        subprocess.Popen(
            command,
            cwd=home,
            env=os.environ | {"COVSEG_CACHE": str(cache), "COLUMNS": "80"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for command in commands
    ]
    said = [process.communicate(timeout=200) for process in started]
    return [(p.returncode, *words) for p, words in zip(started, said, strict=True)]


@pytest.mark.parametrize(
    "launch",
    [
        pytest.param(launch, id=name, marks=[pytest.mark.nightly] * (name != "torchrun"))
        for name, launch in LAUNCHES.items()
    ],
)
def test_processes_that_others_started_are_one_run(launch, tmp_path, phantom_cache):
    done = run_all(launch(), tmp_path, phantom_cache)
    assert [code for code, *_ in done] == [0] * len(done), done
    assert sum(out.count("run folder:") for _, out, _ in done) == 1
    [run] = (tmp_path / "outputs" / "train").iterdir()
    names = {"config.yaml", "provenance.json", "checkpoints", "metrics.csv", "per_image.csv"}
    names |= {
        "summary.json",
        "histogram.csv",
        "thresholds.csv",
        "report.html",
        "pictures",
        "baselines.npz",
        "typical.npz",
        "fitted.csv",
        "train.log",
    }
    assert {path.name for path in run.iterdir()} == names
    assert (run / "train.log").read_text().count("epoch 1:") == 1
    assert json.loads((run / "provenance.json").read_text())["hardware"]["processes"] == 2
    records = list(csv.DictReader((run / "per_image.csv").open()))
    assert len({(r["patient_class"], r["name"]) for r in records}) == len(records) == 8


@pytest.mark.parametrize(
    "words",
    [
        ["model.depth=99"],
        pytest.param(["data.batch_size=64"], marks=pytest.mark.nightly),
        pytest.param(["-m"], marks=pytest.mark.nightly),
    ],
)
def test_a_refusal_is_said_once_and_ends_all(words, tmp_path, phantom_cache):
    [command] = LAUNCHES["torchrun"]()
    [(code, _, err)] = run_all([[*command, *words]], tmp_path, phantom_cache)
    assert code == 1
    said = ("model.depth=99 is not possible", "data.batch_size=64 times 2", "-m makes several runs")
    assert sum(err.count(sentence) for sentence in said) >= 1, err
    assert "covseg/run" not in err  # no traceback of ours
    assert not list(tmp_path.glob("outputs/train/*"))


def test_alone_is_alone(monkeypatch):
    for name in ("TORCHELASTIC_RUN_ID", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    assert external_process() is None
    # of a batch script, which is no task of srun
    monkeypatch.setenv("SLURM_PROCID", "0")
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert external_process() is None


@pytest.mark.parametrize(("devices", "nodes"), [(1, 1), ("auto", 1), (2, 3), (None, None)])
def test_the_number_of_processes_is_that_of_the_launcher(devices, nodes):
    settled = ExternalProcess(0, 6, 2).counts({"devices": devices, "num_nodes": nodes})
    assert settled == {"devices": 2, "num_nodes": 3}


@pytest.mark.parametrize(("devices", "nodes"), [(4, 1), (2, 2), ([0, 1], 1)])
def test_another_number_is_refused(devices, nodes):
    with pytest.raises(ConfigError, match=r"is not what torchrun or srun has started, 2 process"):
        ExternalProcess(0, 6, 2).counts({"devices": devices, "num_nodes": nodes})


@pytest.fixture
def task():
    """Make this process a task of srun; what is set for it is restored at the end."""

    def be(n: int, size: int, nodes: int, gpus: str | None) -> ExternalProcess:
        for name in [name for name in os.environ if name.startswith(("SLURM_", "TORCHELASTIC_"))]:
            del os.environ[name]
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        known = {"JOB_ID": 1, "STEP_ID": 0, "STEP_NUM_TASKS": size, "STEP_NUM_NODES": nodes}
        known |= {"NTASKS": size, "STEP_NODELIST": "localhost", "NODEID": n * nodes // size}
        known |= {"PROCID": n, "LOCALID": n % (size // nodes)}
        os.environ |= {f"SLURM_{key}": str(value) for key, value in known.items()}
        if gpus is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = gpus
        found = external_process()
        assert found is not None
        return found

    with patch.dict(os.environ):
        yield be


def in_torchs_words() -> tuple[int, ...]:
    """Rank of the task, on its machine, and of its machine; tasks in all, and on its machine."""
    names = ("RANK", "LOCAL_RANK", "GROUP_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE")
    return tuple(int(os.environ[name]) for name in names)


def ask(devices: object, nodes: object = 1) -> dict[str, object]:
    return {"devices": devices, "num_nodes": nodes}


@pytest.mark.parametrize("n", [0, 1])
def test_tasks_that_are_shown_one_gpu_each_have_a_machine_each(n, task):
    found = task(n, size=2, nodes=1, gpus=str(n))
    assert found == ExternalProcess(n, 2, 1)
    assert in_torchs_words() == (n, 0, n, 2, 1)


@pytest.mark.parametrize("devices", [2, "2", 1, "auto", None])
def test_tasks_that_are_shown_one_gpu_each_may_be_asked_for_as_devices(devices, task):
    found = task(0, size=2, nodes=1, gpus="0")
    assert found.counts(ask(devices)) == ask(1, 2)


@pytest.mark.parametrize("devices", [3, "3", [0, 1]])
def test_tasks_that_are_shown_one_gpu_each_are_no_other_number_of_devices(devices, task):
    found = task(0, size=2, nodes=1, gpus="0")
    with pytest.raises(ConfigError, match="is not what torchrun or srun has started"):
        found.counts(ask(devices))


@pytest.mark.parametrize("gpus", ["0,1", "", None])
@pytest.mark.parametrize("n", [0, 1])
def test_tasks_that_are_shown_all_gpus_or_none_share_a_machine(n, gpus, task):
    found = task(n, size=2, nodes=1, gpus=gpus)
    assert found == ExternalProcess(n, 2, 2)
    assert in_torchs_words() == (n, n, 0, 2, 2)
    assert found.counts(ask(2)) == ask(2)
    with pytest.raises(ConfigError, match="2 process"):
        found.counts(ask(3))


@pytest.mark.parametrize("n", [0, 1])
@pytest.mark.parametrize("gpus", ["0", "0,1", None])
def test_two_machines_with_a_task_each_are_not_two_devices(n, gpus, task):
    found = task(n, size=2, nodes=2, gpus=gpus)
    assert found == ExternalProcess(n, 2, 1)
    assert in_torchs_words() == (n, 0, n, 2, 1)
    assert found.counts(ask(1, 2)) == ask(1, 2)
    with pytest.raises(ConfigError, match=r"trainer\.devices=2 is not what torchrun or srun"):
        found.counts(ask(2))
