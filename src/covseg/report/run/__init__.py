"""The page of a training run or an evaluation, ``report.html``."""
