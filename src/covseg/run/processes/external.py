"""Processes that another program has started together: torchrun, or srun of Slurm.

The first of them creates the run folder and publishes its name, so that it is the same for all
whatever their clocks say; the others neither compose nor write anything of their own.
"""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from covseg.config.trainer import Trainer
from covseg.errors import ConfigError, setting
from covseg.run import logs
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verb import Verb

_PATIENCE = timedelta(minutes=30)  # for processes that a busy cluster starts one after the other
_FIRST_PORT, _N_PORTS = 15000, 17000  # below those that systems assign by themselves


@dataclass(frozen=True)
class ExternalProcess:
    """This process as one of several.

    Attributes:
        rank: of this process.
        size: how many there are.
        local_size: how many of them are on this machine.
    """

    rank: int
    size: int
    local_size: int

    @property
    def sees_one_gpu(self) -> bool:
        """Whether processes that share a machine see one GPU of it each."""
        machines = int(os.environ.get("SLURM_STEP_NUM_NODES", self.size))
        return self.local_size == 1 and machines < self.size

    def counts(self, trainer: Mapping[str, Any]) -> dict[str, int]:
        """``devices`` and ``num_nodes`` as these processes were started.

        Args:
            trainer: what is asked for.

        Raises:
            ConfigError: the configuration asks for something else.
        """
        actual = {"devices": self.local_size, "num_nodes": self.size // self.local_size}
        asked = str(trainer["devices"])
        per_machine = int(asked) if asked.isdecimal() else 0
        if self.sees_one_gpu and per_machine * (trainer["num_nodes"] or 1) == self.size:
            return actual
        for key, value in actual.items():
            if trainer[key] not in (None, 1, -1, "auto", value):  # 1 is the default
                raise ConfigError(
                    setting(f"trainer.{key}", trainer[key]),
                    f"is not what torchrun or srun has started, {actual['devices']} process(es) on "
                    f"each of {actual['num_nodes']} machine(s)",
                    "leave it out, or start as many",
                )
        return actual

    @staticmethod
    def check_same(now: Trainer, before: Trainer, run: RunFolder) -> None:
        """Refuse to resume a run with another number of processes.

        Raises:
            ConfigError: it was begun with more or fewer.
        """
        if (now.devices, now.num_nodes) != (before.devices, before.num_nodes):
            raise ConfigError(
                run,
                f"was begun with {before.devices} process(es) on each of {before.num_nodes} "
                "machine(s), unlike the processes that were started now",
                "start as many as then",
            )

    def publish(self, folder: Path | None) -> None:
        """Send the run folder to the other processes; None where there is nothing to do."""
        self._store.set(self._key, str(folder or ""))

    def await_folder(self) -> Path | None:
        """Wait for the run folder that the first process publishes."""
        try:
            self._store.wait([self._key], _PATIENCE)
            name = self._store.get(self._key).decode()
        except RuntimeError:  # torch's: the first process has ended
            return None
        return Path(name) if name else None

    def follow(self, verb: Verb, command: str) -> None:
        """Do the work that the first process leads.

        Args:
            verb: of the command line.
            command: as it was typed.
        """
        if (folder := self.await_folder()) is not None:
            logs.configure(None)
            request = verb.request(verb.recheck(RunFolder(folder).read_config()))
            verb.run(request, folder, command)

    @contextlib.contextmanager
    def leading(self) -> Iterator[None]:
        """Let the other processes end where this one, the first, ends without a run folder."""
        try:
            yield
        except BaseException:
            with contextlib.suppress(RuntimeError):  # torch's: the others have ended
                self.publish(None)
            raise

    @property
    def _key(self) -> str:
        return f"covseg/run_folder/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"

    @cached_property
    def _store(self) -> Any:
        """Where all processes meet; kept, because the training's process group uses it too."""
        from torch.distributed.rendezvous import rendezvous

        store, _, _ = next(rendezvous("env://", self.rank, self.size))
        return store


def external_process() -> ExternalProcess | None:
    """This process among several that were started together; None where it is alone."""
    if "SLURM_PROCID" in os.environ and "TORCHELASTIC_RUN_ID" not in os.environ:
        _set_torchruns_variables()
    if "TORCHELASTIC_RUN_ID" not in os.environ or int(os.environ["WORLD_SIZE"]) == 1:
        return None
    numbers = (int(os.environ[name]) for name in ("RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    return ExternalProcess(*numbers)


def with_processes(config: Any, verb: str, process: ExternalProcess | None) -> Any:
    """A configuration with the devices of the processes that were started together.

    Raises:
        ConfigError: the verb is work for one process, or asks for another number.
    """
    if process is None:
        return config
    trainer = getattr(config, "trainer", None)
    if trainer is None:
        raise ConfigError(
            f"python -m covseg.{verb}", "is work for one process", "run it without torchrun or srun"
        )
    if isinstance(trainer, dict):  # of an evaluation, where null is as in the run
        return config.model_copy(update={"trainer": trainer | process.counts(trainer)})
    counts = process.counts(trainer.model_dump())
    return config.model_copy(update={"trainer": trainer.model_copy(update=counts)})


def _set_torchruns_variables() -> None:
    """Set for a task of srun what torchrun would have set."""
    slurm = os.environ
    size = int(slurm.get("SLURM_STEP_NUM_TASKS", 1))  # a batch script itself is no task of a step
    if size == 1:
        return
    # as torchrun does, before torch is imported; all threads of all tasks would compete
    os.environ.setdefault("OMP_NUM_THREADS", slurm.get("SLURM_CPUS_PER_TASK", "1"))
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment

    job, step = int(slurm["SLURM_JOB_ID"]), int(slurm["SLURM_STEP_ID"])
    rank, nodes = slurm["SLURM_PROCID"], int(slurm.get("SLURM_STEP_NUM_NODES", 1))
    local_rank, node = slurm["SLURM_LOCALID"], slurm.get("SLURM_NODEID", "0")
    on_node = size // nodes
    gpus = slurm.get("CUDA_VISIBLE_DEVICES", "")
    if on_node > 1 and gpus and "," not in gpus:
        # --gpus-per-task=1 shows each task its own GPU, as if it had a machine to itself
        local_rank, node, on_node = "0", rank, 1
    os.environ |= {
        "RANK": rank,
        "LOCAL_RANK": local_rank,
        "GROUP_RANK": node,
        "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(on_node),
        "MASTER_ADDR": SLURMEnvironment.resolve_root_node_address(slurm["SLURM_STEP_NODELIST"]),
        "MASTER_PORT": str(_FIRST_PORT + (31 * job + step) % _N_PORTS),
        "TORCHELASTIC_RUN_ID": f"{job}.{step}",
    }
