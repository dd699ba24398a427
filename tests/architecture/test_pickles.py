"""Nothing is ever unpickled: a pickle can execute code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = sorted(path for package in ("bertft_core", "flows", "tasks") for path in (ROOT / package).rglob("*.py"))
UNPICKLERS = {"pickle", "cPickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal"}


def offences(source: str) -> Iterator[str]:
    """What in a module could load a pickle."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            yield from (f"line {node.lineno}: imports {name}" for name in names if name.partition(".")[0] in UNPICKLERS)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            given = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            if called == "torch.load" and given.get("weights_only") != "True":
                yield f"line {node.lineno}: torch.load without weights_only=True"
            if called in ("np.load", "numpy.load") and given.get("allow_pickle") != "False":
                yield f"line {node.lineno}: {called} without allow_pickle=False"
            of_model = called.endswith(".from_pretrained") and not re.search("tokenizer|config", called.lower())
            if of_model and given.get("use_safetensors") != "True" and None not in given:  # None: given as **PLAIN
                yield f"line {node.lineno}: {called} without use_safetensors=True"
            if called.endswith("read_pickle") or given.get("trust_remote_code") == "True":
                yield f"line {node.lineno}: {called}"


def test_settings_that_are_given_by_name_ask_for_safetensors_too():
    from bertft_core.training.probing.encoders import PLAIN

    assert PLAIN["use_safetensors"] is True


def test_no_module_loads_a_pickle():
    assert len(MODULES) >= 100
    found = {str(path.relative_to(ROOT)): list(offences(path.read_text(encoding="utf-8"))) for path in MODULES}
    assert {name: lines for name, lines in found.items() if lines} == {}


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import torch\ntorch.load('a')",
        "import torch\ntorch.load('a', weights_only=False)",
        "import numpy as np\nnp.load('a')",
        "import numpy as np\nnp.load('a', allow_pickle=True)",
        "import pandas as pd\npd.read_pickle('a')",
        "AutoModel.from_pretrained('a', use_safetensors=True, trust_remote_code=True)",
        "AutoModel.from_pretrained('a', local_files_only=True)",
    ],
)
def test_the_check_knows_what_it_looks_for(source):
    assert len(list(offences(source))) == 1
