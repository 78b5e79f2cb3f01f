"""Batches become a network."""
