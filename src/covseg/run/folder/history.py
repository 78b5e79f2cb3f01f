"""What a run says of itself, ``provenance.json``: how it began, went on and ended."""

import secrets
from pathlib import Path
from typing import Any

from covseg.errors import RunError
from covseg.learn.progress import Progress
from covseg.run.folder.provenance import write_provenance
from covseg.run.folder.reading import read_json


class Notes:
    """The notes of a run folder; those of a run that goes on are read first.

    Args:
        out: the run folder.

    Attributes:
        id: of the run, the same when it goes on.

    Raises:
        RunError: the file is damaged.
    """

    def __init__(self, out: Path) -> None:
        self._path = out / "provenance.json"
        try:
            found = read_json(self._path) if self._path.exists() else {}
        except (OSError, ValueError) as error:
            raise RunError(
                self._path, f"cannot be read ({error})", "remove it, to go on without it"
            ) from error
        self._values: dict[str, Any] = found if isinstance(found, dict) else {}
        self.id = str(self._values.get("id") or secrets.token_hex(4))

    def __getitem__(self, key: str) -> Any:
        return self._values.get(key)

    def begin(self, now: dict[str, Any], progress: Progress) -> None:
        """Note the start, or that the run goes on: what was said of the start stays.

        Args:
            now: the provenance of this process.
            progress: where it begins.
        """
        if self._values:
            again = {key: now[key] for key in ("command", "started", "git")}
            again |= {"epoch": progress.epoch + 1, "batch": progress.batch}
            self._values["resumed"] = [*self._values.get("resumed", []), again]
        self._values = {**now, "id": self.id, **self._values}

    def check_data(self, facts: dict[str, Any]) -> None:
        """Hold the data against that of the start.

        Raises:
            RunError: it is other data.
        """
        before = (self["data"] or facts)["fingerprint"]
        if before != facts["fingerprint"]:
            raise RunError(
                f"data.root={facts['root']}",
                f"holds other images than those that the run began with ({before[:8]})",
                "let data.root name those, or start another run without resume",
            )

    def write(self, **more: object) -> None:
        """Add to the notes; None takes one away."""
        self._values |= more
        self._values = {key: value for key, value in self._values.items() if value is not None}
        write_provenance(self._values, self._path)
