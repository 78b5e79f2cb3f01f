"""The images on which the best two of several runs differ most, with what either predicts.

Pictures need the images and the networks of the runs, the numbers do not: a page without pictures
is better than none.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from covseg.data.opening import list_data
from covseg.data.store import Store, open_store
from covseg.errors import CovsegError, RunError
from covseg.learn.probability import ProbabilityNetwork
from covseg.measure.comparison import Comparison
from covseg.measure.scores import OBJECTIVE
from covseg.report.comparison.page import DifferingImages
from covseg.report.comparison.pictures import ComparedImage, Prediction, compared_image
from covseg.run.folder.json_file import json_value
from covseg.run.folder.run_folder import WHOLE, RunFolder
from covseg.run.verbs.predictor import Predictor, load_predictor
from covseg.validation import trusted_packages

log = logging.getLogger(__name__)

_N = 4  # images on which one is better, and on which the other is


def differing_images(
    comparisons: Sequence[Comparison], folders: Mapping[str, RunFolder], trust: Sequence[str] = ()
) -> dict[str, DifferingImages]:
    """The images of each target; none where they or the networks cannot be read here.

    Args:
        comparisons: of each target.
        folders: of the runs, by their names in a comparison.
        trust: packages whose code the runs may name.
    """
    try:
        return {
            comparison.target: _differing(comparison, folders, trust)
            for comparison in comparisons
            if len(comparison.ranked(OBJECTIVE)) > 1
        }
    except CovsegError as error:
        log.warning("compare.html has no pictures: %s", error)
        return {}


def _differing(
    comparison: Comparison, folders: Mapping[str, RunFolder], trust: Sequence[str]
) -> DifferingImages:
    best, following = comparison.ranked(OBJECTIVE)[:2]
    pair = [folders[group.runs[0].name] for group in (best, following)]
    store = _store(pair[0], trust)
    networks = [_predictor(folder, trust) for folder in pair]
    thresholds = [_threshold(folder) for folder in pair]
    rows = store.index.numbers()

    def drawn(place: int) -> ComparedImage:
        row = rows[comparison.keys[place]]
        image, truth = store.images[row], store.masks[comparison.target][row]

        def predicted(network: Predictor, threshold: float) -> Prediction:
            [probability] = network.probabilities([image])
            of_target = probability[list(network.targets).index(comparison.target)]
            return Prediction(of_target, threshold)

        first, second = map(predicted, networks, thresholds)
        return compared_image(comparison, (best, following), place, image, truth, (first, second))

    places = comparison.most_different(best, following, _N)
    images = [drawn(place) for place in places]
    return DifferingImages(comparison.label(best), comparison.label(following), images)


def trained_in(folder: RunFolder) -> tuple[Path, str | None]:
    """The folder of the training run, and the checkpoint that an evaluation has asked for.

    Of an evaluation of several runs it is that of the first.
    """
    values = folder.read_config()
    if "protocol" in values or "run" not in values:
        return folder.path, None
    runs = values["run"]
    return Path(runs[0] if isinstance(runs, list) else runs), values.get("checkpoint")


def _threshold(folder: RunFolder) -> float:
    value = json_value(folder.summary, "threshold")
    if not isinstance(value, int | float):
        raise RunError(folder.summary, "is missing or damaged", WHOLE)
    return float(value)


def _predictor(folder: RunFolder, trust: Sequence[str]) -> Predictor:
    values = folder.read_config()
    if isinstance(values.get("run"), list):
        raise RunError(folder, "is of several networks", "compare runs of one for pictures")
    run, checkpoint = trained_in(folder)
    predictor = load_predictor(run, checkpoint, trust)
    if isinstance(values.get("flips"), bool) and isinstance(predictor.network, ProbabilityNetwork):
        predictor.network.flips = values["flips"]  # of an evaluation
    return predictor


def _store(folder: RunFolder, trust: Sequence[str]) -> Store:
    """The images that a folder's scores are of.

    Raises:
        CovsegError: they are not where the run has read them, or are others now.
    """
    data = RunFolder(trained_in(folder)[0], trusted_packages(trust)).config.data
    store = open_store(list_data(data, data.targets), data.cache_dir)
    if store.fingerprint != folder.fingerprint:
        raise RunError(folder, "was scored on other images than are there now", "restore the data")
    return store
