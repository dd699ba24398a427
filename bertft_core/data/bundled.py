"""The data sets that ship with bertft."""

from pathlib import Path

from bertft_core.config.data_settings import RESERVED_SPLITS
from bertft_core.config.errors import UserError, did_you_mean

BUNDLED: dict[str, tuple[str, ...]] = {
    "reviews": ("reviews_other_domain",),
    "topics": (),
    "pairs": (),
    "ratings": (),
    "entities": (),
    "questions": (),
    "manuals": (),
}

BUNDLED_DIR = Path(__file__).parent / "bundled"


def bundled_files(name: str) -> dict[str, Path]:
    """Split → file of a bundled data set; raises `UserError` for an unknown name."""
    if name not in BUNDLED:
        raise UserError(
            f"there is no bundled data set '{name}'",
            code="data.unknown-bundled-set",
            found=name,
            expected=f"one of {', '.join(BUNDLED)}",
            hint=did_you_mean(name, BUNDLED) or "choose one of them, or use source: files",
        )
    return {split: next((BUNDLED_DIR / name).glob(f"{split}.*")) for split in (*RESERVED_SPLITS, *BUNDLED[name])}
