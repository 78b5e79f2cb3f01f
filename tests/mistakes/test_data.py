"""With the data.

Files that were moved, renamed, cut, recoloured or written over, by people and by programs.
"""

import os
import shutil
import struct
import threading
import time
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from covseg.data.layouts.covid_qu_ex.names import TREES
from covseg.data.phantom.dataset import write
from listings import opened

pytestmark = pytest.mark.long

TREE = TREES["infection"]
TRAIN = ("train", "experiment=debug", "data=covid_qu_ex", "callbacks=none", "data.cache_dir=cache")
ONE_OF = "Train/Normal"  # the class that most mistakes are made in; its files are not read first


def pictures(root: Path, kind: str = "images", folder: str = ONE_OF) -> list[Path]:
    """The pictures of one kind in a split and class, in the order of the index."""
    return sorted(root.rglob(f"{folder}/{kind}/*.png"))


def picture(root: Path, kind: str = "images") -> Path:
    return pictures(root, kind)[1]


def files_of(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        return {name: file.read(name) for name in file.namelist() if name.endswith(".png")}


def pack(archive: Path, files: dict[str, bytes], **more: bytes) -> None:
    """Write an archive anew; names in ``more`` may be there already."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in (*files.items(), *more.items()):
            file.writestr(name, content)


def add(archive: Path, name: str, content: bytes = b"") -> None:
    with zipfile.ZipFile(archive, "a", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)


def one(files: dict[str, bytes]) -> str:
    """The name of one of an archive's images."""
    return next(name for name in sorted(files) if f"{ONE_OF}/images/" in name)


@pytest.fixture
def refused(said: Any, tmp_path: Path) -> Callable[..., str]:
    """Train over a root, see it refused, and see the cache as it was but for locks."""

    def refused(root: str | Path, *words: str) -> str:
        sentence = said.refused(*TRAIN, f"data.root={root}", *words)
        assert {path.suffix for path in (tmp_path / "cache").glob("*")} <= {".lock"}
        assert not list(tmp_path.glob("outputs/*/*"))
        return sentence

    return refused


@pytest.fixture
def scores(verb: Callable[..., Any], tmp_path: Path) -> Callable[..., bytes]:
    """Train over a root with a cache of its own, and give what it scored image by image."""
    number = iter(range(9))

    def scores(root: str | Path, *words: str) -> bytes:
        out = tmp_path / f"run{next(number)}"
        where = (f"data.root={root}", f"hydra.run.dir={out}", f"data.cache_dir={out}.cache")
        done = verb(*TRAIN[:-1], *where, "trainer.max_epochs=1", *words)
        assert done.code == 0, done.err
        return (out / "per_image.csv").read_bytes()

    return scores


# --- where it is


def empty(root: Path) -> str:
    (root.parent / "data").mkdir()
    return "data"


def other_files(root: Path) -> str:
    (root.parent / "data").mkdir()
    for n in range(3):
        shutil.copy(picture(root), root.parent / "data" / f"holiday{n}.png")
    return "data"


def other_archive(root: Path) -> str:
    pack(root.parent / "photos.zip", {"holiday.png": picture(root).read_bytes()})
    return "photos.zip"


def other_kind(root: Path) -> str:
    (root.parent / "archive.rar").write_bytes(b"Rar!\x1a\x07\x01\x00" + bytes(1000))
    return "archive.rar"


def not_a_file(root: Path) -> str:
    os.mkfifo(root.parent / "archive.zip")
    return "archive.zip"


def split_folder_alone(root: Path) -> str:
    shutil.move(root / TREE / TREE / "Train", root.parent / "Train")
    return "Train"


def lungs_alone(root: Path) -> str:
    write(root.parent / "data", 0, {"Train": 4}, size=32, lung_tree=True)
    shutil.rmtree(root.parent / "data" / TREE)
    return "data"


ROOTS: dict[str, Callable[[Path], str]] = {
    "data that does not exist": lambda _: "nowhere",
    "the data's folder misspelt": lambda _: "datasett",
    "an empty folder": empty,
    "a folder of other files": other_files,
    "an archive of other files": other_archive,
    "a file of another kind": other_kind,
    "a picture": lambda root: str(picture(root).rename(root.parent / "picture.png")),
    "a pipe": not_a_file,
    "a folder one level too low": lambda root: f"'{root / TREE / TREE / 'Train'}'",
    "a folder two levels too low": lambda root: f"'{root / TREE / TREE / 'Train' / 'COVID-19'}'",
    "a folder three levels too low": lambda root: f"'{picture(root).parent}'",
    "one image of the data": lambda root: f"'{picture(root)}'",
    "one split alone": split_folder_alone,
    "lung masks alone": lungs_alone,
    "no name at all": lambda _: "null",
}


@pytest.mark.parametrize("make", ROOTS.values(), ids=ROOTS)
def test_root(make, dataset, refused):
    refused(make(dataset))


# --- an archive


def cut(archive: Path) -> None:
    os.truncate(archive, archive.stat().st_size // 2)


def encrypt(archive: Path) -> None:
    """As far as a reader sees that has no password: Python writes no encryption."""
    content = bytearray(archive.read_bytes())
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = -1
        while (place := content.find(mark, place + 1)) >= 0:
            content[place + flags] |= 1
    archive.write_bytes(content)


def link(archive: Path) -> None:
    entry = zipfile.ZipInfo(f"{TREE}/{ONE_OF}/images/passwords.png")
    entry.external_attr = 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(entry, "/etc/passwd")


def bomb(archive: Path) -> None:
    add(archive, f"{TREE}/{ONE_OF}/images/bomb.png", bytes(100 << 20))


def lying_bomb(archive: Path) -> None:
    """An entry that says it has 100 bytes, and goes on for 20 MiB."""
    files = files_of(archive)
    size = 20 << 20
    pack(archive, files | {one(files): bytes(size)})
    content = archive.read_bytes()
    archive.write_bytes(content.replace(struct.pack("<I", size), struct.pack("<I", 100)))


def one_byte(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        entry = file.getinfo(one(files_of(archive)))
    content = bytearray(archive.read_bytes())
    content[entry.header_offset + 30 + len(entry.filename) + entry.compress_size // 2] ^= 255
    archive.write_bytes(content)


def other_case(archive: Path) -> None:
    files = files_of(archive)
    name = one(files)
    folder, _, last = name.rpartition("/")
    pack(archive, files | {f"{folder.replace('Normal', 'NORMAL')}/{last}": files[name]})


def both_forms(archive: Path) -> None:
    """A name with an umlaut, written in both ways that Unicode has."""
    files = files_of(archive)
    image = one(files)
    for kind in ("images", "infection masks", "lung masks"):
        name = image.replace("/images/", f"/{kind}/")
        for form in ("NFC", "NFD"):
            files[name.replace("Normal (", unicodedata.normalize(form, "Ärztin ("))] = files[name]
    pack(archive, files)


def mask_in_another_case(archive: Path) -> None:
    files = files_of(archive)
    mask = one(files).replace("/images/", "/infection masks/")
    folder, _, last = mask.rpartition("/")
    files[f"{folder}/{last.upper()}"] = files.pop(mask)
    pack(archive, files)


def archive_inside(archive: Path) -> None:
    content = archive.read_bytes()
    pack(archive, {"archive.zip": content})


ARCHIVES: dict[str, Callable[[Path], object]] = {
    "an archive cut short": cut,
    "an archive of no bytes": lambda archive: os.truncate(archive, 0),
    "an archive with a password": encrypt,
    "an archive with a wrong byte": one_byte,
    "an archive with a way outside": lambda archive: add(archive, "../../.bashrc"),
    "an archive with an absolute path": lambda archive: add(archive, "/etc/passwd"),
    "an archive with a link": link,
    "an archive with a file of 100 MiB": bomb,
    "an archive with a file that is longer than it says": lying_bomb,
    "an archive with a file twice": lambda archive: add(archive, one(files_of(archive))),
    "an archive with a file twice, in two letter cases": other_case,
    "an archive with a file twice, in two forms of Unicode": both_forms,
    "an archive with a mask in another letter case": mask_in_another_case,
    "an archive in an archive": archive_inside,
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("damage", ARCHIVES.values(), ids=ARCHIVES)
def test_archive(damage, archive, refused):
    damage(archive)
    refused("archive.zip")


# --- files and folders of the data


def swap(root: Path) -> None:
    images, masks = picture(root).parent, picture(root, "infection masks").parent
    images.rename(images.with_name("swap"))
    masks.rename(images)
    images.with_name("swap").rename(masks)


def second_copy(root: Path) -> None:
    shutil.copytree(root / TREE, root / "copy" / TREE)


def rename(root: Path, old: str, new: str) -> None:
    folder = root / TREE / TREE / old
    folder.rename(folder.with_name(new))


def dangling(root: Path) -> None:
    path = picture(root)
    path.unlink()
    path.symlink_to("/mnt/unplugged/1.png")


FILES: dict[str, Callable[[Path], object]] = {
    "an image missing": lambda root: picture(root).unlink(),
    "a mask missing": lambda root: picture(root, "infection masks").unlink(),
    "a mask without an image": lambda root: shutil.copy(
        picture(root, "lung masks"), picture(root, "lung masks").with_name("extra.png")
    ),
    "all masks of a class missing": lambda root: shutil.rmtree(
        picture(root, "infection masks").parent
    ),
    "images and masks swapped": swap,
    "the data twice in one folder": second_copy,
    "an image that is a broken link": dangling,
    "a split missing": lambda root: shutil.rmtree(root / TREE / TREE / "Val"),
    "a split empty": lambda root: [path.unlink() for path in root.rglob("Val/*/*/*.png")],
    "a split misspelt": lambda root: rename(root, "Train", "Trian"),
    "a split by another name": lambda root: rename(root, "Val", "Validation"),
    "a class misspelt": lambda root: rename(root, "Train/Normal", "Norml"),
    "a class by another name": lambda root: rename(root, "Train/COVID-19", "COVID"),
    "a folder of masks misspelt": lambda root: rename(
        root, "Train/Normal/infection masks", "infection mask"
    ),
}


@pytest.mark.parametrize("damage", FILES.values(), ids=FILES)
def test_file(damage, dataset, refused):
    damage(dataset)
    refused("dataset")


def test_a_class_missing_is_said_once(dataset, verb):
    """Every score is still defined, so the run goes on."""
    shutil.rmtree(dataset / TREE / TREE / "Test" / "Normal")
    done = verb(*TRAIN, "data.root=dataset", "trainer.max_epochs=1")
    assert done.code == 0, done.err
    assert done.err.count("Test has no image of the class Normal") == 1


def test_a_class_to_fit_on_that_the_data_lacks(dataset, said):
    said.refused(*TRAIN, "data.root=dataset", "data.fit_classes=[COVID]")


def test_no_infected_image_to_learn_from(dataset, said):
    shutil.rmtree(dataset / TREE / TREE / "Train" / "COVID-19")
    said.warned(*TRAIN, "data.root=dataset", "trainer.max_epochs=1", of="no image of the class")


# --- what is found all the same


def too_high(root: Path) -> str:
    (root.parent / "my" / "downloads").mkdir(parents=True)
    shutil.move(root, root.parent / "my" / "downloads")
    return "my"


def flat(root: Path) -> str:
    for split in (root / TREE / TREE).iterdir():
        shutil.move(split, root)
    return "dataset"


def upper_case(root: Path) -> str:
    for folder in sorted((root / TREE / TREE).glob("*/*/*"), key=lambda p: -len(p.parts)):
        folder.rename(folder.with_name(folder.name.upper()))
    for folder in (root / TREE / TREE).iterdir():
        folder.rename(folder.with_name(folder.name.lower()))
    return "dataset"


def beside_others(root: Path) -> str:
    """Notes of a Mac, a browser's second attempt, somebody's own backup."""
    image = picture(root)
    image.with_name(f"._{image.name}").write_bytes(b"Mac OS X")
    image.with_name("notes.txt").write_text("check this one again")
    shutil.copytree(root / TREE / TREE / "Val", root / TREE / TREE / "Val (old)")
    (root / "broken.zip").write_bytes(b"PK")
    return "dataset"


def in_a_folder(root: Path) -> str:
    archive(root)
    (root.parent / "downloads").mkdir()
    (root.parent / "downloads" / "other.zip").write_bytes(b"PK")
    shutil.move(root.parent / "archive.zip", root.parent / "downloads" / "archive (1).zip")
    return "downloads"


def archive(root: Path) -> str:
    shutil.make_archive(str(root.parent / "archive"), "zip", root)
    return "archive.zip"


def archive_of_windows(root: Path) -> str:
    files = files_of(root.parent / archive(root))
    pack(root.parent / "archive.zip", {n.replace("/", "\\"): data for n, data in files.items()})
    return "archive.zip"


def links(root: Path) -> str:
    """The pictures on another disk, and a link that leads round in a circle."""
    shutil.move(root / TREE / TREE / "Train", root.parent / "elsewhere")
    (root / TREE / TREE / "Train").symlink_to(root.parent / "elsewhere")
    (root / TREE / TREE / "again").symlink_to(root)
    return "dataset"


@pytest.fixture(scope="module")
def remembered() -> dict[str, bytes]:
    """What several tests compare with."""
    return {}


@pytest.fixture
def intact(dataset: Path, scores: Callable[..., bytes], remembered: dict[str, bytes]) -> bytes:
    """The scores of the data as it was, image by image."""
    if not remembered:
        remembered["intact"] = scores(dataset)
    assert remembered["intact"].count(b"\n") == 5
    return remembered["intact"]


@pytest.mark.parametrize(
    "move",
    [
        *(too_high, flat, upper_case, beside_others, in_a_folder, archive_of_windows, links),
    ],
)
def test_what_is_found_all_the_same_counts_the_same(move, dataset, intact, scores):
    assert scores(move(dataset)) == intact


def test_names_that_a_mac_took_apart_count_the_same(dataset, scores, tmp_path):
    for path in sorted(dataset.rglob("Test/*/*/*.png")):
        path.rename(path.with_name(f"Läsion é {path.name}"))
    before = scores(dataset)
    for path in sorted(dataset.rglob("Test/*/images/*.png")):  # and not its masks
        path.rename(path.with_name(unicodedata.normalize("NFD", path.name)))
    assert scores(dataset) == before


# --- pictures


def saved_as(mode: str) -> Callable[[Path], None]:
    def save(path: Path) -> None:
        Image.open(path).convert(mode).save(path)

    return save


def sixteen_bits(path: Path) -> None:
    pixels = np.asarray(Image.open(path)).astype(np.uint16) * 257
    Image.fromarray(pixels).save(path)


def animate(path: Path) -> None:
    picture = Image.open(path)
    picture.load()
    picture.save(path, save_all=True, append_images=[picture.rotate(90)])


def enormous(path: Path) -> None:
    """A header that promises 50,000 pixels a side, and has a right checksum."""
    content = path.read_bytes()
    header = b"IHDR" + struct.pack(">II", 50_000, 50_000) + content[24:29]
    path.write_bytes(content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:])


def wrong_checksum(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"IEND") - 5] ^= 1  # before the length of the last chunk
    path.write_bytes(content)


def resize(path: Path) -> None:
    Image.open(path).resize((40, 24)).save(path)


PICTURES: dict[str, Callable[[Path], object]] = {
    "a PNG cut short": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a PNG of no bytes": lambda path: os.truncate(path, 0),
    "a PNG of zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "a PNG with a wrong checksum": wrong_checksum,
    "a PNG with 16 bits": sixteen_bits,
    "a PNG in colour": saved_as("RGB"),
    "a PNG in colour with transparency": saved_as("RGBA"),
    "a PNG with a palette": saved_as("P"),
    "a PNG of 1 bit": saved_as("1"),
    "a grey PNG with transparency": saved_as("LA"),
    "an animated PNG": animate,
    "a PNG of 50,000 pixels a side": enormous,
    "a PNG of 4 pixels a side": lambda path: Image.open(path).resize((4, 4)).save(path),
    "a JPEG that is called .png": lambda path: Image.open(path).save(path, format="JPEG"),
    "a web page that is called .png": lambda path: path.write_text("<html>404 Not Found</html>"),
    "an image of another size": resize,
    "a file of 100 MiB": lambda path: os.truncate(path, 100 << 20),
    "a folder that is called like an image": lambda path: [path.unlink(), path.mkdir()],
    "a pipe that is called like an image": lambda path: [path.unlink(), os.mkfifo(path)],
}


@pytest.mark.parametrize("spoil", PICTURES.values(), ids=PICTURES)
def test_picture(spoil, dataset, refused):
    spoil(picture(dataset))
    refused("dataset")


def test_the_first_image_of_another_size(dataset, refused):
    resize(pictures(dataset, folder="Test/COVID-19")[0])
    refused("dataset")


# --- masks


def grey(path: Path) -> None:
    """As a smooth resize leaves it."""
    small = Image.open(path).resize((20, 20), Image.Resampling.BILINEAR)
    small.resize((32, 32), Image.Resampling.BILINEAR).save(path)


def ones(path: Path) -> None:
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED) // 255)


def invert(path: Path) -> None:
    cv2.imwrite(str(path), 255 - cv2.imread(str(path), cv2.IMREAD_UNCHANGED))


MASKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a mask with grey edges": (grey, "lung masks"),
    "a mask of 0 and 1": (ones, "lung masks"),
    "a mask with black and white swapped": (invert, "lung masks"),
    "an empty mask with black and white swapped": (invert, "infection masks"),
    "a mask of another size than its image": (resize, "infection masks"),
}


@pytest.mark.parametrize(("spoil", "kind"), MASKS.values(), ids=MASKS)
def test_mask(spoil, kind, dataset, refused):
    spoil(picture(dataset, kind))
    refused("dataset")


# --- while the store is built


@pytest.fixture
def during(verb: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """Train over a root, with something that happens while the store is built."""

    def train(root: str, change: Callable[[], object]) -> Any:
        def wait() -> None:
            while not list(tmp_path.glob("cache/*.part")):
                time.sleep(0.005)
            change()

        other = threading.Thread(target=wait)
        other.start()
        done = verb(*TRAIN, f"data.root={root}", "hydra.run.dir=run", "trainer.max_epochs=1")
        other.join(timeout=10)
        return done

    return train


@pytest.fixture
def large(dataset: Path) -> Path:
    """Enough files to be in the middle of them."""
    for kind in ("images", "infection masks", "lung masks"):
        for path in pictures(dataset, kind):
            for n in range(400):
                os.link(path, path.with_name(f"{n} {path.name}"))
    return dataset


def append(path: Path) -> None:
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content + b"x")


DURING: dict[str, tuple[Callable[[Path], object], bool]] = {
    "an image that disappears while covseg reads": (Path.unlink, False),
    "an image that changes while covseg reads": (append, False),
    "an archive that is written to while covseg reads": (lambda path: os.truncate(path, 999), True),
}


@pytest.mark.parametrize(("change", "packed"), DURING.values(), ids=DURING)
def test_during(change, packed, large, during, said, tmp_path):
    path = tmp_path / archive(large) if packed else pictures(large, folder="Val/Normal")[-1]
    done = during("archive.zip" if packed else "dataset", lambda: change(path))
    assert done.code == 1, done.err
    assert "Traceback" not in done.err
    assert {path.suffix for path in (tmp_path / "cache").iterdir()} == {".lock"}
    assert not (tmp_path / "run").exists()
    said.said(done.err)


# --- a store, and the folder that it is in


@pytest.fixture
def store(dataset: Path, tmp_path: Path) -> Path:
    """The store of ``dataset`` in ``tmp_path/cache``."""
    home = opened(dataset, tmp_path / "cache").home
    assert home is not None
    return home


def halve(store: Path) -> None:
    os.truncate(store / "images.bin", (store / "images.bin").stat().st_size // 2)


def other_version(store: Path) -> None:
    np.save(store / "sizes.npy", np.load(store / "sizes.npy").astype(np.float32))


STORES: dict[str, Callable[[Path], object]] = {
    "a store cut short": halve,
    "half of a store": lambda store: (store / "mask_infection.bin").unlink(),
    "a store that another program wrote": other_version,
}


@pytest.mark.parametrize("damage", STORES.values(), ids=STORES)
def test_store(damage, store, said):
    damage(store)
    said.refused(*TRAIN, "data.root=dataset")


def test_what_others_left_in_the_cache_is_neither_trusted_nor_touched(store, intact, scores):
    older = store.rename(store.with_name(store.name.replace("store3", "store0")))
    halve(older)
    shutil.copytree(older, store.with_name(f"{store.name}.part"))  # of a build that was killed
    left = (older / "images.bin").read_bytes()
    assert scores("dataset", f"data.cache_dir={store.parent}") == intact
    assert (older / "images.bin").read_bytes() == left
    assert store.is_dir()
    assert not list(store.parent.glob("*.part"))


def test_a_read_only_cache(dataset, refused, disk):
    disk("size=1m,ro")
    refused("dataset", "data.cache_dir=disk/cache")


def test_a_full_cache(dataset, refused, disk, tmp_path):
    disk("size=32k")
    refused("dataset", "data.cache_dir=disk/cache")
    assert {path.suffix for path in (tmp_path / "disk" / "cache").iterdir()} == {".lock"}


def test_a_cache_on_another_disk_counts_the_same(intact, scores, disk):
    assert scores("dataset", f"data.cache_dir={disk('size=2m')}/cache") == intact


def test_a_cache_that_is_removed_under_a_training_counts_the_same(
    dataset, command, scores, tmp_path
):
    """Protects: what a process has mapped stays, and no loader opens it by its name again."""
    words = ("hydra.run.dir=run", "data.num_workers=2")
    script = '(until [ -e run/metrics.csv ]; do sleep 0.02; done; rm -r cache) & exec "$@"'
    done = command(*TRAIN, "data.root=dataset", *words, shell=script)
    assert done.code == 0, done.err
    assert not (tmp_path / "cache").exists()
    assert (tmp_path / "run" / "per_image.csv").read_bytes() == scores(
        "dataset", "trainer.max_epochs=2"
    )
