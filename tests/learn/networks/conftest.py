"""The networks that every contract is about."""

from collections.abc import Callable

import pytest
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


@pytest.fixture(params=NETWORKS)
def make_network(request: pytest.FixtureRequest) -> Callable[[int], nn.Module]:
    """Number of targets -> a new network."""
    return NETWORKS[request.param]
