"""A document of the scores of several runs."""
