"""One of several processes of a run: ``torchrun -m covseg.run.processes.rank VERB FOLDER``."""

import importlib
import json
import logging
import os
import sys
from pathlib import Path

from covseg.errors import CovsegError, Crash, RunError, Stopped
from covseg.files import write_whole
from covseg.run import logs, terminal
from covseg.run.processes import launch
from covseg.run.verb import Verb

log = logging.getLogger(__name__)


def main() -> None:
    """Do a verb's work as one rank; rank 0 writes the log and the objective."""
    launch.die_with(int(os.environ[launch.AGENT]))
    terminal.show_what_it_can()
    name, out, rank = sys.argv[1], Path(sys.argv[2]), int(os.environ["RANK"])
    verb: Verb = importlib.import_module(f"covseg.{name}").VERB
    log_file = out / f"{name}.log"
    logs.configure(log_file if rank == 0 else None)
    try:
        objective = verb.do(out)
    except Exception as error:
        if not isinstance(error, CovsegError):
            logs.configure(log_file)
            log.log(logs.FAILURE, "process %d failed", rank, exc_info=True)
        _leave_word(error, rank, out)
        sys.exit(1)
    except Stopped as stopped:
        # the number alone: which exit code it means is for the process that was typed
        number = stopped.args[0]
        (out / launch.RANKS / f"stopped-{rank}").write_text(str(int(number)))
        sys.exit(stopped.exit_code)
    if rank == 0:
        (out / launch.RESULT).write_text(json.dumps(objective))


def _leave_word(error: Exception, rank: int, out: Path) -> None:
    """Tell the process that was typed what to say; it takes the oldest word of all ranks."""
    word = error
    if not isinstance(error, CovsegError):
        what = f"failed ({type(error).__name__}: {error})"
        word = Crash(f"process {rank} of this run", what, f"see the log in {out}")
    path = out / launch.RANKS / f"refusal-{rank}.json"
    try:
        write_whole(path, json.dumps([type(word).__name__, *map(str, word.args)]))
    except RunError:  # a full disk
        print(word, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
