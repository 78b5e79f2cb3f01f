"""The U-Net has the parameters that the source report implies, and mixes nothing it should not."""

import pytest
import torch

from covseg.learn.networks.unet import UNet

NORMS = ("none", "batch", "group")


def n_parameters(network: torch.nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())


def expected(depth: int, base: int, norm: str, n_in: int = 1, n_out: int = 1) -> int:
    """The same sum by formula: a norm adds scale and shift, and takes the convolution's bias."""

    def double(fine: int, out: int) -> int:
        extra = out if norm == "none" else 2 * out
        return 9 * fine * out + extra + 9 * out * out + extra

    total = double(n_in, base)
    for level in range(depth):
        fine, coarse = base * 2**level, base * 2 ** (level + 1)
        total += double(fine, coarse)  # down
        total += 4 * coarse * fine + fine  # transposed convolution, with its bias
        total += double(2 * fine, fine)  # merge
    return total + base * n_out + n_out


def test_depth_3_from_64_channels_has_the_parameters_counted_by_hand():
    assert n_parameters(UNet(3, 64, "none")) == sum(
        (
            *(640, 36_928),  # 1 -> 64 -> 64: 9 x in x out + out
            *(73_856, 147_584),  # 64 -> 128 -> 128
            *(295_168, 590_080),  # 128 -> 256 -> 256
            *(1_180_160, 2_359_808),  # 256 -> 512 -> 512
            *(524_544, 1_179_904, 590_080),  # up 512 -> 256: 4 x in x out + out; 512 -> 256 -> 256
            *(131_200, 295_040, 147_584),  # up 256 -> 128; 256 -> 128 -> 128
            *(32_832, 73_792, 36_928),  # up 128 -> 64; 128 -> 64 -> 64
            65,  # 64 -> 1
        )
    )
    assert n_parameters(UNet(3, 64, "none")) == 7_696_193


def test_depth_4_adds_one_level_to_depth_3():
    level = 4_719_616 + 9_438_208  # 512 -> 1024 -> 1024
    level += 2_097_664 + 4_719_104 + 2_359_808  # up 1024 -> 512; 1024 -> 512 -> 512
    assert n_parameters(UNet(4, 64, "none")) == 7_696_193 + level == 31_030_593


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", range(1, 6))
def test_the_parameters_follow_the_formula(depth, norm):
    network = UNet(depth, 6, norm, in_channels=2, out_channels=3)
    assert n_parameters(network) == expected(depth, 6, norm, 2, 3)


@pytest.mark.parametrize("depth", range(1, 6))
def test_the_output_has_the_size_of_every_input_that_is_a_multiple(depth):
    network = UNet(depth, 2, out_channels=2).eval()
    assert network.size_multiple == 2**depth
    for height, width in ((1, 1), (1, 3), (2, 1)):
        size = height * network.size_multiple, width * network.size_multiple
        assert network(torch.zeros(3, 1, *size)).shape == (3, 2, *size)


@pytest.mark.parametrize(("channels", "groups"), [(1, 1), (4, 1), (8, 1), (12, 1), (16, 2)])
def test_group_norm_has_groups_of_8_or_one_group(channels, groups):
    network = UNet(1, channels, "group")
    norms = [layer for layer in network.first if isinstance(layer, torch.nn.GroupNorm)]
    assert [norm.num_groups for norm in norms] == [groups, groups]
    assert network(torch.rand(1, 1, 8, 8)).isfinite().all()


def test_an_output_pixel_sees_far_beyond_its_neighbourhood():
    network, image = UNet(3, 4, "none"), torch.rand(1, 1, 64, 64, requires_grad=True)
    network(image)[0, 0, 32, 32].backward()
    rows, columns = image.grad[0, 0].nonzero(as_tuple=True)
    assert rows.max() - rows.min() > 32  # without the levels below: 9 pixels
    assert columns.max() - columns.min() > 32


def test_skips_carry_the_finest_level_past_the_bottleneck():
    torch.manual_seed(0)
    network, image = UNet(2, 4, "none").eval(), torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        whole = network(image)
        network.up[-1].weight.zero_()  # nothing comes up any more
        network.up[-1].bias.zero_()
        cut, other = network(image), network(1 - image)
    assert not torch.allclose(whole, cut)
    assert not torch.allclose(cut, other)
