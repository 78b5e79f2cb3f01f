"""Many short jobs in one process, and many epochs in one run: nothing piles up.

It is 6 jobs and 60 epochs; ``nox -s nightly`` makes it 200 jobs and 2,000 epochs.
Hydra keeps the configuration of every job of a sweep until its end, 0.18 MiB each, and Python keeps
that room for the next one: so a sweep as long comes first.
"""

import ctypes
import gc
import os
import re
import sys
import threading
from pathlib import Path

import pytest
from hydra.core.global_hydra import GlobalHydra

from covseg import train

pytestmark = pytest.mark.long

N_JOBS, N_EPOCHS = (200, 2000) if "COVSEG_NIGHTLY" in os.environ else (6, 60)
TINY = (
    *("experiment=debug", "callbacks=none", "data.image_size=32", "model.base_channels=2"),
    *("data.phantom.n_images={Train:4,Val:4,Test:4}", "trainer.max_epochs=1"),
)


def held() -> dict[str, float]:
    """What this process holds of the machine."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what is free already is not held
    status = Path("/proc/self/status").read_text()
    resident = int(status.partition("VmRSS:")[2].split()[0]) / 1024
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return {
        "MiB": resident,
        "files": len(list(Path("/proc/self/fd").iterdir())),
        "threads": threading.active_count(),
        "system threads": len(list(Path("/proc/self/task").iterdir())),
        "processes": len(children),
        "shared memory": sum(map(is_left_over, Path("/dev/shm").iterdir())),
    }


def is_left_over(segment: Path) -> bool:
    """Whether the process that a segment is named for is this one or is gone: torch_<pid>_..."""
    numbers = re.findall(r"\d+", segment.name)
    return not numbers or numbers[0] == str(os.getpid()) or not Path("/proc", numbers[0]).exists()


def command(monkeypatch: pytest.MonkeyPatch, *words: str) -> None:
    monkeypatch.setattr(sys, "argv", ["train", *words])
    GlobalHydra.instance().clear()
    train.main()


@pytest.mark.nightly  # a minute, and hours with its 200 jobs
@pytest.mark.timeout(7200)
def test_nothing_piles_up(tmp_path, phantom_cache, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COVSEG_CACHE", str(phantom_cache))
    seeds = [",".join(map(str, range(number))) for number in (N_JOBS // 2, N_JOBS)]
    words = (f"seed={seeds[0]}", "data.num_workers=0,1", "hydra.sweep.dir=warm")
    command(monkeypatch, "-m", *TINY, *words)
    start = held()
    command(monkeypatch, "-m", *TINY, f"seed={seeds[1]}", "hydra.sweep.dir=sweep")
    after_jobs = held()
    command(monkeypatch, *TINY, f"trainer.max_epochs={N_EPOCHS}", "hydra.run.dir=long")
    after_epochs = held()
    capsys.readouterr()
    for name, found in (("jobs", after_jobs), ("epochs", after_epochs)):
        print(name, {key: round(found[key] - start[key], 1) for key in found})
        assert found["MiB"] - start["MiB"] < 30
        for key in ("files", "threads", "system threads", "processes", "shared memory"):
            assert found[key] <= start[key] + 1, key
    assert len(list((tmp_path / "sweep").glob("*/summary.json"))) == N_JOBS
    assert len((tmp_path / "long" / "metrics.csv").read_text().splitlines()) == N_EPOCHS + 1
