"""Files on disk become an index, the index becomes batches."""
