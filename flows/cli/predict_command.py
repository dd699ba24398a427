"""`bertft predict`: predictions for new examples, by a study's best model, the model of one seed, or an ensemble of all seeds."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from bertft_core.config.errors import UserError
from bertft_core.config.paths import checked_path
from bertft_core.data.new_examples import Inputs, formats_of, read_inputs
from bertft_core.library.chosen_runs import PredictRequest, chosen_records
from bertft_core.library.predict_texts import answers
from bertft_core.storage.output_file import check_output, is_special, write_output
from bertft_core.storage.study_results import StudyResults
from flows.cli import first_sign
from flows.cli.find_study import find_study
from flows.cli.terminal import note

STANDARD = "-"
"""For a file name: standard input or output."""


def predict_command(
    name: str, home: Path | None, *, source: str, target: str, file_format: str | None, wanted: PredictRequest
) -> int:
    """Read, predict, write one JSON object for each input; the models used are named on stderr."""
    results = find_study(name, home).intact(records_only=True).results()
    read = [Path(path) for path in (source, name) if path != STANDARD]
    read += [results.study_dir.path, *(Path(card.encoder_dir) for card in results.card.every)]
    output = None if target == STANDARD else check_output(target, "--output", home=results.study_dir.home_dir, reads=read)
    inputs = _read(source, results, file_format)
    records = chosen_records(results, wanted, note)
    predicted = answers(results, records, inputs)
    if predicted.n_truncated:
        max_length = results.of_run(records[0].digest).study.data.max_length
        n = f"{predicted.n_truncated} of {len(predicted.rows)} inputs"
        note(f"{n} are longer than {max_length} tokens; they were truncated")
    _write(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in predicted.rows))
    return 0


def _read(source: str, results: StudyResults, file_format: str | None) -> Inputs:
    data, kind = results.study.data, results.study.head.kind
    if source == STANDARD:
        first_sign.stop()  # what is typed would be mixed with it
    path = Path(source) if source == STANDARD else checked_path(source, "--input")
    if source != STANDARD and not is_special(path):
        return read_inputs(path, data, kind, file_format)
    named = "standard input" if source == STANDARD else source
    with _copied(path, formats_of(data, kind), file_format) as (copy, found_format):
        try:
            return read_inputs(copy, data, kind, found_format)
        except UserError as error:  # the user does not know the temporary file
            raise error.within(named) from None


@contextmanager
def _copied(source: Path, formats: tuple[str, ...], file_format: str | None) -> Iterator[tuple[Path, str]]:
    """Standard input or a pipe as a file, and its format: the named one, else JSONL or lines, by its start."""
    with tempfile.TemporaryDirectory(prefix="bertft-") as folder:
        copy = Path(folder) / "input"
        with nullcontext(sys.stdin.buffer) if source == Path(STANDARD) else source.open("rb") as stream, copy.open("wb") as file:
            shutil.copyfileobj(stream, file)
        with copy.open("rb") as file:
            jsonl = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{") or "text" not in formats
        found = file_format or ("jsonl" if jsonl else "text")
        yield copy.rename(copy.with_suffix(f".{found}")) if found.isalnum() else copy, found


def _write(output: Path | None, text: str) -> None:
    if output is not None:
        write_output(output, text, "--output")
        return
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8")
    sys.stdout.write(text)
    sys.stdout.flush()
