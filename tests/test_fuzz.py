"""Whatever is written on the command line, and whatever happened to the files: refused, or right.

60 cases, the same ones each time; ``nox -s nightly`` draws 10,000 at random. What once failed
stands beside each test as an example.
"""

import contextlib
import io
import json
import math
import os
import random
import re
import resource
import shutil
import sys
import tempfile
import time
import types
import typing
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import torch
import yaml
from hydra.core.global_hydra import GlobalHydra
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from configurations import check_command_line, composed
from covseg import build, evaluate, train
from covseg.config.conf import CONF
from covseg.config.evaluate import Evaluate
from covseg.config.train import Train
from covseg.data.phantom.dataset import write
from covseg.errors import CovsegError
from covseg.learn.checkpoint import load_weights
from covseg.measure.baselines import BaselineStatistics
from covseg.measure.summary import by_target
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verb import Verb
from covseg.run.verbs import reproduction
from covseg.run.verbs.evaluation import _statistics
from covseg.run.verbs.request import Request, read_request
from covseg.validation import check
from listings import opened

NIGHTLY = "COVSEG_NIGHTLY" in os.environ
N_CASES = 10_000 if NIGHTLY else 60
LONGEST = 1000  # characters of a sentence


def cases(percent: int) -> settings:
    """A share of all cases; a random failure prints the line that reproduces it."""
    return settings(
        max_examples=N_CASES * percent // 100,
        derandomize=not NIGHTLY,
        print_blob=NIGHTLY,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def refused(act: Callable[[], object]) -> str | None:
    """The sentence of a refusal, None where ``act`` succeeds; any other error is a failure."""
    try:
        act()
    except CovsegError as error:
        refusal = error
    else:
        return None
    assert all(str(part).strip(" ?.") for part in refusal.args), refusal.args
    assert refusal.sentence.isprintable(), repr(refusal.sentence)
    assert len(refusal.sentence) < LONGEST, refusal.sentence
    assert refusal.sentence[-1] in ".?"
    return refusal.sentence


def test_the_rule_sees_an_error_that_is_no_sentence():
    def fails() -> None:
        raise TypeError("planted")

    with pytest.raises(TypeError, match="planted"):
        refused(fails)


@pytest.mark.parametrize(
    "parts",
    [("", "is wrong", "mend it"), ("a\nb", "is\twrong", ""), ("a", "x" * 2000, " ")],
    ids=["no place", "no remedy", "a blank remedy"],
)
def test_the_rule_sees_a_sentence_that_is_none(parts):
    def fails() -> None:
        raise CovsegError(*parts)

    with pytest.raises(AssertionError):
        refused(fails)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where everything happens: an override may name a folder."""
    folder, words = tmp_path_factory.mktemp("fuzz"), sys.argv
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COVSEG_CACHE", str(folder / "cache"))
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        yield folder
    sys.argv = words


# --- values, from the schema


@dataclass(frozen=True)
class Key:
    """A key of the schema, with what its annotation says of the values."""

    name: str
    annotation: Any
    bounds: tuple[Any, ...]


def keys_of(schema: type[BaseModel], above: str = "") -> Iterator[Key]:
    """Every key below a schema, groups excluded."""
    for name, field in schema.model_fields.items():
        key = f"{above}{field.alias or name}"
        parts = (field.annotation, *typing.get_args(field.annotation))
        inner = [p for p in parts if isinstance(p, type) and issubclass(p, BaseModel)]
        if inner and typing.get_origin(field.annotation) is not dict:
            yield from keys_of(inner[0], f"{key}.")
        elif not inner:
            yield Key(key, field.annotation, tuple(field.metadata))


KEYS = list(keys_of(Train))
TEXT = st.text(max_size=12) | st.sampled_from(
    [
        "",
        "é",
        "e\u0301",
        "日本",
        "\u202e",
        "a\nb",
        "\x1b[2J",
        "auto",
        "None",
        "~",
        "..",
        "/",
        "a" * 3000,
    ]
)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True), inner, max_size=3)
    ),
    max_leaves=5,
)


def values_of(annotation: Any, bounds: Sequence[Any] = ()) -> st.SearchStrategy[Any]:
    """Values that an annotation allows, and those just beside them."""
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        more = [m for a in args[1:] for m in (a.metadata if isinstance(a, FieldInfo) else [a])]
        return values_of(args[0], (*bounds, *more))
    if origin is Literal:
        return st.sampled_from(args)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(arg, bounds) for arg in args])
    if origin is list:
        return st.lists(values_of(args[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(values_of(args[0]), values_of(args[1]), max_size=3)
    edges = [getattr(b, n) for b in bounds for n in ("ge", "gt", "le", "lt") if hasattr(b, n)]
    if annotation is int:
        return st.sampled_from([e + d for e in edges for d in (-1, 0, 1)] or [0]) | st.integers(
            0, 9
        )
    if annotation is float:
        near = [math.nextafter(e, e + d) for e in edges for d in (-1, 1)] + edges
        return st.sampled_from(near or [0.0]) | st.floats(0, 1)
    return {bool: st.booleans(), str: TEXT, type(None): st.none()}.get(annotation, ANY)


def written(value: Any) -> str:
    """A value as Hydra's grammar has it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, str):
        quotes = re.sub(r'(\\*)"', r'\1\1\\"', value)  # only what stands before a quote is doubled
        return '"' + re.sub(r"(\\+)\Z", r"\1\1", quotes) + '"'
    if isinstance(value, list):
        return f"[{','.join(map(written, value))}]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{k}:{written(v)}" for k, v in value.items()) + "}"
    return repr(value)


# --- overrides


def arguments(node: dict[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a YAML file with its dotted key."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from arguments(value, f"{above}{key}.")
        elif key != "defaults":
            yield above + key, value


@dataclass(frozen=True)
class Override:
    """A word of the command line; ``key`` has ``value`` after it, where that is known."""

    word: str
    key: str = ""
    value: Any = None


GROUPS = {
    folder.name: [file.stem for file in sorted(folder.glob("*.yaml"))]
    for folder in sorted(CONF.iterdir())
    if folder.is_dir()
}
CHOICES = st.sampled_from([f"{group}={option}" for group in GROUPS for option in GROUPS[group]])
PARTS = [  # the arguments of what is built: a choice, a key, its value there
    (f"{group}={option}", f"{group}.{key}", value)
    for group in ("loss", "optimizer", "scheduler", "augment", "callbacks", "logger", "data")
    for option in GROUPS[group]
    for key, value in arguments(yaml.safe_load((CONF / group / f"{option}.yaml").read_text()) or {})
]
SIGNS = st.text(alphabet="+~@/.=[]{}(),:'\"\\$ ab\u00e90-\n#*?!|&;<>%", max_size=10)
WILD_VALUES = SIGNS | st.sampled_from(
    [
        *("${seed}", "${nowhere}", "${oc.env:NOPE}", "${oc.env:HOME}", "${name}", "${data}", "${"),
        *("${now:%Y}", "${hydra:job.num}", "${unknown:1}", "???", "1e400", "9" * 5000, "0x10"),
        *("1_0", "1,2", "choice(1,2)", "range(0,4)", "range(0,1e9)", "interval(0,1)", "glob(*)"),
        *("sort(3,1)", "str(1)", "int(a)", "json_str({})", "extend_list(1)", "[" * 40, "{a:{b:1}}"),
        "{_target_:x}",
    ]
)
WILD_KEYS = st.one_of(
    SIGNS,
    st.sampled_from([key.name for key in KEYS] + [key for _, key, _ in PARTS] + [*GROUPS]),
    st.sampled_from(["hydra", "hydra.run.dir", "hydra.run", "hydra.searchpath", "hydra/launcher"]),
    st.sampled_from(["hydra.job.num", "+hydra.callbacks.a._target_", "hydra.sweeper._target_"]),
    st.sampled_from(["_target_", "loss._target_", "+loss._partial_", "model@x", "seed.x", "_x_"]),
)


def of_key(key: Key) -> st.SearchStrategy[Override]:
    values = values_of(key.annotation, key.bounds) | ANY
    return values.map(lambda v: Override(f"{key.name}={written(v)}", key.name, v))


def of_part(part: tuple[str, str, Any]) -> st.SearchStrategy[Override]:
    _, key, value = part
    numbers = st.integers(-2, 5) | st.floats(-1, 2) | st.sampled_from([0, 1, 1e-12, 1e12, math.nan])
    values = values_of(type(value)) | numbers | st.lists(numbers, max_size=3) | ANY
    return values.map(lambda v: Override(f"{key}={written(v)}", key, v))


KEYED = st.sampled_from(KEYS).flatmap(of_key).map(lambda one: [one])
BUILT = st.sampled_from(PARTS).flatmap(
    lambda part: of_part(part).map(lambda one: [Override(part[0]), one])
)
WILD = st.builds(
    lambda prefix, key, sign, value: [Override(f"{prefix}{key}{sign}{value}")],
    *(st.sampled_from(["", "", "", "+", "++", "~"]), WILD_KEYS),
    *(st.sampled_from(["=", "=", "=", "", " = "]), WILD_VALUES),
)
OPTIONS = st.sampled_from(
    ["-m", "-m", "-m", "--cfg", "--x", "-", "--", "--run", "--resolve", "--package", "--version"]
).map(lambda word: [Override(word)])
LINES = st.lists(
    KEYED | BUILT | WILD | CHOICES.map(lambda word: [Override(word)]) | OPTIONS,
    min_size=1,
    max_size=2,
).map(lambda parts: [one for part in parts for one in part])


def line(*words: str) -> list[Override]:
    return [Override(word) for word in words]


def accepted(verb: Verb, words: list[str]) -> bool:
    """Whether every run of a command line is composed and checked without a refusal."""
    try:
        return refused(lambda: check_command_line(verb, words)) is None
    except SystemExit as stop:  # --version
        if stop.code:
            raise
        return False
    finally:
        assert not GlobalHydra.instance().is_initialized()


def looked_up(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values[part]
    return values


def holds(found: Any, value: Any) -> bool:
    """Whether what was composed is what was written; keys that are not named stay as they were."""
    if isinstance(value, dict):
        return all(holds(found[str(k) if str(k) in found else k], v) for k, v in value.items())
    if isinstance(value, list):
        return len(found) == len(value) and all(map(holds, found, value))
    return type(found) is type(value) and repr(found) == repr(value)


def check_arrived(verb: str, overrides: list[Override]) -> dict[str, Any]:
    """Hold every value that is known against what was composed of it."""
    values = composed(verb, [one.word for one in overrides])
    keys = [one.key for one in overrides if one.key]
    for one in overrides:
        again = sum(key == one.key or key.startswith(f"{one.key}.") for key in keys) > 1
        again |= any(one.key.startswith(f"{key}.") for key in keys)
        if one.key and not again and "$" not in one.word and "???" not in one.word:
            assert holds(looked_up(values, one.key), one.value), one
    return values


def build_all(config: Train, out: Path) -> None:
    """Everything that a configuration makes without data, and one step of training with it."""
    scores = build.scores(config.protocol)
    callbacks, transforms = build.callbacks(config, scores), build.augment(config)
    if transforms:
        image = np.arange(1024, dtype=np.uint8).reshape(32, 32)
        transforms(image, image[None] % 2, epoch=0, row=0)
    if config.model.depth <= 2 and config.model.base_channels <= 8:
        network = build.network(config)
        module = build.module(config, network, scores)
        side = 2**config.model.depth * 2
        logits = network(torch.rand(2, 1, side, side))
        module.loss(logits, (logits > 0).float()).backward()
        made = module._make_optimizer(network.parameters())
        made.step()
    build.trainer(config.trainer, out, callbacks, build.loggers(config, out))


SMALL = ("model.depth=1", "model.base_channels=2", "data.image_size=32")


@pytest.mark.long
@given(overrides=LINES)
@cases(40)
def test_a_training_is_refused_or_is_what_was_written(overrides, home):
    words = [one.word for one in overrides]
    small = [word for word in SMALL if not any(w.startswith(("model", "data.im")) for w in words)]
    passed = accepted(train.VERB, [*small, *words])
    if passed and not any(word.startswith("-") for word in words):
        values = check_arrived("train", [*line(*small), *overrides])
        config = check(Train, values)
        if config.trainer.accelerator in {"auto", "cpu"}:
            refused(lambda: build_all(config, home))
        assert not list(home.rglob("*.pt"))


KEPT = {  # what once ended in a traceback, without an end, or in no sentence
    "the options of a group": ["-m", "model=glob(*)"],
    "several values inside of one": ["-m", "model.depth=choice(1,2),3"],
    "a sweep almost without end": ["-m", "seed=range(0,1e9)"],
    "a shuffled one": ["-m", "seed=shuffle(range(0,1e9))"],
    "a sweep without a step": ["-m", "seed=range(0,4,0)"],
    "two lines in a value": ['seed="a\nb"'],
    "two lines in what cannot be read": ["=\n[["],
    "codes for the terminal": ['model.norm="\x1b[2J"'],
    "a word of three thousand letters": ["seed=" + "a" * 3000],
    "a number of five thousand digits": ["seed=" + "9" * 5000],
    "keys for what can only be null": ["trainer.plugins={a:1}"],
    "a key of a mapping that knows its keys": ["data=phantom", "+data.phantom.n_images.Foo=1"],
    "no target": ["loss._target_=null"],
    "a sign that adds nothing": ["+="],
    "an option that could be several": ["--config=x"],
    "an empty override": [""],
}


@pytest.mark.parametrize("words", KEPT.values(), ids=KEPT)
def test_what_once_failed(words, home):
    assert accepted(train.VERB, words) == (words == KEPT["the options of a group"])


# --- evaluations, and trainings to the end


@pytest.fixture(scope="module")
def finished(home: Path) -> Path:
    """A finished run of the smallest kind, in ``home``."""
    sys.argv = ["train", *TRAINED, "hydra.run.dir=finished"]
    train.main()
    return home / "finished"


TRAINED = (
    *("experiment=debug", "data.phantom.n_images={Train:8,Val:4,Test:4}", "callbacks=none"),
    *("model.depth=1", "model.base_channels=2", "trainer.max_epochs=1"),
    *("trainer.accelerator=cpu", "trainer.enable_progress_bar=false"),
)
SCORED = st.sampled_from([key for key in keys_of(Evaluate) if key.name not in {"run", "data"}])
ANEW = st.sampled_from([key for key in KEYS if key.name.startswith(("data.", "trainer."))])
QUESTIONS = st.lists(
    (SCORED | ANEW).flatmap(of_key).map(lambda one: [one]) | WILD, min_size=1, max_size=2
).map(lambda parts: [one for part in parts for one in part])


@given(overrides=QUESTIONS)
@cases(10)
def test_an_evaluation_is_refused_or_is_what_was_written(overrides, home, finished):
    words = [f"run={finished}", *(one.word for one in overrides)]
    if accepted(evaluate.VERB, words):
        values = check_arrived("evaluate", [*line(words[0]), *overrides])
        config = read_request(check(Evaluate, values)).config
        if config.trainer.accelerator in {"auto", "cpu"}:
            refused(lambda: build.trainer(config.trainer, home, [], []))


# other processes and other machines are not waited for here, and an end is set to training
ELSEWHERE = {"trainer.devices", "trainer.num_nodes", "trainer.strategy", "trainer.accelerator"}
ELSEWHERE |= {"trainer.max_epochs", "trainer.max_steps", "trainer.max_time", "data.cache_dir"}
ELSEWHERE |= {"trainer.min_epochs", "trainer.min_steps", "data.phantom.n_images", "compile"}
ELSEWHERE |= {"data.num_workers", "model.depth", "model.base_channels", "data.image_size"}
ELSEWHERE |= {"data.download"}
NEAR = [key for key in KEYS if key.name not in ELSEWHERE]
LESSONS = st.lists(
    st.sampled_from(NEAR).flatmap(
        lambda k: values_of(k.annotation, k.bounds).map(
            lambda v: [Override(f"{k.name}={written(v)}", k.name, v)]
        )
    )
    | st.sampled_from([part for part in PARTS if "logger" not in part[0]]).flatmap(
        lambda part: of_part(part).map(lambda one: [Override(part[0]), one])
    ),
    min_size=1,
    max_size=2,
).map(lambda parts: [one for part in parts for one in part])


@given(overrides=LESSONS)
@cases(5)
def test_a_training_is_refused_with_a_sentence_or_ends_with_scores(overrides, home):
    score = trained([one.word for one in overrides], home)
    assert score is None or 0 <= score <= 1


def trained(words: list[str], home: Path) -> float | None:
    """The score of a training, made by the real command; None where it is refused."""
    out = Path(tempfile.mkdtemp(dir=home))
    sys.argv = ["train", *TRAINED, *words, f"hydra.run.dir={out / 'run'}"]
    said, code = io.StringIO(), 0
    try:
        with contextlib.redirect_stderr(said):
            train.main()
    except SystemExit as stop:
        code = int(stop.code or 0)
    try:
        if code:
            sentence = said.getvalue().strip().splitlines()[-1]
            assert re.fullmatch(r"[^\x00-\x1f]+: .+[.?]", sentence), sentence
            return None
        summary = json.loads((out / "run" / "summary.json").read_text())
        scores = [part["scores"]["rmse_per_image"]["value"] for part in by_target(summary).values()]
        return float(max(scores))
    finally:
        torch.use_deterministic_algorithms(False)
        shutil.rmtree(out)


ENDED = {  # what once ended in a traceback in the middle of a training
    "validation after more batches than there are": ["trainer.val_check_interval=100"],
    "a hundredth of two batches": ["trainer.limit_train_batches=0.01"],
    "nothing of Test": ["trainer.limit_test_batches=0"],
    "Lightning's own processes": ["trainer.strategy=ddp_spawn"],
    "three averages": ["optimizer.betas=[0.9,0.9,0.9]"],
    "a momentum beyond all numbers": ["optimizer=sgd", "optimizer.momentum=1e300"],
    "weights beyond all numbers": ["loss.positive_weight=1e300"],
    "a rate beyond all numbers": ["scheduler=cosine", "scheduler.final_lr=1e300"],
    "a grid finer than the picture": [
        "+augment.grid={_target_:albumentations.GridDistortion,num_steps:100}"
    ],
    "a word for a number of Lightning's": [
        "+callbacks.stop={_target_:lightning.pytorch.callbacks.EarlyStopping,monitor:val/loss,min_delta:x}"
    ],
    "keys as the score to watch": [
        "callbacks=early_stopping",
        "callbacks.early_stopping.monitor={a:1}",
    ],
}


@pytest.mark.parametrize("words", ENDED.values(), ids=ENDED)
def test_what_once_ended_a_training(words, home):
    assert trained(words, home) is None


# --- damage to files


def flipped(data: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(data) or 1)
    return (
        data[:at] + bytes(b ^ 1 << chance.randrange(8) for b in data[at : at + 1]) + data[at + 1 :]
    )


def rewritten(data: bytes, chance: random.Random) -> bytes:
    at, n = chance.randrange(len(data) or 1), chance.randrange(1, 9)
    return data[:at] + chance.randbytes(n) + data[at + n :]


def doubled(data: bytes, chance: random.Random) -> bytes:
    start, stop = sorted(chance.randrange(len(data) + 1) for _ in range(2))
    return data[:stop] + data[start:]


def forged(data: bytes, chance: random.Random) -> bytes:
    """Another byte in a PNG's header, and the checksum that fits."""
    at = 16 + chance.randrange(13)
    head = (
        data[12:at]
        + bytes([chance.choice([0, 1, 2, 3, 4, 6, 8, 16, 31, 33, 255])])
        + data[at + 1 : 29]
    )
    return data[:12] + head + zlib.crc32(head).to_bytes(4, "big") + data[33:]


BYTES: dict[str, Callable[[bytes, random.Random], bytes]] = {
    "flip": flipped,
    "rewrite": rewritten,
    "truncate": lambda data, chance: data[: chance.randrange(len(data) + 1)],
    "insert": lambda data, chance: (
        data[: (at := chance.randrange(len(data) + 1))]
        + chance.randbytes(chance.randrange(1, 20))
        + data[at:]
    ),
    "double": doubled,
    "noise": lambda data, chance: chance.randbytes(chance.randrange(200)),
    "empty": lambda data, chance: b"",
    "append": lambda data, chance: data + data[: chance.randrange(len(data) + 1)],
}
NAMES: dict[str, Callable[[str, random.Random], str]] = {
    "upper": lambda name, chance: name.upper(),
    "lower": lambda name, chance: name.lower(),
    "accent": lambda name, chance: f"e\u0301{name}",
    "space": lambda name, chance: f"{name} ",
    "copy": lambda name, chance: name.replace(".png", " (1).png"),
    "letter": lambda name, chance: name[:-5] + chance.choice("xé9 ") + name[-4:],
    "hidden": lambda name, chance: f"._{name}",
}
DAMAGES = st.lists(
    st.tuples(
        st.sampled_from([*BYTES, *NAMES, "forge", "swap", "copy over", "delete", "folder"]),
        st.integers(0, 2**32 - 1),
    ),
    min_size=1,
    max_size=3,
)
WOUNDS = st.lists(
    st.tuples(st.sampled_from([*BYTES]), st.integers(0, 2**32 - 1)), min_size=1, max_size=3
)
Pictures = dict[tuple[str, str, str, str], np.ndarray]  # split, class, name, kind
KINDS = {"images": "image", "infection masks": "infection", "lung masks": "lung"}


@pytest.fixture(scope="module")
def whole(home: Path) -> Path:
    write(home / "whole", 0, {"Train": 5, "Val": 3, "Test": 2}, size=32)
    return home / "whole"


def damage(root: Path, damages: list[tuple[str, int]]) -> None:
    """Do to the files below a folder what happens to files."""
    for what, number in damages:
        chance = random.Random(number)
        files = sorted(path for path in root.rglob("*") if path.is_file())
        one, other = chance.sample(files, 2)
        if what in BYTES:
            one.write_bytes(BYTES[what](one.read_bytes(), chance))
        elif what == "forge" and one.stat().st_size > 33:
            one.write_bytes(forged(one.read_bytes(), chance))
        elif what == "swap":
            first, second = one.read_bytes(), other.read_bytes()
            one.write_bytes(second)
            other.write_bytes(first)
        elif what == "copy over":
            other.write_bytes(one.read_bytes())
        elif what == "delete":
            one.unlink()
        else:
            old = chance.choice(one.relative_to(root).parents[:-1]) if what == "folder" else one
            change = NAMES[what] if what in NAMES else chance.choice([*NAMES.values()])
            old = root / old
            new = old.with_name(change(old.name, chance))
            if not new.exists():
                old.rename(new)


def seen(root: Path) -> Pictures:
    """What is on disk, by the layout and another decoder."""
    found: Pictures = {}
    for path in root.rglob("*"):
        *_, split, patient_class, kind, name = path.parts
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        known = name.lower().endswith(".png") and not hidden
        if path.is_file() and known and kind.lower() in KINDS:
            pixels = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
            assert pixels is not None, path
            key = (split.lower(), patient_class.lower(), unicodedata.normalize("NFC", name))
            found[*key, KINDS[kind.lower()]] = pixels if kind.lower() == "images" else pixels // 255
    return found


def stored(root: Path, cache: Path) -> Pictures:
    """What covseg makes of it."""
    store, found = opened(root, cache), {}
    for number, row in enumerate(store.index.rows):
        key = (row.split.lower(), row.patient_class.lower(), row.name)
        found[*key, "image"] = store.images[number]
        found |= {
            (*key, kind): store.masks[kind][number] for kind in store.masks if kind in row.masks
        }
    return found


def check_store(
    root: Path, cache: Path, expected: Callable[[], Pictures], may_lose_lungs: bool = False
) -> None:
    """Refused with nothing left behind, or every pixel is right; and neither long nor large."""
    began, memory = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found: Pictures = {}
    if refused(lambda: found.update(stored(root, cache))) is None:
        right = expected()
        lost = right.keys() - found.keys()
        assert found.keys() <= right.keys()
        assert all(kind == "lung" and may_lose_lungs for *_, kind in lost)  # covseg can do without
        for key, pixels in found.items():
            np.testing.assert_array_equal(pixels, right[key])
    else:
        assert not [path for path in cache.glob("*") if path.suffix != ".lock"]
    assert time.monotonic() - began < 10
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 500_000  # kB


@given(damages=DAMAGES)
@example(damages=[("forge", 97927546)])  # a way to compress that there is not
@example(damages=[("flip", 17)])  # in a PNG's last chunk, without which Pillow reads on
@cases(15)
def test_a_damaged_folder_is_refused_or_read_as_it_is(damages, home, whole):
    with tempfile.TemporaryDirectory(dir=home) as place:
        root = Path(shutil.copytree(whole, Path(place, "dataset")))
        damage(root, damages)
        check_store(root, Path(place, "cache"), lambda: seen(root))


@given(wounds=WOUNDS)
@example(wounds=[("rewrite", 964)])  # a comment in the directory that hides the entries behind it
@example(wounds=[("flip", 0)])  # the name of a lung mask
@cases(15)
def test_a_damaged_archive_is_refused_or_read_as_it_was(wounds, home, whole):
    with tempfile.TemporaryDirectory(dir=home) as place:
        path = Path(shutil.make_archive(f"{place}/archive", "zip", whole))
        data = path.read_bytes()
        for what, number in wounds:
            data = BYTES[what](data, random.Random(number))
        path.write_bytes(data)
        check_store(path, Path(place, "cache"), lambda: seen(whole), may_lose_lungs=True)


FILES = ("config.yaml", "provenance.json", "summary.json", "baselines.npz", "checkpoints/best.ckpt")


def same_weights(network: torch.nn.Module, other: torch.nn.Module) -> bool:
    pairs = zip(network.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@given(name=st.sampled_from(FILES), wounds=WOUNDS)
@cases(15)
def test_a_damaged_run_is_refused_or_says_what_it_said(name, wounds, home, finished, caplog):
    own = RunFolder(finished).config
    with tempfile.TemporaryDirectory(dir=home) as place:
        run = Path(shutil.copytree(finished, Path(place, "run")))
        data = (run / name).read_bytes()
        for what, number in wounds:
            data = BYTES[what](data, random.Random(number))
        (run / name).write_bytes(data)
        configs: list[Train] = []
        if refused(lambda: configs.append(RunFolder(run).config)) is None:
            text = (run / "config.yaml").read_text(encoding="utf-8")
            assert configs == [check(Train, yaml.safe_load(text))]
        network, right = build.network(own), build.network(own)
        load_weights(right, finished / "checkpoints" / "best.ckpt")
        if refused(lambda: load_weights(network, run / "checkpoints" / "best.ckpt")) is None:
            assert same_weights(network, right)
        statistics: list[BaselineStatistics] = []
        if refused(lambda: statistics.append(_statistics(run / "baselines.npz", 1))) is None:
            for part in ("share", "mean_mask", "threshold"):
                expected = getattr(BaselineStatistics.load(finished / "baselines.npz"), part)
                np.testing.assert_array_equal(getattr(statistics[0], part), expected)
        caplog.clear()
        folder = RunFolder(run)
        folder.__dict__["config"] = own  # read before the damage
        request = Request(folder, own, "Test", folder.best, other_place=False)
        reproduction.compare(request, RunFolder(finished))
        if name == "summary.json" and not same_numbers(run / name, finished / name):
            assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert all(record.getMessage().isprintable() for record in caplog.records)


def test_a_flipped_bit_in_a_weight_is_seen(home, finished):
    path = home / "flipped.ckpt"
    data = bytearray((finished / "checkpoints" / "best.ckpt").read_bytes())
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        largest = max(
            archive.infolist(), key=lambda part: part.file_size * ("data/" in part.filename)
        )
        content = archive.read(largest)
    data[data.index(content) + len(content) // 2] ^= 1
    path.write_bytes(data)
    network = build.network(RunFolder(finished).config)
    assert "checksum" in (refused(lambda: load_weights(network, path)) or "")


def same_numbers(path: Path, other: Path) -> bool:
    """Whether two summaries say the same but for rounding, their objectives aside."""
    try:
        found, expected = (dict(arguments(json.loads(p.read_bytes()))) for p in (path, other))
        names = [key for key in expected if not key.startswith(("objective", "split"))]
        return all(
            found[key] == expected[key] or abs(found[key] - expected[key]) < 2e-6 for key in names
        )
    except (ValueError, TypeError, LookupError, AttributeError):
        return False
