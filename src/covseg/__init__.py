"""Segment the COVID-19 infection area on chest X-rays, with numbers one can believe."""
