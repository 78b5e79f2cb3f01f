"""COVID-QU-Ex: its names, the place where it is, and its rows."""
