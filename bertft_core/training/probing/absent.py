"""Why a probe has no result; a reason, not a mistake."""

from __future__ import annotations


class Absent(Exception):
    """This probe cannot be computed for this run; the text says why, as the report shows it."""
