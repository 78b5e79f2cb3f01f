"""The made-up dataset on disk: drawn once for its settings, in exactly the real layout."""

from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path

import cv2

from covseg.config.data import SPLITS, PhantomData, Split
from covseg.data.build_once import built_once
from covseg.data.layouts.covid_qu_ex.names import PATIENT_CLASSES, TREES
from covseg.data.phantom.drawing import draw
from covseg.data.phantom.film import Grey
from covseg.data.threads import progress_bar

_VERSION = 1  # of the drawings: part of the folder's name
_STEMS = {"COVID-19": "covid_{}", "Non-COVID": "non_COVID ({})", "Normal": "Normal ({})"}


def phantom_root(settings: PhantomData, cache_dir: str | Path) -> Path:
    """The folder of the made-up dataset with these settings, drawn first if it is missing."""
    name = sha256(f"{_VERSION} {settings!r}".encode()).hexdigest()[:16]
    home = Path(cache_dir).expanduser().resolve() / f"phantom-{name}"
    with progress_bar("drawing", sum(settings.n_images.values())) as advance:
        return built_once(
            home,
            lambda folder: write(
                folder,
                settings.seed,
                settings.n_images,
                lung_tree=settings.lung_tree,
                progress=advance,
            ),
        )


def write(
    root: Path,
    seed: int,
    n_images: Mapping[Split, int],
    size: int = 256,
    lung_tree: bool = False,
    progress: Callable[[], None] | None = None,
) -> None:
    """Write a dataset of 8-bit PNGs, `size` pixels a side, under `root`, a new or empty folder.

    `n_images` is per split, e.g. {"Train": 120, "Val": 40, "Test": 40}: half COVID-19, a quarter
    each of the other classes. `lung_tree` adds the tree Lung Segmentation Data: the same images
    without infection masks. `progress` is called once per image.
    """
    number = 0
    for split, n in n_images.items():
        quarter = (n + 1) // 4
        counts = {"COVID-19": n - 2 * quarter, "Non-COVID": quarter, "Normal": quarter}
        for patient_class, index in ((c, index) for c in counts for index in range(counts[c])):
            number += 1
            # not `number`: a larger Train leaves the images of Val and Test as they are
            place = SPLITS.index(split), PATIENT_CLASSES.index(patient_class), index
            phantom = draw((seed, *place), patient_class, size)
            folder = Path(split, patient_class)
            name = _STEMS[patient_class].format(number) + ".png"
            masked = {"images": phantom.image, "lung masks": phantom.lung}
            _save(root, "infection", folder, name, masked | {"infection masks": phantom.infection})
            if lung_tree:
                _save(root, "lung", folder, name, masked)
            if progress:
                progress()


def _save(root: Path, tree: str, folder: Path, name: str, files: Mapping[str, Grey]) -> None:
    for kind, pixels in files.items():
        path = root / TREES[tree] / TREES[tree] / folder / kind / name  # doubled, as on Kaggle
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", pixels)[1].tobytes())
