"""A job's share of the machine: threads for each process, GPUs beside other jobs of a sweep.

A GPU belongs to a job for as long as it holds the lock of a file, which a killed process frees. The
files are shared by all sweeps of a user on the machine. CUDA reads ``CUDA_VISIBLE_DEVICES`` once in
a process, and joblib's processes do job after job: so a job on a GPU works in processes of its own.
"""

import contextlib
import logging
import math
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from filelock import FileLock, Timeout

from covseg import devices
from covseg.config.trainer import Trainer

log = logging.getLogger(__name__)

VISIBLE = "CUDA_VISIBLE_DEVICES"
_PAUSE = 0.5  # seconds between two looks at GPUs that are all in use


@contextlib.contextmanager
def machine_share(
    settings: Trainer, n_processes: int, n_jobs: int | None
) -> Iterator[dict[str, str]]:
    """Hold what a job may use: a GPU per process, and its part of the cores.

    Args:
        settings: of the job's trainer.
        n_processes: of the job.
        n_jobs: at a time, None where the machine is this job's alone. If they are more than there
            are GPUs for, a GPU has several; less than 1 is as many as there are GPUs for.

    Yields:
        variables for the job's processes, ``CUDA_VISIBLE_DEVICES`` if it has GPUs of its own.
    """
    share = {"OMP_NUM_THREADS": str(max(1, torch.get_num_threads() // n_processes))}
    if n_jobs is None:
        yield {} if "OMP_NUM_THREADS" in os.environ else share
        return
    # joblib has set OMP_NUM_THREADS, to the threads of a job
    if not devices.on_gpu(settings) or isinstance(settings.devices, list):  # which names its GPUs
        yield share
        return
    gpus = _visible()
    jobs_per_gpu = max(1, math.ceil(n_jobs * n_processes / len(gpus)))
    with contextlib.ExitStack() as held:
        own = _hold(gpus, n_processes, jobs_per_gpu, held)
        log.info("GPU %s of this machine", ", ".join(own))
        yield share | {VISIBLE: ",".join(own)}


def _visible() -> list[str]:
    """The GPUs that this process may use, as CUDA names them."""
    n_gpus = torch.cuda.device_count()
    listed = [name.strip() for name in os.environ.get(VISIBLE, "").split(",") if name.strip()]
    return listed[:n_gpus] or [str(number) for number in range(n_gpus)]


def _hold(gpus: list[str], n_gpus: int, jobs_per_gpu: int, held: contextlib.ExitStack) -> list[str]:
    """Take the locks of ``n_gpus`` different GPUs, those with the fewest jobs first."""
    folder = Path(tempfile.gettempdir(), f"covseg-gpus-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    own: list[str] = []
    with FileLock(folder / "queue.lock"):  # two jobs that each hold half would wait for ever
        while True:
            for place in range(jobs_per_gpu):
                for gpu in gpus:
                    if len(own) < n_gpus and gpu not in own:
                        with contextlib.suppress(Timeout):
                            lock = FileLock(folder / f"{gpu.replace('/', '-')}.{place}.lock")
                            held.enter_context(lock.acquire(timeout=0))
                            own.append(gpu)
            if len(own) == n_gpus:
                return own
            time.sleep(_PAUSE)
