"""Ready studies by name: `quickstart`, `glue/rte`. They are `configs/` in a checkout and package data in a wheel."""

import difflib
from pathlib import Path

from bertft_core.config.errors import UserError
from bertft_core.config.paths import checked_path

READY_DIR = Path(__file__).parents[1] / "ready_studies"


def ready_names() -> list[str]:
    """The names of all ready studies, sorted: paths below `configs/` without the suffix."""
    return sorted(
        path.relative_to(READY_DIR.resolve()).with_suffix("").as_posix() for path in READY_DIR.resolve().rglob("*.yaml")
    )


def config_path(given: str | Path) -> Path:
    """The path itself if it exists, else the ready study of that name. Raises `UserError` if neither is there.

    A folder that happens to have the name of a ready study is no config.
    """
    path, names = checked_path(given, "CONFIG"), ready_names()
    if path.as_posix() in names and (path.is_dir() or not path.exists()):
        return READY_DIR / f"{path.as_posix()}.yaml"
    if path.exists():
        return path
    asked = path.with_suffix("").as_posix() if path.suffix in (".yaml", ".yml") else path.as_posix()
    beside = sorted(found.name for found in path.parent.glob("*.y*ml"))
    near = [str(path.with_name(name)) for name in difflib.get_close_matches(path.name, beside, n=1)]
    near = near or difflib.get_close_matches(asked.removeprefix("configs/"), names, n=3)
    near += [name for name in names if name not in near and Path(name).name == Path(asked).name]
    raise UserError(
        "this config cannot be read",
        code="config.no-such-file",
        path=path,
        found="neither a file nor the name of a ready study",
        expected="a YAML file, or a ready study such as quickstart, topics or glue/rte",
        hint=f"did you mean {' or '.join(near)}?" if near else "check the path",
    )
