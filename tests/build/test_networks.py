"""Networks of MONAI, as the configuration names them."""

import pytest

from configurations import composed
from covseg import build
from covseg.config.train import Train
from covseg.validation import LIBRARY, check

MONAI = {
    "SegResNet": (),
    "UNet": ("+model.channels=[8,16,32]", "+model.strides=[2,2]"),
    "AttentionUnet": ("+model.channels=[8,16,32]", "+model.strides=[2,2]"),
    "BasicUNet": ("+model.features=[8,8,8,8,8,8]",),
    "DynUNet": (
        *("+model.kernel_size=[3,3,3]", "+model.strides=[1,2,2]"),
        *("+model.upsample_kernel_size=[2,2]", "+model.norm_name=instance"),
    ),
}


def test_the_list_is_whole():
    own = {name.rpartition(".")[2] for name in LIBRARY if name.startswith("monai.")}
    assert own == set(MONAI)


@pytest.mark.parametrize("name", MONAI)
def test_every_listed_network_is_built_with_one_logit_per_target(name, phantom_cache):
    words = ["experiment=debug", "model=monai_segresnet", f"data.cache_dir={phantom_cache}"]
    words += [f"model._target_=monai.networks.nets.{name}", "data.targets=[infection,lung]"]
    if name != "SegResNet":
        words += ["~model.init_filters"]
    network = build.network(check(Train, composed("train", [*words, *MONAI[name]])))
    assert network.training  # it was tried on an image and put back
