"""What a `curves.jsonl` holds, as far as its lines are whole."""

import json
from pathlib import Path
from typing import Any


def curve_events(path: Path) -> list[dict[str, Any]]:
    """The steps and evaluations of a run; torn and damaged lines are skipped, and what is no regular file has none."""
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError:
        return []
    events = []
    for line in content.splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and "step" in event:
            events.append(event)
    return events
