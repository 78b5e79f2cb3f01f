"""Slurm on one machine: an own munge, a controller, and two nodes of two cores each."""

import getpass
import os
import re
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun")
CONF = Path(__file__).with_name("slurm.conf")

SACCT = """\
#!/bin/bash
echo 'JobID|State|NodeList'
squeue --all --array --states=all --noheader --format='%i|%T|%N' | sed 's/SIGNALING/RUNNING/'
"""


def missing() -> str | None:
    """Why there can be no Slurm here; None if there can."""
    absent = [program for program in PROGRAMS if not _program(program)]
    if absent:
        return f"{', '.join(absent)} missing: apt-get install slurm-wlm munge"
    if socket.gethostname() == "localhost":
        return "the machine has no name beside localhost for a second node"
    return None


class Slurm:
    """A Slurm that runs.

    Args:
        environment: in which its commands find it.
    """

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def run(self, *words: str) -> str:
        """The output of one of its commands."""
        done = subprocess.run(
            words, env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout

    def submit(self, script: str, cwd: Path, *options: str) -> str:
        """Submit a batch script; returns the number of the job."""
        path = cwd / "job.sh"
        path.write_text(script)
        output = f"--output={cwd}/job.out"
        return self.run(
            "sbatch", "--parsable", f"--chdir={cwd}", output, *options, str(path)
        ).strip()

    def running_job(self) -> str:
        """The only job that runs, once there is one."""
        end = time.monotonic() + 60
        while not (jobs := self.run("squeue", "--noheader", "--states=RUNNING", "--format=%i")):
            assert time.monotonic() < end, self.run("squeue")
            time.sleep(0.2)
        return jobs.strip()

    def show(self, job: str, key: str) -> str:
        """A field of ``scontrol show job``."""
        found = re.search(rf"\b{key}=(\S*)", self.run("scontrol", "show", "job", job))
        assert found is not None
        return found[1]

    def wait(self, job: str, state: str) -> None:
        """Wait until a job is in a state."""
        self._until(lambda: self.show(job, "JobState") == state, job)

    def preempt_when(self, job: str, ready: Callable[[], bool]) -> None:
        """Give both nodes for a moment to a job that is more urgent, once ``ready()`` says so."""
        self._until(ready, job)
        urgent = ("--partition=urgent", "--ntasks=4", "--output=/dev/null", "--wrap=sleep 1")
        self.wait(self.run("sbatch", "--parsable", *urgent).strip(), "COMPLETED")

    def signal_when(self, job: str, name: str, ready: Callable[[], bool]) -> None:
        """Send a signal to a job, KILL to end it, once ``ready()`` says so."""
        self._until(ready, job)
        self.run("scancel", *([] if name == "KILL" else [f"--signal={name}"]), job)

    def see_through(self, job: str) -> int:
        """Wait until a job is done, without the two minutes that each requeue would take.

        Returns:
            how often it was requeued.
        """
        known = 0

        def done() -> bool:
            nonlocal known
            if (restarts := int(self.show(job, "Restarts"))) > known:
                self.run("scontrol", "update", f"JobId={job}", "StartTime=now+5")
                known = restarts
            return self.show(job, "JobState") == "COMPLETED"

        self._until(done, job)
        return known

    def _until(self, ready: Callable[[], bool], job: str) -> None:
        end = time.monotonic() + 240
        while not ready():
            said = self.run("scontrol", "show", "job", job)
            over = time.monotonic() > end or re.search(r"JobState=(FAILED|TIMEOUT|CANC)", said)
            assert not over, said
            time.sleep(0.5)


@contextmanager
def running(folder: Path) -> Iterator[Slurm]:
    """Start Slurm in a folder, and end it with all its jobs."""
    (folder / "state").mkdir()
    sacct = folder / "sacct"  # there is no database of finished jobs: the controller knows them all
    sacct.write_text(SACCT)
    sacct.chmod(0o755)
    environment = os.environ | {
        "SLURM_CONF": str(folder / "slurm.conf"),
        "PATH": f"{folder}:{os.environ['PATH']}",
    }
    host = socket.gethostname()
    ports = dict(zip(("port", "port_a", "port_b"), _free_ports(3), strict=True))
    values = {"folder": folder, "host": host, "user": getpass.getuser()}
    (folder / "slurm.conf").write_text(CONF.read_text().format(**values, **ports))
    (folder / "munge.key").write_bytes(secrets.token_bytes(128))
    (folder / "munge.key").chmod(0o600)
    munge = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
    commands = [
        ["munged", "--foreground", "--force", f"--socket={folder}/munge.socket", *munge],
        ["slurmctld", "-D"],
        *(["slurmd", "-D", "-N", node] for node in (host, "localhost")),
    ]
    with ExitStack() as stack:
        for number, (program, *options) in enumerate(commands):
            log = stack.enter_context((folder / f"{number}-{program}.log").open("wb"))
            command = [str(_program(program)), *options]
            daemon = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
            stack.callback(daemon.wait, 30)
            stack.callback(daemon.terminate)
            time.sleep(0.5)
        slurm = Slurm(environment)
        stack.callback(_cancel_all, slurm)
        _await_nodes(slurm)
        yield slurm


def _await_nodes(slurm: Slurm) -> None:
    end = time.monotonic() + 30
    while True:
        with suppress(AssertionError):  # the controller does not answer yet
            if slurm.run("sinfo", "--noheader", "--partition=main", "--format=%T %D") == "idle 2\n":
                return
        assert time.monotonic() < end, slurm.run("sinfo")
        time.sleep(0.5)


def _cancel_all(slurm: Slurm) -> None:
    slurm.run("scancel", "--user", getpass.getuser())
    end = time.monotonic() + 30
    while slurm.run("squeue", "--noheader") and time.monotonic() < end:
        time.sleep(0.5)


def _program(name: str) -> str | None:
    """Where a program is: daemons are not on the path of a user."""
    return shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin")


def _free_ports(n: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]
