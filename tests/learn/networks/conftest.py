"""The networks that every contract is about."""

from collections.abc import Callable
from importlib.util import find_spec

import pytest
from monai.networks.nets import SegResNet
from torch import nn

from covseg.learn.networks.lite_unet import LiteUNet
from covseg.learn.networks.unet import UNet

NETWORKS: dict[str, Callable[[int], nn.Module]] = {
    "unet": lambda targets: UNet(2, 8, out_channels=targets),
    "unet without norm": lambda targets: UNet(2, 8, "none", out_channels=targets),
    "unet with group norm": lambda targets: UNet(2, 8, "group", out_channels=targets),
    "lite0": lambda targets: LiteUNet("lite0", out_channels=targets),
    "lite2": lambda targets: LiteUNet("lite2", out_channels=targets),
}


def sized(network: nn.Module, multiple: int) -> nn.Module:
    """A network of another package, with what an image's sides must be multiples of."""
    network.size_multiple = multiple
    return network


NETWORKS["monai SegResNet"] = lambda targets: sized(
    SegResNet(2, init_filters=8, in_channels=1, out_channels=targets), 8
)
if find_spec("segmentation_models_pytorch"):  # nox -s zoo
    import segmentation_models_pytorch as smp

    for kind, encoder in (
        (smp.Unet, "resnet18"),
        (smp.UnetPlusPlus, "densenet121"),
        (smp.FPN, "mobilenet_v2"),
        (smp.Segformer, "mit_b0"),
        (smp.Unet, "tu-mobilenetv3_small_050"),
    ):
        NETWORKS[f"smp {kind.__name__} {encoder}"] = lambda targets, kind=kind, encoder=encoder: (
            sized(kind(encoder, encoder_weights=None, in_channels=1, classes=targets), 32)
        )


@pytest.fixture(params=NETWORKS)
def make_network(request: pytest.FixtureRequest) -> Callable[[int], nn.Module]:
    """Number of targets -> a new network."""
    return NETWORKS[request.param]
