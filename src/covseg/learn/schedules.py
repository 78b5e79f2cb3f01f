"""Learning-rate schedules: each takes an optimizer and the number of steps of the whole run."""

from typing import Annotated

from pydantic import Field, NonNegativeInt
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, OneCycleLR, ReduceLROnPlateau

Momentum = Annotated[float, Field(ge=0, lt=1)]


def cosine(
    optimizer: Optimizer, total_steps: int, final_lr: Annotated[float, Field(ge=0, le=1e3)] = 0.0
) -> CosineAnnealingLR:
    """From the optimizer's rate to ``final_lr`` along half a cosine, at every step."""
    return CosineAnnealingLR(optimizer, T_max=total_steps, eta_min=final_lr)


def one_cycle(
    optimizer: Optimizer,
    total_steps: int,
    warmup: Annotated[float, Field(gt=0, lt=1)] = 0.3,
    momentum: Annotated[list[Momentum], Field(min_length=2, max_length=2)] | None = None,
) -> OneCycleLR:
    """Up to the optimizer's rate during ``warmup`` (a share of all steps), then down to almost 0.

    L. N. Smith and N. Topin, 2017 (arXiv 1708.07120). ``momentum`` (Adam's first beta), given as
    [low, high], goes from high down to low and back; None keeps the optimizer's own value.
    """
    low, high = momentum or (0.85, 0.95)
    if warmup * total_steps == 1:  # torch would divide by zero
        warmup /= 2
    peaks = [group["lr"] for group in optimizer.param_groups]
    return OneCycleLR(
        optimizer,
        max_lr=peaks,
        total_steps=total_steps,
        pct_start=warmup,
        cycle_momentum=momentum is not None,
        base_momentum=low,
        max_momentum=high,
    )


def plateau(
    optimizer: Optimizer,
    total_steps: int,
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.3,
    patience: NonNegativeInt = 3,
) -> ReduceLROnPlateau:
    """Multiplies the rate by ``factor`` after ``patience`` epochs without a better RMSE on Val.

    ``total_steps`` is unused; all schedules have the same signature.
    """
    del total_steps
    return ReduceLROnPlateau(optimizer, mode="min", factor=factor, patience=patience)
