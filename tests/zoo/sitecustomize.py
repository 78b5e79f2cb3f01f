"""PyPI's torchvision beside a CPU build of torch; every process with this folder in PYTHONPATH.

torchvision registers operators that its library for another build of torch could not bring: its
import fails, and with it that of torchmetrics. The networks here need none of these operators.
"""

from collections.abc import Callable
from typing import Any

import torch

_register_fake = torch.library.register_fake


def _but_those_of_torchvision(operator: Any, *arguments: Any, **more: Any) -> Any:
    def unchanged(function: Callable[..., Any]) -> Callable[..., Any]:
        return function

    if str(operator).startswith("torchvision::"):
        return unchanged
    return _register_fake(operator, *arguments, **more)


torch.library.register_fake = _but_those_of_torchvision
import torchvision  # noqa: E402, F401

torch.library.register_fake = _register_fake
