"""A real Slurm for the tests of this folder, which are skipped where it is not installed."""

from collections.abc import Iterator

import pytest

from cluster import slurm as one_machine


@pytest.fixture(scope="session")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[one_machine.Slurm]:
    """Slurm on this machine, for all tests."""
    if (reason := one_machine.missing()) is not None:
        pytest.skip(reason)
    with one_machine.running(tmp_path_factory.mktemp("slurm")) as running:
        yield running
