"""A made-up dataset in the real layout."""
