"""``data``: where images come from, and how they reach the network."""

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from covseg.config.node import Name, Node, Place, Positive
from covseg.errors import ConfigError, setting

Target = Literal["infection", "lung"]
Split = Literal["Train", "Val", "Test"]
DatasetName = Literal["covid_qu_ex", "phantom"]


class PhantomData(Node):
    """The made-up dataset of ``data=phantom``."""

    seed: Annotated[int, Field(ge=0)]
    n_images: dict[Split, Annotated[int, Field(ge=1, le=100_000)]]
    lung_tree: bool  # write the tree with lung masks only as well


class Dataset(Node):
    """Where images come from."""

    name: DatasetName
    root: Place | None = None  # zip or folder; null: phantom data, made below cache_dir
    download: bool = False  # fetch the dataset from Kaggle when root is not there
    phantom: PhantomData | None = None
    cache_dir: Place  # where the decoded store is kept

    @field_validator("phantom", mode="before")
    @classmethod
    def _drop_unused(cls, phantom: Any, info: ValidationInfo) -> Any:
        """A preset for made-up data also works with the real data."""
        return phantom if info.data.get("name") == "phantom" else None


class Data(Dataset):
    """Where images come from, and how they reach the network."""

    targets: Annotated[list[Target], Field(min_length=1)]
    # of each target in the loss; null: equal
    target_weights: list[Annotated[float, Field(gt=0, le=1e3)]] | None = None
    image_size: Annotated[int, Field(ge=8, le=4096)]  # pixels, side of the network's input
    batch_size: Positive  # images per step and process
    num_workers: Annotated[int, Field(ge=0, le=256)]  # loader processes per process; 0: none
    exclude: Place | None = None  # a findings.csv: copies in earlier splits are left out
    fold: Annotated[int, Field(ge=0, le=4)] | None = None  # that is reported, with protocol=kfold
    # whose images are fitted on, other splits stay whole; null: all
    fit_classes: Annotated[list[Name], Field(min_length=1)] | None = None

    @field_validator("target_weights")
    @classmethod
    def _check_weights(
        cls, weights: list[float] | None, info: ValidationInfo
    ) -> list[float] | None:
        n_targets = len(info.data.get("targets", ()))
        if weights is not None and n_targets and len(weights) != n_targets:
            raise ConfigError(
                setting("data.target_weights", weights),
                f"is not one weight for each of {setting('data.targets', info.data['targets'])}",
                "give as many, or set data.target_weights=null",
            )
        return weights

    @field_validator("targets")
    @classmethod
    def _check_targets(cls, targets: list[Target]) -> list[Target]:
        if len(set(targets)) < len(targets):
            raise ConfigError(
                setting("data.targets", targets), "names a target twice", "name each once"
            )
        return targets
