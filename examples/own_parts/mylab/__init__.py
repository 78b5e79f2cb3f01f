"""A loss and a network for covseg."""
