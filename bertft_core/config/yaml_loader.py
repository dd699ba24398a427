"""PyYAML's safe loader with the scalars of YAML 1.2's core schema, merge keys, and limits that are checked while it reads."""

import re
from typing import Any

import yaml
from yaml.constructor import ConstructorError

MAX_DEPTH = 50
MAX_NODES = 100_000
"""Keys, values and items of a document, an alias counted as all that it stands for."""
MERGE = "tag:yaml.org,2002:merge"
STRING = "tag:yaml.org,2002:str"
PLAIN_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq"))


class LimitError(yaml.MarkedYAMLError):
    """A document too deep or too large, or an alias inside itself."""

    def __init__(self, problem: str, *, at: Any, found: str, expected: str, hint: str) -> None:
        super().__init__(problem=problem, problem_mark=at)
        self.found, self.expected, self.hint = found, expected, hint


class Loader(yaml.SafeLoader):
    """Composes a node only while the document is within its limits, so an alias bomb ends where it begins to grow."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._sizes: dict[int, int] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; raises `LimitError`."""
        event = self.peek_event()
        if self._depth == MAX_DEPTH:
            levels = {"found": f"more than {MAX_DEPTH} levels", "expected": f"at most {MAX_DEPTH} levels"}
            raise LimitError(
                "nested too deeply", at=event.start_mark, **levels, hint="close brackets; a study has under ten levels"
            )
        self._depth += 1
        node = super().compose_node(parent, index)
        self._depth -= 1
        if not isinstance(event, yaml.AliasEvent):
            self._sizes[id(node)] = 1 + sum(self._sizes[id(part)] for part in _parts(node))
        elif id(node) not in self._sizes:
            alias = {"found": f"*{event.anchor} inside what it stands for", "expected": "an alias of something that is complete"}
            raise LimitError("recursive alias", at=event.start_mark, **alias, hint="remove the alias that refers to itself")
        if self._sizes[id(node)] > MAX_NODES:
            values = {"found": f"more than {MAX_NODES:,} values, aliases expanded", "expected": f"at most {MAX_NODES:,} values"}
            raise LimitError("too many values", at=event.start_mark, **values, hint="use fewer aliases (*name), or shorter lists")
        return node


def _parts(node: yaml.Node | None) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else []


_RESOLVERS = [
    ("tag:yaml.org,2002:bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("tag:yaml.org,2002:null", r"~|null|Null|NULL|", "~nN\0"),
    ("tag:yaml.org,2002:int", r"[-+]?[0-9]+", "-+0123456789"),
    ("tag:yaml.org,2002:float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    (MERGE, r"<<", "<"),
]
Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in _RESOLVERS:
    Loader.add_implicit_resolver(_tag, re.compile(f"^(?:{_pattern})$"), list(_first))
Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile("^$"), [""])

BOOLEANS = {"true": True, "false": False}


def _scalar(read: Any, meant: str) -> Any:
    def construct(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> Any:
        text = loader.construct_scalar(node)
        try:
            return read(text)
        except (ValueError, KeyError):
            shown = text if len(text) <= 40 else text[:39] + "…"
            raise ConstructorError(None, None, f"'{shown}' is not {meant}", node.start_mark) from None

    return construct


Loader.add_constructor("tag:yaml.org,2002:int", _scalar(int, "an integer of a usual size"))
Loader.add_constructor("tag:yaml.org,2002:float", _scalar(float, "a number"))
Loader.add_constructor("tag:yaml.org,2002:bool", _scalar(lambda text: BOOLEANS[text.lower()], "true or false"))
