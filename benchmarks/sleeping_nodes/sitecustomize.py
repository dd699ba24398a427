"""First on the path of a node's processes: where a slot would train, it sleeps (benchmarks/node_scale.py)."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import sys
import types

PATCHED = "bertft_core.training.remote"


class Sleeping(importlib.abc.MetaPathFinder):
    """Gives the node side of an engine other slots when it is imported, and leaves all else as it is."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != PATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_patch(module: types.ModuleType) -> None:
            load(module)
            from benchmarks.sleeping_slots import SleepingSlots

            module.Slots = SleepingSlots  # type: ignore[attr-defined]

        spec.loader.exec_module = load_and_patch  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Sleeping())
