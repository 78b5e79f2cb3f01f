"""The signal that has ended a job of a sweep is handed over to the launcher of the job."""

import os
import signal
import subprocess

from covseg.errors import Stopped

_PATIENCE = 10  # seconds, of the little time between a signal and the end of a job


def hand_over(stopped: Stopped) -> None:
    """Run the handler that the launcher has for a signal, if it has one.

    submitit has a job started again on SIGUSR2 alone. Slurm itself preempts with SIGTERM, unless
    its administrator has chosen otherwise, so that becomes SIGUSR2, but not where Slurm is already
    ending the job, as after ``scancel``.

    Args:
        stopped: by the signal.
    """
    [number] = stopped.args
    on_slurm = os.environ.get("SUBMITIT_EXECUTOR") == "slurm"
    if on_slurm and number == signal.SIGTERM and _state_of_job() == "RUNNING":
        number = signal.SIGUSR2
    if callable(signal.getsignal(number)):
        signal.raise_signal(number)


def _state_of_job() -> str:
    """Slurm's word for the state of this job; empty where Slurm does not answer."""
    job = os.environ["SLURM_JOB_ID"]
    try:
        done = subprocess.run(
            ["squeue", "--noheader", "--format=%T", f"--jobs={job}"],  # noqa: S607  as submitit does
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip()
