"""The images on which the best two of several runs differ most, with what either predicts.

Pictures need the images and the networks of the runs, the numbers do not: a page without pictures
is better than none.
"""

import logging
from collections.abc import Mapping, Sequence

from covseg.data.index import read_index
from covseg.data.source.locate import source_of
from covseg.data.store import Store, open_store
from covseg.errors import CovsegError, RunError
from covseg.measure.comparison import Comparison
from covseg.measure.scores import OBJECTIVE
from covseg.report.comparison.page import DifferingImages
from covseg.report.comparison.pictures import ComparedImage, Prediction, compared_image
from covseg.run.folder.json_file import json_value
from covseg.run.folder.run_folder import RunFolder
from covseg.run.verbs.predictor import Predictor, load_predictor

log = logging.getLogger(__name__)

_N = 4  # images on which one is better, and on which the other is


def differing_images(
    comparisons: Sequence[Comparison], folders: Mapping[str, RunFolder]
) -> dict[str, DifferingImages]:
    """The images of each target; none where they or the networks cannot be read here.

    Args:
        comparisons: of each target.
        folders: of the runs, by their names in a comparison.
    """
    try:
        return {
            comparison.target: _differing(comparison, folders)
            for comparison in comparisons
            if len(comparison.ranked(OBJECTIVE)) > 1
        }
    except CovsegError as error:
        log.warning("compare.html has no pictures: %s", error)
        return {}


def _differing(comparison: Comparison, folders: Mapping[str, RunFolder]) -> DifferingImages:
    best, following = comparison.ranked(OBJECTIVE)[:2]
    pair = [folders[group.runs[0].name] for group in (best, following)]
    store = _store(pair[0])
    networks = [_predictor(folder) for folder in pair]
    thresholds = [json_value(folder.summary, "threshold") for folder in pair]
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


def _trained(folder: RunFolder) -> tuple[RunFolder, str | None]:
    """The training run of a folder, and the checkpoint that an evaluation has asked for."""
    values = folder.read_config()
    if "protocol" in values:
        return folder, None
    return RunFolder(values["run"]), values.get("checkpoint")


def _predictor(folder: RunFolder) -> Predictor:
    run, checkpoint = _trained(folder)
    return load_predictor(run.path, checkpoint)


def _store(folder: RunFolder) -> Store:
    """The images that a folder's scores are of.

    Raises:
        CovsegError: they are not where the run has read them, or are others now.
    """
    data = _trained(folder)[0].config.data
    source = source_of(data)
    index = read_index(source.names(), data.targets, str(source.path))
    store = open_store(source, index, data.cache_dir)
    if store.fingerprint != folder.fingerprint:
        raise RunError(folder, "was scored on other images than are there now", "restore the data")
    return store
