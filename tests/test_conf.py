"""conf/: every option of every group makes a configuration that is checked and can be built."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from configurations import composed
from covseg import build
from covseg.config.conf import CONF, flatten, option_values
from covseg.config.model import SMPNetwork, UNet
from covseg.config.train import Train
from covseg.validation import check

OPTIONS = [
    f"{folder.name}={file.stem}"
    for folder in sorted(CONF.iterdir())
    if folder.is_dir()
    for file in sorted(folder.glob("*.yaml"))
]


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_can_be_built(option: str, tmp_path: Path) -> None:
    more = ["data.fold=0"] if option == "protocol=kfold" else []
    if option.startswith("data="):  # of own data: where it is, and what its masks are
        values = option_values(*option.split("="))
        more += ["data.root=images"] * (values["data.root"] == "???")
        lung = bool(values.get("data.masks.lung"))
        more += ["data.targets=[lung]"] * lung
        if option == "data=folder":
            more += ['data.masks.infection="masks/{name}*"']
    config = check(Train, composed("train", [option, *more]))
    if isinstance(config.model, UNet):  # quick to make
        config = check(Train, composed("train", [option, *more, "model.base_channels=4"]))
    if "mlflow" in config.logger:
        pytest.importorskip("mlflow")
    if isinstance(config.model, SMPNetwork):
        pytest.importorskip("segmentation_models_pytorch", reason="nox -s zoo installs it")
    net = build.network(config)
    module = build.module(config, net, build.scores(config.protocol))
    assert module.loss is not None
    build.augment(config)
    build.callbacks(config, build.scores(config.protocol))
    assert len(build.loggers(config, tmp_path)) == len(config.logger)


@pytest.mark.parametrize("group", ["optimizer", "scheduler", "loss", "logger", "model"])
def test_the_options_that_are_promised_are_there(group: str) -> None:
    promised = {
        "optimizer": "adam adamw sgd rmsprop",
        "scheduler": "none cosine one_cycle plateau",
        "loss": "bce dice bce_dice focal tversky",
        "logger": "csv tensorboard wandb mlflow none",
        "model": "lite_unet monai_segresnet smp_unet tiny unet2 unet3 unet4 unet5",
    }
    assert {f.stem for f in (CONF / group).glob("*.yaml")} >= set(promised[group].split())


def test_the_defaults_are_those_of_the_source_report() -> None:
    config = check(Train, composed("train", []))
    assert config.loss.target.endswith("BCE")
    assert config.optimizer.target == "torch.optim.Adam"
    assert (config.optimizer.lr, config.data.batch_size) == (1e-4, 16)
    assert (config.trainer.max_epochs, config.data.image_size) == (10, 256)
    assert (config.model.depth, config.model.base_channels) == (3, 64)


def test_the_paper_fits_train_and_val_reports_test_and_chooses_nothing() -> None:
    protocol = check(Train, composed("train", ["experiment=paper"])).protocol
    assert (protocol.fit, protocol.select) == (["Train", "Val"], None)
    assert (protocol.checkpoint, protocol.report) == ("last", "Test")
    assert check(Train, composed("train", ["experiment=paper"])).augment == {}


def test_several_loggers_at_once() -> None:
    config = check(Train, composed("train", ["logger=[tensorboard,wandb]"]))
    assert set(config.logger) == {"tensorboard", "wandb"}


PRESETS = [file for group in ("experiment", "sweep") for file in sorted((CONF / group).iterdir())]


@pytest.mark.parametrize("preset", PRESETS, ids=lambda p: f"{p.parent.name}={p.stem}")
def test_a_preset_begins_with_the_command_that_runs_it(preset: Path) -> None:
    # Hydra wants its own header in the first line, so the command stands in the second
    package, command, *_ = preset.read_text().splitlines()
    assert package == "# @package _global_"
    words = command.split()
    assert words[:4] == ["#", "python", "-m", "covseg.train"]
    assert f"{preset.parent.name}={preset.stem}" in words
    assert ("-m" in words[4:]) == (preset.parent.name == "sweep")


def test_a_preset_states_only_differences() -> None:
    plain = composed("train", [])
    for preset in (CONF / "experiment").glob("*.yaml"):
        stated = yaml.safe_load(preset.read_text())
        stated.pop("defaults")
        for key, value in flatten(stated).items():
            assert flatten(plain).get(key) != value, f"{preset.name}: {key}"


def test_help_shows_groups_keys_with_units_and_three_commands(command: Callable) -> None:
    done = command("train", "--help")
    assert done.code == 0
    assert len(re.findall(r"^  python -m covseg\.train ", done.out, re.M)) == 3
    for words in ("optimizer: adam, adamw, rmsprop, sgd", "data.image_size", "in pixels", "lr"):
        assert words in done.out
    assert max(map(len, done.out.splitlines())) <= 90
