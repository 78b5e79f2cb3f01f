"""What every part of the configuration is made of."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

SHIPPED = Path(__file__).resolve().parents[1] / "default"


def absolute(path: str) -> str:
    """A path that means the same from another working directory: a run folder is read elsewhere."""
    try:
        return str(Path(path).expanduser().absolute())
    except RuntimeError as error:
        raise ValueError("write the folder out, because ~ names no home folder here") from error


def _run_place(run: str) -> str:
    """The folder of a run: ``default`` is the network that covseg ships, whatever is there."""
    return str(SHIPPED) if run == "default" else absolute(run)


Positive = Annotated[int, Field(ge=1)]
# name=2024 is a name; 1e3 would become another one
_number_as_name = BeforeValidator(lambda name: str(name) if type(name) is int else name)
Name = Annotated[str, _number_as_name]
# packages whose code a configuration may name
Trust = list[Annotated[str, Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")]]
Place = Annotated[str, Field(min_length=1), AfterValidator(absolute)]  # a folder or a file
# of a run, or ``default``; in a sweep folder it is a number
RunPlace = Annotated[str, Field(min_length=1), AfterValidator(_run_place), _number_as_name]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


class Node(BaseModel):
    """A part of the configuration: nothing unknown, nothing converted."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Buildable(Node):
    """A part that becomes an object: its other keys are the target's own arguments."""

    model_config = ConfigDict(extra="allow")

    target: str = Field(alias="_target_")
