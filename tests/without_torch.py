"""Runs verbs in forks of a process that has not imported torch: a fork takes no time to start.

A line of stdin is a JSON list: the working directory, the verb, its overrides. A line of stdout is
the JSON list of its exit code, its stdout and its stderr, which ends with what it imported of torch
and Lightning.
"""

import json
import os
import resource
import runpy
import sys
import tempfile

import covseg.run.command.main  # noqa: F401  what the verbs import before they check anything

SECONDS = 10  # of work until a configuration is refused, or the system ends it


def run(home: str, verb: str, *overrides: str) -> None:
    os.chdir(home)
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    sys.argv[1:] = overrides
    try:
        runpy.run_module(f"covseg.{verb}", run_name="__main__", alter_sys=True)
    finally:
        if imported := {"torch", "lightning"} & sys.modules.keys():
            print("imported", *imported, file=sys.stderr)


for line in sys.stdin:
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        if (child := os.fork()) == 0:
            os.dup2(out.fileno(), sys.stdout.fileno())
            os.dup2(err.fileno(), sys.stderr.fileno())
            run(*json.loads(line))
            sys.exit()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        texts = [file.seek(0) or file.read() for file in (out, err)]
    print(json.dumps([code, *texts]), flush=True)
