"""What a machine offers: nothing leaks from one run to the next, and what it lacks is refused."""

import os
from itertools import permutations
from types import SimpleNamespace
from unittest.mock import patch

import pytest
import torch

from configurations import composed
from covseg import build, devices
from covseg.config.trainer import Trainer
from covseg.errors import ConfigError
from covseg.validation import check


@pytest.fixture(scope="module")
def settings():
    """The settings of a trainer, with changes."""
    values = composed("train", ["experiment=debug"])["trainer"]
    return lambda **changes: check(Trainer, values | changes)


@pytest.fixture
def flags():
    """What torch keeps for the whole process is read here, and put back at the end."""
    cudnn, matmul = torch.backends.cudnn, torch.backends.cuda.matmul
    before = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    kept = cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32
    with patch.dict(os.environ):  # Lightning tells cuBLAS as well
        yield lambda: {
            "deterministic": torch.are_deterministic_algorithms_enabled(),
            "warn": torch.is_deterministic_algorithms_warn_only_enabled(),
            "cudnn": cudnn.deterministic,
            "benchmark": cudnn.benchmark,
            "tf32": (cudnn.allow_tf32, matmul.allow_tf32),
        }
    torch.use_deterministic_algorithms(before, warn_only=warn_only)
    cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul.allow_tf32 = kept


OFF = {"deterministic": False, "warn": False, "cudnn": False, "benchmark": False}
OFF |= {"tf32": (False, False)}
ARITHMETIC = [
    ({}, {}),
    ({"deterministic": True}, {"deterministic": True, "cudnn": True}),
    ({"deterministic": "warn"}, {"deterministic": True, "cudnn": True, "warn": True}),
    ({"benchmark": True}, {"benchmark": True}),
    ({"deterministic": False, "benchmark": False}, {}),
]
TWO_RUNS = list(permutations(ARITHMETIC, 2))


@pytest.mark.parametrize(("first", "second"), TWO_RUNS)
def test_a_run_has_nothing_of_the_arithmetic_of_the_run_before(first, second, settings, flags):
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = True
    for changes, expected in (first, second):
        devices.set_arithmetic(settings(**changes))
        assert flags() == OFF | expected


@pytest.mark.parametrize(("first", "second"), TWO_RUNS)
def test_lightnings_trainer_leaves_the_arithmetic_as_it_was_set(
    first, second, settings, flags, tmp_path
):
    for changes, expected in (first, second):
        build.trainer(settings(accelerator="cpu", **changes), tmp_path, [], [])
        assert flags() == OFF | expected


# --- precision


@pytest.fixture
def gpus(monkeypatch):
    """As if the machine had these GPUs: name and bytes of each."""

    def be(*found: tuple[str, int]) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: bool(found))
        monkeypatch.setattr(torch.cuda, "device_count", lambda: len(found))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda n: found[n][0])
        properties = [SimpleNamespace(total_memory=size) for _, size in found]
        monkeypatch.setattr(torch.cuda, "get_device_properties", lambda n: properties[n])

    return be


UNITS = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")  # of a CPU


@pytest.mark.parametrize("gains", [True, False])
@pytest.mark.parametrize("accelerator", ["cpu", "gpu"])
@pytest.mark.parametrize("unit", UNITS)
def test_auto_is_bf16_where_the_device_multiplies_it_faster(
    gains, accelerator, unit, settings, gpus, monkeypatch
):
    gpus(("one", 2**30))
    of_gpu = gains if accelerator == "gpu" else not gains
    of_cpu = gains if accelerator == "cpu" else not gains
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: of_gpu)
    for name in UNITS:
        monkeypatch.setattr(torch.cpu, name, lambda: False)
    monkeypatch.setattr(torch.cpu, unit, lambda: of_cpu)
    asked = settings(accelerator=accelerator, precision="auto")
    assert devices.with_precision(asked).precision == ("bf16-mixed" if gains else "32-true")
    kept = settings(accelerator=accelerator, precision="16-true")
    assert devices.with_precision(kept) == kept


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "bf16"])
def test_bf16_is_refused_on_a_gpu_that_only_emulates_it(precision, settings, gpus, monkeypatch):
    gpus(("old", 2**30))
    emulating = lambda including_emulation=True: including_emulation  # noqa: E731
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", emulating)
    chosen = settings(accelerator="gpu", precision=precision)
    with pytest.raises(ConfigError) as error:
        devices.check_precision(chosen)
    assert str(error.value) == (
        f"trainer.precision={precision} is not for this GPU: set trainer.precision=32 or 16-mixed."
    )
    for remedy in (32, "16-mixed"):
        devices.check_precision(settings(accelerator="gpu", precision=remedy))
    devices.check_precision(settings(accelerator="cpu", precision=precision))


def test_bf16_is_for_a_gpu_that_has_it(settings, gpus, monkeypatch):
    gpus(("new", 2**30))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    devices.check_precision(settings(accelerator="gpu", precision="bf16-mixed"))


@pytest.mark.parametrize("precision", ["16-mixed", "16-true", "16"])
def test_16_bits_are_refused_on_a_cpu_with_what_there_is(precision, settings):
    with pytest.raises(ConfigError) as error:
        devices.check_precision(settings(accelerator="cpu", precision=precision))
    assert str(error.value) == (
        f"trainer.precision={precision} is not for a CPU: set trainer.precision=32 or bf16-mixed."
    )
    for remedy in (32, "bf16-mixed"):
        devices.check_precision(settings(accelerator="cpu", precision=remedy))


# --- memory


NEEDED = 4 * 4 * (1000 * 1000 + 1000)  # bytes: weights, gradients and two averages


@pytest.fixture
def sketch() -> torch.nn.Module:
    with torch.device("meta"):
        return torch.nn.Linear(1000, 1000)


def hold(sketch: torch.nn.Module, chosen: Trainer) -> None:
    devices.check_memory(sketch, "model.base_channels=9", chosen)


def test_a_network_must_fit_into_the_smallest_gpu(sketch, settings, gpus):
    chosen = settings(accelerator="gpu", devices=2)
    gpus(("a", NEEDED), ("b", 2 * NEEDED))
    hold(sketch, chosen)
    for sizes in ((NEEDED - 1, 2 * NEEDED), (2 * NEEDED, NEEDED - 1)):
        gpus(("a", sizes[0]), ("b", sizes[1]))
        with pytest.raises(ConfigError, match=r"^model\.base_channels=9 .*\(this GPU has 0\)"):
            hold(sketch, chosen)


def test_a_gpu_that_the_run_does_not_use_is_not_looked_at(sketch, settings, gpus):
    gpus(("of the screen", NEEDED - 1), ("b", NEEDED))
    hold(sketch, settings(accelerator="gpu", devices=[1]))


def test_on_a_cpu_the_memory_of_the_machine_counts_and_not_that_of_its_gpu(
    sketch, settings, gpus, monkeypatch
):
    gpus(("a", NEEDED - 1))
    hold(sketch, settings(accelerator="cpu"))
    gpus(("a", 2 * NEEDED))
    monkeypatch.setattr("os.sysconf", {"SC_PAGE_SIZE": 1, "SC_PHYS_PAGES": NEEDED - 1}.get)
    with pytest.raises(ConfigError, match="this machine has"):
        hold(sketch, settings(accelerator="cpu"))


# --- words


def test_the_device_of_a_run_is_named_with_its_arithmetic(settings, gpus):
    gpus(("H100", 1), ("A100", 1), ("H100", 1))
    said = devices.described(settings(accelerator="gpu", precision="bf16-mixed"))
    assert said == "A100 and H100, precision bf16-mixed, TF32 off"
    threads = torch.get_num_threads()
    said = devices.described(settings(accelerator="cpu"))
    assert said == f"cpu, {threads} thread(s) per process, precision 32-true"


@pytest.mark.parametrize(
    ("precision", "amx", "steps", "expected"),
    [
        ("32-true", False, 1000, True),
        ("32-true", False, 999, False),
        ("bf16-mixed", True, 1000, True),
        ("bf16-mixed", False, 1000, False),  # slower than without
    ],
)
def test_auto_compiles_where_it_pays(precision, amx, steps, expected, settings, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self: None)
    asked = settings(accelerator="cpu", precision=precision)
    network = torch.nn.Linear(1, 1)
    assert devices.compile_network(network, "auto", steps, asked) == expected
    assert devices.compile_network(network, True, steps, asked)
    assert not devices.compile_network(network, False, steps, asked)
