"""From the command line to checked jobs."""
