"""Several processes for one job, and the signals that end them."""
