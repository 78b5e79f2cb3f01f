"""From a configuration to a listing: the layouts, and the made-up data."""

from collections.abc import Sequence

from covseg.config.data import Dataset
from covseg.data.layouts.covid_qu_ex.place import locate, source_of
from covseg.data.layouts.covid_qu_ex.rows import covid_qu_ex
from covseg.data.layouts.folder import folder
from covseg.data.layouts.table import table
from covseg.data.listing import Listing
from covseg.data.phantom.dataset import phantom_root


def list_data(data: Dataset, targets: Sequence[str] = ("infection",)) -> Listing:
    """List a dataset; phantom data is drawn first.

    Args:
        data: the configuration.
        targets: which tree of COVID-QU-Ex to list.

    Raises:
        DataMissing: it is not there.
        DataError: it cannot be read, or is not as its layout says.
    """
    match data.layout:
        case "table":
            return table(data)
        case "folder":
            return folder(data)
        case "covid_qu_ex" if data.root is None and data.phantom is not None:
            return covid_qu_ex(locate(phantom_root(data.phantom, data.cache_dir)), targets)
        case "covid_qu_ex":
            return covid_qu_ex(source_of(data), targets)
