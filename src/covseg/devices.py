"""What the machine has, and how a run uses it: processes, memory format, compiler."""

import logging
import math
import os
import shutil
import sysconfig
from pathlib import Path

import torch
from torch import nn

from covseg.config.trainer import Trainer
from covseg.errors import ConfigError, setting

log = logging.getLogger(__name__)

_PROCESSES = 8  # on a CPU with fewer cores: slow, but a test of what many processes would do
_STEPS_THAT_PAY_FOR_COMPILING = 1000  # compiling takes 10-30 s and saves about a tenth of a step


def on_gpu(settings: Trainer) -> bool:
    """Whether a run uses CUDA. Apple's GPUs are left out: scores are summed in float64."""
    return settings.accelerator in {"gpu", "cuda"} or (
        settings.accelerator == "auto" and torch.cuda.is_available()
    )


def processes(settings: Trainer) -> int:
    """How many processes ``trainer.devices`` means on this machine.

    Raises:
        ConfigError: more GPUs than there are, or no number of devices.
    """
    key, wanted, gpus = _key(settings), _wanted(settings), torch.cuda.device_count()
    cores = os.cpu_count() or 1
    if wanted < 1:
        raise ConfigError(key, "is no device", "set 1 or more")
    if on_gpu(settings) and wanted > gpus:
        raise ConfigError(
            key,
            f"asks for more than the {gpus} GPUs of this machine",
            f"set trainer.devices={gpus} or less",
        )
    if not on_gpu(settings) and wanted > max(cores, _PROCESSES):
        raise ConfigError(
            key,
            f"asks for more processes than the {cores} cores of this machine",
            f"set trainer.devices={cores} or less",
        )
    return wanted


def _key(settings: Trainer) -> str:
    return setting("trainer.devices", settings.devices)


def _wanted(settings: Trainer) -> int:
    """The number that ``trainer.devices`` asks for."""
    devices, on_cpu = settings.devices, not on_gpu(settings)
    if not on_cpu and not torch.cuda.device_count():
        raise ConfigError(
            f"trainer.accelerator={settings.accelerator}",
            "finds no GPU on this machine",
            "set trainer.accelerator=cpu",
        )
    if isinstance(devices, list):
        if on_cpu:
            raise ConfigError(
                _key(settings), "lists GPUs, and this run is on a CPU", "set a number"
            )
        return len(devices)
    if str(devices) in {"auto", "-1"}:
        return 1 if on_cpu else torch.cuda.device_count()
    if str(devices).isdecimal():
        return int(devices)
    raise ConfigError(
        _key(settings), "is no number of devices", "set a number, a list of GPUs or auto"
    )


def with_precision(settings: Trainer) -> Trainer:
    """The settings with ``precision=auto`` resolved: bf16-mixed where the device gains by it.

    That is a GPU with tensor cores for bf16, and a CPU with matrix units (AMX) or vector
    instructions (AVX-512) for it: a step takes a third to two thirds of the time. Steps are in 16
    bits, weights and scores in 32.
    """
    if settings.precision != "auto":
        return settings
    if on_gpu(settings):
        gains = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        gains = torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return settings.model_copy(update={"precision": "bf16-mixed" if gains else "32-true"})


def check_precision(settings: Trainer) -> None:
    """Refuse 16 bits where the device lacks them; Lightning would silently take others.

    Raises:
        ConfigError: says what the device has.
    """
    key, precision = f"trainer.precision={settings.precision}", str(settings.precision)
    if not on_gpu(settings) and precision.startswith("16"):
        raise ConfigError(key, "is not for a CPU", "set trainer.precision=32 or bf16-mixed")
    bf16 = on_gpu(settings) and precision.startswith("bf16")
    # an older GPU emulates it, many times slower
    if bf16 and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise ConfigError(key, "is not for this GPU", "set trainer.precision=32 or 16-mixed")


def set_arithmetic(settings: Trainer) -> None:
    """Set what torch keeps for the whole process: no job of a sweep gets it from the one before.

    32 bits are 32 bits: cuDNN's convolutions would use TF32, which has 10 bits of mantissa.
    """
    torch.use_deterministic_algorithms(
        bool(settings.deterministic), warn_only=settings.deterministic == "warn"
    )
    torch.backends.cudnn.deterministic = bool(settings.deterministic)
    torch.backends.cudnn.benchmark = bool(settings.benchmark)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False


def described(settings: Trainer) -> str:
    """The device and its arithmetic, for the log."""
    precision = settings.precision or "32-true"
    if not on_gpu(settings):
        return f"cpu, {torch.get_num_threads()} thread(s) per process, precision {precision}"
    names = sorted({torch.cuda.get_device_name(n) for n in _gpus(settings)})
    return f"{' and '.join(names)}, precision {precision}, TF32 off"


def check_synchronised(settings: Trainer) -> None:
    """Refuse what torch has for GPUs alone.

    Raises:
        ConfigError: batch norm is to be shared between processes on a CPU.
    """
    if settings.sync_batchnorm and not on_gpu(settings):
        raise ConfigError(
            "trainer.sync_batchnorm=true",
            "is for GPUs alone",
            "leave it out, or set model.norm=group",
        )


def check_memory(sketch: nn.Module, key: str, settings: Trainer) -> None:
    """Refuse a network that the device cannot hold, before the system kills the process.

    Args:
        sketch: the network on the meta device.
        key: what makes it large, with its value.
        settings: that say which device.

    Raises:
        ConfigError: weights, gradients and an optimizer's two averages need more than there is.
    """
    weights = sum(p.numel() for p in sketch.parameters())
    needed, there = 4 * 4 * weights, _memory(settings)
    if needed > there:
        raise ConfigError(
            key,
            f"makes a network of {weights / 1e9:.1f} billion weights, whose training needs "
            f"{needed / 2**30:.0f} GiB (this {'GPU' if on_gpu(settings) else 'machine'} has "
            f"{there / 2**30:.0f})",
            "lower it, or model.depth",
        )


def _gpus(settings: Trainer) -> list[int]:
    """The numbers of the GPUs that a run may use."""
    listed = settings.devices if isinstance(settings.devices, list) else []
    return listed or list(range(torch.cuda.device_count()))


def _memory(settings: Trainer) -> float:
    """Bytes of the smallest GPU, or of this machine; infinite where the system does not say."""
    if on_gpu(settings) and (gpus := _gpus(settings)):
        return min(torch.cuda.get_device_properties(n).total_memory for n in gpus)
    if not hasattr(os, "sysconf"):  # Windows
        return math.inf
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def channels_last(settings: Trainer) -> bool:
    """Whether that memory format is faster: on a CPU always, on a GPU with 16-bit arithmetic."""
    return not on_gpu(settings) or "16" in str(settings.precision)


def compile_network(
    network: nn.Module, wanted: bool | str, steps: float, settings: Trainer
) -> bool:
    """Compile in place, which keeps the names of the weights, where it is wanted and pays.

    Args:
        network: to be compiled.
        wanted: true, false, or ``auto``: in a long run, where steps become faster.
        steps: of the run.
        settings: that say which device and precision.

    Returns:
        whether it was.
    """
    # with AVX-512's instructions for bf16, a compiled step takes up to a tenth longer
    slower = not on_gpu(settings) and "16" in str(settings.precision)
    slower = slower and not torch.cpu._is_amx_tile_supported()
    if wanted == "auto":
        wanted = steps >= _STEPS_THAT_PAY_FOR_COMPILING and not slower
    if not wanted:
        return False
    compilers = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    headers = Path(sysconfig.get_path("include"), "Python.h")
    if not headers.is_file() or not any(name and shutil.which(name) for name in compilers):
        log.warning(
            "no C++ compiler with Python's headers: the network is not compiled, and training "
            "takes longer"
        )
        return False
    network.compile()
    return True
