"""Results of runs that were never trained: of any number of images, with any names."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch

from covseg.data.index import Key
from covseg.measure.counts import count
from covseg.measure.image_histograms import ImageHistograms, ProbabilityHistograms
from covseg.measure.operating_point import OperatingPoint
from covseg.measure.records import Records
from covseg.measure.scores import SCORES
from covseg.measure.summary import summarise
from covseg.measure.thresholds import OverThresholds
from covseg.report.predictions import Prediction
from covseg.report.result import RunResult
from listings import row

SIDE = 48
CLASSES = ("COVID-19", "COVID-19", "Non-COVID", "Normal")


def drawn(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Probability and truth of n images, of which every second is positive."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    truth = np.zeros((n, 1, SIDE, SIDE), np.uint8)
    probability = np.zeros((n, 1, SIDE, SIDE), np.float32)
    for place in range(n):
        centre, radius = draw.uniform(0.25, 0.75, 2), draw.uniform(0.05, 0.3)
        distance = np.hypot(y - centre[0], x - centre[1])
        if place % 4 < 2:
            truth[place, 0] = distance < radius
        certain = draw.uniform(0.2, 1) if place % 4 < 2 else draw.uniform(0, 0.6)
        noise = draw.uniform(-0.05, 0.05, (SIDE, SIDE))
        spread = np.exp(-((distance / (radius * draw.uniform(0.7, 1.3))) ** 4))
        probability[place, 0] = np.clip(certain * spread + noise, 0, 1)
    return probability, truth


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., RunResult]:
    """The result of a run over n images, in a folder with its files."""

    def make(
        n: int = 16,
        name: Callable[[int], str] = "image_{:04}.png".format,
        targets: Sequence[str] = ("infection",),
        folder: str = "run",
        config: str = "seed: 0\n",
        command: str = "python -m covseg.train",
        fingerprint: str = "f" * 64,
        root: str | None = "archive.zip",
        selects: str | None = "Val",
        monitor: str = "rmse_per_image",
        warnings: Sequence[str] = (),
        split: str = "Test",
        classes: Sequence[str] = CLASSES,
        leaks: Sequence[int] = (),
        families: Mapping[Key, int] | None = None,
    ) -> RunResult:
        probability, truth = (np.repeat(of, len(targets), axis=1) for of in drawn(n, 0))
        rows = [
            row(split, classes[k % len(classes)], name(k), f"i{k}", f"m{k}", None) for k in range(n)
        ]
        both = torch.from_numpy(probability), torch.from_numpy(truth)
        counts = count(*both, 0.5)
        gathered = torch.cat([torch.arange(n)[:, None].double(), counts.flatten(1)], dim=1)
        records = Records.of(gathered.numpy(), rows, targets)
        metric = ProbabilityHistograms(len(targets))
        metric.update(*both, torch.arange(n))
        histograms = ImageHistograms.of(*(part.numpy() for part in metric.compute()))
        number = {row.key: k for k, row in enumerate(rows)}
        thresholds = {}
        for place, target in enumerate(targets):
            of = records.where(records.target == target)
            above = histograms.above(place, [number[key] for key in of.keys])
            thresholds[split, target] = OverThresholds.of(of.counts(), *above)
            thresholds["Val", target] = thresholds[split, target]
        nothing = count(torch.zeros_like(both[0]), both[1], 0.5)
        of_nothing = torch.cat([torch.arange(n)[:, None].double(), nothing.flatten(1)], dim=1)
        summary = {"split": split, "fold": None, "excluded": {}} | summarise(
            records,
            {"predict_nothing": Records.of(of_nothing.numpy(), rows, targets)},
            point=OperatingPoint(0.5, 1),
            objective=0.1,
            leaks={rows[k].key for k in leaks} if leaks else None,
            scores=SCORES,
        )

        def predict(target: str, places: Sequence[int]) -> list[Prediction]:
            keys = records.where(records.target == target).keys
            numbers = [number[keys[place]] for place in places]
            image = np.linspace(0, 1, SIDE * SIDE, dtype=np.float32).reshape(SIDE, SIDE)
            return [
                Prediction(k, image, truth[k, 0].astype(np.float32), probability[k, 0])
                for k in numbers
            ]

        out = tmp_path / folder
        out.mkdir(parents=True, exist_ok=True)
        (out / "config.yaml").write_text(config)
        facts = {
            "command": command,
            "started": "2026-01-31T12:00:00+00:00",
            "seed": 0,
            "git": {"commit": "c" * 40, "dirty": True},
            "versions": {"covseg": "0.1.0", "torch": "2.13.0", "cuda": None},
            "hardware": {"machine": "Linux", "cpu_cores": 2, "gpus": [], "processes": 1},
            "data": {"root": str(root), "fingerprint": fingerprint},
            "seconds": 61.0,
        }
        (out / "provenance.json").write_text(json.dumps(facts))
        (out / "metrics.csv").write_text(
            "epoch,train/loss,train/rmse,val/loss,val/rmse_per_image,val/dice_positive\n"
            "1,0.7,0.4,0.6,0.3,0.1\n2,0.5,0.3,0.4,0.2,0.5\n3,0.4,0.2,0.45,0.25,\n"
        )
        return RunResult(
            folder=out,
            checkpoint=out / "checkpoints" / "best.ckpt",
            summary=summary,
            records=records,
            histograms={target: histograms.pooled(k) for k, target in enumerate(targets)},
            thresholds=thresholds,
            selects=selects,
            monitor=monitor,
            families=families,
            warnings=warnings,
            predict=predict,
        )

    return make
