"""What own data consists of, in sentences, before anything is learned from it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from covseg.data.index import UNCLASSED, UNDIVIDED
from covseg.data.listing import Listing
from covseg.data.planes import Planes
from covseg.data.store import Store


def sentences(listing: Listing, store: Store) -> list[str]:
    """Images, masks and sizes; none of COVID-QU-Ex, which is known."""
    return [] if listing.index.tree else list(_sentences(listing, store))


def _sentences(listing: Listing, store: Store) -> Iterator[str]:
    rows = store.index.rows
    patients = {row.patient for row in rows} - {None}
    parts = [
        _counted([row.split for row in rows], UNDIVIDED, "no splits"),
        _counted([row.patient_class for row in rows], UNCLASSED, "no classes"),
        f"{len(patients):,} patients" if patients else "no patients",
    ]
    yield f"{len(rows):,} images: {'; '.join(parts)}"
    for target in store.index.targets:
        n_without = sum(target not in row.masks for row in rows)
        n_empty = sum(not mask.any() for mask in store.masks[target]) - n_without
        text = f"masks of {target}: {len(rows) - n_without:,}, of which {n_empty:,} are empty"
        yield text + f"; {n_without:,} images have none" * bool(n_without)
    if listing.n_dropped:
        yield f"{listing.n_dropped:,} images without a mask are left out (data.without_mask=drop)"
    if listing.unmatched:
        text = f"masks without an image: {len(listing.unmatched):,}"
        yield f"{text}, such as {listing.unmatched[0]}"
    if listing.ignored_columns:
        yield f"columns that are ignored: {', '.join(listing.ignored_columns)}"
    if listing.ignored:
        text = f"pictures that belong to no image: {len(listing.ignored):,}"
        yield f"{text}, such as {listing.ignored[0]}"
    yield f"images of {sizes_of(store.images)}"
    if any(image.shape != store.truth_size(n) for n, image in enumerate(store.images)):
        yield f"masks of {sizes_of(next(iter(store.masks.values())))}"


def _counted(names: Sequence[str], unknown: str, text: str) -> str:
    return text if {*names} == {unknown} else counted(names)


def counted(names: Iterable[str]) -> str:
    """How often each name is there: ``30 Test, 120 Train``."""
    return ", ".join(f"{n:,} {name}" for name, n in sorted(Counter(names).items()))


def sizes_of(planes: Planes) -> str:
    """The size of all, or how many there are and the extremes."""
    sizes = sorted({plane.shape for plane in planes}, key=lambda size: size[0] * size[1])
    smallest, largest = (f"{width} x {height}" for height, width in (sizes[0], sizes[-1]))
    if len(sizes) == 1:
        return f"{smallest} pixels"
    return f"{len(sizes):,} sizes, from {smallest} to {largest} pixels"
