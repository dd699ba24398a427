"""A recommended study as YAML: every choice with its reason beside it, or above it where the line would be too long."""

import json
import os
import re
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertft_core.config import StudyConfig, UserError
from bertft_core.config.data_settings import FileData
from bertft_core.config.yaml_text import read_value
from bertft_core.control_characters import visible
from bertft_core.recipes.advice import Advice

WIDTH = 120
KEPT = ("execution", "retention", "tracking", "headline")
ORDER = ("name", "description", "seed", "data", "encoder", "head", "metric", "training", "arms", "seeds", *KEPT)

LINE_ENDS = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Controls and line ends that JSON leaves as they are and YAML does not."""
Comments = dict[tuple[str, ...], str]


def values_of(study: StudyConfig, advice: Advice, *, folder: Path | None = None) -> dict[str, Any]:
    """The study's own data, encoder, head, seed and the like, overlaid with the advice; arms and training are the advice's alone.

    Data files below `folder` are written relative to it.
    """
    kept = study.model_dump(mode="json", exclude_defaults=True)
    values: dict[str, Any] = {
        "name": study.name,
        "description": study.description,
        "data": {"source": study.data.source} | kept["data"],
    }
    values["encoder"] = kept.get("encoder", {})
    if study.encoder.path is not None:  # --set encoder.path replaces them
        values["encoder"] = {key: value for key, value in values["encoder"].items() if key not in ("checkpoint", "revision")}
    values["head"] = {"kind": study.head.kind} | kept.get("head", {})
    values |= {key: kept[key] for key in ("seed", *KEPT) if kept.get(key)}
    values["metric"] = study.metric
    if study.seeds.design != "joint":
        seeds = study.seeds.model_dump(mode="json", exclude_defaults=True)
        values["seeds"] = {key: value for key, value in seeds.items() if study.seeds.splits is None or (key, value) != ("n", 1)}
    for choice in advice.choices:
        _put(values, choice.path, choice.value)
    if isinstance(study.data, FileData) and folder is not None:
        values["data"] = _relative(values["data"], folder)
    return {key: values[key] for key in ORDER if values.get(key) not in ({}, "", None)}


def in_encoding(text: str, encoding: str) -> str:
    """The file's text for a terminal that lacks some characters: Python's escapes are those of YAML within double quotes."""
    return text.encode(encoding, "backslashreplace").decode(encoding)


def _put(values: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    for key in path[:-1]:
        values = values.setdefault(key, {})
    values[path[-1]] = value


def _relative(data: dict[str, Any], folder: Path) -> dict[str, Any]:
    def near(path: str) -> str:
        return os.path.relpath(path, folder) if Path(path).is_relative_to(folder) else path

    changed = {key: near(data[key]) for key in ("train", "validation", "test") if data.get(key)}
    extra = {name: near(path) for name, path in data.get("out_of_domain", {}).items()}
    return data | changed | ({"out_of_domain": extra} if extra else {})


def yaml_of(values: Mapping[str, Any], comments: Comments, header: Sequence[str]) -> str:
    """The text of the file, which parses to `values`; `comments` by the path of the key."""
    lines = [f"# {line}".rstrip() for paragraph in header for line in textwrap.wrap(visible(paragraph), WIDTH - 2) or [""]]
    for key, value in values.items():
        if isinstance(value, Mapping) and len(values) > 1:
            lines.append("")
        lines += _entry((key,), value, comments)
    return "\n".join(lines) + "\n"


def _entry(path: tuple[str, ...], value: Any, comments: Comments) -> list[str]:
    indent = "  " * (len(path) - 1)
    is_section = isinstance(value, Mapping) and (len(path) == 1 or path[0] == "arms" or _has_below(path, comments))
    opened = is_section and path not in comments and bool(value)
    head = f"{indent}{inline(path[-1])}:" + ("" if opened else f" {inline(value)}")
    lines = _commented(head, indent, comments.get(path))
    if opened:
        for key, item in value.items():
            lines += _entry((*path, key), item, comments)
    return lines


def _has_below(path: tuple[str, ...], comments: Comments) -> bool:
    return any(other[: len(path)] == path and other != path for other in comments)


def _commented(line: str, indent: str, comment: str | None) -> list[str]:
    if comment is None:
        return [line]
    comment = visible(comment)
    beside = f"{line} # {comment}"
    if len(beside) <= WIDTH:
        return [beside]
    return [*(f"{indent}# {part}" for part in textwrap.wrap(comment, WIDTH - len(indent) - 2)), line]


def inline(value: Any) -> str:
    """One value on one line, as `config.yaml_text` reads it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{inline(key)}: {inline(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(inline, value)) + "]"
    if isinstance(value, float):
        return number(value)
    if isinstance(value, str):
        return value if _is_plain(value) else LINE_ENDS.sub(_escaped, json.dumps(value, ensure_ascii=False))
    return json.dumps(value)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match.group()):04x}"


def number(value: float) -> str:
    """A number as people write it: 5e-4 rather than 0.0005, 0.1 as it is."""
    short = f"{value:.1e}"
    text = short if 0 < abs(value) < 0.01 and float(short) == value else repr(value)
    return text.replace(".0e", "e").replace("e-0", "e-").removesuffix(".0")


def _is_plain(text: str) -> bool:
    """Whether a text needs no quotes, even within a list; beyond ASCII it has them, so that it can be escaped (`in_encoding`)."""
    if not text or not text.isascii() or any(mark in text for mark in ",[]{}#:&*!|>'\"%@`\\\n\t") or text != text.strip():
        return False
    try:
        return bool(read_value(text) == text)
    except UserError:
        return False
