"""Where to get the dataset, and its download."""

from pathlib import Path

from filelock import FileLock

from covseg.errors import DataError

KAGGLE_DATASET = "anasmohammedtahir/covidqu"
_GET_IT = (
    "download COVID-QU-Ex from https://www.kaggle.com/datasets/anasmohammedtahir/covidqu (1.2 GB; "
    "its infection part alone is 182 MB; licence CC BY-SA 4.0) and set data.root=<zip or folder>"
)
WHERE_TO_GET_IT = f"{_GET_IT}, or set data.download=true; data=phantom needs no download"


def download(cache_dir: str | Path) -> Path:
    """Fetch the whole dataset from Kaggle into kagglehub's cache; one process at a time.

    Raises:
        DataError: kagglehub is not installed, or the download fails.
    """
    try:
        import kagglehub
    except ImportError as error:
        raise DataError(
            "data.download=true", "needs kagglehub", "run pip install kagglehub"
        ) from error
    lock = Path(cache_dir).expanduser() / "download.lock"
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            return Path(kagglehub.dataset_download(KAGGLE_DATASET))
    except Exception as error:  # kagglehub passes on whatever its transport raises
        raise DataError("data.download=true", f"failed ({error})", _GET_IT) from error
