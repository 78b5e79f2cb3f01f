"""``provenance.json``: how a run began, went on and ended."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from covseg.errors import RunError
from covseg.files import write_whole
from covseg.learn.progress import Progress
from covseg.run.folder.json_file import read_json
from covseg.run.folder.run_folder import RunFolder


def write_provenance(values: Mapping[str, Any], path: Path) -> None:
    """Write as JSON."""
    write_whole(path, json.dumps(values, indent=1, ensure_ascii=False) + "\n")


class RunHistory:
    """The history of a run; that of a resumed run is read first.

    Args:
        run: its folder.

    Attributes:
        id: of the run, the same when it is resumed.
        values: the entries so far.

    Raises:
        RunError: the file is damaged.
    """

    def __init__(self, run: RunFolder) -> None:
        self._path = run.provenance
        try:
            values = read_json(self._path) if self._path.exists() else {}
        except (OSError, ValueError) as error:
            raise RunError(
                self._path, f"cannot be read ({error})", "remove it to continue without it"
            ) from error
        self.values: dict[str, Any] = values if isinstance(values, dict) else {}
        self.id = str(self.values.get("id") or secrets.token_hex(4))

    def __getitem__(self, key: str) -> Any:
        return self.values.get(key)

    def begin(self, now: dict[str, Any], progress: Progress) -> None:
        """Add that the run starts or is resumed; the entries of its start stay.

        Args:
            now: the provenance of this process.
            progress: where it begins.
        """
        if self.values:
            again = {key: now[key] for key in ("command", "started", "git")}
            again |= {"epoch": progress.epoch + 1, "batch": progress.batch}
            self.values["resumed"] = [*self.values.get("resumed", []), again]
        self.values = {**now, "id": self.id, **self.values}

    def check_data(self, facts: dict[str, Any]) -> None:
        """Compare the data with that of the start.

        Raises:
            RunError: it is other data.
        """
        before = (self["data"] or facts)["fingerprint"]
        if before != facts["fingerprint"]:
            raise RunError(
                f"data.root={facts['root']}",
                f"holds other images than those that the run began with ({before[:8]})",
                "set data.root to the place of those, or start another run without resume",
            )

    def write(self, **more: object) -> None:
        """Add entries; None removes one."""
        self.values |= more
        self.values = {key: value for key, value in self.values.items() if value is not None}
        write_provenance(self.values, self._path)
