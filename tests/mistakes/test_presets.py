"""In a preset of one's own.

Each is a file in a folder of the user's, chosen by ``--config-dir=own experiment=mine``.
"""

import json
from pathlib import Path

import pytest
import yaml

GLOBAL = "# @package _global_\n"
MINE = ("--config-dir=own", "experiment=mine")

PRESETS = {
    "a key twice": "seed: 1\nmodel:\n  depth: 2\nseed: 2\n",
    "a tab": "model:\n\tdepth: 2\n",
    "a bracket that stays open": "tags: [a, b\n",
    "a colon without a blank": "model:\n  depth:2\n  norm: none\n",
    "text that is not YAML": "depth = 3, norm = none\n",
    "a list": "- model.depth=3\n",
    "a mapping that contains itself": "model: &model\n  depth: 2\n  more: *model\n",
    "a tag of Python's": "name: !!python/object/apply:os.system ['touch it_ran']\n",
    "a key misspelt": "seed: 1\nmodel:\n  dept: 2\n",
    "a key that lives elsewhere": "trainer:\n  batch_size: 8\n",
    "a key of no group": "learning_rate: 1e-3\n",
    "an impossible value": "seed: 1\nmodel:\n  depth: 99\n",
    "text instead of a number": "data:\n  batch_size: eight\n",
    "an option that is not chosen in the defaults": "model: unet3\n",
    "null for a group": "callbacks: null\n",
    "a foreign program as the loss": "loss:\n  _target_: os.system\n",
    "a foreign program from an interpolation": (
        "loss:\n  positive_weight: '${oc.create:{_target_:os.system,_args_:[touch it_ran]}}'\n"
    ),
    "an interpolation of a key that does not exist": "name: ${nowhere}\n",
    "defaults that are no list": "defaults:\n  model: unet3\n",
    "an option that does not exist": "defaults:\n  - override /model: unet9\n",
    "a group that does not exist": "defaults:\n  - override /modle: unet3\n",
    "another preset that does not exist": "defaults:\n  - base\n",
    "a group chosen without override": "seed: 1\ndefaults:\n  - /model: unet3\n",
    "a group chosen without its slash": "defaults:\n  - override model: unet3\n",
    "a preset that chooses itself": "defaults:\n  - mine\n",
}


def preset(folder: Path, text: str, name: str = "mine") -> None:
    (folder / "experiment").mkdir(parents=True, exist_ok=True)
    (folder / "experiment" / f"{name}.yaml").write_text(text)


@pytest.mark.parametrize("text", PRESETS.values(), ids=PRESETS)
def test(text, said, tmp_path):
    preset(tmp_path / "own", GLOBAL + text)
    said.refused("train", *MINE)
    assert not (tmp_path / "it_ran").exists()


def test_a_preset_that_does_not_say_where_it_belongs(said, tmp_path):
    preset(tmp_path / "own", "seed: 1\n")
    said.refused("train", *MINE)


def test_a_preset_that_is_not_utf_8(said, tmp_path):
    preset(tmp_path / "own", "")
    (tmp_path / "own" / "experiment" / "mine.yaml").write_bytes(b"name: M\xfcller\n")
    said.refused("train", *MINE)


def test_a_preset_with_a_byte_order_mark(said, tmp_path):
    preset(tmp_path / "own", "")
    text = f"{GLOBAL}seed: 1\n".encode("utf-8-sig")
    (tmp_path / "own" / "experiment" / "mine.yaml").write_bytes(text)
    said.refused("train", *MINE)


def test_a_preset_that_is_not_in_the_folder(said, tmp_path):
    preset(tmp_path / "own", GLOBAL + "seed: 1\n", name="mein")
    said.refused("train", *MINE)


def test_a_preset_beside_the_folder_of_its_group(said, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text(GLOBAL + "seed: 1\n")
    said.refused("train", *MINE)


def test_a_folder_of_presets_that_does_not_exist(said):
    said.refused("train", *MINE)


def test_a_file_instead_of_the_folder_of_presets(said, tmp_path):
    preset(tmp_path / "own", GLOBAL + "seed: 1\n")
    said.refused("train", "--config-dir=own/experiment/mine.yaml", "experiment=mine")


def test_keys_that_contradict_each_other(said, tmp_path):
    preset(tmp_path / "own", f"{GLOBAL}protocol:\n  fit: [Train, Val]\n")
    said.refused("train", *MINE)


def test_two_presets_that_choose_each_other(said, tmp_path):
    preset(tmp_path / "own", f"{GLOBAL}defaults:\n  - other\n")
    preset(tmp_path / "own", f"{GLOBAL}defaults:\n  - mine\n", name="other")
    said.refused("train", *MINE)


def test_an_impossible_value_in_an_option_of_your_own(said, tmp_path):
    (tmp_path / "own" / "model").mkdir(parents=True)
    text = "_target_: covseg.learn.networks.unet.UNet\ndepth: 3\nbase_channels: 0\nnorm: none\n"
    (tmp_path / "own" / "model" / "mine.yaml").write_text(f"{text}compile: false\n")
    said.refused("train", "--config-dir=own", "model=mine")


def test_a_mistake_on_the_command_line_beside_a_preset(said, tmp_path):
    preset(tmp_path / "own", GLOBAL + "seed: 1\nmodel:\n  depth: 2\n")
    assert "mine.yaml" not in said.refused("train", *MINE, "model.depth=99")


GOOD = """\
defaults:
  - debug
  - override /loss: dice
  - override /callbacks: none
  - _self_
seed: 5
trainer: {max_epochs: 1}
"""


@pytest.mark.parametrize("folder", ["own", "my own (2), für mich=gut", 'it\'s \\ "${x}"'])
def test_a_preset_that_is_right_works(folder, verb, tmp_path):
    preset(tmp_path / folder, GLOBAL + GOOD)
    words = (f"--config-dir={folder}", "experiment=mine", "hydra.run.dir=run")
    done = verb("train", *words)
    assert done.code == 0, done.err
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert (config["seed"], config["loss"]["_target_"]) == (5, "covseg.learn.losses.Tversky")


def test_a_preset_that_is_right_works_in_a_sweep(verb, tmp_path):
    preset(tmp_path / "own", GLOBAL + GOOD)
    done = verb("train", "-m", *MINE, "seed=1,2", "hydra.sweep.dir=sweep")
    assert done.code == 0, done.err
    for job, seed in enumerate([1, 2]):
        found = json.loads((tmp_path / "sweep" / str(job) / "provenance.json").read_text())
        assert found["seed"] == seed
