"""A run folder is created, reopened to resume, or discarded if nothing was done."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path

from omegaconf import OmegaConf

from covseg.config.node import Node
from covseg.errors import CovsegError, RunError
from covseg.files import write_whole
from covseg.run import logs
from covseg.run.folder.history import RunHistory
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.yaml_file import dump_yaml


def free_folder(wanted: str) -> str:
    """The folder ``wanted``, or ``wanted_2`` where another run has started in the same second.

    ``conf/`` asks for it as ``${free_folder:...}``; it is made here, so that no other run takes it.
    """
    for name in chain([wanted], (f"{wanted}_{n}" for n in count(2))):
        try:
            Path(name).mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError:
            pass  # ``create`` reports it
        return name
    raise AssertionError


# cached: all jobs of a sweep lie in one folder
OmegaConf.register_new_resolver("free_folder", free_folder, use_cache=True, replace=True)


def create(run: RunFolder, verb: str, config: Node, in_sweep: bool) -> None:
    """Make the folder of a new run, with ``config.yaml`` and the log.

    Raises:
        RunError: the folder cannot be written or already holds a run.
    """
    try:
        run.path.mkdir(parents=True, exist_ok=True)
        with run.config_file.open("x", encoding="utf-8") as file:
            file.write(_text(config))
        logs.configure(run.log(verb), in_sweep)
    except FileExistsError as error:
        raise RunError(
            run, "already holds a run", "set hydra.run.dir=<another folder>, or remove that one"
        ) from error
    except OSError as error:
        with contextlib.suppress(OSError):
            run.config_file.unlink()
        raise not_writable(run, error) from error


@contextlib.contextmanager
def reopened(run: RunFolder, verb: str, config: Node, in_sweep: bool) -> Iterator[None]:
    """Write the configuration with which a run is resumed; a refusal before any work undoes it.

    Raises:
        RunError: the folder cannot be written.
        CovsegError: the refusal.
    """
    before = {
        path: path.read_bytes() for path in (run.config_file, run.provenance) if path.exists()
    }
    age = _age(run.last)
    try:
        if run.finished:  # it is not finished by its new configuration
            RunHistory(run).write(finished=None)
        write_whole(run.config_file, _text(config))
        try:
            logs.configure(run.log(verb), in_sweep)
        except OSError as error:
            raise not_writable(run, error) from error
        yield
    except CovsegError:
        if age == _age(run.last):
            for path, content in before.items():
                write_whole(path, content)
        raise


def discard(run: RunFolder, verb: str) -> None:
    """Leave nothing half-made where a run ended before there was any work in its folder."""
    begun = (run.baselines, run.checkpoints, run.per_image, run.predictions)
    with contextlib.suppress(OSError):  # such as too many open files, which the run reports then
        if any(path.exists() for path in begun):
            return
        logs.configure(None)
        clear(run, verb)
        run.lock.unlink(missing_ok=True)
        run.path.rmdir()  # unless there are other files in it


def clear(run: RunFolder, verb: str) -> None:
    """Remove what a run has left in its folder, and nothing else.

    Raises:
        OSError: a file cannot be removed.
    """
    for path in (*run.files, run.log(verb)):
        path.unlink(missing_ok=True)
    for folder in (run.checkpoints, run.pictures, run.ranks):
        shutil.rmtree(folder, ignore_errors=True)


def not_writable(run: object, error: OSError) -> RunError:
    """The sentence for a run folder that cannot be made."""
    return RunError(
        f"hydra.run.dir={run}",
        f"cannot be written ({os.strerror(error.errno or 0)})",
        "name a folder that you may write to",
    )


def _text(config: Node) -> str:
    return dump_yaml(config.model_dump(by_alias=True))


def _age(path: Path) -> int | None:
    return path.stat().st_mtime_ns if path.exists() else None
