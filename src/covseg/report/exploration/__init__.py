"""What ``covseg.explore`` has found, as tables, figures and one page."""
