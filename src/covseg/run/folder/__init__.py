"""A run folder: making, reading, locking, its history."""
