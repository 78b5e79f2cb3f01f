"""What is on disk becomes a table: one file or folder per layout."""
