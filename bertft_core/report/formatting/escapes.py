"""Escaping at the border, one function per output format: words of the user are never markup, and control characters are shown.

Pictures are escaped where they are written (`report.drawings`), lines of the terminal where they are printed (`flows.cli`).
"""

import re
from pathlib import Path
from typing import Any

import jinja2

from bertft_core.control_characters import shown, visible

LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "\"": r"\textquotedbl{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "–": r"--",
    "…": r"\ldots{}",
    "·": r"\textperiodcentered{}",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "≤": r"$\leq$",
    "τ": r"$\tau$",
}  # fmt: skip
"""What means something else in LaTeX, or that its plain fonts lack → how it is written there."""
MARKDOWN = re.compile(r"([\\`*_<>|\[\]$&~])")
FORMULA = ("=", "+", "-", "@")
LINE_END = re.compile(r"\s*\n\s*")


def latex(words: str) -> str:
    """Words that LaTeX prints as they are, on one line."""
    return "".join(LATEX.get(letter, letter) for letter in _on_one_line(words))


def markdown(words: str) -> str:
    """Words in which nothing is taken for Markdown, HTML or a formula, on one line."""
    return MARKDOWN.sub(r"\\\1", _on_one_line(words))


def _on_one_line(words: str) -> str:
    return LINE_END.sub(" ", visible(words))


def csv_cell(value: Any) -> Any:
    """A text that no spreadsheet takes for a formula: an apostrophe is put before one that begins like a formula; else the value.

    Numbers stay as they are, also negative ones.
    """
    if not isinstance(value, str):
        return value
    return f"'{visible(value)}" if value.lstrip().startswith(FORMULA) else visible(value)


def fenced(text: str) -> str:
    """A text as a block of code in Markdown, whatever backticks it holds."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    return f"{fence}\n{visible(text)}\n{fence}"


def page_templates(directory: Path) -> jinja2.Environment:
    """Templates of HTML pages, which escape every value."""
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(directory),
        autoescape=True,
        finalize=shown,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
    )
