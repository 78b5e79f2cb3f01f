"""Python without what Windows lacks; every process with this folder in PYTHONPATH imports it."""

import importlib.machinery
import multiprocessing
import os
import signal
import sys
from typing import Any

sys.modules["fcntl"] = None  # type: ignore[assignment]  an import of it fails
for name in ("SIGUSR1", "SIGUSR2", "SIGHUP"):
    delattr(signal, name)
signal.valid_signals = lambda: {signal.SIGINT, signal.SIGTERM}
del os.sysconf
multiprocessing.set_start_method("spawn")


class Connector(importlib.machinery.SourceFileLoader):
    """Tells Lightning, which asks for the platform instead, to do without these signals."""

    def exec_module(self, module: Any) -> None:
        super().exec_module(module)
        module._IS_WINDOWS = True


class Finder(importlib.machinery.PathFinder):
    @classmethod
    def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
        if not fullname.endswith(".signal_connector"):
            return None
        spec = super().find_spec(fullname, path, target)
        assert spec is not None
        spec.loader = Connector(fullname, str(spec.origin))
        return spec


sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
