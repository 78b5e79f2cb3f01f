"""The schema takes what a run can be made of, and refuses the rest with one sentence."""

import copy
import inspect
import re
from importlib.util import find_spec
from typing import Any

import lightning as L
import pytest
import torch
import yaml
from hydra.utils import get_object
from hypothesis import assume, given
from hypothesis import strategies as st

from configurations import composed
from covseg.config.conf import CONF
from covseg.config.evaluate import Evaluate
from covseg.config.train import Train
from covseg.config.trainer import Trainer
from covseg.errors import ConfigError, setting
from covseg.learn.networks.unet import UNet
from covseg.validation import check, check_targets, targets

BASE = composed("train", ["data=phantom"])
PAPER = composed("train", ["data=phantom", "protocol=paper"])
ABSENT = object()


def changed(*places: tuple[str, Any], base: dict[str, Any] = BASE) -> dict[str, Any]:
    """The base with other values at these dotted places."""
    config = copy.deepcopy(base)
    for place, value in places:
        node, (*path, last) = config, place.split(".")
        for part in path:
            node = node[part]
        if value is ABSENT:
            del node[last]
        else:
            node[last] = value
    return config


def refusal(*places: tuple[str, Any], base: dict[str, Any] = BASE) -> str:
    with pytest.raises(ConfigError) as error:
        check(Train, changed(*places, base=base))
    sentence = str(error.value)
    assert re.fullmatch(r".*[^.?][.?]", sentence)  # one line, and one full stop or question mark
    return sentence


def test_the_base_is_valid_and_its_values_arrive():
    config = check(Train, BASE)
    assert config.model.depth == BASE["model"]["depth"]
    assert config.optimizer.lr == BASE["optimizer"]["lr"]
    assert config.data.phantom.n_images == {"Train": 320, "Val": 80, "Test": 120}
    assert config.model_dump(by_alias=True)["loss"] == BASE["loss"]
    assert config.scheduler is None  # scheduler=none has no keys


def test_a_checked_configuration_written_as_yaml_is_read_back_the_same():
    config = check(Train, changed(("trainer.devices", [0, 1]), ("tags", ["a"])))
    again = yaml.safe_load(yaml.safe_dump(config.model_dump(by_alias=True)))
    assert check(Train, again) == config


def test_a_checked_configuration_cannot_be_changed():
    config = check(Train, BASE)
    with pytest.raises(ValueError, match="frozen"):
        config.model.depth = 9


# --- bounds and choices


@pytest.mark.parametrize(
    ("key", "value", "possible"),
    [
        ("data.image_size", 7, "give 8 or more"),
        ("data.image_size", 4097, "give 4096 or less"),
        ("data.batch_size", 0, "give 1 or more"),
        ("data.num_workers", -1, "give 0 or more"),
        ("data.num_workers", 257, "give 256 or less"),
        ("data.targets", [], "at least 1"),
        ("data.phantom.seed", -1, "give 0 or more"),
        ("data.phantom.n_images.Val", 0, "give 1 or more"),
        ("protocol.threshold", -0.1, "give 0 or more"),
        ("protocol.threshold", 1.1, "give 1 or less"),
        ("protocol.threshold", float("nan"), "give 1 or less"),
        ("protocol.detection_min_pixels", 0, "give 1 or more"),
        ("model.depth", 0, "give 1 or more"),
        ("model.depth", 9, "give 8 or less"),
        ("model.base_channels", 0, "give 1 or more"),
        ("model.base_channels", 1025, "give 1024 or less"),
        ("optimizer.lr", 0.0, "give more than 0"),
        ("optimizer.lr", -1e-3, "give more than 0"),
        ("optimizer.lr", 1001.0, "give 1000 or less"),
        ("optimizer.lr", float("nan"), "give 1000 or less"),
        ("optimizer.weight_decay", -1e-9, "give 0 or more"),
        ("seed", -1, "give 0 or more"),
        ("seed", 2**32, "give less than 4294967296"),
        ("trainer.max_epochs", -2, "give -1 or more"),
        ("trainer.accumulate_grad_batches", 0, "give 1 or more"),
        ("trainer.gradient_clip_val", 0.0, "give more than 0"),
        ("trainer.limit_val_batches", 1.5, "give 1 or less"),
        ("trainer.overfit_batches", -1, "give 0 or more"),
        ("trainer.num_nodes", 0, "give 1 or more"),
    ],
)
def test_a_value_beyond_a_bound_is_refused_with_the_bound(key, value, possible):
    sentence = refusal((key, value))
    assert sentence.startswith(f"{setting(key, value)} is not possible: ")
    assert possible in sentence


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("data.image_size", 8), ("data.image_size", 4096), ("data.num_workers", 0)),
        *(("protocol.threshold", 0.0), ("protocol.threshold", 1.0), ("protocol.threshold", 1)),
        *(("model.depth", 1), ("model.depth", 8), ("model.base_channels", 1024)),
        *(("seed", 0), ("seed", 2**32 - 1), ("optimizer.lr", 1000), ("compile", True)),
        *(("trainer.max_epochs", -1), ("trainer.max_epochs", None), ("trainer.fast_dev_run", 3)),
        *(("trainer.limit_val_batches", 0.25), ("trainer.limit_val_batches", 3)),
        *(("trainer.precision", "bf16-mixed"), ("trainer.precision", 16)),
        *(("trainer.max_time", "00:01:00:00"), ("trainer.max_time", {"minutes": 5})),
        *(("trainer.deterministic", "warn"), ("trainer.deterministic", True)),
    ],
)
def test_a_value_at_a_bound_or_among_the_choices_is_taken_as_it_is(key, value):
    found = check(Train, changed((key, value))).model_dump(by_alias=True)
    for part in key.split("."):
        found = found[part]
    assert found == value


@pytest.mark.parametrize(
    ("key", "value", "choices"),
    [
        ("data.layout", "tabel", ["did you mean table?"]),
        ("model.norm", "layer", ["none", "batch", "group"]),
        ("compile", "yes", ["true or false", "auto"]),
        ("protocol.checkpoint", "first", ["best", "last"]),
        ("protocol.select", "Test", ["Val"]),
        ("protocol.report", "Train", ["auto", "Val", "Test"]),
        ("trainer.precision", "bf16-mix", ["bf16-mixed"]),
        ("trainer.profiler", "simpel", ["simple"]),
        ("trainer.gradient_clip_algorithm", "nrom", ["did you mean norm?"]),
        ("trainer.use_distributed_sampler", True, ["false"]),
    ],
)
def test_another_choice_is_refused_with_the_choices(key, value, choices):
    sentence = refusal((key, value))
    assert sentence.startswith(f"{setting(key, value)} is not possible: ")
    for choice in choices:
        assert choice in sentence


@pytest.mark.parametrize(
    ("key", "value", "place"),
    [
        ("data.targets", ["infection", "1ung"], "data.targets.1=1ung"),
        ("protocol.fit", ["Test"], "protocol.fit.0=Test"),
        ("tags", ["a", 1.5], "tags.1=1.5"),
        ("trainer.devices", [0, "a"], "trainer.devices"),
        ("trainer.devices", [True], "trainer.devices"),
        ("trainer.max_time", {"days": "x"}, "trainer.max_time"),
    ],
)
def test_a_wrong_item_of_a_list_is_refused_with_its_place(key, value, place):
    assert refusal((key, value)).startswith(place)


@pytest.mark.parametrize("devices", ["auto", "0,1", 2, -1, [0, 1]])
def test_devices_can_be_a_number_a_list_or_a_word(devices):
    assert check(Train, changed(("trainer.devices", devices))).trainer.devices == devices


@pytest.mark.parametrize("devices", [-2, 1.5, True, None])
def test_other_devices_are_refused(devices):
    sentence = refusal(("trainer.devices", devices))
    assert sentence.startswith(f"{setting('trainer.devices', devices)} is not possible: ")


# --- types


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("model.depth", True, "whole number"),
        ("model.depth", "3", "whole number"),
        ("model.depth", 3.0, "whole number"),
        ("model.depth", None, "whole number"),
        ("seed", True, "whole number"),
        ("optimizer.lr", "1e-3", "number"),
        ("optimizer.lr", True, "number"),
        ("protocol.threshold", "0.5", "number"),
        ("data.download", 1, "true or false"),
        ("data.download", "true", "true or false"),
        ("data.cache_dir", 3, "string"),
        ("data.cache_dir", None, "string"),
        ("data.targets", "infection", "list"),
        ("tags", "a", "list"),
        ("callbacks.pictures", 3, "keys with values"),
        ("augment", None, "keys with values"),
        ("data", None, "keys with values"),
        ("trainer.inference_mode", "yes", "true or false"),
    ],
)
def test_a_wrong_type_is_refused_and_never_converted(key, value, wanted):
    sentence = refusal((key, value))
    assert sentence.startswith(f"{setting(key, value)} is not possible: ")
    assert wanted in sentence


# --- keys


@pytest.mark.parametrize(
    ("key", "near"),
    [
        ("sead", "seed"),
        ("modle", "model"),
        ("data.batchsize", "data.batch_size"),
        ("data.phantom.sed", "data.phantom.seed"),
        ("model.dept", "model.depth"),
        ("protocol.treshold", "protocol.threshold"),
        ("trainer.max_epoch", "trainer.max_epochs"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(key, near):
    sentence = refusal((key, 3))
    assert sentence == f"{key}=3 is not a key of covseg: did you mean {near}?"


@pytest.mark.parametrize("key", ["logger", "callbacks", "default_root_dir"])
def test_what_other_groups_set_is_no_key_of_the_trainer(key):
    assert refusal((f"trainer.{key}", True)).startswith(f"trainer.{key}=true is not a key")


@pytest.mark.parametrize(
    "key", ["seed", "model", "model.depth", "loss._target_", "trainer.devices", "data.targets"]
)
def test_a_key_that_is_left_out_is_named(key):
    assert refusal((key, ABSENT)) == f"{key} is not set: set {key}=<value>."


# --- targets


@pytest.mark.parametrize("target", ["os.system", "builtins.eval", "pickle.loads", "subprocess.run"])
@pytest.mark.parametrize(
    ("place", "node"),
    [
        ("loss", lambda bad: bad),
        ("model", lambda bad: bad),
        ("scheduler", lambda bad: bad),
        ("logger", lambda bad: {"mine": bad}),
        ("augment", lambda bad: {"flip": BASE["augment"]["flip"] | {"p": bad}}),
        ("callbacks", lambda bad: {"a": BASE["callbacks"]["pictures"] | {"more": [[1, bad]]}}),
        ("optimizer", lambda bad: BASE["optimizer"] | {"betas": (0.9, bad)}),
        ("tags", lambda bad: [bad]),
        ("nowhere", lambda bad: {"unused": {"deep": [{"er": bad}]}}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_foreign_target_is_refused_wherever_it_stands(place, node, target):
    sentence = refusal((place, node({"_target_": target, "command": "touch x"})))
    assert sentence.startswith(place)
    assert f"_target_={target} is not among what covseg builds" in sentence


@pytest.mark.parametrize(
    "target", [None, 3, "", "BCE", " covseg.learn.losses.BCE", ["os.system"], {}]
)
def test_a_target_that_is_no_name_of_the_list_is_refused(target):
    assert refusal(("loss._target_", target)).startswith("loss._target_")


def test_a_misspelt_target_is_refused_with_the_nearest_one():
    sentence = refusal(("loss._target_", "covseg.learn.losses.Tverski"))
    assert sentence.endswith("did you mean covseg.learn.losses.Tversky?")


TREES = st.recursive(
    st.none() | st.integers() | st.text(max_size=5) | st.sampled_from(sorted(targets())),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "c_"]), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(tree=TREES, way=st.lists(st.sampled_from(["a", "list", "tuple"]), max_size=5))
def test_a_foreign_target_is_found_at_any_depth_and_nothing_else_is_refused(tree, way):
    def wrapped(target: str) -> dict[str, Any]:
        node: Any = {"_target_": target, "beside": tree}
        for kind in way:
            node = {"a": {"a": node}, "list": [tree, node], "tuple": (node,)}[kind]
        return {"top": node}

    check_targets(wrapped("torch.optim.Adam"))
    with pytest.raises(ConfigError, match=r"_target_=os\.system"):
        check_targets(wrapped("os.system"))


@given(name=st.text())
def test_only_the_names_of_the_list_are_targets(name):
    assume(name not in targets())
    with pytest.raises(ConfigError):
        check_targets({"x": {"_target_": name}})


def test_every_target_of_the_list_exists_and_runs_no_command():
    packages = {"torch", "covseg", "lightning", "albumentations", "monai"}
    if find_spec("segmentation_models_pytorch"):  # nox -s zoo
        packages |= {"segmentation_models_pytorch"}
    for name in targets():
        package = name.partition(".")[0]
        if package != "segmentation_models_pytorch" or package in packages:
            assert callable(get_object(name)), name
            assert package in packages


# --- rules between keys


@pytest.mark.parametrize(
    ("places", "start", "remedy"),
    [
        ([("protocol.fit", ["Train", "Val"])], "protocol.select=Val is fitted on", "select=null"),
        ([("protocol.fit", ["Val"])], "protocol.select=Val is fitted on", "protocol.select=null"),
        ([("protocol.select", None)], "protocol.checkpoint=best needs", "protocol.checkpoint=last"),
        (
            [
                *(("protocol.fit", ["Train", "Val"]), ("protocol.select", None)),
                *(("protocol.checkpoint", "last"), ("protocol.report", "Val")),
            ],
            "protocol.report=Val is fitted on",
            "outside protocol.fit",
        ),
        (
            [("trainer.enable_checkpointing", False)],
            "trainer.enable_checkpointing=false keeps no checkpoint",
            "protocol.checkpoint=last",
        ),
        ([("data.targets", ["lung", "lung"])], "data.targets=[lung,lung] names", "once"),
    ],
)
def test_keys_that_contradict_each_other_are_refused(places, start, remedy):
    sentence = refusal(*places)
    assert sentence.startswith(start)
    assert remedy in sentence


STOPPING = {
    "_target_": "lightning.pytorch.callbacks.EarlyStopping",
    "monitor": "val/rmse_per_image",
}
PLATEAU = {"_target_": "covseg.learn.schedules.plateau"}


@pytest.mark.parametrize(
    ("place", "node", "named"),
    [
        ("callbacks.stop", STOPPING, "callbacks.stop.monitor=val/rmse_per_image "),
        ("scheduler", PLATEAU, "scheduler=plateau "),
    ],
)
def test_nothing_watches_val_where_nothing_is_selected(place, node, named):
    sentence = refusal((place, node), base=PAPER)
    assert sentence.startswith(named)
    assert "protocol=paper" in sentence
    check(Train, changed((place, node)))  # protocol=holdout


def test_the_paper_protocol_is_valid_and_selects_nothing():
    protocol = check(Train, PAPER).protocol
    assert (protocol.fit, protocol.select, protocol.checkpoint) == (["Train", "Val"], None, "last")


# --- Lightning's Trainer


def trainer_arguments() -> set[str]:
    known = set(inspect.signature(L.Trainer.__init__).parameters)
    return known - {"self", "logger", "callbacks", "default_root_dir"}


def test_the_trainer_schema_has_exactly_lightnings_arguments():
    assert set(Trainer.model_fields) == trainer_arguments()


def test_the_trainer_file_has_exactly_lightnings_arguments():
    text = (CONF / "trainer" / "auto.yaml").read_text(encoding="utf-8")
    assert set(yaml.safe_load(text)) == trainer_arguments()


# --- evaluate

EVALUATE = composed("evaluate", ["run=outputs/train/x"])


def test_an_evaluation_is_as_its_run_where_nothing_is_said():
    config = check(Evaluate, EVALUATE)
    assert (config.split, config.checkpoint, config.threshold) == (None, None, None)


@pytest.mark.parametrize(
    ("place", "value", "start"),
    [
        ("split", "test", "split=test is not possible"),
        ("threshold", 1.5, "threshold=1.5 is not possible"),
        ("checkpoint", "bets", "checkpoint=bets is not possible"),
        ("detection_min_pixels", 0, "detection_min_pixels=0 is not possible"),
        ("run", ABSENT, "run is not set"),
        ("thresold", 0.5, "thresold=0.5 is not a key of covseg: did you mean threshold?"),
        ("data.x", {"_target_": "os.system"}, "data.x._target_=os.system"),
    ],
)
def test_an_evaluation_that_cannot_be_is_refused(place, value, start):
    with pytest.raises(ConfigError) as error:
        check(Evaluate, changed((place, value), base=EVALUATE))
    assert str(error.value).startswith(start)


# --- what would be found out later


@pytest.mark.parametrize("norm", ["batch", "group", "none"])
@pytest.mark.parametrize("batch_size", [1, 2])
@pytest.mark.parametrize(("size", "depth"), [(16, 4), (32, 5), (32, 4), (48, 4), (16, 2), (96, 5)])
def test_a_network_is_refused_where_torch_cannot_normalise_it(norm, batch_size, size, depth):
    """Independent reference: torch itself, which raises in the first step of training."""
    network = UNet(depth=depth, base_channels=2, norm=norm).train()
    try:
        network(torch.rand(batch_size, 1, size, size))
        possible = True
    except ValueError:
        possible = False
    places = (("data.image_size", size), ("model.depth", depth), ("model.norm", norm))
    places += (("data.batch_size", batch_size),)
    if possible:
        check(Train, changed(*places))
    else:
        assert refusal(*places).startswith("data.batch_size=1 with data.image_size=")
    assert possible == (norm != "batch" or batch_size * (size >> depth) ** 2 > 1)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("00:00:00:01", 1),
        ("01:02:03:04", 93784),
        ({"minutes": 5}, 300),
        (None, None),
    ],
)
def test_a_limit_of_time_is_a_duration(written, seconds):
    limit = check(Train, changed(("trainer.max_time", written))).trainer.time_limit
    assert (None if limit is None else limit.total_seconds()) == seconds


@pytest.mark.parametrize(
    "written", ["12h", "1:2", "00:00:00:00", "", {"years": 1}, {"days": 10**12}]
)
def test_what_is_no_duration_is_refused(written):
    assert refusal(("trainer.max_time", written)).startswith("trainer.max_time=")


@pytest.mark.parametrize(
    ("strategy", "possible"),
    [
        *(("auto", True), ("ddp", True), ("ddp_find_unused_parameters_false", True)),
        *(("fsdp", False), ("deepspeed", False), ("ddp_spawn", False), ("single_device", False)),
    ],
)
def test_only_strategies_whose_runs_can_go_on_are_taken(strategy, possible):
    if possible:
        check(Train, changed(("trainer.strategy", strategy)))
    else:
        assert refusal(("trainer.strategy", strategy)).startswith(f"trainer.strategy={strategy} ")
