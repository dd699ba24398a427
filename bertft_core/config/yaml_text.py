"""YAML as people write it: `2e-5` is a number, `no` is a string, keys are unique texts, and every key has a line number."""

import re
from typing import Any

import yaml

from bertft_core.config.errors import UserError
from bertft_core.config.yaml_loader import MERGE, PLAIN_TAGS, STRING, LimitError, Loader

Path = tuple[str | int, ...]
NEVER_TEXT = re.compile("[\0\ud800-\udfff]")
NO_STUDY = UserError(
    "the file is empty",
    code="config.empty",
    expected="a study, see configs/quickstart.yaml",
    hint="write at least name, data and arms",
)


def read_yaml(text: str, path: str) -> tuple[Any, dict[Path, int]]:
    """The document's plain values, and the line (from 1) of every key and item by its path.

    Keys are texts, as written. Merge keys (`<<`) are resolved; a mapping's own keys win, then those of the first one merged.
    Raises `UserError` for invalid YAML, a duplicate key, tags other than the plain ones, and for a document that is too deep or
    too large (`yaml_loader`).
    """
    values, lines = _read(text, path)
    if values is None:
        raise NO_STUDY.within(path)
    return values, lines


def read_value(text: str) -> Any:
    """One value as YAML reads it: `3e-5` → 3e-05, `[8, 16]` → a list, `no` → 'no', empty → None.

    Raises `UserError` as `read_yaml` does.
    """
    return _read(text, "value")[0]


def _read(text: str, path: str) -> tuple[Any, dict[Path, int]]:
    lines: dict[Path, int] = {}
    try:
        loader = Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, lines
        _normalise(node, (), lines, path)
        return loader.construct_document(node), lines
    except yaml.reader.ReaderError as error:
        raise _unreadable(text, error.position, path) from None
    except LimitError as error:
        raise UserError(
            str(error.problem),
            code="config.too-large",
            path=path,
            line=error.problem_mark.line + 1 if error.problem_mark else None,
            found=error.found,
            expected=error.expected,
            hint=error.hint,
        ) from None
    except (ValueError, OverflowError):  # PyYAML's, of \UFFFFFFFF and of a %YAML version with thousands of digits
        raise UserError(
            "invalid YAML: an escape or a version number that is too large",
            code="config.not-yaml",
            path=path,
            line=loader.line + 1,
            found=text.split("\n")[loader.line][:60],
            expected="escapes up to \\U0010FFFF; %YAML 1.2",
            hint="correct or remove it",
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise UserError(
            f"invalid YAML: {error.problem or error.context}",
            code="config.not-yaml",
            path=path,
            line=mark.line + 1 if mark else None,
            hint="fix the indentation, quotes or colons around that line",
        ) from None


def _unreadable(text: str, position: int, path: str, line: int | None = None) -> UserError:
    letter = text[position]
    hint = "delete it; a file full of them is UTF-16: save it as UTF-8"
    return UserError(
        "this character is not allowed in a text",
        code="config.control-character",
        path=path,
        line=line or text.count("\n", 0, position) + 1,
        found=f"U+{ord(letter):04X}",
        expected="printable text",
        hint=hint,
    )


def _normalise(node: yaml.Node, at: Path, lines: dict[Path, int], path: str) -> None:
    """Collect the lines; make every key a text; resolve merge keys."""
    if node.tag == MERGE:
        node.tag = STRING  # `<<` as a value
    _check_tag(node, path)
    lines.setdefault(at, node.start_mark.line + 1)
    if isinstance(node, yaml.ScalarNode):
        _check_text(node, path)
    if isinstance(node, yaml.MappingNode):
        own, merged = _own_and_merged(node, at, lines, path)
        node.value = own + [(key, value) for key, value in merged if (*at, key.value) not in lines]
        for key, value in node.value:
            lines.setdefault((*at, key.value), key.start_mark.line + 1)
            _normalise(value, (*at, key.value), lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for i, item in enumerate(node.value):
            _normalise(item, (*at, i), lines, path)


Pairs = list[tuple[yaml.ScalarNode, yaml.Node]]


def _own_and_merged(node: yaml.MappingNode, at: Path, lines: dict[Path, int], path: str) -> tuple[Pairs, Pairs]:
    """A mapping's own pairs, their lines entered, and those that its merge key adds, each key once."""
    own: Pairs = []
    merged: dict[str, tuple[yaml.ScalarNode, yaml.Node]] = {}
    first: dict[str, int] = {}
    for key, value in node.value:
        _check_tag(key, path)
        line = key.start_mark.line + 1
        if not isinstance(key, yaml.ScalarNode):
            raise UserError(
                "a key must be a text",
                code="config.key-not-text",
                path=path,
                line=line,
                found="a list or a mapping",
                hint="write a name before the colon",
            )
        _check_text(key, path)
        if key.value in first:
            raise UserError(
                f"duplicate key '{key.value}'",
                code="config.duplicate-key",
                path=path,
                line=line,
                found=f"first on line {first[key.value]}",
                hint="remove one of them",
            )
        first[key.value] = line
        if key.tag == MERGE:
            for name, pair in _merged_pairs(value, path, line):
                merged.setdefault(name, pair)
        else:
            own.append((yaml.ScalarNode(STRING, key.value, key.start_mark, key.end_mark), value))
            lines[(*at, key.value)] = line
    return own, list(merged.values())


def _merged_pairs(value: yaml.Node, path: str, line: int) -> list[tuple[str, tuple[yaml.ScalarNode, yaml.Node]]]:
    sources = value.value if isinstance(value, yaml.SequenceNode) else [value]
    pairs: list[tuple[str, tuple[yaml.ScalarNode, yaml.Node]]] = []
    for source in sources:
        if not isinstance(source, yaml.MappingNode):
            raise UserError(
                "a merge key (<<) takes a mapping, or a list of them",
                code="config.merge-key",
                path=path,
                line=line,
                hint="name an anchor of a mapping, such as <<: *base",
            )
        own, merged = _own_and_merged(source, (), {}, path)
        pairs += [(key.value, (key, inner)) for key, inner in (*own, *merged)]
    return pairs


def _check_tag(node: yaml.Node, path: str) -> None:
    if node.tag not in PLAIN_TAGS and node.tag != MERGE:
        raise UserError(
            f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not supported",
            code="config.tag",
            path=path,
            line=node.start_mark.line + 1,
            expected="plain values, lists and mappings",
            hint="remove the tag",
        )


def _check_text(node: yaml.ScalarNode, path: str) -> None:
    """What quotes let in, but no file, record or page can hold: NUL and halves of a character."""
    bad = NEVER_TEXT.search(node.value)
    if bad is not None:
        raise _unreadable(bad.group(), 0, path, node.start_mark.line + 1)
