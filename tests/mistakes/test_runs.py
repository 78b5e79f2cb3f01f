"""With run folders.

Each is a finished run that was damaged, or that somebody sent: nothing in it is believed, or run.
"""

import json
import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import covseg
from covseg.errors import CovsegError
from covseg.learn.networks.unet import UNet

EVALUATE = ("evaluate", "run=run", "hydra.run.dir=again")
BEST = "checkpoints/best.ckpt"


class Payload:
    """Whoever unpickles it creates a file in the working folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("it_ran"),)


@pytest.fixture
def refused(said, run, tmp_path):
    """Evaluate the damaged run: refused, from Python as well, and nothing in it was run."""

    def refuse(name: str = "run") -> None:
        sentence = said.refused("evaluate", f"run={name}")
        with pytest.raises(CovsegError) as error:
            covseg.load(tmp_path / name)
        assert str(error.value).replace(str(tmp_path), "/home/you") == sentence
        assert not list(tmp_path.rglob("it_ran"))

    return refuse


# --- no run


NOT_RUNS = {
    "a run that does not exist": "outputs/train/2026-01-31_12-00-00",
    "a file instead of a run": "notes.txt",
    "an empty folder instead of a run": "empty",
    "a folder of runs instead of a run": ".",
    "a part of a run": "run/checkpoints",
    "a file of a run": "run/config.yaml",
    "a file in a part of a run": "run/checkpoints/best.ckpt",
}


@pytest.mark.parametrize("name", NOT_RUNS.values(), ids=NOT_RUNS)
def test_not_a_run(name, refused, tmp_path):
    (tmp_path / "notes.txt").write_text("depth 3 was best")
    (tmp_path / "empty").mkdir()
    refused(name)


def test_the_folder_of_an_evaluation(said, run, verb):
    assert verb(*EVALUATE).code == 0
    said.refused("evaluate", "run=again")


# --- a part is missing


MISSING = {
    "a run without its configuration": "config.yaml",
    "a run without the checkpoint that it reported": BEST,
    "a run that was stopped in its first epoch": "checkpoints",
}


def remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


@pytest.mark.parametrize("name", MISSING.values(), ids=MISSING)
def test_a_part_is_missing(name, refused, run):
    remove(run / name)
    refused()


def test_a_run_without_its_baselines(said, run):
    remove(run / "baselines.npz")
    said.refused(*EVALUATE)


def test_weights_of_a_run_that_was_stopped_in_its_first_epoch(said, run):
    remove(run / "checkpoints")
    said.refused("train", "experiment=debug", "init=run")


def test_weights_of_a_run_without_the_checkpoint_that_it_reported(said, run):
    remove(run / BEST)
    said.refused("train", "experiment=debug", "init=run")


def test_weights_of_another_network(said, run):
    said.refused("train", "experiment=debug", "init=run", "model.depth=3")


def test_a_run_without_fitted_csv(said, run):
    """An older covseg's: what it fitted itself is known from its protocol."""
    remove(run / "fitted.csv")
    said.warned(*EVALUATE, of="fitted.csv")


def test_weights_of_a_run_without_fitted_csv(said, run):
    remove(run / "fitted.csv")
    said.refused("train", "experiment=debug", "init=run")


# --- weights that know too much


@pytest.fixture
def fitted_on_val(verb):
    words = ("experiment=debug", "protocol=paper", "callbacks=none", "trainer.max_epochs=1")
    assert verb("train", *words, "hydra.run.dir=run").code == 0


def test_weights_that_were_fitted_on_val(said, fitted_on_val):
    said.refused("train", "experiment=debug", "init=run")


def test_weights_that_were_fitted_on_all_that_is_reported(said, fitted_on_val):
    words = ("protocol=paper", "protocol.fit=[Train]", "protocol.report=Val")
    said.refused("train", "experiment=debug", *words, "init=run")


# --- checkpoints


def cut(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(share * path.stat().st_size))


def cut_before(line: str) -> Callable[[Path], None]:
    """Keep what is above a line: how long a file is depends on the paths in it."""

    def cut(path: Path) -> None:
        text = path.read_text()
        path.write_text(text[: text.index(f"\n{line}") + 1])

    return cut


def store(network: UNet) -> Callable[[Path], None]:
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    return lambda path: torch.save({"state_dict": weights}, path)


def make_nan(path: Path) -> None:
    content = torch.load(path, weights_only=True)
    content["state_dict"]["network.head.bias"][0] = torch.nan
    torch.save(content, path)


def make_bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("bomb", bytes(2**28 + 1))


CHECKPOINTS: dict[str, Callable[[Path], object]] = {
    "an empty checkpoint": cut(0),
    "a checkpoint with its first tenth only": cut(0.1),
    "a checkpoint without its second half": cut(0.5),
    "a checkpoint that lacks the last bytes": cut(0.999),
    "a checkpoint of random bytes": lambda path: path.write_bytes(random.Random(0).randbytes(9999)),
    "a folder called like a checkpoint": lambda path: [path.unlink(), path.mkdir()],
    "a checkpoint that is a pickle of a program": lambda path: path.write_bytes(
        pickle.dumps({"state_dict": Payload()})
    ),
    "a checkpoint with a program among its weights": lambda path: torch.save(
        {"state_dict": {"network.head.bias": Payload()}}, path
    ),
    "a checkpoint of another program's": lambda path: torch.save(UNet(2, 4).state_dict(), path),
    "a checkpoint with a weight that is not a number": make_nan,
    "a checkpoint that unpacks to far more": make_bomb,
    "a checkpoint of a deeper network": store(UNet(3, 4)),
    "a checkpoint of a wider network": store(UNet(2, 8)),
    "a checkpoint of a network with two targets": store(UNet(2, 4, out_channels=2)),
}


@pytest.mark.parametrize("spoil", CHECKPOINTS.values(), ids=CHECKPOINTS)
def test_checkpoint(spoil, refused, run):
    spoil(run / BEST)
    refused()


def test_the_payload_would_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle.loads(pickle.dumps(Payload()))
    assert Path("it_ran").exists()


# --- what config.yaml says


def change(**changes: object) -> Callable[[dict[str, Any]], object]:
    """Set keys, written with two underlines for a dot."""

    def apply(config: dict[str, Any]) -> None:
        for name, value in changes.items():
            *above, key = name.split("__")
            node = config
            for part in above:
                node = node[part]
            node[key] = value

    return apply


def build(target: str) -> dict[str, Any]:
    return {"_target_": target, "args": ["touch it_ran"]}


CONFIGURATIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a run with a foreign program as its network": change(model=build("os.system")),
    "a run with a foreign program in what evaluate does not use": change(
        optimizer=build("os.system")
    ),
    "a run with a foreign program deep in a list": change(
        callbacks__pictures__deep=[[{"more": build("subprocess.run")}]]
    ),
    "a run with a foreign program from an interpolation": change(
        loss__positive_weight="${oc.create:{_target_:os.system,_args_:[touch it_ran]}}"
    ),
    "a run with a name from the environment": change(name="${oc.env:HOME}"),
    "a run with a key of Hydra's own": change(loss___partial_=True),
    "a run with a key that is not covseg's": change(model__dropout=0.1),
    "a run with a value out of bounds": change(model__depth=99),
    "a run with text instead of a number": change(data__image_size="large"),
    "a run with a list instead of a group": change(model=[1, 2]),
    "a run without a key that covseg needs": lambda config: config["data"].pop("image_size"),
    "a run without a whole group": lambda config: config.pop("model"),
}


def edit(run: Path, apply: Callable[[dict[str, Any]], object]) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    apply(config)
    (run / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.mark.parametrize("apply", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_configuration(apply, refused, run):
    edit(run, apply)
    refused()


def test_a_loss_of_the_run_with_an_argument_that_it_refuses(said, run):
    edit(run, change(loss__positive_weight=-5))
    said.refused(*EVALUATE)


def test_weights_of_a_run_with_a_foreign_program_in_it(said, run):
    edit(run, change(loss=build("os.system")))
    said.refused("train", "experiment=debug", "init=run")


def test_a_run_of_an_older_covseg_where_a_key_lived_elsewhere(refused, run):
    edit(run, lambda config: config["trainer"].update(batch_size=config["data"].pop("batch_size")))
    found = json.loads((run / "provenance.json").read_text())
    found["versions"]["covseg"] = "0.0.1"
    (run / "provenance.json").write_text(json.dumps(found))
    refused()


def test_a_learning_rate_edited_after_the_run(refused, run):
    edit(run, change(optimizer__lr=0.01))
    refused()


def test_weights_of_a_run_whose_learning_rate_was_edited(said, run):
    edit(run, change(optimizer__lr=0.01))
    said.refused("train", "experiment=debug", "init=run")


# --- config.yaml as a file


def append(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(path.read_text() + text)


BOMB = "a0: &a0 [0,0,0,0,0,0,0,0,0,0]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
FILES: dict[str, Callable[[Path], object]] = {
    "an empty config.yaml": cut(0),
    "half a config.yaml": cut_before("trainer:"),
    "a config.yaml that sets a key twice": append("seed: 5\n"),
    "a config.yaml with a tab": append("more:\n\tkey: 5\n"),
    "a config.yaml with an open bracket": append("more: [1, 2\n"),
    "a config.yaml of aliases that stand for a billion values": append(BOMB),
    "a config.yaml that contains itself": append("more: &more [*more]\n"),
    "a config.yaml of a thousand brackets": append(f"more: {'[' * 1000}{']' * 1000}\n"),
    "a config.yaml that asks for a Python object": append(
        "more: !!python/object/apply:os.system ['touch it_ran']\n"
    ),
    "a config.yaml that is a list": lambda path: path.write_text("- model\n- data\n"),
    "a config.yaml in Latin-1": lambda path: path.write_bytes(b"name: M\xfcller\n"),
    "a config.yaml that is a picture": lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" * 9),
    "a config.yaml of 50 MB": lambda path: os.truncate(path, 50_000_000),
    "a config.yaml that is a folder": lambda path: [path.unlink(), path.mkdir()],
    "a config.yaml that is a pipe": lambda path: [path.unlink(), os.mkfifo(path)],
    "a config.yaml that links to itself": lambda path: [path.unlink(), path.symlink_to(path)],
    "a config.yaml of another program": lambda path: path.write_text("services: {web: {}}\n"),
}


@pytest.mark.parametrize("spoil", FILES.values(), ids=FILES)
def test_file(spoil, refused, run):
    spoil(run / "config.yaml")
    refused()


# --- baselines.npz


def save(**arrays: np.ndarray) -> Callable[[Path], object]:
    return lambda path: np.savez_compressed(path, **arrays)


ONE = {
    "share": np.array([0.1]),
    "mean_mask": np.full((1, 32, 32), 0.1, np.float32),
    "threshold": np.array([0.5], np.float32),
}
BASELINES: dict[str, Callable[[Path], object]] = {
    "empty baselines": cut(0),
    "half of the baselines": cut(0.5),
    "baselines without the mean mask": save(share=np.array([0.1])),
    "baselines of a run with two targets": save(
        **{name: np.repeat(array, 2, axis=0) for name, array in ONE.items()}
    ),
    "baselines that are pickled": save(**ONE | {"share": np.array([Payload()])}),
    "baselines that are words": save(**ONE | {"share": np.array(["much"])}),
    "baselines that are not a number": save(**ONE | {"share": np.array([np.nan])}),
    "baselines that unpack to far more": make_bomb,
}


@pytest.mark.parametrize("spoil", BASELINES.values(), ids=BASELINES)
def test_baselines(spoil, said, run, tmp_path):
    spoil(run / "baselines.npz")
    said.refused(*EVALUATE)
    assert not list(tmp_path.rglob("it_ran"))


# --- where it is used


def test_data_that_is_not_on_this_machine(said, verb, archive):
    words = ("experiment=debug", "data=covid_qu_ex", f"data.root={archive}")
    assert verb("train", *words, "trainer.max_epochs=1", "hydra.run.dir=run").code == 0
    remove(archive)
    said.refused(*EVALUATE)


def test_a_run_on_a_disk_that_cannot_be_written_gives_its_own_numbers(disk, run, verb, tmp_path):
    moved = Path(shutil.move(run, disk("size=50m") / "moved"))
    disk("ro")
    assert verb("evaluate", f"run={moved}", "hydra.run.dir=again").code == 0
    found = tmp_path / "again" / "per_image.csv"
    assert found.read_bytes() == (moved / "per_image.csv").read_bytes()


# --- what it says of itself


def revise(run: Path, name: str, apply: Callable[[dict[str, Any]], object]) -> None:
    found = json.loads((run / name).read_text())
    apply(found)
    (run / name).write_text(json.dumps(found))


def test_a_summary_with_one_number_edited(said, run):
    revise(run, "summary.json", lambda s: s["scores"]["dice_positive"].update(value=0.99))
    sentence = said.warned(*EVALUATE, of="summary.json")
    assert "has dice_positive 0.9900 where its checkpoint gives 0." in sentence


def test_half_a_summary(said, run):
    cut(0.5)(run / "summary.json")
    said.warned(*EVALUATE, of="summary.json")


def test_a_run_without_its_provenance(said, run):
    remove(run / "provenance.json")
    said.warned(*EVALUATE, of="provenance.json")


# --- a run that goes on

GOING_ON = {
    "resuming with another network": "resume=run model.depth=3",
    "resuming with another optimizer": "resume=run optimizer=adamw",
    "resuming for fewer epochs": "resume=run trainer.max_epochs=1",
    "resuming a file of a run": "resume=run/config.yaml",
    "resuming nothing": "resume=nowhere",
}


@pytest.mark.parametrize("words", GOING_ON.values(), ids=GOING_ON)
def test_going_on(words, said, run):
    said.refused("train", *words.split())


def test_resuming_after_the_learning_rate_was_edited(said, run):
    edit(run, change(optimizer__lr=0.01))
    said.refused("train", "resume=run", "trainer.max_epochs=3")


def test_resuming_with_a_damaged_checkpoint(said, run):
    last = run / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:-100])
    said.refused("train", "resume=run", "trainer.max_epochs=3", leaves="run")
