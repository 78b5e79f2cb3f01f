"""What is wrong with a dataset; only explore uses it."""
