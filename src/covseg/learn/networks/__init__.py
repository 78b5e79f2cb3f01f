"""Network architectures, one file per family; no Lightning."""
