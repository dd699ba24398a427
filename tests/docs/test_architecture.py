"""The architecture page draws the repository as it is, and its list of packages is the tree's, in the order of the layers."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.helpers.markdown import ROOT, blocks, paths_in

PAGE = ROOT / "docs" / "architecture.md"
TEXT = PAGE.read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([\w/]+)` \| [^|]+ \|([^|]*)\|$", TEXT, re.MULTILINE)
"""Package and the packages inside it."""


def packages_in(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/__init__.py")}


def test_every_package_is_listed_with_those_inside():
    assert len(ROWS) >= 19
    listed = {package for package, _ in ROWS}
    first = {f"{top}/{name}" for top in ("flows", "tasks", "bertft_core") for name in packages_in(ROOT / top)}
    assert listed == first | {"flows", "tasks"}
    for package, inside in ROWS:
        if "/" in package:
            assert packages_in(ROOT / package) == {name.strip() for name in inside.split(",") if name.strip()}, package


def test_every_module_of_the_core_is_named():
    modules = {path.name for path in (ROOT / "bertft_core").glob("*.py")} - {"__init__.py"}
    assert len(modules) >= 2
    assert {name for name in modules if f"`bertft_core/{name}`" not in TEXT} == set()


def test_the_packages_stand_in_the_order_of_the_layers():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == ["bertft_core"]]
    level = {name.strip(): n for n, layer in enumerate(layers) for name in layer.split("|")}
    ours = [level[package.removeprefix("bertft_core/")] for package, _ in ROWS if package.startswith("bertft_core/")]
    assert len(ours) >= 14
    assert ours == sorted(ours)


def test_the_repository_is_as_the_page_draws_it():
    (tree,) = [block for block in blocks(PAGE, "text") if block.text.startswith("./")]
    paths = paths_in(tree)
    assert len(paths) >= 20
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_place_that_the_page_names_is_there():
    places = set(re.findall(r"`((?:bertft_core|flows|tasks|configs|docs|tests)/[\w/.]*)`", TEXT))
    assert len(places) >= 20
    assert [place for place in sorted(places) if not (ROOT / place).exists()] == []
