"""Write a run's network as one file, and check it against the checkpoint."""

import contextlib
import dataclasses
import io
import logging
import tempfile
import warnings
from base64 import b64encode
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch

from covseg.config.export import Export, Format
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES
from covseg.data.phantom.drawing import draw
from covseg.errors import ConfigError, RunError, reason_of
from covseg.files import write_whole
from covseg.learn.probability import ProbabilityNetwork
from covseg.report.table import show
from covseg.run.verbs.onnx_network import KEY, Facts, OnnxNetwork
from covseg.run.verbs.predictor import Predictor, load_predictor

_LARGEST_DIFFERENCE = 1e-4  # of a probability
_BATCHES = (1, 2, 9)  # sizes that are checked
_ENDINGS = {"onnx": ".onnx", "torch_export": ".pt2"}


def export_run(config: Export, out: Path) -> None:
    """Write ``model.onnx`` or ``model.pt2``.

    Raises:
        CovsegError: the run folder cannot be used, its network cannot be exported, or the file
            gives other probabilities than the checkpoint.
    """
    predictor = load_predictor(config.run, config.checkpoint, config.trust)
    if not isinstance(predictor.network, ProbabilityNetwork):
        raise ConfigError(f"run={config.run}", "is exported already", "name a run folder")
    path = out / f"model{_ENDINGS[config.format]}"
    _, difference = _write(path, predictor, config.run, config.format)
    show(None, f"largest difference of a probability: {difference:.1e}\n{path}")


def on_onnx_runtime(predictor: Predictor, run: str) -> Predictor:
    """The same predictor with its network on ONNX Runtime, which is often faster on a CPU.

    Args:
        predictor: of a run folder.
        run: the folder.

    Raises:
        CovsegError: a package is missing, or the network cannot be exported.
    """
    with tempfile.TemporaryDirectory() as folder:
        network, _ = _write(Path(folder, "model.onnx"), predictor, run, "onnx")
    return dataclasses.replace(predictor, network=network)


def _write(
    path: Path, predictor: Predictor, run: str, kind: Format
) -> tuple[Callable[[torch.Tensor], torch.Tensor], float]:
    """Write a file and read it again.

    Returns:
        the network of the file, and its largest difference from the checkpoint's.

    Raises:
        CovsegError: see ``export_run``.
    """
    network, typical = predictor.network, predictor.typical
    assert isinstance(network, ProbabilityNetwork)
    facts = Facts(
        covseg=version("covseg"),
        image_size=predictor.image_size,
        targets=list(predictor.targets),
        threshold=predictor.threshold,
        detection_min_pixels=predictor.detection_min_pixels,
        run=Path(run).name,
        checkpoint=predictor.checkpoint,
        pad=predictor.pad,
        store_size=predictor.store_size,
        typical=None if typical is None else b64encode(typical.to_bytes()).decode(),
    )
    # torch's exporters warn of themselves, and print what they cannot trace
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
        write_whole(path, _exported(run, kind, network, facts))
        exported = OnnxNetwork(path) if kind == "onnx" else _read_torch(path)
        difference = _largest_difference(network, exported, facts.image_size)
    if not difference <= _LARGEST_DIFFERENCE:
        path.unlink()
        raise RunError(
            f"format={kind}",
            f"gives other probabilities than the checkpoint, by up to {difference:.1e}",
            "choose the other format",
        )
    return exported, difference


def _exported(run: str, kind: Format, network: ProbabilityNetwork, facts: Facts) -> bytes:
    """The content of the file.

    Raises:
        ConfigError: a package is missing.
        RunError: torch cannot export the network.
    """
    image = torch.zeros(2, 1, facts.image_size, facts.image_size, dtype=torch.uint8)
    try:
        program = torch.export.export(
            network, (image,), dynamic_shapes={"image": {0: torch.export.Dim("batch", min=1)}}
        )
        if kind == "torch_export":
            file = io.BytesIO()
            torch.export.save(program, file, extra_files={f"{KEY}.json": facts.as_json()})
            return file.getvalue()
        return _onnx(program, facts)
    except ImportError as error:
        cause = f"needs a package that is missing ({reason_of(error)})"
        raise ConfigError(f"format={kind}", cause, "pip install 'covseg[onnx]'") from error
    except Exception as error:  # whatever a network of the user's makes torch raise
        raise RunError(
            run,
            f"has a network that torch cannot export ({reason_of(error)})",
            "write it without branches that depend on the image",
        ) from error


def _onnx(program: torch.export.ExportedProgram, facts: Facts) -> bytes:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it misses torchvision
    made = torch.onnx.export(
        program, (), input_names=["image"], output_names=["probability"], verbose=False
    )
    assert made is not None
    made.model.metadata_props[KEY] = facts.as_json()
    content: bytes = made.model_proto.SerializeToString()
    return content


def _read_torch(path: Path) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network of a file of this very command: one of another's could execute any code."""
    module: Callable[[torch.Tensor], torch.Tensor] = torch.export.load(path).module()
    return module


def _largest_difference(
    network: ProbabilityNetwork, exported: Callable[[torch.Tensor], torch.Tensor], size: int
) -> float:
    """Of a probability, over phantom images in batches of several sizes."""
    differences = []
    for n in _BATCHES:
        classes = [PATIENT_CLASSES[k % len(PATIENT_CLASSES)] for k in range(n)]
        images = np.stack([draw((n, k), name, size).image for k, name in enumerate(classes)])
        image = torch.from_numpy(images)[:, None]
        with torch.inference_mode():
            differences.append(float((exported(image) - network(image)).abs().max()))
    return max(differences)
