"""A comparison of runs, as tables on the terminal and as a page."""
