"""Radiographs in other data that a run was fitted on, found by the search of ``covseg.explore``."""

import logging

from covseg.data.audit.duplicates import duplicates
from covseg.data.datamodule import XrayDataModule
from covseg.data.fitted import Fitted
from covseg.data.opening import list_data
from covseg.data.planes import Chained
from covseg.data.store import open_store
from covseg.errors import ConfigError, DataError
from covseg.run.folder.run_folder import RunFolder

log = logging.getLogger(__name__)


def copies_of_fitted(run: RunFolder, data: XrayDataModule, root: str | None) -> set[int] | None:
    """The rows of other data that show a radiograph that a run was fitted on.

    Args:
        run: with the configuration of its own data.
        data: the other data, set up.
        root: where the run's own data is now; None for the place in its configuration.

    Returns:
        None where the run's own data is not there, or is not what it was fitted on.

    Raises:
        ConfigError: ``root`` is given and cannot be read.
    """
    own = run.config.data
    if root is not None:
        own = own.model_copy(update={"root": root})
    own = own.model_copy(update={"cache_dir": data.data.cache_dir})
    try:
        listing = list_data(own, own.targets)
        if listing.fingerprint != run.fingerprint:
            log.warning("%s is not the data that %s was fitted on", own.root, run)
            return None
        store = open_store(listing, own.cache_dir)
    except DataError as error:
        where, cause, _ = error.args
        if root is not None:
            remedy = "set it to the data that the run was fitted on"
            raise ConfigError(
                f"fitted_root={root}", f"cannot be read ({where} {cause})", remedy
            ) from error
        text = "set fitted_root= to the data of the run to find copies of it (%s %s)"
        log.warning(text, where, cause)
        return None
    rows = sorted(Fitted.read(run.fitted).rows(store)) if run.fitted.exists() else []
    log.info("comparing them with the %d images that the run was fitted on", len(rows))
    images = Chained([store.images[row] for row in rows], data.store.images)
    pairs = duplicates(images, first_group=len(rows)).pairs
    if not pairs:
        log.info("none of them shows a radiograph that the run was fitted on")
    return {pair.second - len(rows) for pair in pairs}
