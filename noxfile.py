"""The one list of tasks. ``nox`` runs what a change must pass; ``nox -l`` lists everything.

Sessions use the environment that nox itself is installed in: making one a session would download
torch each time.
"""

import os
import sys
import sysconfig
import venv
from pathlib import Path

import nox

nox.options.default_venv_backend = "none"
nox.options.sessions = ["lint", "types", "rooms", "tests"]

# a file is for one worker, so that its fixtures are made once; those that take long come first
ON_ALL_CORES = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")


def run(session: nox.Session, *arguments: str) -> None:
    """Run a module with this very interpreter: a bare ``python`` may be another one."""
    session.run(sys.executable, "-m", *arguments, external=True)


@nox.session
def lint(session: nox.Session) -> None:
    """Style and format."""
    run(session, "ruff", "check", ".")
    run(session, "ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Mypy --strict over the package."""
    run(session, "mypy")


@nox.session
def rooms(session: nox.Session) -> None:
    """A room imports only rooms to its left."""
    session.run(str(Path(sys.executable).with_name("lint-imports")), external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """The tests on all cores, with their coverage where Python counts lines without a trace."""
    if sys.version_info >= (3, 12):
        coverage(session)
    else:
        # one thread per process: two that wait for each other beside others are ten times as slow
        session.env["OMP_NUM_THREADS"] = "1"
        run(session, "pytest", *ON_ALL_CORES, *session.posargs)


@nox.session(default=False)
def coverage(session: nox.Session) -> None:
    """The tests with the coverage of the processes that they start; a fifth longer before 3.12."""
    session.env["OMP_NUM_THREADS"] = "1"
    if sys.version_info >= (3, 12):  # coverage's default from 3.14 on; much faster than a trace
        session.env["COVERAGE_CORE"] = "sysmon"
    run(session, "coverage", "erase")
    run(session, "coverage", "run", "-m", "pytest", *ON_ALL_CORES, *session.posargs)
    run(session, "coverage", "combine", "--quiet")
    run(session, "coverage", "report")


@nox.session(default=False)
def zoo(session: nox.Session) -> None:
    """Networks of segmentation_models_pytorch, which is installed on top of this environment.

    It needs torchvision: beside a CPU build of torch, that of PyPI breaks every import of
    torchmetrics. See tests/zoo/sitecustomize.py.
    """
    folder = Path(session.create_tmp())
    venv.create(folder, with_pip=True, clear=True, symlinks=os.name != "nt")
    scheme = {"base": str(folder), "platbase": str(folder)}
    below = Path(sysconfig.get_path("purelib", "venv", vars=scheme), "below.pth")
    below.write_text(sysconfig.get_path("purelib"))
    python = sysconfig.get_path("scripts", "venv", vars=scheme) + "/python"
    session.run(python, "-m", "pip", "install", "--quiet", "-e", ".[zoo]", external=True)
    session.env.update(OMP_NUM_THREADS="1", PYTHONPATH=str(Path("tests", "zoo").resolve()))
    files = ("tests/zoo", "tests/learn/networks/test_contract.py", "tests/test_conf.py")
    of_zoo = ("-k", "smp or medsegbench or tahir")
    words = ("-m", "pytest", *ON_ALL_CORES, *files, *of_zoo, *session.posargs)
    session.run(python, *words, external=True)


@nox.session(default=False)
def nightly(session: nox.Session) -> None:
    """All tests, with many random cases: 10,000 of test_fuzz, 80 kills, 200 jobs in a process."""
    session.env.update(OMP_NUM_THREADS="1", COVSEG_NIGHTLY="1")
    run(session, "pytest", "-m", "not cluster", "--timeout=7200", *ON_ALL_CORES, *session.posargs)


@nox.session(default=False)
def cluster(session: nox.Session) -> None:
    """A real Slurm, Ray and two hosts on this machine; what is not installed is skipped."""
    session.env["OMP_NUM_THREADS"] = "1"
    run(session, "pytest", "-m", "cluster", "-rs", "tests/cluster", *session.posargs)


@nox.session(default=False)
def portable(session: nox.Session) -> None:
    """What must work on Windows and macOS as well: one process, with loader processes."""
    files = (
        "tests/learn",
        "tests/test_config.py",
        "tests/test_evaluate.py",
        "tests/test_elsewhere.py",
    )
    loaders = "tests/test_train.py::test_the_same_seed_gives_the_same_numbers_again"
    run(session, "pytest", *files, loaders, *session.posargs)


@nox.session(default=False)
def mistakes(session: nox.Session) -> None:
    """Every mistake in a process of its own; writes docs/mistakes.md anew."""
    Path("docs", "mistakes.md").unlink(missing_ok=True)
    every = ("-m", "not cluster")  # those marked nightly as well
    run(session, "pytest", "tests/mistakes", *every, "--write-mistakes", *session.posargs)


@nox.session(default=False)
def audit(session: nox.Session) -> None:
    """Vulnerabilities and licences of what is installed: pip install -e '.[audit]' first."""
    session.run(sys.executable, ".ci/audit.py", external=True)


@nox.session(default=False)
def fix(session: nox.Session) -> None:
    """Mend what style and format can mend by themselves."""
    run(session, "ruff", "check", "--fix", ".")
    run(session, "ruff", "format", ".")


@nox.session(default=False)
def wheel(session: nox.Session) -> None:
    """The wheel, into dist/."""
    run(session, "build", "--wheel")
