"""Every planted fault is found, each under its own name, and nothing else is."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from covseg.data.audit.files import audit
from covseg.data.findings import Finding
from covseg.data.layouts.covid_qu_ex.place import locate
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex, lung_tree_counts
from covseg.data.phantom.dataset import write
from covseg.errors import DataError

TREE = Path("Infection Segmentation Data/Infection Segmentation Data")
COVID = ("Train", "COVID-19")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("whole")
    write(home, 3, {"Train": 12, "Val": 4, "Test": 4}, size=64)  # without any finding
    return home


@pytest.fixture
def dataset(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "dataset"))


def names(dataset: Path, split: str = "Train", patient_class: str = "COVID-19") -> list[str]:
    return sorted(p.name for p in (dataset / TREE / split / patient_class / "images").iterdir())


def place(dataset: Path, folder: str, number: int = 0, of: tuple[str, str] = COVID) -> Path:
    return dataset / TREE / of[0] / of[1] / folder / names(dataset, *of)[number]


def found(dataset: Path, tmp_path: Path) -> list[Finding]:
    return audit(covid_qu_ex(locate(dataset)), tmp_path / "cache").findings


def paint(path: Path, change: Callable[[np.ndarray], np.ndarray]) -> None:
    picture = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(path), change(picture))


def test_a_whole_dataset_has_no_finding(dataset, tmp_path):
    assert found(dataset, tmp_path) == []


FAULTS = {
    "unreadable": ("images", lambda path: path.write_bytes(path.read_bytes()[:-200])),
    "wrong_mode": ("images", lambda path: paint(path, lambda p: cv2.merge([p, p, p]))),
    "wrong_size": ("images", lambda path: paint(path, lambda p: cv2.resize(p, (48, 48)))),
    "wrong_values": ("infection masks", lambda path: paint(path, lambda p: p // 2)),
    "missing": ("images", Path.unlink),
}


@pytest.mark.parametrize(("kind", "fault"), FAULTS.items(), ids=FAULTS)
def test_a_damaged_file_is_found_and_left_out(kind, fault, dataset, tmp_path):
    folder, spoil = fault
    path = place(dataset, folder, 1)
    spoil(path)
    result = audit(covid_qu_ex(locate(dataset)), tmp_path / "cache")
    [finding] = result.findings
    assert (finding.kind, finding.a) == (kind, (*COVID, path.name))
    assert str(finding.value).startswith(folder)
    assert finding.a not in {row.key for row in result.store.index.rows}
    assert len(result.store.index.rows) == 19


def test_many_faults_are_all_found_at_once(dataset, tmp_path):
    planted = set()
    for number, (kind, (folder, spoil)) in enumerate(FAULTS.items()):
        path = place(
            dataset, folder, 0, of=("Train", ("COVID-19", "Normal", "Non-COVID")[number % 3])
        )
        if number > 2:
            path = place(dataset, folder, 1, of=(path.parts[-4], path.parts[-3]))
        spoil(path)
        planted.add((kind, path.parts[-4], path.parts[-3], path.name))
    assert {(f.kind, *f.a) for f in found(dataset, tmp_path)} == planted


def test_masks_that_contradict_are_found(dataset, tmp_path):
    infection = [place(dataset, "infection masks", number) for number in range(4)]
    lung = [place(dataset, "lung masks", number) for number in range(4)]
    paint(infection[0], np.zeros_like)
    shutil.copy(lung[1], infection[1])
    paint(infection[2], lambda p: cv2.rectangle(p, (0, 0), (3, 3), 255, -1))
    healthy = place(dataset, "infection masks", of=("Train", "Normal"))
    paint(healthy, lambda p: cv2.rectangle(p, (30, 30), (31, 31), 255, -1))
    lung_of_healthy = place(dataset, "lung masks", of=("Train", "Normal"))
    paint(
        lung_of_healthy,
        lambda p: np.full_like(p, 0) | cv2.rectangle(p * 0, (9, 9), (50, 50), 255, -1),
    )
    kinds = {(f.kind, f.a[2]): f.value for f in found(dataset, tmp_path)}
    total = int((cv2.imread(str(infection[2]), 0) > 0).sum())
    assert kinds == {
        ("empty_mask", infection[0].name): "",
        ("infection_is_lung", infection[1].name): "",
        ("infection_outside_lung", infection[2].name): pytest.approx(16 / total),
        ("unexpected_infection", healthy.name): 4 / 64**2,
    }


def test_a_name_that_breaks_its_pattern_is_found(dataset, tmp_path):
    for folder in ("images", "infection masks", "lung masks"):
        path = place(dataset, folder, of=("Val", "Non-COVID"))
        odd = path.name.replace("non", "Non")
    for folder in ("images", "infection masks", "lung masks"):
        home = dataset / TREE / "Val" / "Non-COVID" / folder
        (home / odd.replace("Non", "non")).rename(home / odd)
    assert found(dataset, tmp_path) == [Finding("odd_name", ("Val", "Non-COVID", odd))]


def test_nothing_that_can_be_used_is_refused(dataset, tmp_path):
    for path in dataset.rglob("images/*.png"):
        path.write_bytes(b"")
    with pytest.raises(DataError, match="is not a PNG image"):
        found(dataset, tmp_path)


def test_the_lung_tree_is_counted_by_names_where_it_is(dataset, tmp_path):
    assert lung_tree_counts(locate(dataset)) is None
    both = tmp_path / "both"
    write(both, 0, {"Train": 8, "Test": 4}, size=32, lung_tree=True)
    tree = next(both.glob("Lung*/Lung*"))
    next(tree.glob("Train/Normal/images/*.png")).unlink()
    next(tree.glob("Test/Normal/images/*.png")).write_bytes(b"")  # is not looked at
    assert lung_tree_counts(locate(both)) == {
        "Train": {"COVID-19": 4, "Non-COVID": 2, "Normal": 1},
        "Val": {"COVID-19": 0, "Non-COVID": 0, "Normal": 0},
        "Test": {"COVID-19": 2, "Non-COVID": 1, "Normal": 1},
    }
