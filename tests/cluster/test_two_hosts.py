"""torchrun on two hosts, each a network namespace of its own; a cable connects them."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster.results import TRAIN, assert_same_result

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]

HOSTS = ("covseg-a", "covseg-b")
TORCHRUN = (
    *("-m", "torch.distributed.run", "--nnodes=2", "--nproc-per-node=1"),
    *("--master-addr=10.77.0.1", "--master-port=29500"),
)


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def hosts() -> Iterator[tuple[str, str]]:
    """Their names."""
    if shutil.which("ip") is None or os.geteuid() != 0:
        pytest.skip("network namespaces need root and Linux's ip: apt-get install iproute2")
    for host in HOSTS:
        ip("netns", "add", host)
    try:
        a, b = HOSTS
        ip("link", "add", "eth", "netns", a, "type", "veth", "peer", "eth", "netns", b)
        for number, host in enumerate(HOSTS, 1):
            ip("-n", host, "address", "add", f"10.77.0.{number}/24", "dev", "eth")
            for device in ("lo", "eth"):
                ip("-n", host, "link", "set", device, "up")
        yield HOSTS
    finally:
        for host in HOSTS:
            for process in ip("netns", "pids", host).split():
                os.kill(int(process), signal.SIGKILL)
            ip("netns", "delete", host)


@pytest.fixture
def train(
    hosts: tuple[str, str], environment: dict[str, str], tmp_path: Path
) -> Callable[..., list["subprocess.Popen[bytes]"]]:
    """Start torchrun on both hosts; what a host says is added to ``<host>.txt``."""

    def start(*words: str) -> list["subprocess.Popen[bytes]"]:
        torchrun = (sys.executable, *TORCHRUN)
        train = ("-m", "covseg.train", *words)
        return [
            subprocess.Popen(
                ["ip", "netns", "exec", host, *torchrun, f"--node-rank={rank}", *train],
                cwd=tmp_path,
                env=environment | {"GLOO_SOCKET_IFNAME": "eth"},
                stderr=(tmp_path / f"{host}.txt").open("ab"),
            )
            for rank, host in enumerate(hosts)
        ]

    return start


def test_a_host_that_is_cut_off_ends_the_run_which_goes_on(
    train: Callable, hosts: tuple[str, str], command: Callable, tmp_path: Path
) -> None:
    words = (*TRAIN, "trainer.max_epochs=80")
    started = train(*words, "hydra.run.dir=run")
    run = tmp_path / "run"
    while not (run / "metrics.csv").exists():
        assert all(process.poll() is None for process in started)
        time.sleep(0.1)
    ip("-n", hosts[1], "link", "set", "eth", "down")
    assert [process.wait(150) for process in started] == [1, 1]
    for host in hosts:
        said = (tmp_path / f"{host}.txt").read_text()
        assert f"{run} lost the connection between its processes (" in said
        assert f"start all of them again, in training with resume={run}." in said
        assert "covseg/run" not in said  # no traceback of ours
        assert not ip("netns", "pids", host)
    ip("-n", hosts[1], "link", "set", "eth", "up")
    assert [process.wait(150) for process in train(*words, "resume=run")] == [0, 0]
    alone = command("train", *words, "trainer.devices=2", "hydra.run.dir=alone")
    assert alone.code == 0, alone.err
    assert_same_result(run, tmp_path / "alone")
