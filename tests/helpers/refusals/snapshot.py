"""The wording of every refusal in one file, in the order of their codes."""

from pathlib import Path

from tests.helpers.refusals.refusal import Refusal

SNAPSHOT = Path(__file__).parents[2] / "assets" / "refusals.txt"


def block(refusal: Refusal, message: str) -> str:
    """A refusal as it stands in the snapshot, below its code."""
    command = f"$ bertft {refusal.command}\n" if refusal.command else ""
    return f"{command}{message}".encode("utf-8", "backslashreplace").decode()


def blocks(text: str) -> dict[str, str]:
    """Code → the block below it."""
    parts = (part.partition("\n") for part in text.removeprefix("# ").split("\n\n# "))
    return {code: rest.rstrip("\n") for code, _, rest in parts if code}


def as_text(found: dict[str, str]) -> str:
    """The snapshot of these blocks."""
    return "\n\n".join(f"# {code}\n{found[code]}" for code in sorted(found)) + "\n"
