"""A zip or a folder becomes files by name."""
