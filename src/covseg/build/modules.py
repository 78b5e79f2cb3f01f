"""The LightningModule, with loss, scores, optimizer and schedule."""

from collections.abc import Mapping
from functools import partial

import torch
from torch import nn
from torch.optim import Optimizer

from covseg import devices
from covseg.build.instantiate import arguments_of, make, unusable
from covseg.config.protocol import Protocol
from covseg.config.train import Train
from covseg.data.resize import Square
from covseg.errors import ConfigError, setting
from covseg.learn.losses import TargetWeights
from covseg.learn.module import SegmentationModule
from covseg.measure.image_histograms import ProbabilityHistograms
from covseg.measure.metrics import ImageRecords, all_scores
from covseg.measure.scores import OBJECTIVE, SCORES, Score


def module(config: Train, net: nn.Module, scores: Mapping[str, Score]) -> SegmentationModule:
    """The LightningModule around a network; every argument of its parts is tried out here."""
    make_optimizer = partial(make, "optimizer", arguments_of(config.optimizer))
    trial = make_optimizer([nn.Parameter(torch.zeros(1))])
    _try_out(trial)
    make_scheduler = None
    if config.scheduler is not None:
        make_scheduler = partial(make, "scheduler", arguments_of(config.scheduler))
        make_scheduler(optimizer=trial, total_steps=10)
    protocol = config.protocol
    threshold, min_pixels = protocol.fixed_threshold, protocol.fixed_min_pixels
    return SegmentationModule(
        net,
        _loss(config),
        all_scores(threshold, min_pixels, scores),
        ImageRecords(threshold),
        ProbabilityHistograms(len(config.data.targets)),
        threshold,
        make_optimizer=make_optimizer,
        make_scheduler=make_scheduler,
        monitor=f"val/{OBJECTIVE}",
        channels_last=devices.channels_last(config.trainer),
        flips=protocol.flips,
        square=Square(config.data.image_size, pad=True) if config.data.fit == "pad" else None,
        hparams=arguments_of(config),
    )


def _loss(config: Train) -> nn.Module:
    """The loss, with the weights of the targets where they differ."""
    loss: nn.Module = make("loss", arguments_of(config.loss))
    weights = config.data.target_weights
    return loss if weights is None else TargetWeights(loss, weights)


def scores(protocol: Protocol) -> dict[str, Score]:
    """Covseg's scores and the user's own.

    Raises:
        ConfigError: one of them is no score, or has the name of another.
    """
    made = dict(SCORES)
    for name, node in protocol.scores.items():
        key = f"protocol.scores.{name}"
        if name in SCORES:
            raise ConfigError(key, "is the name of one of covseg's scores", "choose another name")
        score = make(key, arguments_of(node))
        if not isinstance(score, Score):
            raise ConfigError(
                setting(f"{key}._target_", node.target),
                "does not return a covseg.measure.scores.Score",
                "name a function that does",
            )
        made[name] = score
    return made


def monitor(protocol: Protocol, scores: Mapping[str, Score]) -> tuple[str, bool]:
    """Logged name of the score that chooses the checkpoint, and whether a lower one is better.

    Raises:
        ConfigError: there is no such score.
    """
    if protocol.monitor not in scores:
        raise ConfigError(
            f"protocol.monitor={protocol.monitor}",
            "is no score",
            f"choose from {', '.join(sorted(scores))}",
        )
    return f"val/{protocol.monitor}", scores[protocol.monitor].low_is_good


def _try_out(optimizer: Optimizer) -> None:
    """Two steps, for the second has a momentum: some arguments are looked at nowhere else.

    Raises:
        ConfigError: the optimizer cannot take a step.
    """
    try:
        for _ in range(2):
            for parameter in optimizer.param_groups[0]["params"]:
                parameter.grad = torch.ones_like(parameter)
            optimizer.step()
    except Exception as error:  # torch's own, of any kind
        raise unusable("optimizer", error) from error
