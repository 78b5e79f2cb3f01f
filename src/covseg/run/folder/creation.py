"""A run folder is taken, and given back where a run was refused before it began."""

import contextlib
import os
import shutil
from collections.abc import Iterator
from itertools import chain, count
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from covseg.errors import CovsegError, RunError
from covseg.files import write_whole
from covseg.run import logs
from covseg.run.folder.yaml_file import dumped

_BEGUN = {"baselines.npz", "checkpoints", "per_image.csv"}  # what only work leaves


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
            pass  # ``claim`` says so
        return name
    raise AssertionError


# cached: all jobs of a sweep lie in one folder
OmegaConf.register_new_resolver("free_folder", free_folder, use_cache=True, replace=True)


def claim(out: Path, verb: str, values: dict[str, Any]) -> None:
    """Make ``out`` the folder of this run: ``config.yaml`` and the log.

    Raises:
        RunError: the folder cannot be written or already holds a run.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / "config.yaml").open("x", encoding="utf-8") as file:
            file.write(dumped(values))
        logs.configure(out / f"{verb}.log")
    except FileExistsError as error:
        raise RunError(
            out, "already holds a run", "say hydra.run.dir=<another folder>, or remove that one"
        ) from error
    except OSError as error:
        with contextlib.suppress(OSError):
            (out / "config.yaml").unlink()
        raise unwritable(out, error) from error


def claim_again(run: Path, verb: str, values: dict[str, Any]) -> None:
    """Take a run folder that goes on: its configuration may have changed where that is allowed.

    Raises:
        RunError: the folder cannot be written.
    """
    write_whole(run / "config.yaml", dumped(values))
    try:
        logs.configure(run / f"{verb}.log")
    except OSError as error:
        raise unwritable(run, error) from error


@contextlib.contextmanager
def put_back(run: Path) -> Iterator[None]:
    """Give a run folder its configuration and notes back, if going on is refused before any work.

    Raises:
        CovsegError: the refusal.
    """
    last = run / "checkpoints" / "last.ckpt"
    names = ("config.yaml", "provenance.json")
    before = {path: path.read_bytes() for name in names if (path := run / name).exists()}
    age = last.stat().st_mtime_ns if last.exists() else None
    try:
        yield
    except CovsegError:
        if age == (last.stat().st_mtime_ns if last.exists() else None):
            for path, content in before.items():
                write_whole(path, content)
        raise


def unwritable(out: object, error: OSError) -> RunError:
    """What is said where the run folder cannot be made."""
    return RunError(
        f"hydra.run.dir={out}",
        f"cannot be written ({os.strerror(error.errno or 0)})",
        "name a folder that you may write to",
    )


def give_up(out: Path, verb: str) -> None:
    """Leave nothing half-made where a run ended before there was any work in its folder."""
    with contextlib.suppress(OSError):  # such as too many open files, which the run then says
        if not out.is_dir() or not _BEGUN.isdisjoint(path.name for path in out.iterdir()):
            return
        logs.configure(None)
        for name in ("config.yaml", f"{verb}.log", "provenance.json"):
            (out / name).unlink(missing_ok=True)
        shutil.rmtree(out / "ranks", ignore_errors=True)
        out.rmdir()  # unless somebody keeps other files in it
