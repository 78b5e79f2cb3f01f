"""What may fail without ending a run: pictures, dashboards, the table on the terminal."""

import contextlib
import logging
from collections.abc import Iterator

from covseg.errors import reason_of

log = logging.getLogger(__name__)


@contextlib.contextmanager
def best_effort(what: str, instead: str) -> Iterator[None]:
    """Make any failure of the block a warning.

    Args:
        what: that is written, such as ``the scores to TensorBoard``.
        instead: where it is all the same.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001  a full disk, a server, a closed terminal
        log.warning("could not write %s (%s); %s", what, reason_of(error), instead)
