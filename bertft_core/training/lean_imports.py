"""Imports of torch, transformers and pyarrow without what no worker uses of them.

A worker compiles nothing and computes in one process, but transformers imports torch's compiler and its tensors over processes
whether they are used or not. pyarrow imports pandas, to ask of every list whether it is a series.
"""

import importlib
import importlib.abc
import importlib.util
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from bertft_core.training.absent_packages import absent

COMPILER = "torch._dynamo"
STANDS_ALONE = f"{COMPILER}._trace_wrapped_higher_order_op"
"""The part of the compiler that transformers makes masks with; it needs none of the others."""
UNUSED = ("accelerate", "scipy")
"""transformers imports them for devices that share a model and for the detection of objects."""


def import_lean() -> None:
    """Import what every run needs, for the rest of this process."""
    _leave_out_pandas()
    _leave_out_distribution()
    _import_without_compiler()


def import_in_passing() -> None:
    """Import the same in a process that may go on with pandas, or with several processes."""
    import torch.distributed

    available = torch.distributed.is_available
    _leave_out_distribution()
    try:
        _import_without_compiler()
    finally:
        torch.distributed.is_available = available


def _import_without_compiler() -> None:
    _put_off_compiler()
    with absent(*UNUSED):
        from bertft_core.training import run

        run.warm_up()


class _NoPandas(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if fullname == "pandas":
            raise ModuleNotFoundError("left out", name=fullname)
        return None


def _leave_out_pandas() -> None:
    """pyarrow looks once whether there is one. It is compiled, and takes the mark that `absent` leaves for pandas itself."""
    import pyarrow as pa

    finder = _NoPandas()
    sys.meta_path.insert(0, finder)
    try:
        pa.array([])
    finally:
        sys.meta_path.remove(finder)


def _leave_out_distribution() -> None:
    import torch.distributed

    torch.distributed.is_available = lambda: False


def _put_off_compiler() -> None:
    import torch

    if COMPILER not in sys.modules:
        sys.modules[COMPILER] = torch._dynamo = _StandIn(COMPILER)
        sys.meta_path.insert(0, _PARTS)


def _compiler() -> ModuleType:
    """The compiler itself, imported now unless it has been."""
    if isinstance(sys.modules[COMPILER], _StandIn):
        del sys.modules[COMPILER]
        sys.meta_path.remove(_PARTS)
    return importlib.import_module(COMPILER)


class _StandIn(ModuleType):
    """Stands for the compiler until more of it is asked for than to leave a function as it is."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        self.__spec__, self.__path__ = spec, list(spec.submodule_search_locations or ())

    def disable(self, function: Any = None, *_: Any, **__: Any) -> Any:
        """`function`, or a decorator, that changes nothing."""
        return (lambda decorated: decorated) if function is None else function

    allow_in_graph = assume_constant_result = disable

    def graph_break(self, msg: str = "") -> None:
        """Does nothing, as where nothing is compiled."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(_compiler(), name)


class _Parts(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports the whole compiler where a part of it is imported."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        if not fullname.startswith(f"{COMPILER}.") or fullname == STANDS_ALONE:
            return None
        _compiler()
        return importlib.util.spec_from_loader(fullname, self) if fullname in sys.modules else None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The part, which was imported with the whole."""
        return sys.modules[spec.name]

    def exec_module(self, module: ModuleType) -> None:
        """It has been carried out."""


_PARTS = _Parts()
