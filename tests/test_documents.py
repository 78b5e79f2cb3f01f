"""What the documents say is what happens: every command works, every name exists.

Of the commands of each kind one is run, the configurations of the others are composed and checked;
``nox -s nightly`` runs them all.
"""

import ast
import importlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import yaml
from PIL import Image
from rich.console import Console

from configurations import check_command_line
from covseg.config.conf import CONF, groups
from covseg.data import findings
from covseg.data.audit.files import audit
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex
from covseg.data.phantom.dataset import write
from covseg.measure.scores import SCORES
from covseg.report.table import summary_tables
from covseg.run.command.arguments import jobs, overrides_of
from covseg.run.command.compose import composer

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
MARKDOWN = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

RUNS = ("RUN", "outputs/train/2026-01-31_12-00-00")  # what documents call a finished run
# said behind a command that does not say it itself: the same work in seconds
SMALL_DATA = {"data.image_size": "32", "data.batch_size": "4"}
SMALL = SMALL_DATA | {"model.base_channels": "4", "trainer.max_epochs": "1"}
SMALL_DEMO = {"trainer.max_epochs": "1", "data.phantom.n_images": "{Train:16,Val:8,Test:8}"}
SMALL_BEST = SMALL_DATA | {"trainer.max_epochs": "1"}
SMALLER = {"experiment=demo": SMALL_DEMO, "experiment=debug": {}, "experiment=best": SMALL_BEST}
SMALLER["model=monai_segresnet"] = SMALL_BEST
SMALL_SMP = SMALL_BEST | {"model.encoder_weights": "null"}  # nothing is downloaded
OF_SMP = ("model=smp_unet", "experiment=medsegbench_unet_densenet121", "experiment=tahir2021_fpn")
SMALLER |= dict.fromkeys(OF_SMP, SMALL_SMP)

# what a verb writes
RESULTS = {
    "explore": "explore.html",
    "compare": "compare.csv",
    "results": "results.md",
    "export": "model.*",
    "predict": "predictions.csv",
    "translate": "translate.log",
}
FEW_TRIALS = {"hydra.sweeper.n_trials": "2"}

NAMES = sorted(file.stem for file in CONF.glob("*.yaml"))  # of the verbs
# every command that a document may hold; a new kind of command needs a test of its own here
KINDS = {
    "name": r"(?:python|torchrun) -m (covseg[.\w]*)(?: VERB FOLDER)?",
    # tests/cluster runs such sweeps
    "cluster": r"python -m covseg\.train -m data\.root=archive\.zip hydra/launcher=(\w+) .+",
    "slurm": r"(?:sbatch job\.sh|squeue --me|scancel --me)",
    "apt": r"apt-get (?:update|install .+)",
    "workspace": r"python -m covseg\.dashboard (.+)",  # asks W&B
    "verb": rf"python -m covseg\.({'|'.join(NAMES)}) (.+)",
    "launcher": r"torchrun --nproc-per-node=2 -m covseg\.train .+",
    "environment": r"python3? -m venv \.venv|source \.venv/bin/activate",
    "pip": r"pip install (?:-e )?(\S+)",
    "tensorboard": r"tensorboard --logdir (\S+)",
    "nox": r"nox(?: -l| -s (\w+)(?: -- -k NAME)?)?",
    "wandb": r"wandb (\w+)(?: <run folder>/wandb/offline-run-\*| --project .+| <user>/.+)?",
    "git": r"git diff --exit-code (\S+)",
}
PROGRAMS = {"python", "python3", "pip", "nox", "source", "wandb", "git", "torchrun", "tensorboard"}
PROGRAMS |= {"sbatch", "squeue", "scancel", "apt-get"}


class Block(NamedTuple):
    """Indented lines of a document."""

    document: str
    kind: str
    lines: list[str]


class Command(NamedTuple):
    """One command, also where ``&&`` joins several."""

    document: str
    text: str

    def kind(self) -> tuple[str, re.Match[str]] | None:
        found = ((kind, re.fullmatch(form, self.text)) for kind, form in KINDS.items())
        return next(((kind, match) for kind, match in found if match), None)


def first_word(text: str) -> str:
    return text.strip().removeprefix(".venv/bin/").partition(" ")[0]


def kind_of_block(lines: list[str]) -> str:
    if lines[0].startswith(("import ", "from ")):
        return "python"
    if lines[0] == "#!/bin/bash":
        return "script"
    if lines[0].startswith("Test: "):
        return "table"
    if all(first_word(line) in PROGRAMS for line in lines):
        return "commands"
    if all(re.fullmatch(r"[\w./]+ {2,}\S.*|\w+\.\w+", line) for line in lines):
        return "tree"
    return "unknown"


def blocks_of(document: str, text: str) -> Iterator[Block]:
    for block in re.findall(r"(?:^ {4}.+\n)+", text + "\n", re.M):
        lines = [line[4:] for line in block.splitlines()]
        yield Block(document, kind_of_block(lines), lines)


def spans_of(text: str) -> list[str]:
    """What stands in backticks within a line."""
    return [span for spans in re.findall(r"``([^`\n]+)``|`([^`\n]+)`", text) for span in spans]


def is_command(span: str) -> bool:
    """Also what only this machine knows as a program: a command of a new kind is not missed."""
    word = first_word(span)
    return span == "nox" or (" " in span and (word in PROGRAMS or bool(shutil.which(word))))


def prose() -> Iterator[tuple[str, str]]:
    """The Markdown, and what stands at the head of every module."""
    for path in MARKDOWN:
        text = path.read_text(encoding="utf-8")
        # a row of docs/mistakes.md, which tests/mistakes holds, may quote a library's own advice
        yield path.name, re.sub(r"^\|.*", "", text, flags=re.M) if path.stem == "mistakes" else text
    for path in [ROOT / "noxfile.py", *sorted((ROOT / "src").rglob("*.py"))]:
        module = ast.parse(path.read_text(encoding="utf-8"))
        yield str(path.relative_to(ROOT)), ast.get_docstring(module) or ""


def lines_with_commands() -> Iterator[tuple[str, str]]:
    for document, text in prose():
        yield from ((document, span) for span in spans_of(text) if is_command(span))
    for block in BLOCKS:
        if block.kind == "commands":
            yield from ((block.document, line) for line in block.lines)
    for path in sorted(CONF.rglob("*.yaml")):
        for comment in re.findall(r"# (.*)", path.read_text(encoding="utf-8")):
            said = [comment.removeprefix("Needs: "), *spans_of(comment)]
            yield from ((path.name, text) for text in said if first_word(text) in PROGRAMS)
    for verb in NAMES:
        help_text = yaml.safe_load((CONF / f"{verb}.yaml").read_text())["hydra"]["help"]["template"]
        said = map(str.strip, help_text.splitlines())
        yield from ((f"{verb} --help", text) for text in said if first_word(text) in PROGRAMS)
    for path in sorted((ROOT / ".github" / "workflows").glob("*.yml")):
        for job in yaml.safe_load(path.read_text())["jobs"].values():
            said = "\n".join(step.get("run", "") for step in job["steps"]).splitlines()
            yield from ((path.name, text) for text in said if text)


def all_commands() -> Iterator[Command]:
    for document, line in lines_with_commands():
        for part in line.split("&&"):
            text = part.strip().removeprefix(".venv/bin/")
            yield Command(document, text.replace("python3 -m covseg", "python -m covseg"))


BLOCKS = [block for document, text in prose() for block in blocks_of(document, text)]
COMMANDS = list(all_commands())
VERBS = list(dict.fromkeys(c.text for c in COMMANDS if (found := c.kind()) and found[0] == "verb"))


def way(text: str) -> tuple[str, bool]:
    """The verb, and whether it is a sweep."""
    words = text.split()
    return words[2], "-m" in words[3:]


# one of each way is run in a process of its own, as a user runs it; torch takes seconds, and
# test_distributed.py starts several processes
ONE_PROCESS = [text for text in VERBS if "--help" not in text and "trainer.devices=2" not in text]
ALONE = {way(text): text for text in reversed(ONE_PROCESS)}.values()
LATER = [text for text in VERBS if text not in ALONE and "--help" not in text]


def of_kind(kind: str) -> Iterator[tuple[Command, re.Match[str]]]:
    for command in COMMANDS:
        found = command.kind()
        if found and found[0] == kind:
            yield command, found[1]


@pytest.fixture(scope="session")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small dataset as Kaggle would hand it out."""
    home = tmp_path_factory.mktemp("archive")
    # a seed of its own: what is found here is cached for every test with the same images
    write(home / "dataset", 1, {"Train": 8, "Val": 4, "Test": 4}, size=32)
    return Path(shutil.make_archive(str(home / "archive"), "zip", home / "dataset"))


@pytest.fixture(scope="session")
def explored(archive: Path, phantom_cache: Path) -> Path:
    """The same, with what ``covseg.explore`` finds in it."""
    store = audit(covid_qu_ex(locate(archive)), phantom_cache).store
    findings.write([], findings.cached(phantom_cache, store.fingerprint))
    return archive


@pytest.fixture
def home(explored: Path, finished_run: Path, tmp_path: Path) -> Path:
    """A folder where everything lies that the documents name."""
    shutil.copy(explored, tmp_path)
    findings.write([], tmp_path / RUNS[1].replace("train", "explore") / "findings.csv")
    for run in RUNS:
        shutil.copytree(finished_run, tmp_path / run)
    shutil.copytree(ROOT / "docs" / "runs", tmp_path / "docs" / "runs")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 70), np.uint8)
    for name in ("xray.png", "xrays/a.png", "xrays/ward/b.tif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / name)
    return tmp_path


@pytest.mark.parametrize(("code", "again"), [(0, False), (1, False), (75, True)])
def test_the_script_for_slurm_asks_for_a_restart_where_that_helps(
    code: int, again: bool, tmp_path: Path
) -> None:
    [script] = [block for block in BLOCKS if block.kind == "script"]
    for name, ends in (("srun", f"exit {code}"), ("scontrol", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/bash\necho {name} "$@" >> said\n{ends}\n')
        program.chmod(0o755)
    subprocess.run(
        ["bash", "-c", "\n".join(script.lines)],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7"},
        check=True,
    )
    ran, *more = (tmp_path / "said").read_text().splitlines()
    assert re.fullmatch(KINDS["verb"], ran.removeprefix("srun "))
    assert more == ["scontrol requeue 7"] * again


def test_nothing_that_looks_like_a_command_is_passed_over() -> None:
    unknown = [block for block in BLOCKS if block.kind == "unknown"]
    assert not unknown, "indented lines that are neither commands nor Python nor a known table"
    assert not [name for name, text in prose() if "```" in text], "code is indented by four"
    assert not [command for command in COMMANDS if command.kind() is None]
    heads = [*(CONF / "experiment").iterdir(), *(CONF / "sweep").iterdir()]
    assert {f"{preset.stem}.yaml" for preset in heads} <= {c.document for c in COMMANDS}


def test_workspaces_are_specified_as_documents_say(verb: Callable[..., Any]) -> None:
    pytest.importorskip("wandb_workspaces")
    for command, match in of_kind("workspace"):
        done = verb("dashboard", *shlex.split(match[1]), "upload=false")
        assert done.code == 0, (command, done.err)


def test_tensorboard_takes_the_options_of_the_documents() -> None:
    program = pytest.importorskip("tensorboard.program").TensorBoard()
    for command, match in of_kind("tensorboard"):
        program.configure(shlex.split(command.text))
        assert program.flags.logdir == match[1]


@pytest.mark.parametrize("text", LATER)
def test_the_configuration_of_a_command_is_right(
    text: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, module, *words = shlex.split(text)
    monkeypatch.chdir(home)
    check_command_line(importlib.import_module(module).VERB, words)


@pytest.mark.parametrize(
    "text",
    [pytest.param(text, marks=[pytest.mark.nightly] * (text in LATER)) for text in VERBS],
)
def test_a_command_does_what_its_document_says(
    text: str, home: Path, verb: Callable[..., Any], command: Callable[..., Any]
) -> None:
    words = shlex.split(text)[3:]
    name = text.split()[2].removeprefix("covseg.")
    if resumed := [word.removeprefix("resume=") for word in words if word.startswith("resume=out")]:
        done = verb(name, *words)
        assert done.code == 0, done.err
        assert done.err == f"{home / resumed[0]} is finished: nothing left to do\n"
        return
    result = RESULTS.get(name, "summary.json")
    before = set(home.rglob(result))
    done = (command if text in ALONE else verb)(name, *words, *shrunk(name, words))
    assert done.code == 0, done.err
    if "--help" in words:
        assert text.partition(" --help")[0] in done.out
        return
    made = set(home.rglob(result)) - before
    n_tables = int("protocol=kfold" in words)  # of all folds together
    assert len(made) == n_runs(words) + n_tables
    place = next((word for word in words if word.startswith("output=")), f"=outputs/{name}")
    assert all(path.is_relative_to(home / place.partition("=")[2]) for path in made)


def n_runs(words: list[str]) -> int:
    """How many runs a command makes."""
    if "sweep=optuna" in words:
        return int(FEW_TRIALS["hydra.sweeper.n_trials"])
    params: dict[str, Any] = {}
    for preset in (word.removeprefix("sweep=") for word in words if word.startswith("sweep=")):
        stated = yaml.safe_load((CONF / "sweep" / f"{preset}.yaml").read_text())
        params |= stated["hydra"]["sweeper"]["params"]
    with composer("train", None, []):
        return len(jobs([*overrides_of(params), *(word for word in words if word != "-m")]))


def shrunk(name: str, words: list[str]) -> list[str]:
    """What makes a command quick, but for what it says itself."""
    if "--help" in words:
        return []
    if name in {"compare", "export", "predict", "results", "translate"}:
        return []
    if name == "explore":
        return ["data.phantom.n_images={Train:8,Val:4,Test:4}"] if "data=phantom" in words else []
    small = {"trainer.accelerator": "cpu"}
    if name == "train":
        small |= next((SMALLER[word] for word in words if word in SMALLER), SMALL)
    if "sweep=optuna" in words:
        small |= FEW_TRIALS
    said = {word.partition("=")[0] for word in words if word.partition("=")[0] not in FEW_TRIALS}
    return [f"{key}={value}" for key, value in small.items() if key not in said]


PYTHON = [b for b in BLOCKS if b.kind == "python" and b.lines[0] == "import covseg"]


@pytest.mark.parametrize("block", PYTHON, ids=lambda b: b[0])
def test_the_python_code_does_what_its_comments_say(
    block: Block, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    names: dict[str, Any] = {}
    exec("\n".join(block.lines), names)
    assert names["probability"].dtype == np.float32
    assert names["probability"].shape == names["prediction"].shape == (50, 70)
    assert names["prediction"].dtype == bool


def test_every_session_of_nox_that_is_named_is_there() -> None:
    command = [sys.executable, "-m", "nox", "--list", "-f", str(ROOT / "noxfile.py")]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    sessions = set(re.findall(r"^[*-] (\w+)", listed, re.M))
    named = {match[1] for _, match in of_kind("nox") if match[1]}
    assert {"tests", "fix"} <= named <= sessions


def test_what_pip_is_told_to_install_is_what_pyproject_declares() -> None:
    extras = tomllib.loads(PYPROJECT)["project"]["optional-dependencies"]
    declared = {re.split(r"\W*[<>=[]", r)[0] for listed in extras.values() for r in listed}
    for command, match in of_kind("pip"):
        what = match[1].strip("'")
        if what.startswith((".", "covseg[")):
            assert set(re.findall(r"\w+", what)) <= {"covseg", *extras}, command
        else:
            assert what in declared, command


def test_launchers_that_commands_name_are_there() -> None:
    named = {match[1] for _, match in of_kind("cluster")}
    assert named == {file.stem for file in (CONF / "hydra" / "launcher").glob("*.yaml")}


def test_other_names_in_commands_are_those_of_something() -> None:
    for command, match in of_kind("name"):
        assert importlib.util.find_spec(match[1]), command
    for command, match in of_kind("git"):
        assert (ROOT / match[1]).exists(), command
    wandb = pytest.importorskip("wandb.cli.cli")
    for command, match in of_kind("wandb"):
        assert match[1] in wandb.cli.commands, command


def test_the_run_folder_is_what_the_readme_says_one_gets(finished_run: Path) -> None:
    [listed] = [b.lines for b in BLOCKS if b.kind == "tree" and b.document == "README.md"]
    names = dict(f"{line} .".split(maxsplit=1) for line in listed)
    assert {name.rstrip("/") for name in names} == {p.name for p in finished_run.iterdir()}
    for name in names:
        assert (finished_run / name).is_dir() == name.endswith("/")
    checkpoints = {path.name for path in (finished_run / "checkpoints").iterdir()}
    assert set(re.findall(r"\w+\.ckpt", names["checkpoints/"])) == checkpoints


def test_files_that_documents_name_are_there(finished_run: Path) -> None:
    for block in BLOCKS:
        if block.kind == "tree" and block.document != "README.md":
            for line in block.lines:
                assert (ROOT / line.split()[0]).exists(), line
    sources = [path for home in ("src", "tests") for path in (ROOT / home).rglob("*.*")]
    ours = {path.name for path in [*sources, *finished_run.iterdir()]}
    ours |= {"findings.csv", "sweep.csv", "job.json", "compare.csv"}
    ours |= {"predictions.csv", "predictions.json", "split.csv", "table.csv"}
    for path in MARKDOWN:
        for name in spans_of(path.read_text(encoding="utf-8")):
            if re.fullmatch(r"[\w./-]+\.(py|md|ya?ml|toml|json|csv|npz)", name):
                assert name in ours or (ROOT / name).exists(), f"{path.name}: {name}"


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: path.name)
def test_links_within_the_repository_lead_somewhere(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.*)", text, re.M)
    anchors = {"#" + re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in headings}
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("#"):
            assert target in anchors
        elif not target.startswith("https://"):
            assert (path.parent / target.partition("#")[0]).exists(), target


def test_the_readmes_table_of_the_demo_is_what_the_terminal_prints(finished_run: Path) -> None:
    [shown] = [b.lines for b in BLOCKS if b.kind == "table"]
    summary = json.loads((finished_run / "summary.json").read_text())
    console = Console(width=80, file=StringIO())
    console.print(summary_tables(summary))
    _, title, *printed = (line.rstrip() for line in console.file.getvalue().splitlines())
    as_printed = title.replace(f"{summary['n_images']} images", "120 images")
    assert shown[0] == as_printed.replace(f"{summary['n_positive']} positive", "60 positive")
    assert shown[1:3] == printed[:2]
    rows = [line.split() for line in shown[3:]]
    assert [" ".join(row[:2]) for row in rows] == [
        f"{name} {'↓' if score.low_is_good else '↑'}" for name, score in SCORES.items()
    ]
    assert [" ".join(line.split()[:2]) for line in printed[2 : 2 + len(SCORES)]] == [
        " ".join(row[:2]) for row in rows
    ]
    assert all(re.fullmatch(r"\d\.\d{4} \d\.\d{3}–\d\.\d{3}( +(\d\.\d{4}|–)){4}",
               " ".join(row[2:])) for row in rows)  # fmt: skip


def test_every_dependency_says_why_it_is_bounded_so() -> None:
    """In a comment behind it or right above it."""
    found = tomllib.loads(PYPROJECT)
    listed = [found["build-system"]["requires"], found["project"]["dependencies"]]
    listed += found["project"]["optional-dependencies"].values()
    lines = [line.strip() for line in PYPROJECT.splitlines()]
    for requirement in (requirement for some in listed for requirement in some):
        places = [n for n, line in enumerate(lines) if f'"{requirement}"' in line.partition("#")[0]]
        assert places
        for at in places:
            assert "#" in lines[at] or lines[at - 1].startswith("#"), f"{requirement}: why?"


def test_ci_calls_exactly_the_readmes_test_command() -> None:
    *_, command = (ROOT / ".ci" / "run").read_text().strip().splitlines()
    assert f"    {command}\n" in README
    assert command in (ROOT / "CONTRIBUTING.md").read_text().replace("python -m", "python3 -m")


def test_the_readme_names_every_group_and_every_score() -> None:
    for group in groups():  # --help names every option
        assert f"`{group}`" in README
    for score in SCORES:
        assert f"`{score}`" in README


def test_no_picture_but_phantoms() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "*.png", "*.jpg", "*.npy", "*.npz"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode:
        pytest.skip("not a git checkout")
    # those of the network that ships are means over all fitting images
    means = {f"src/covseg/default/{name}.npz" for name in ("baselines", "typical")}
    pictures = {f"docs/{name}.png" for name in ("phantom", "report", "tensorboard")}
    assert set(tracked.stdout.split()) <= means | pictures


def test_the_configuration_travels_in_the_wheel(tmp_path: Path) -> None:
    """Protects: an installed covseg finds its conf/, also from a console script."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    [wheel] = tmp_path.glob("covseg-*.whl")
    site = tmp_path / "site"
    subprocess.run([*pip, "install", "--no-deps", "--target", site, wheel], check=True)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("COVERAGE")}
    environment["PYTHONPATH"] = str(site)
    for command in (
        [str(site / "bin" / "covseg-train"), "--cfg", "job", "experiment=demo"],
        [sys.executable, "-m", "covseg.train", "--cfg", "job", "experiment=demo"],
    ):
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "base_channels: 8" in done.stdout
    code = "import covseg.config.conf as c; print(c.CONF)"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert Path(found.stdout.strip()) == site / "covseg" / "conf"
