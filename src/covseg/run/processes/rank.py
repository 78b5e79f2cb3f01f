"""One of several processes of a run, started by torchrun.

Its arguments are the verb, the run folder, the command as it was typed, where modules are imported
from (``sys.path`` of the process that was started), and the process number of torchrun.
"""

import importlib
import json
import logging
import os
import sys

from covseg.errors import CovsegError, Crash, RunError, Stopped
from covseg.files import write_whole
from covseg.run import logs
from covseg.run.folder.run_folder import RunFolder
from covseg.run.folder.sweep_folder import read_job
from covseg.run.processes import launch
from covseg.run.verb import Verb

log = logging.getLogger(__name__)


def main() -> None:
    """Do a verb's work as one rank; rank 0 writes the log and the objective."""
    name, folder, command, paths, agent = sys.argv[1:]
    launch.die_with(int(agent))
    sys.path += [path for path in paths.split(os.pathsep) if path not in sys.path]
    logs.replace_unprintable()
    run, rank = RunFolder(folder), int(os.environ["RANK"])
    verb: Verb = importlib.import_module(f"covseg.{name}").VERB
    in_sweep = read_job(run.path) is not None
    logs.configure(run.log(name) if rank == 0 else None, in_sweep)
    try:
        objective = verb.run(verb.request(verb.recheck(run.read_config())), run.path, command)
    except Exception as error:
        if not isinstance(error, CovsegError):
            logs.configure(run.log(name), in_sweep)
            log.log(logs.FAILURE, "process %d failed", rank, exc_info=True)
        _report(error, rank, run)
        sys.exit(1)
    except Stopped as stopped:
        # the number alone: the process that the user started knows the exit code for it
        (run.ranks / f"stopped-{rank}").write_text(str(int(stopped.args[0])))
        sys.exit(stopped.exit_code)
    if rank == 0:
        run.objective_file.write_text(json.dumps(objective))


def _report(error: Exception, rank: int, run: RunFolder) -> None:
    """Leave the error for ``launch``, which raises the oldest of all ranks."""
    if not isinstance(error, CovsegError):
        cause = f"failed ({type(error).__name__}: {error})"
        error = Crash(f"process {rank} of this run", cause, f"see the log in {run}")
    content = json.dumps([type(error).__name__, *map(str, error.args)])
    try:
        write_whole(run.ranks / f"error-{rank}.json", content)
    except RunError:  # a full disk
        print(error, file=sys.stderr)  # noqa: T201


if __name__ == "__main__":
    main()
