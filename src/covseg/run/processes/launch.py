"""Several processes for one run: this process, which Hydra runs, never becomes a rank.

It starts torchrun (see ``torchrun``) on ``rank`` and waits. A rank reads its configuration from the
run folder, so nothing is composed twice, no command line is replayed, and a sweep stays N single
runs.
"""

import contextlib
import ctypes
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from covseg import errors
from covseg.errors import CovsegError, Crash, Stopped, TrainingError
from covseg.run.processes.signals import SIGNALS

log = logging.getLogger(__name__)

RANKS = "ranks"  # folder in the run folder while the processes live, or if they died wordless
RESULT = "objective.json"
AGENT = "COVSEG_AGENT"  # the environment variable that tells the ranks which process started them
GRACE = 600  # seconds to finish the current batch or validation; a cluster may have less patience
_STALE = ("RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "GROUP_RANK")


def launch(verb: str, out: Path, n_processes: int) -> float | None:
    """Run a verb in ``n_processes`` ranks and give back its objective.

    Raises:
        CovsegError: what the first failing rank refused with.
        Stopped: this process was asked to stop; the ranks are gone.
    """
    ranks = out / RANKS
    shutil.rmtree(ranks, ignore_errors=True)  # of a run that was killed, and goes on now
    log.info("%d processes", n_processes)
    quiet = ",".join(f"{rank}:3" for rank in range(1, n_processes))
    command = [
        sys.executable,
        "-m",
        "covseg.run.processes.torchrun",
        "--standalone",
        "--max-restarts=0",
    ]
    command += [f"--nproc-per-node={n_processes}", f"--log-dir={ranks}", f"--redirects={quiet}"]
    command += ["-m", "covseg.run.processes.rank", verb, str(out)]
    agent = subprocess.Popen(
        command,
        env=_environment(n_processes),
        start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
        preexec_fn=partial(die_with, os.getpid()),
    )
    with _passing_on(agent) as stopped:
        exit_code = _wait(agent, stopped)
    word: BaseException | None = Stopped(stopped[0]) if stopped else None
    if exit_code != 0 and word is None:
        word = _killed(verb, out, exit_code) or _first_word(ranks)
        if word is None:
            raise Crash("a process of this run", "ended without a message", f"see {ranks}")
    shutil.rmtree(ranks, ignore_errors=True)
    if word is not None:
        raise word
    result = out / RESULT
    objective: float | None = json.loads(result.read_text(encoding="utf-8"))
    result.unlink()
    return objective


def die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, even by ``kill -9``.

    Args:
        parent: its process number; the parent may be dead by now.
    """
    with contextlib.suppress(OSError, AttributeError):
        set_parent_death_signal = 1
        ctypes.CDLL("libc.so.6").prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _environment(n_processes: int) -> dict[str, str]:
    """This process's, without what an outer launcher left, with a fair share of the cores."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _STALE and not name.startswith(("TORCHELASTIC_", "LOCAL_"))
    }
    import torch  # here, because a rank binds itself to its agent before torch's slow import

    share = max(1, torch.get_num_threads() // n_processes)
    environment.setdefault("OMP_NUM_THREADS", str(share))
    # else DDP warns, in 400 characters, of what build.trainer asks for on purpose
    environment.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return environment


@contextlib.contextmanager
def _passing_on(agent: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Turn the first signal into one SIGTERM to the agent; a second Ctrl-C is its end."""
    stopped: list[int] = []

    def pass_on(number: int, _: object) -> None:
        stopped.append(number)
        if len(stopped) == 1:
            agent.send_signal(signal.SIGTERM)
        elif number == signal.SIGINT:
            agent.kill()

    if threading.current_thread() is not threading.main_thread():
        yield stopped  # only the main thread may handle signals
        return
    before = {number: signal.signal(number, pass_on) for number in SIGNALS}
    try:
        yield stopped
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _wait(agent: subprocess.Popen[bytes], stopped: list[int]) -> int:
    patience = None
    while True:
        try:
            return agent.wait(0.2)
        except subprocess.TimeoutExpired:
            if stopped:
                patience = patience or time.monotonic() + GRACE
                if time.monotonic() > patience:
                    agent.kill()  # its ranks follow it: see die_with


def _killed(verb: str, out: Path, exit_code: int) -> TrainingError | None:
    """What the system did to a process, or to torchrun; the others lost their connection to it."""
    who, number = "torchrun", -exit_code
    for path in _oldest_first((out / RANKS).glob("killed-*"))[:1]:
        who = f"process {path.name.removeprefix('killed-')} of this run"
        number = int(path.read_text(encoding="utf-8"))
    if number <= 0:
        return None
    how = f"ended by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        how = "was killed from outside (SIGKILL), most often for want of memory"
    again = f"go on with resume={out}" if verb == "train" else "say the command again"
    return TrainingError(who, how, f"{again}, or lower data.batch_size if it happens again")


def _first_word(ranks: Path) -> CovsegError | Stopped | None:
    """What the rank said that ended first: torchrun then stopped the others."""
    for path in _oldest_first([*ranks.glob("stopped-*"), *ranks.glob("refusal-*.json")]):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("stopped"):
            return Stopped(int(text))
        name, *sentence = json.loads(text)
        error: CovsegError = getattr(errors, name)(*sentence)
        return error
    return None


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)
