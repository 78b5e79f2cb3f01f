"""torch's errors of a real machine become sentences."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """\
import os, sys
from pathlib import Path
from types import SimpleNamespace
import torch
from torch import distributed
from covseg.errors import CovsegError
from covseg.run.machine_errors import in_one_sentence
rank = int(sys.argv[1])
distributed.init_process_group("gloo", f"file://{sys.argv[2]}", rank=rank, world_size=2)
distributed.all_reduce(torch.zeros(1))
if rank == 1:
    os._exit(1)
data = SimpleNamespace(num_workers=0)
try:
    with in_one_sentence(data, Path("out")):
        while True:
            distributed.all_reduce(torch.zeros(1))
except CovsegError as error:
    print(error.sentence)
"""


@pytest.mark.nightly  # a quarter of a minute
def test_a_process_that_is_gone_is_a_lost_connection(tmp_path: Path) -> None:
    started = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(rank), str(tmp_path / "meeting")],
            env=os.environ | {"GLOO_SOCKET_IFNAME": "lo"},
            stdout=subprocess.PIPE,
            text=True,
        )
        for rank in (0, 1)
    ]
    said, _ = (process.communicate(timeout=100)[0] for process in started)
    start, _, rest = said.partition(" (")
    reason, _, remedy = rest.partition("): ")
    assert start == "out lost the connection between its processes"
    assert "losed by peer" in reason or "reset by peer" in reason
    assert remedy == (
        "see what the others report, and start all of them again, in training with resume=out.\n"
    )
