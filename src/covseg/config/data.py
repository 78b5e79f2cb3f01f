"""``data``: where images come from, and how they reach the network."""

from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationInfo, field_validator, model_validator

from covseg.config.node import Name, Node, Place, Positive
from covseg.errors import ConfigError, nearest, setting

Split = Literal["Train", "Val", "Test"]
SPLITS: tuple[Split, ...] = get_args(Split)
TARGET = r"^[A-Za-z]\w*$"  # it becomes the name of a column, a file and a key
Target = Annotated[str, Field(pattern=TARGET)]
Layout = Literal["covid_qu_ex", "folder", "table"]
COLUMNS = ("image", "name", "split", "patient", "patient_class")  # of a table, besides targets
Policy = Literal["refuse", "drop", "empty"]
WithoutMask = Policy | dict[Target, Policy]  # of an image that lacks a mask, or one of a target
Patterns = str | Annotated[list[str], Field(min_length=1)]
OFFICIAL_TARGETS = ("infection", "lung")  # what COVID-QU-Ex has masks of


class PhantomData(Node):
    """The made-up dataset of ``data=phantom``."""

    seed: Annotated[int, Field(ge=0)]
    n_images: dict[Split, Annotated[int, Field(ge=1, le=100_000)]]
    lung_tree: bool  # write the tree with lung masks only as well


class Dataset(Node):
    """Where images come from, and how their files become pixels."""

    name: Name
    layout: Layout = "covid_qu_ex"
    root: Place | None = None  # zip, folder or table; null: phantom data, made below cache_dir
    download: bool = False  # fetch COVID-QU-Ex from Kaggle when root is not there
    phantom: PhantomData | None = None
    images: str | None = None  # of layout=folder, as are the next two: the pattern of images
    masks: dict[Target, Patterns | None] = Field(default_factory=dict)  # the patterns of masks
    classes: dict[str, Name] = Field(default_factory=dict)  # as on disk -> as shown
    without_mask: WithoutMask = "refuse"
    # the values of a target in masks with several labels
    mask_values: dict[Target, Annotated[list[int], Field(min_length=1)]] = Field(
        default_factory=dict
    )
    mask_threshold: Annotated[int, Field(ge=1)] | None = None  # least value, of masks of greys
    store_size: Annotated[int, Field(ge=8)] | None = None  # pixels of the longer side, at most
    cache_dir: Place  # where the decoded store is kept

    @field_validator("phantom", mode="before")
    @classmethod
    def _drop_unused(cls, phantom: Any, info: ValidationInfo) -> Any:
        """A preset for made-up data also works with the real data."""
        return phantom if info.data.get("name") == "phantom" else None

    @field_validator("masks")
    @classmethod
    def _check_names(cls, masks: dict[Target, Patterns | None]) -> dict[Target, Patterns | None]:
        if taken := next((name for name in masks if name in COLUMNS), None):
            cause = "has the name of a column of a table, which is no target"
            raise ConfigError(f"data.masks.{taken}", cause, "choose another name")
        return masks

    @field_validator("classes", "mask_values", "masks", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return {} if value is None else value

    def policy(self, target: str) -> Policy:
        """What is done with an image without a mask of a target; nobody is without lungs."""
        if isinstance(self.without_mask, dict):
            return self.without_mask.get(target, "refuse")
        return "refuse" if (target, self.without_mask) == ("lung", "empty") else self.without_mask

    @property
    def patterns(self) -> dict[str, list[str]]:
        """``masks`` without those that are null, one list per target."""
        given = {target: of for target, of in self.masks.items() if of is not None}
        return {target: [of] if isinstance(of, str) else of for target, of in given.items()}


class Data(Dataset):
    """Where images come from, and how they reach the network."""

    targets: Annotated[list[Target], Field(min_length=1)]
    # of each target in the loss; null: equal
    target_weights: list[Annotated[float, Field(gt=0, le=1e3)]] | None = None
    image_size: Annotated[int, Field(ge=8, le=4096)]  # pixels, side of the network's input
    fit: Literal["stretch", "pad"] = "stretch"  # pad keeps the proportions of an image
    batch_size: Positive  # images per step and process
    num_workers: Annotated[int, Field(ge=0, le=256)]  # loader processes per process; 0: none
    split: Literal["auto"] | Place | None = None  # a split.csv; auto: drawn; null: as on disk
    split_seed: Annotated[int, Field(ge=0)] = 0  # of split=auto
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

    @model_validator(mode="after")
    def _check_masks(self) -> "Data":
        """Refuse targets without masks where the configuration says what there are masks of."""
        known = OFFICIAL_TARGETS if self.layout == "covid_qu_ex" else tuple(self.patterns)
        unknown = [target for target in self.targets if target not in known]
        if unknown and self.layout != "table":
            raise ConfigError(
                setting("data.targets", self.targets),
                f"names {unknown[0]}, of which there are no masks",
                nearest(unknown[0], known) if known else f"set data.masks.{unknown[0]}=<pattern>",
            )
        return self
