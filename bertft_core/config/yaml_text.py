"""YAML as people write it: `2e-5` is a number, `no` is a string, keys are unique, and every key has a line number."""

import re
from typing import Any

import yaml

from bertft_core.config.errors import UserError

Path = tuple[str | int, ...]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the scalars of YAML 1.2's core schema."""


_RESOLVERS = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
]
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _RESOLVERS:
    _Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _int)
_Loader.add_constructor("tag:yaml.org,2002:float", _float)


def read_yaml(text: str, path: str) -> tuple[Any, dict[Path, int]]:
    """The document's plain values, and the line (from 1) of every key and item by its path.

    Raises `UserError` for invalid YAML, a duplicate key, and tags other than the plain ones.
    """
    values, lines = _read(text, path)
    if values is None:
        raise UserError("the file is empty", path=path, expected="a study, see configs/quickstart.yaml")
    return values, lines


def read_value(text: str) -> Any:
    """One value as YAML reads it: `3e-5` → 3e-05, `[8, 16]` → a list, `no` → 'no', empty → None.

    Raises `UserError` as `read_yaml` does.
    """
    return _read(text, "value")[0]


def _read(text: str, path: str) -> tuple[Any, dict[Path, int]]:
    lines: dict[Path, int] = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _collect_lines(node, (), lines, path)
        return loader.construct_document(node), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(
            f"invalid YAML: {error.problem or error.context}",
            path=path,
            line=mark.line + 1 if mark else None,
            hint="fix the indentation, quotes or colons around that line",
        ) from None
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f"invalid YAML: {error}", path=path) from None
    except RecursionError:
        raise UserError("recursive alias", path=path, hint="remove the alias that refers to itself") from None


def _collect_lines(node: yaml.Node, at: Path, lines: dict[Path, int], path: str) -> None:
    if node.tag not in PLAIN_TAGS:
        raise UserError(
            f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not supported",
            path=path,
            line=node.start_mark.line + 1,
            expected="plain values, lists and mappings",
            hint="remove the tag",
        )
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, str(key.value))
            if here in lines:
                raise UserError(
                    f"duplicate key '{key.value}'",
                    path=path,
                    line=key.start_mark.line + 1,
                    found=f"first on line {lines[here]}",
                    hint="remove one of them",
                )
            lines[here] = key.start_mark.line + 1
            _collect_lines(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _collect_lines(item, (*at, i), lines, path)
