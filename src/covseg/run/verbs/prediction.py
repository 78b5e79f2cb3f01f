"""Predict image files: masks, probabilities and overlays at their own size, and one table."""

import dataclasses
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from covseg.config.predict import Predict
from covseg.data.grey import to_grey
from covseg.data.image import Pixels
from covseg.data.threads import progress_bar
from covseg.errors import ConfigError, DataError, RunError
from covseg.report.table import show
from covseg.run.folder.history import write_provenance
from covseg.run.folder.json_file import json_value
from covseg.run.folder.provenance import provenance
from covseg.run.verbs.image_results import write_results
from covseg.run.verbs.input_files import InputFile, InputFiles, printable
from covseg.run.verbs.prediction_table import PredictionTable, results_in
from covseg.run.verbs.predictor import Predictor, load_predictor
from covseg.run.verbs.runtime import on_runtime

_THREADS = 2  # that decode and encode
_FEW = 10  # failures that are printed


def predict(config: Predict, out: Path, command: str) -> None:
    """Write the results of every image.

    Raises:
        CovsegError: the run or the input cannot be used, or the output cannot be written.
        DataError: some images cannot be read; all others are predicted.
    """
    predictor = _predictor(config)
    output = Path(config.output or out)
    done = _done(output, config)
    inputs = InputFiles.of(config.input, output, done)
    left = [file for file in inputs.images if file.name not in done]
    predictor = on_runtime(config, predictor, len(left))
    table = _table(output, config, predictor, inputs.root, command)
    failures = dict(inputs.closed)
    table.add([{"input": printable(name), "error": error} for name, error in failures.items()])
    with ThreadPoolExecutor(_THREADS) as pool, progress_bar("predicting", len(left)) as advance:
        for start in range(0, len(left), config.batch_size):
            batch = left[start : start + config.batch_size]
            read = dict(zip(batch, pool.map(_read, batch), strict=True))
            images = {file: image for file, image in read.items() if isinstance(image, np.ndarray)}
            failed = {file.name: printable(str(read[file])) for file in batch if file not in images}
            table.add(_predicted(images, predictor, output, pool))
            table.add([{"input": name, "error": error} for name, error in failed.items()])
            failures |= failed
            for _ in batch:
                advance()
    _report(inputs, len(left), failures, output)


def _predicted(
    images: Mapping[InputFile, Pixels], predictor: Predictor, output: Path, pool: Executor
) -> list[dict[str, Any]]:
    """Write the results of a batch.

    Few probabilities wait at a time: those of large images have a gigabyte each.

    Returns:
        the rows of the table.
    """
    write, waiting, rows = partial(write_results, output, predictor), deque[Any](), []
    probabilities = predictor.probabilities(list(images.values())) if images else iter(())
    for (file, image), probability in zip(images.items(), probabilities, strict=True):
        waiting.append(pool.submit(write, file, image, probability))
        if len(waiting) == _THREADS:
            rows += waiting.popleft().result()
    return [*rows, *(row for future in waiting for row in future.result())]


def _predictor(config: Predict) -> Predictor:
    gpu = torch.cuda.is_available()
    if config.accelerator == "gpu" and not gpu:
        raise ConfigError("accelerator=gpu", "needs a GPU, and torch sees none", "set it to cpu")
    device = "cuda" if gpu and config.accelerator != "cpu" else "cpu"
    if Path(config.run).suffix == ".onnx":
        for key, value in (("accelerator", "gpu"), ("runtime", "torch")):
            if getattr(config, key) == value:
                cause = "does not apply to an exported file, which ONNX Runtime runs on the CPU"
                raise ConfigError(f"{key}={value}", cause, "leave it out, or name the run folder")
    predictor = load_predictor(config.run, config.checkpoint, config.trust, device)
    if config.threshold is None:
        return predictor
    return dataclasses.replace(predictor, threshold=config.threshold)


def _done(output: Path, config: Predict) -> dict[str, str]:
    """The inputs that ``output`` has results of already, with what these begin with.

    Raises:
        ConfigError: there is nothing to go on with.
    """
    if not config.skip_existing:
        return {}
    if config.output is None:
        raise ConfigError("skip_existing=true", "needs a folder", "set output=<that folder>")
    return results_in(output / "predictions.csv")


def _table(
    output: Path, config: Predict, predictor: Predictor, root: Path, command: str
) -> PredictionTable:
    """Begin the table, or go on in it; all results of a folder come from one network.

    Raises:
        RunError: the folder has other results.
    """
    path = output / "predictions.json"
    now = {
        "run": config.run,
        "checkpoint": predictor.checkpoint,
        "threshold": predictor.threshold,
        "targets": list(predictor.targets),
        "images": printable(str(root)),
    }
    goes_on = config.skip_existing and (output / "predictions.csv").exists()
    if goes_on and json_value(path, "predictor") != now:
        raise RunError(
            f"output={output}",
            "has results of another run, checkpoint or threshold, or of another folder of images",
            "name another folder",
        )
    table = PredictionTable(output / "predictions.csv", goes_on)
    if not goes_on:
        facts = provenance(command, 0, 1, config.trust)
        write_provenance({**facts, "predictor": now}, path)
    return table


def _read(file: InputFile) -> Pixels | DataError:
    try:
        return to_grey(file.path)
    except DataError as error:
        return error


def _report(inputs: InputFiles, n_predicted: int, failures: dict[str, str], output: Path) -> None:
    """Say what was done.

    Raises:
        DataError: images could not be read.
    """
    skipped = len(inputs.images) - n_predicted
    lines = [f"predicted: {n_predicted - len(failures):,}"]
    lines += [f"predicted before: {skipped:,}"] * bool(skipped)
    lines += [f"other files, ignored: {inputs.n_others:,}"] * bool(inputs.n_others)
    lines += [f"not read: {reason}" for reason in list(failures.values())[:_FEW]]
    show(None, "\n".join([*lines, f"results: {output}"]))
    if failures:
        raise DataError(
            f"{len(failures):,} of {len(inputs.images):,} images",
            "cannot be read",
            f"see the column error of {output / 'predictions.csv'}",
        )
