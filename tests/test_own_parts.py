"""Parts of the user's own: what may be named, what a network must be, and what is refused."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml

from configurations import composed
from covseg import build
from covseg.config.train import Train
from covseg.errors import ConfigError
from covseg.run.folder.run_folder import RunFolder
from covseg.train import VERB
from covseg.validation import check, check_targets

PARTS = """
import torch
from torch import nn

from covseg.measure.scores import Score


class Net(nn.Module):
    size_multiple = 4

    def __init__(self, width=4, out_channels=1, shrink=1):
        super().__init__()
        self.conv = nn.Conv2d(1, out_channels, 1)
        self.norm, self.shrink = nn.BatchNorm2d(out_channels), shrink

    def forward(self, image):
        return self.norm(self.conv(image))[..., :: self.shrink]


def refuses(size=64):
    net = Net()
    net.register_forward_pre_hook(lambda net, images: images[0].reshape(1, 7))
    return net


def dictionary():
    net = Net()
    net.forward = lambda image: {"logits": image}
    return net


def number():
    return 3


def score():
    return Score("share of images", lambda c: c.tp * 0 + 1, lambda c: c.tp * 0 + 2)
"""


@pytest.fixture(autouse=True)
def mylab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A module that can be imported."""
    for name in [name for name in sys.modules if name.split(".")[0] == "mylab"]:
        monkeypatch.delitem(sys.modules, name)  # of the example project
    (tmp_path / "mylab.py").write_text(PARTS)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("mylab", None)


def configured(*overrides: str) -> Train:
    words = ("experiment=debug", "trust=[mylab]", *overrides)
    return check(Train, composed("train", words), ["mylab"])


def own(tmp_path: Path, target: str, arguments: str = "") -> Train:
    """A configuration with ``target`` as its network, from an option of the user's own."""
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "own.yaml").write_text(f"_target_: {target}\n{arguments}")
    words = ["experiment=debug", "model=own", "trust=[mylab]"]
    return check(Train, composed("train", words, str(tmp_path / "conf")), ["mylab"])


@pytest.mark.parametrize("target", ["mylab.Net", "mylab.deep.er.Net"])
def test_a_trusted_package_may_be_named(target):
    check_targets({"model": {"_target_": target}}, ["mylab"])


@pytest.mark.parametrize("target", ["mylab", "mylab2.Net", "my.lab.Net", "os.system", " mylab.Net"])
def test_only_a_trusted_package_may_be_named(target):
    with pytest.raises(ConfigError, match="is not among what covseg builds"):
        check_targets({"model": {"_target_": target}}, ["mylab"])


def test_the_environment_and_the_command_line_trust_together(monkeypatch):
    monkeypatch.setenv("COVSEG_TRUST", "other, mylab,")
    config = VERB.check(composed("train", ["data=phantom", "trust=[third]"]))
    assert config.trust == ["mylab", "other", "third"]


@pytest.mark.parametrize("name", ["a b", "", "a..b", "1a", "a-b"])
def test_a_name_that_is_no_package_is_refused(name):
    with pytest.raises(ConfigError, match=r"^trust\.0="):
        VERB.check(composed("train", ["data=phantom", f'trust=["{name}"]']))


def test_a_run_folder_never_decides(tmp_path):
    values = configured().model_dump(by_alias=True)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    for trust in ((), ("other",)):
        with pytest.raises(ConfigError, match=r"^trust=\[mylab\] in .*config.yaml lets the run"):
            _ = RunFolder(tmp_path, trust).config
    assert RunFolder(tmp_path, ["mylab"]).config.trust == ["mylab"]
    assert RunFolder(tmp_path, trust=None).config.trust == ["mylab"]


def test_a_key_with_a_dot_hides_no_target():
    """Protects: two keys with one dotted name, of which the harmless one would be looked at."""
    hostile = {"a": {"_target_": "shutil.copyfile"}, "a._target_": "torch.optim.Adam"}
    for tree in ({"betas": hostile}, {"betas": dict(reversed(hostile.items()))}):
        with pytest.raises(ConfigError, match=r"is not among|has a key with a dot"):
            check_targets({"optimizer": tree})


@pytest.mark.parametrize("target", ["mylab.torch.hub.shutil.copyfile", "mylab.nn.Conv2d"])
def test_trust_in_a_package_is_not_in_what_it_imports(target, tmp_path):
    config = own(tmp_path, target, "in_channels: 1\n")
    with pytest.raises(ConfigError, match=r"is of the package (shutil|torch): name it there"):
        build.network(config)


def test_a_run_of_an_older_covseg_is_read(tmp_path):
    values = configured().model_dump(by_alias=True)
    values["model"] |= {"_target_": "covseg.learn.unet.UNet", "compile": values.pop("compile")}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(values))
    assert RunFolder(tmp_path, ["mylab"]).config == configured()


@pytest.mark.parametrize("targets", ["[infection]", "[infection,lung]"])
def test_a_network_is_told_the_number_of_targets(targets, tmp_path):
    config = own(tmp_path, "mylab.Net", "width: 8\n")
    config = config.model_copy(
        update={"data": config.data.model_copy(update={"targets": targets[1:-1].split(",")})}
    )
    before = torch.get_rng_state()
    network = build.network(config)
    n_targets = targets.count(",") + 1
    assert network.eval()(torch.zeros(2, 1, 32, 32)).shape == (2, n_targets, 32, 32)
    assert network.norm.num_batches_tracked == 0  # trying it out taught it nothing
    torch.set_rng_state(before)
    again = build.network(config)
    weights = zip(network.parameters(), again.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in weights)


@pytest.mark.parametrize(
    ("target", "arguments", "sentence"),
    [
        ("mylab.Net", "shrink: 2\n", "gives [1, 1, 32, 16] for images of [1, 1, 32, 32], expected"),
        ("mylab.Net", "out_channels: 3\n", "gives [1, 3, 32, 32] for images of"),
        ("mylab.dictionary", "", "gives dict for images of [1, 1, 32, 32]"),
        ("mylab.refuses", "", "cannot take images of [1, 1, 32, 32] (shape '[1, 7]' is invalid"),
        ("mylab.number", "", "is not an nn.Module"),
        ("covseg.learn.losses.BCE", "", "cannot take images of [1, 1, 32, 32] ("),
        ("mylab.Nothing", "", "cannot be imported (ModuleNotFoundError: "),
        ("mylab.Net", "depth: 3\n", "model.depth=3 is no argument of mylab.Net"),
    ],
)
def test_what_is_no_network_for_images_and_masks_is_refused(target, arguments, sentence, tmp_path):
    with pytest.raises(ConfigError) as error:
        build.network(own(tmp_path, target, arguments))
    assert sentence in str(error.value)


def test_a_size_that_a_network_does_not_take_is_refused_before_torch_or_by_its_attribute(tmp_path):
    with pytest.raises(ConfigError, match=r"^data.image_size=32 is not a multiple of 5 \(model"):
        own(tmp_path, "mylab.Net", "size_multiple: 5\n")
    config = own(tmp_path / "other", "mylab.Net")
    data = config.data.model_copy(update={"image_size": 30})
    with pytest.raises(ConfigError, match=r"^data.image_size=30 is not a multiple of 4, which my"):
        build.network(config.model_copy(update={"data": data}))


def test_an_own_score_is_a_score_with_a_name_of_its_own():
    config = configured("+protocol.scores.half._target_=mylab.score")
    assert build.scores(config.protocol)["half"].meaning == "share of images"
    for name, target, cause in (
        ("mae", "mylab.score", "is the name of one of covseg's scores"),
        ("half", "mylab.number", "does not return a covseg.measure.scores.Score"),
    ):
        config = configured(f"+protocol.scores.{name}._target_={target}")
        with pytest.raises(ConfigError, match=cause):
            build.scores(config.protocol)
