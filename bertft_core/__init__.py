"""bertft's library: reproducible multi-seed studies of BERT fine-tuning, usable without Prefect and MLflow.

>>> import bertft_core as bertft
>>> study = bertft.load_study("claims", home=home)

What is listed in `__all__` is the public interface. Importing the package loads no other module: each part is loaded when it is
used.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bertft_core.config.errors import UserError
    from bertft_core.library.compare import ArmComparison, compare
    from bertft_core.library.predict_texts import predict
    from bertft_core.library.run_as_child import run
    from bertft_core.library.study import Study, load_study

__version__ = "0.1.0"
__all__ = ["ArmComparison", "Study", "UserError", "__version__", "compare", "load_study", "predict", "run"]

_MODULES = {
    "ArmComparison": "bertft_core.library.compare",
    "Study": "bertft_core.library.study",
    "UserError": "bertft_core.config.errors",
    "compare": "bertft_core.library.compare",
    "load_study": "bertft_core.library.study",
    "predict": "bertft_core.library.predict_texts",
    "run": "bertft_core.library.run_as_child",
}
"""Name → the module that has it."""


def __getattr__(name: str) -> Any:
    """A public name, loaded when it is first used."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return globals().setdefault(name, getattr(import_module(_MODULES[name]), name))


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
