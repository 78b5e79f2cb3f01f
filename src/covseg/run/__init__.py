"""The engine of the verbs: start-up, refusals, processes, scoring. No stage of the data."""
