"""The results of ``covseg.explore`` as tables, figures and an HTML page."""
