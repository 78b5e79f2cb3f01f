"""The schema of ``python -m covseg.explore``."""

from covseg.config.data import Dataset
from covseg.config.node import Node


class Explore(Node):
    """``python -m covseg.explore``."""

    data: Dataset
