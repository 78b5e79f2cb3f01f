"""Connections to processes on other machines: one that is cut is noticed within a minute or two."""

import contextlib
import socket
import sys
from pathlib import Path

import lightning as L

_SECONDS = 60


class KeepAlive(L.Callback):
    """Have Linux test the connections of this process while nothing is sent.

    By itself it gives up after a quarter of an hour, and never where a process only waits for
    another one, as processes do in turn; torch then waits for half an hour.
    """

    def on_fit_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """The processes are connected."""
        if sys.platform == "linux":
            for path in Path("/proc/self/fd").iterdir():
                with contextlib.suppress(OSError):  # not a TCP connection
                    _test(int(path.name))


def _test(number: int) -> None:
    with socket.fromfd(number, socket.AF_INET, socket.SOCK_STREAM) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 1000 * _SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, _SECONDS // 2)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, _SECONDS // 6)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
