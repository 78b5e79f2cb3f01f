"""Weights come back exactly, or a sentence says why not; nothing in a file is ever run."""

import pickle
import random
import zipfile
from pathlib import Path

import pytest
import torch

from covseg.errors import RunError
from covseg.learn.checkpoint import load_weights
from covseg.learn.networks.unet import UNet


def stored(network: torch.nn.Module, path: Path, **more: object) -> Path:
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    torch.save({"state_dict": weights, "epoch": 3, **more}, path)
    return path


def refusal(path: Path, network: torch.nn.Module | None = None) -> str:
    with pytest.raises(RunError) as error:
        load_weights(network or UNet(1, 2), path)
    assert str(error.value).startswith(f"{path} ")
    assert "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path} ")


def test_weights_come_back_exactly_and_others_of_the_module_are_left_out(tmp_path):
    torch.manual_seed(0)
    source, goal = UNet(2, 4), UNet(2, 4)
    source(torch.rand(2, 1, 8, 8))  # statistics of batch norm are stored as well
    path = stored(source, tmp_path / "a.ckpt")
    content = torch.load(path)
    content["state_dict"]["loss.weight"] = torch.ones(1)
    torch.save(content, path)
    load_weights(goal, path)
    for name, weight in source.state_dict().items():
        assert torch.equal(weight, goal.state_dict()[name])


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_not_trusted(tmp_path, share):
    path = stored(UNet(1, 2), tmp_path / "a.ckpt")
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    assert refusal(path).startswith("is not a complete checkpoint")


def test_a_folder_is_not_a_checkpoint(tmp_path):
    assert refusal(tmp_path).startswith(
        "is not a complete checkpoint (Is a directory): copy it again"
    )


class Payload:
    """Pickled, it creates a file when it is read."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self):
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("by_torch", [True, False])
def test_code_in_a_checkpoint_is_not_run(tmp_path, by_torch):
    trace, path = tmp_path / "was_here", tmp_path / "a.ckpt"
    if by_torch:
        stored(UNet(1, 2), path, payload=Payload(trace))
    else:
        path.write_bytes(pickle.dumps({"state_dict": {}, "payload": Payload(trace)}))
    sentence = refusal(path)
    said = "could run a program (getattr)" if by_torch else "is not a complete checkpoint"
    assert said in sentence
    assert not trace.exists()
    _ = torch.load(path, weights_only=False) if by_torch else pickle.loads(path.read_bytes())
    assert trace.exists()  # the payload itself works


@pytest.mark.parametrize(
    "content",
    [
        {},
        [1, 2],
        None,
        "text",
        torch.zeros(3),
        {"state_dict": 5},
        {"state_dict": {1: torch.zeros(1)}},
        {"state_dict": {f"network.{name}": 3 for name in UNet(1, 2).state_dict()}},
    ],
    ids=lambda content: repr(content)[:24],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "a.ckpt")
    refusal(tmp_path / "a.ckpt")


def test_a_file_with_broken_bytes_loads_or_is_refused_with_a_sentence(tmp_path):
    path, draw = stored(UNet(1, 2), tmp_path / "a.ckpt"), random.Random(0)
    whole = path.read_bytes()
    refused = 0
    for _ in range(100):
        broken = bytearray(whole)
        broken[draw.randrange(len(broken))] = draw.randrange(256)
        path.write_bytes(broken)
        try:
            load_weights(UNet(1, 2), path)
        except RunError:
            refused += 1
    assert refused


@pytest.mark.parametrize(
    ("stored_one", "wanted", "difference"),
    [
        (UNet(1, 2), UNet(1, 4), "first.0.weight is [2, 1, 3, 3], expected [4, 1, 3, 3]"),
        (UNet(1, 2), UNet(2, 2), "down.1.0.weight is only in the configuration"),
        (UNet(2, 2), UNet(1, 2), "down.1.0.weight is only in the checkpoint"),
        (UNet(1, 2, "none"), UNet(1, 2, "batch"), "down.0.0.bias is only in the checkpoint"),
        (UNet(1, 2), UNet(1, 2, out_channels=2), "head.weight is [1, 2, 1, 1], expected [2, 2"),
    ],
    ids=["width", "deeper", "shallower", "norm", "targets"],
)
def test_another_network_is_told_apart_by_one_weight(tmp_path, stored_one, wanted, difference):
    before = {name: weight.clone() for name, weight in wanted.state_dict().items()}
    sentence = refusal(stored(stored_one, tmp_path / "a.ckpt"), wanted)
    assert sentence.startswith(
        f"holds another network than the configuration describes ({difference}"
    )
    assert all(torch.equal(before[name], w) for name, w in wanted.state_dict().items())


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (lambda weight: weight.long(), "is torch.int64, expected torch.float32"),
        (lambda weight: weight + 0j, "is torch.complex64, expected torch.float32"),
        (lambda weight: torch.zeros(1).expand(2**50), f"is [{2**50}], expected [2, 1, 3, 3]"),
        (lambda weight: weight.to_sparse(), "is not a plain tensor"),
        (lambda weight: weight.to("meta"), "is not a plain tensor"),
    ],
    ids=["whole numbers", "complex", "a shape that no memory holds", "sparse", "no values"],
)
def test_a_tensor_of_another_kind_is_refused_before_it_is_touched(tmp_path, change, difference):
    network = UNet(1, 2)
    weights = {f"network.{name}": weight for name, weight in network.state_dict().items()}
    weights["network.first.0.weight"] = change(weights["network.first.0.weight"])
    torch.save({"state_dict": weights}, tmp_path / "a.ckpt")
    assert f"(first.0.weight {difference})" in refusal(tmp_path / "a.ckpt", network)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_weights_of_another_precision_are_converted(tmp_path, dtype):
    source, goal = UNet(1, 2).to(dtype), UNet(1, 2)
    load_weights(goal, stored(source, tmp_path / "a.ckpt"))
    for name, weight in source.state_dict().items():
        assert torch.equal(weight.to(goal.state_dict()[name].dtype), goal.state_dict()[name])


def test_a_weight_too_large_for_the_precision_is_refused(tmp_path):
    source = UNet(1, 2).double()
    source.head.bias.data[0] = 1e300
    path = stored(source, tmp_path / "a.ckpt")
    assert refusal(path).startswith("has weights that are not finite (head.bias)")


def test_a_file_that_would_unpack_to_more_than_it_is_stays_packed(tmp_path):
    path = tmp_path / "a.ckpt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data/0", bytes(10**7))
    assert refusal(path).startswith("unpacks to more than its size")
