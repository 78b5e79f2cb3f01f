"""Probabilities become counts, counts become scores with intervals."""
