"""The ensemble's probability is the mean of those of its networks."""

import torch

from covseg.learn.networks.ensemble import Ensemble
from covseg.learn.networks.unet import UNet


def test_the_probability_is_the_mean(make_network):
    torch.manual_seed(0)
    networks = [make_network(2).eval() for _ in range(3)]
    image = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        expected = torch.stack([n(image).double().sigmoid() for n in networks]).mean(0)
        found = Ensemble(networks).eval()(image).sigmoid().double()
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=0)


def test_certain_networks_have_finite_logits():
    network = UNet(1, 4)
    torch.nn.init.constant_(network.head.bias, 1000.0)
    assert torch.isfinite(Ensemble([network, network])(torch.rand(1, 1, 8, 8))).all()
