"""What is wrong with a dataset; explore alone uses it."""
