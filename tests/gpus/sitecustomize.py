"""Python on a machine with two GPUs, as far as a job asks before its processes start.

Every process with this folder in PYTHONPATH imports it. A process of a job, which works on the CPU,
leaves a line with its GPUs in the file ``COVSEG_TEST_RANKS``, and one when it ends.
"""

import atexit
import importlib.machinery
import os
import sys
import time
from typing import Any

if "covseg.run.processes.rank" in sys.orig_argv:

    def _note(what: str) -> None:
        with open(os.environ["COVSEG_TEST_RANKS"], "a") as file:  # noqa: PTH123
            names = (os.environ.get(name) for name in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"))
            print(time.monotonic(), what, *names, file=file)

    if "covseg.run.processes.torchrun" not in sys.orig_argv:
        _note("begins")
        atexit.register(_note, "ends")
else:

    class Cuda(importlib.machinery.SourceFileLoader):
        def exec_module(self, module: Any) -> None:
            super().exec_module(module)
            module.is_available = lambda: True
            module.device_count = lambda: 2

    class Finder(importlib.machinery.PathFinder):
        @classmethod
        def find_spec(cls, fullname: str, path: Any = None, target: Any = None) -> Any:
            if fullname != "torch.cuda":
                return None
            spec = super().find_spec(fullname, path, target)
            assert spec is not None
            spec.loader = Cuda(fullname, str(spec.origin))
            return spec

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]
