"""Scores become what a person can read."""
