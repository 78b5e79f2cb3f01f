"""torchrun without its own words about a failed rank: ``launch`` says what the rank said."""

import logging
import signal
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == "__main__":
    for name in logging.root.manager.loggerDict:
        if name.startswith("torch.distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
    # a cluster signals every process of a job; these two are for those that train
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)
    try:
        main()
    except ChildFailedError as error:
        [log_dir] = (word for word in sys.argv if word.startswith("--log-dir="))
        for rank, failure in error.failures.items():
            if failure.exitcode == -signal.SIGKILL:  # it could not say so itself
                Path(log_dir.removeprefix("--log-dir="), f"killed-{rank}").touch()
        sys.exit(1)
