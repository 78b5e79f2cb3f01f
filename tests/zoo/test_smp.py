"""Networks of segmentation_models_pytorch: ``nox -s zoo``, which installs them beside covseg."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from configurations import composed
from covseg import build
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.validation import LIBRARY, check

smp = pytest.importorskip("segmentation_models_pytorch", reason="nox -s zoo installs it")

ENCODERS = ("resnet18", "densenet121", "mobilenet_v2")


@pytest.fixture
def zoo(phantom_cache: Path) -> Callable[..., Train]:
    """Overrides -> the configuration of a run with such a network."""
    words = ("experiment=debug", "model=smp_unet", f"data.cache_dir={phantom_cache}")
    return lambda *overrides: check(Train, composed("train", [*words, *overrides]))


def published(encoder: str, folder: Path, kind: str) -> Path:
    """A file of weights as published: for images with three colours."""
    from safetensors.torch import save_file

    torch.manual_seed(3)
    weights = smp.encoders.get_encoder(encoder, in_channels=3, weights=None).state_dict()
    path = folder / f"model.{kind}"
    if kind == "safetensors":
        save_file(weights, path)
    else:
        torch.save(weights, path)
    return path


def reference(encoder: str) -> dict[str, torch.Tensor]:
    """What segmentation_models_pytorch itself makes of these weights for grey images."""
    torch.manual_seed(3)
    network = smp.encoders.get_encoder(encoder, in_channels=3, weights=None)
    network.set_in_channels(1, pretrained=True)
    return network.state_dict()


@pytest.mark.parametrize("kind", ["safetensors", "pth"])
@pytest.mark.parametrize("encoder", ENCODERS)
def test_weights_from_a_file_are_put_in_as_the_library_does(encoder, kind, zoo, tmp_path):
    path = published(encoder, tmp_path, kind)
    config = zoo(f"model.encoder_name={encoder}", f"model.encoder_weights={path}")
    network = build.network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert build.load_pretrained(network, config.model)["pretrained"]["file"] == path.name
    expected = reference(encoder)
    for name, value in network.state_dict().items():
        part, _, rest = name.partition(".")
        assert torch.equal(value, expected[rest] if part == "encoder" else before[name]), name


def test_published_weights_change_the_encoder_alone(zoo, tmp_path, monkeypatch):
    path = published("resnet18", tmp_path, "safetensors")
    monkeypatch.setattr(smp.encoders, "hf_hub_download", lambda *_, **__: str(path))
    config = zoo("model.encoder_name=resnet18", "model.encoder_weights=imagenet")
    torch.manual_seed(0)
    network = build.network(config)
    assert not torch.equal(
        network.state_dict()["encoder.conv1.weight"], reference("resnet18")["conv1.weight"]
    )
    before, state = network.segmentation_head[0].weight.clone(), torch.get_rng_state()
    assert build.load_pretrained(network, config.model) == {"pretrained": {"name": "imagenet"}}
    for name, value in reference("resnet18").items():
        assert torch.equal(network.encoder.state_dict()[name], value), name
    assert torch.equal(network.segmentation_head[0].weight, before)
    assert torch.equal(torch.get_rng_state(), state), "another seed from here on"


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (
            ("model.encoder_weights=imagenet",),
            r"encoder_weights=imagenet cannot be downloaded .*: download model.safetensors of "
            r"https://huggingface.co/smp-hub/resnet34.imagenet elsewhere and set ",
        ),
        (("model.encoder_weights=nowhere.pth",), "nowhere.pth cannot be read .No such file"),
        (("model.encoder_weights=imgnet",), "is not published .*: did you mean imagenet"),
        (
            ("model.encoder_name=tu-mobilenetv3_small_050", "model.encoder_weights=imagenet"),
            "cannot be downloaded .* copy its Hugging Face cache",
        ),
    ],
)
def test_weights_that_cannot_be_had_are_one_sentence(overrides, sentence, zoo, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    config = zoo(*overrides)
    with pytest.raises(ConfigError, match=sentence):
        build.load_pretrained(build.network(config), config.model)


@pytest.mark.parametrize("content", [b"", b"\x80\x04nothing", "other"])
@pytest.mark.parametrize("kind", ["safetensors", "pth"])
def test_a_file_that_is_none_is_one_sentence(kind, content, zoo, tmp_path):
    path = tmp_path / f"model.{kind}"
    if content == "other":
        published("densenet121", tmp_path, kind)
    else:
        path.write_bytes(content)
    config = zoo(f"model.encoder_weights={path}")
    with pytest.raises(ConfigError, match=r"cannot be used for model\.encoder_name=resnet34"):
        build.load_pretrained(build.network(config), config.model)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("model.encoder_name=resnet",), "resnet is no encoder of .*: did you mean (dp|res|sen)"),
        (("+model.checkpoint_path=here.pth",), "is not taken by covseg"),
        (("model.encoder_name=tu-hf-hub:a/b",), "model.encoder_name"),
        (
            ("model.encoder_name=tu-resnet18", "model.encoder_weights=model.pth"),
            "is a file, which model.encoder_name=tu-resnet18 cannot read",
        ),
        (("data.image_size=40", "model._target_=segmentation_models_pytorch.FPN"), "40"),
        (("model.in_channels=3",), "cannot take images of .1, 1, 32, 32."),
        (("+model.classes=2",), "gives .1, 2, 32, 32. for images"),
    ],
)
def test_a_network_that_does_not_fit_is_one_sentence(overrides, sentence, zoo):
    with pytest.raises(ConfigError, match=sentence):
        build.network(zoo(*overrides))


def test_a_run_is_scored_again_without_the_published_weights(tmp_path, phantom_cache):
    """They are in the checkpoint: who gets a run folder needs neither the file nor a network."""
    weights = published("resnet18", tmp_path, "safetensors")
    words = ("model=smp_unet", "model.encoder_name=resnet18", f"model.encoder_weights={weights}")
    run = tmp_path / "run"
    data = f"data.cache_dir={phantom_cache}"
    say("train", "experiment=debug", *words, data, f"hydra.run.dir={run}")
    assert json.loads((run / "provenance.json").read_text())["pretrained"]["file"] == weights.name
    weights.unlink()
    answer = say("evaluate", f"run={run}", f"hydra.run.dir={tmp_path / 'again'}")
    assert "reproduced" in answer


@pytest.mark.parametrize("preset", ["medsegbench_unet_densenet121", "tahir2021_fpn"])
def test_presets_of_published_settings_build_their_network(preset, phantom_cache):
    words = (f"experiment={preset}", "data=phantom", f"data.cache_dir={phantom_cache}")
    network = build.network(check(Train, composed("train", words)))
    assert type(network).__module__.startswith("segmentation_models_pytorch")


LISTED = sorted(name for name in LIBRARY if name.startswith("segmentation_models_pytorch."))


@pytest.mark.parametrize("target", LISTED)
def test_every_listed_network_is_built_with_one_logit_per_target(target, zoo):
    encoder = "mit_b0" if target.endswith("Segformer") else "resnet18"
    words = (f"model._target_={target}", f"model.encoder_name={encoder}", "data.image_size=128")
    network = build.network(zoo(*words, "data.targets=[infection,lung]"))  # checks the shape
    assert network.training


@pytest.mark.parametrize("words", [("train", "experiment=debug"), ("export", "run=default")])
def test_a_torchvision_of_another_build_is_named(words, tmp_path, phantom_cache):
    plain = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    trial = subprocess.run([sys.executable, "-c", "import torchvision"], env=plain, check=False)
    if trial.returncode == 0:
        pytest.skip("torchvision fits this torch")
    verb, *rest = words
    answer = subprocess.run(
        [sys.executable, "-m", f"covseg.{verb}", *rest, f"hydra.run.dir={tmp_path}/run"],
        env=plain | {"COVSEG_CACHE": str(phantom_cache)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 1
    assert answer.stderr.splitlines()[-1].startswith("the installed torchvision does not fit")
    assert "Traceback" not in answer.stderr


def say(verb: str, *words: str) -> str:
    """A command that works, and what it prints."""
    command = [sys.executable, "-m", f"covseg.{verb}", *words]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return answer.stdout + answer.stderr
