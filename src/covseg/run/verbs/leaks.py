"""What a run reports of leaks: scored images that were fitted on, themselves or in a copy."""

import logging

from covseg.config.protocol import CHOSEN, Protocol
from covseg.data import findings
from covseg.data.datamodule import XrayDataModule
from covseg.data.drawn_split import write_split
from covseg.data.explore_command import explore_command
from covseg.data.fitted import Fitted
from covseg.data.index import Key
from covseg.data.layouts.table import write_table
from covseg.errors import ConfigError
from covseg.run.folder.run_folder import RunFolder

log = logging.getLogger(__name__)


def fitted_before(run: RunFolder, init: str | None) -> Fitted | None:
    """The images that the weights were fitted on before a training run begins or resumes.

    Args:
        run: the run folder; if it has a ``fitted.csv``, the run resumes, and this file counts.
        init: the run folder whose weights are the start.

    Raises:
        DataError: the file is missing or damaged.
    """
    if run.fitted.exists():
        return Fitted.read(run.fitted)
    return None if init is None else Fitted.read(RunFolder(init).fitted)


def fitted_by(*runs: RunFolder) -> Fitted | None:
    """The images that the weights of runs were fitted on; None, with a warning, if it is unknown.

    Raises:
        DataError: a file is damaged.
    """
    for run in runs:
        if not run.fitted.exists():
            text = "%s is missing: it is not known what the weights were fitted on before"
            log.warning(text, run.fitted)
            return None
    return Fitted(frozenset().union(*(Fitted.read(run.fitted).images for run in runs)))


def write(data: XrayDataModule, run: RunFolder) -> None:
    """Write what the run knows of its data into the folder: what it fits, copies, splits, files."""
    data.fitted_before.with_rows(data.store, data.fitted).write(run.fitted)
    if data.copies is not None and data.copies.searched:
        findings.write(data.copies.findings, run.findings)
    if data.new_splits is not None:
        write_split(run.split, data.index, data.new_splits)
    if not data.index.tree:
        write_table(data.listing, run.table)


def check_choice(data: XrayDataModule, protocol: Protocol) -> None:
    """Refuse to choose what is ``auto`` on images that the weights were fitted on.

    Raises:
        ConfigError: names the key.
    """
    chosen = [key for key in CHOSEN if getattr(protocol, key) == "auto"]
    if chosen and protocol.select and (seen := seen_rows(data, protocol.select)):
        raise ConfigError(
            f"{chosen[0]}=auto",
            f"would be chosen on {len(seen)} images of {protocol.select} that were fitted on",
            "set a number",
        )


def check_start(data: XrayDataModule, init: str | None) -> None:
    """Refuse initial weights that were fitted on the selecting part, or on all that is reported.

    Raises:
        ConfigError: they were.
    """
    if init is None:
        return
    if data.select is not None and (seen := seen_rows(data, data.select)):
        raise ConfigError(
            f"init={init}",
            f"was fitted on {len(seen)} of the images of {data.select}, on which this run would "
            "select its checkpoint",
            "set protocol=paper, which selects nothing, or a run that was not fitted on them",
        )
    if len(seen_rows(data, data.report)) == len(data.rows(data.report)):
        raise ConfigError(
            f"init={init}",
            f"was fitted on every image of {data.report}, which this run would report",
            "set a run that was not fitted on them",
        )


def seen_rows(data: XrayDataModule, part: str) -> set[int]:
    """The rows of a part that the weights were fitted on, though the part is not for fitting."""
    return set() if data.fits(part) else data.fitted & set(data.rows(part))


def warnings(data: XrayDataModule, part: str) -> list[str]:
    """Sentences on the images of a part that were fitted on, themselves or in a copy."""
    if data.fits(part):
        return [f"{part} was fitted on: its scores only show how well it was learned"]
    without = "without_leaks in summary.json has the scores without them"
    seen, sentences = seen_rows(data, part), []
    if seen:
        text = f"{len(seen)} image(s) of {part} are among those that the weights were fitted on"
        sentences.append(f"{text} before; {without}")
    if not data.same_data and data.copies_of_fitted is None:
        text = f"it is not known how many images of {part} have a copy among those that the"
        return [*sentences, f"{text} weights were fitted on, because these are not there"]
    if data.copies_of_fitted:
        n_copies = len(data.copies_of_fitted & set(data.rows(part)) - seen)
        text = f"{n_copies} image(s) of {part} show a radiograph that the weights were fitted on"
        sentences += [f"{text}; {without}"] * bool(n_copies)
    if not data.same_data:
        return sentences
    is_explored = data.copies is not None and data.copies.searched
    can_be_explored = data.data.name != "phantom" and data.index.tree != "lung"
    if can_be_explored and not is_explored:
        text = f"it is not known how many images of {part} have a copy that is fitted on"
        sentences.append(f"{text}; run {explore_command(data.data)}")
    if data.copies is None:
        return sentences
    rest = set(data.rows(part)) - seen
    if of_patients := data.copies.of_patients(rest, data.fitted):
        text = f"{len(of_patients)} image(s) of {part} are of a patient who was fitted on"
        sentences.append(f"{text}; {without}")
    if others := data.copies.related(rest, data.fitted) - of_patients:
        n_pairs = data.copies.n_between(data.fitted, rest)
        text = f"{len(others)} image(s) of {part} have a copy that is fitted on, in {n_pairs}"
        sentences.append(f"{text} pair(s); {without}")
    return sentences


def leaking(data: XrayDataModule, part: str) -> set[Key] | None:
    """The images of a part that were fitted on, themselves or in a copy; None if unknown."""
    if data.fits(part):
        return None
    if data.copies is None or not data.same_data:
        copies = (data.copies_of_fitted or set()) & set(data.rows(part))
        return {data.index.rows[row].key for row in seen_rows(data, part) | copies} or None
    leaks = data.copies.related(data.rows(part), data.fitted)
    return leaks if data.copies.searched else leaks or None


def families(data: XrayDataModule) -> dict[Key, int] | None:
    """One number for images that are copies of each other; None if copies are unknown."""
    if data.copies is None:
        return None
    return {row.key: n for row, n in zip(data.index.rows, data.copies.labels, strict=True)}
