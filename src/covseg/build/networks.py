"""The network, covseg's own or any other."""

import contextlib

import torch
from torch import nn

from covseg import devices
from covseg.build.instantiate import accepted, arguments_of, make
from covseg.build.smp import check_encoder
from covseg.config.model import LiteUNet, OtherNetwork, SMPNetwork
from covseg.config.train import Train
from covseg.errors import ConfigError, reason_of, setting


def network(config: Train) -> nn.Module:
    """The network, with one logit per target.

    Raises:
        ConfigError: it cannot be built, does not fit into memory, or is not from images to logits.
    """
    if isinstance(config.model, OtherNetwork):
        return _other_network(config, config.model)
    arguments, n_targets = arguments_of(config.model), len(config.data.targets)
    if isinstance(config.model, LiteUNet):
        del arguments["pretrained"]  # see ``load_pretrained``
        lite: nn.Module = make("model", arguments, out_channels=n_targets)
        return lite
    with torch.device("meta"):  # shapes without memory
        sketch: nn.Module = make("model", arguments, out_channels=n_targets)
    devices.check_memory(
        sketch, f"model.base_channels={config.model.base_channels}", config.trainer
    )
    unet: nn.Module = make("model", arguments, out_channels=n_targets)
    return unet


def _other_network(config: Train, model: OtherNetwork) -> nn.Module:
    arguments, n_targets = arguments_of(model), len(config.data.targets)
    del arguments["size_multiple"]
    if isinstance(model, SMPNetwork):
        check_encoder(model)
        arguments["encoder_weights"] = None  # see ``load_pretrained``
    given = {}
    with contextlib.suppress(Exception):  # which ``make`` reports
        for name in {"out_channels", "classes"} & accepted(model.target).keys() - arguments.keys():
            given[name] = n_targets
    built = make("model", arguments, **given)
    if not isinstance(built, nn.Module):
        raise ConfigError(
            setting("model._target_", model.target), "is not an nn.Module", "name a network"
        )
    devices.check_memory(built, setting("model._target_", model.target), config.trainer)
    size, multiple = config.data.image_size, getattr(built, "size_multiple", None) or 1
    if size % multiple:
        raise ConfigError(
            f"data.image_size={size}",
            f"is not a multiple of {multiple}, which {model.target} needs",
            f"set data.image_size={(size // multiple + 1) * multiple}",
        )
    _check_shape(built, model.target, size, n_targets)
    return built


def _check_shape(network: nn.Module, target: str, size: int, n_targets: int) -> None:
    """Try a network on one image.

    Raises:
        ConfigError: it refuses the image, or its output has another shape than the masks.
    """
    key, expected = setting("model._target_", target), (1, n_targets, size, size)
    was_training = network.training
    try:
        with torch.random.fork_rng(), torch.inference_mode():
            output = network.eval()(torch.zeros(1, 1, size, size))
    except Exception as error:  # the network's own, of any kind
        raise ConfigError(
            key,
            f"cannot take images of [1, 1, {size}, {size}] ({reason_of(error)})",
            "set data.image_size to a size that it takes, or change its arguments",
        ) from error
    finally:
        network.train(was_training)
    shape = list(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
    if shape != list(expected):
        raise ConfigError(
            key,
            f"gives {shape} for images of [1, 1, {size}, {size}], expected {list(expected)}",
            "change its arguments so that it gives one logit per pixel and target",
        )
