"""`bertft export`: a kept model with its card in a folder, ready for the hub client's own upload."""

import re
import shlex
from collections.abc import Sequence
from pathlib import Path

from bertft_core.library.chosen_runs import PredictRequest, chosen_records
from bertft_core.library.export_model import export_model
from bertft_core.library.study import Study
from bertft_core.report.prose.model_card_text import model_name
from flows.cli.find_study import find_study
from flows.cli.terminal import note, say, say_json

NOT_ON_THE_HUB = re.compile(r"[^\w.-]+", re.ASCII)
"""Characters that the hub refuses in the name of a model."""


def export_command(
    name: str,
    home: Path | None,
    target: str,
    wanted: PredictRequest,
    *,
    licence: str | None,
    languages: Sequence[str],
    as_json: bool = False,
) -> int:
    """Choose the run, write the folder, and say how to upload it. Raises `UserError`, also where the model was not kept."""
    results = Study(find_study(name, home)).results
    (record,) = chosen_records(results, wanted, note)
    folder = export_model(results, record, target, licence=licence, languages=languages)
    if as_json:
        say_json({"study": results.study.name, "run_digest": record.digest, "folder": str(folder)})
    say(f"wrote {target}: {', '.join(sorted(path.name for path in folder.iterdir()))}")
    say(f"read README.md, then: hf upload YOUR-NAME/{NOT_ON_THE_HUB.sub('-', model_name(record))} {shlex.quote(target)}")
    return 0
