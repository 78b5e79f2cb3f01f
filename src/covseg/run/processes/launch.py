"""Several processes for one run: the process that Hydra runs never becomes a rank.

It starts torchrun (see ``torchrun``) on ``rank`` and waits. A rank reads its configuration from the
run folder, so nothing is composed twice, no command line is replayed, and a sweep stays N single
runs.

torchelastic's own error files are not precise enough for this: their time has a resolution of one
second, within which the first failure has taken the other ranks along. So ranks write their own.
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
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path

from covseg import errors
from covseg.errors import ConfigError, CovsegError, Crash, Stopped, TrainingError
from covseg.run.folder.run_folder import RunFolder
from covseg.run.processes.signals import SIGNALS

log = logging.getLogger(__name__)

GRACE = 600  # seconds to finish the current batch or validation; a cluster may allow less
_STALE = ("RANK", "WORLD_SIZE", "NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "GROUP_RANK")


def launch(
    verb: str, run: RunFolder, command: str, n_processes: int, share: Mapping[str, str]
) -> float | None:
    """Run a verb in ``n_processes`` ranks and return its objective.

    Args:
        verb: of the command line.
        run: the run folder, with its ``config.yaml``.
        command: as it was typed, for the provenance.
        n_processes: how many.
        share: variables of their environment (see ``share``).

    Raises:
        CovsegError: of the first failing rank.
        Stopped: this process was asked to stop; the ranks have ended.
    """
    if sys.platform != "linux":
        raise ConfigError(
            f"trainer.devices={n_processes}",
            "needs Linux, where no process outlives the one that started it",
            "set trainer.devices=1, and on a GPU run one job at a time",
        )
    ranks = run.ranks
    shutil.rmtree(ranks, ignore_errors=True)  # of a run that was killed, and is resumed
    if n_processes > 1:
        log.info("%d processes", n_processes)
    agent = _start(verb, run, command, n_processes, share)
    with _passing_on(agent) as stopped:
        exit_code = _wait(agent, stopped)
    error: BaseException | None = Stopped(stopped[0]) if stopped else None
    if exit_code != 0 and error is None:
        error = _killed(verb, run, exit_code) or _first_error(ranks)
        if error is None:
            raise Crash("a process of this run", "ended without a message", f"see {ranks}")
    shutil.rmtree(ranks, ignore_errors=True)
    if error is not None:
        raise error
    objective: float | None = json.loads(run.objective_file.read_text(encoding="utf-8"))
    run.objective_file.unlink()
    return objective


def _start(
    verb: str, run: RunFolder, command: str, n_processes: int, share: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """Start torchrun on the ranks; those after the first print nothing."""
    quiet = ",".join(f"{rank}:3" for rank in range(1, n_processes))
    torchrun = ["--standalone", "--max-restarts=0", f"--nproc-per-node={n_processes}"]
    torchrun += [f"--log-dir={run.ranks}", f"--redirects={quiet or 0}"]
    arguments = [verb, str(run), command, os.pathsep.join(sys.path)]
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "covseg.run.processes.torchrun", *torchrun),
            *("-m", "covseg.run.processes.rank", *arguments),
        ],
        env={**_environment(), **share},
        start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once
        preexec_fn=partial(die_with, os.getpid()),
    )


def die_with(parent: int) -> None:
    """Ask Linux to kill this process when its parent dies, even by ``kill -9``.

    Args:
        parent: its process number; the parent may have died already.
    """
    with contextlib.suppress(OSError, AttributeError):
        set_parent_death_signal = 1
        ctypes.CDLL("libc.so.6").prctl(set_parent_death_signal, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def _environment() -> dict[str, str]:
    """That of this process, without what an outer launcher left."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _STALE and not name.startswith(("TORCHELASTIC_", "LOCAL_"))
    }
    # else DDP warns, in 400 characters, of what build.trainer asks for on purpose
    environment.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    return environment


@contextlib.contextmanager
def _passing_on(agent: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Turn the first signal into one SIGTERM to the agent; a second Ctrl-C kills it."""
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
    deadline = None
    while True:
        try:
            return agent.wait(0.2)
        except subprocess.TimeoutExpired:
            if stopped:
                deadline = deadline or time.monotonic() + GRACE
                if time.monotonic() > deadline:
                    agent.kill()  # its ranks follow it: see die_with


def _killed(verb: str, run: RunFolder, exit_code: int) -> TrainingError | None:
    """The sentence if a signal ended a rank, or torchrun; the other ranks lost their connection."""
    who, number = "torchrun", -exit_code
    for path in _oldest_first(run.ranks.glob("killed-*"))[:1]:
        who = f"process {path.name.removeprefix('killed-')} of this run"
        number = int(path.read_text(encoding="utf-8"))
    if number <= 0:
        return None
    how = f"was ended by {signal.Signals(number).name}"
    if number == signal.SIGKILL:
        how = "was killed from outside (SIGKILL), most often for lack of memory"
    again = f"continue with resume={run}" if verb == "train" else "run the command again"
    return TrainingError(who, how, f"{again}, or lower data.batch_size if it happens again")


def _first_error(ranks: Path) -> CovsegError | Stopped | None:
    """The error of the rank that ended first: torchrun then stopped the others."""
    for path in _oldest_first([*ranks.glob("stopped-*"), *ranks.glob("error-*.json")]):
        text = path.read_text(encoding="utf-8")
        if path.name.startswith("stopped"):
            return Stopped(int(text))
        name, *sentence = json.loads(text)
        error: CovsegError = getattr(errors, name)(*sentence)
        return error
    return None


def _oldest_first(paths: Iterable[Path]) -> list[Path]:
    return sorted(paths, key=lambda path: path.stat().st_mtime_ns)
