"""A sweep as a table, a figure and a page."""
