"""One of several processes of a run: ``torchrun -m covseg.run.worker VERB FOLDER``."""

import importlib
import json
import logging
import os
import sys
from pathlib import Path

from torch.distributed.elastic.multiprocessing.errors import record

from covseg.errors import CovsegError, Stopped
from covseg.run import launch, logs
from covseg.run.verb import Verb

log = logging.getLogger(__name__)


@record
def main() -> None:
    """Do a verb's work as one rank; rank 0 writes the log and the objective."""
    launch.die_with_parent()
    name, out, rank = sys.argv[1], Path(sys.argv[2]), int(os.environ["RANK"])
    verb: Verb = importlib.import_module(f"covseg.{name}").VERB
    logs.configure(out / f"{name}.log" if rank == 0 else None)
    try:
        objective = verb.do(out)
    except CovsegError as error:
        refusal = out / launch.RANKS / f"refusal-{rank}.json"
        refusal.write_text(json.dumps([type(error).__name__, *map(str, error.args)]))
        sys.exit(1)
    except Stopped as stopped:
        # the number alone: which exit code it means is for the process that was typed
        number = stopped.args[0]
        (out / launch.RANKS / f"stopped-{rank}").write_text(str(int(number)))
        sys.exit(stopped.exit_code)
    except Exception:
        log.log(logs.FAILURE, "process %d failed", rank, exc_info=True)
        raise
    if rank == 0:
        (out / launch.RESULT).write_text(json.dumps(objective))


if __name__ == "__main__":
    main()
