"""A zip or a folder as files by name."""
