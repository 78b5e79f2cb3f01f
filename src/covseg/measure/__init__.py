"""A network's probabilities become counts, counts become scores with intervals."""
