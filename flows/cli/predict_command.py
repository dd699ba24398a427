"""`bertft predict`: predictions for new examples, by a study's best model, the model of one seed, or an ensemble of all seeds."""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from bertft_core.config.errors import UserError, did_you_mean
from bertft_core.config.paths import checked_path
from bertft_core.data.kept_model import refuse_changed_model
from bertft_core.data.new_examples import Inputs, formats_of, read_inputs
from bertft_core.library.study_on_disk import no_finished_runs
from bertft_core.records import RunRecord, StudySummary
from bertft_core.records.ranking import best_arm, ranked_runs
from bertft_core.report.prose import run_words
from bertft_core.storage.output_file import check_output, is_special, write_output
from bertft_core.storage.study_dir import read_record
from bertft_core.storage.study_results import StudyResults
from bertft_core.training.devices import usable_cores
from flows.cli.find_study import find_study
from flows.cli.terminal import say

STANDARD = "-"
"""For a file name: standard input or output."""


class PredictRequest(NamedTuple):
    """Which models predict."""

    arm: str | None
    seed: int | None
    ensemble: bool


def predict_command(
    name: str, home: Path | None, *, source: str, target: str, file_format: str | None, wanted: PredictRequest
) -> int:
    """Read, predict, write one JSON object for each input; the models used are named on stderr."""
    results = find_study(name, home).intact(records_only=True).results()
    read = [Path(path) for path in (source, name) if path != STANDARD]
    read += [results.study_dir.path, *(Path(card.encoder_dir) for card in results.card.every)]
    output = None if target == STANDARD else check_output(target, "--output", home=results.study_dir.home_dir, reads=read)
    inputs = _read(source, results, file_format)
    records = chosen_records(results, wanted)
    for record in records:
        refuse_changed_model(record, results.run_dir_of(record.digest))
    from bertft_core.training.predict import KeptRun, predict

    data = results.of_run(records[0].digest).study.data
    runs = [KeptRun(record, results.run_dir_of(record.digest)) for record in records]
    predicted = predict(runs, inputs, data, threads=usable_cores())
    if predicted.n_truncated:
        n = f"{predicted.n_truncated} of {len(predicted.rows)} inputs"
        say(f"{n} are longer than {data.max_length} tokens; they were truncated", file=sys.stderr)
    _write(output, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in predicted.rows))
    return 0


def chosen_records(results: StudyResults, wanted: PredictRequest) -> list[RunRecord]:
    """The runs that predict: one, or with `ensemble` all of the arm whose models were kept. Prints on stderr which and why."""
    if wanted.seed is not None and wanted.ensemble:
        raise UserError(
            "--seed and --ensemble exclude each other",
            code="predict.seed-and-ensemble",
            hint="leave one out: --seed predicts with one model, --ensemble with those of all seeds",
        )
    ranked = ranked_runs(results.study, results.planned, results.records)
    arm = _arm(results, ranked, wanted.arm)
    runs = sorted(ranked[arm], key=lambda record: record.spec.index)
    kept = [record for record in runs if (results.run_dir_of(record.digest) / "model").is_dir()]
    if wanted.ensemble:
        return _ensemble(results, arm, runs, kept)
    if wanted.seed is None:
        record, why = ranked[arm][0], f"best {results.study.metric} on validation, {ranked[arm][0].best_score:.3f}"
    else:
        record, why = _seed(runs, arm, wanted.seed), "as asked"
    if record not in kept:
        raise _not_kept(results, f"the model of {record.spec.title} was not kept", [record], kept)
    say(f"{record.spec.title} ({why})", file=sys.stderr)
    return [record]


def _arm(results: StudyResults, ranked: dict[str, list[RunRecord]], wanted: str | None) -> str:
    if not ranked:
        raise no_finished_runs(results.study_dir)
    if wanted is not None:
        if wanted not in ranked:
            raise UserError(
                f"the arm '{wanted}' {'has no finished runs' if wanted in results.study.arms else 'is not in this study'}",
                code="predict.unknown-arm",
                path=results.study_dir.path,
                found=wanted,
                expected=f"one of {', '.join(ranked)}",
                hint=did_you_mean(wanted, ranked) or "leave --arm out for the best arm",
            )
        return wanted
    if len(results.study.arms) == 1:
        return next(iter(ranked))
    summary = read_record(results.study_dir.summary_path, StudySummary)
    best = None if summary is None else best_arm(results.study, summary)
    if summary is None or best is None or best[0] not in ranked:
        raise UserError(
            "the study has not been evaluated yet, so it has no best arm",
            code="predict.no-best-arm",
            path=results.study_dir.path,
            expected=f"one of the arms {', '.join(ranked)}",
            hint="name one with --arm, or run the study to its end",
        )
    why = f"best mean {summary.headline_metric} on validation, {best[1]:.3f}"
    say(f"arm {best[0]} ({why})", file=sys.stderr)
    return best[0]


def _seed(runs: Sequence[RunRecord], arm: str, seed: int) -> RunRecord:
    for record in runs:
        if record.spec.index == seed:
            return record
    indices = ", ".join(str(record.spec.index) for record in runs)
    raise UserError(
        f"the arm '{arm}' has no finished run with seed {seed}",
        code="predict.no-such-seed",
        found=str(seed),
        expected=f"one of {indices}",
        hint="leave --seed out for the best one",
    )


def _ensemble(results: StudyResults, arm: str, runs: Sequence[RunRecord], kept: list[RunRecord]) -> list[RunRecord]:
    if len(kept) < 2:
        problem = f"an ensemble needs the models of several {run_words.unit(results.study)}s, and {arm} has {len(kept) or 'none'}"
        raise _not_kept(results, problem, runs, kept)
    seeds = ", ".join(str(record.spec.index) for record in kept)
    say(f"{arm} · {len(kept)} of {len(runs)} {run_words.unit(results.study)}s together ({seeds})", file=sys.stderr)
    return kept


def _not_kept(results: StudyResults, problem: str, runs: Sequence[RunRecord], kept: Sequence[RunRecord]) -> UserError:
    """`runs` are those asked for."""
    retention = results.study.retention
    dropped = any(record.model_dropped is not None for record in runs)
    setting = f"raise retention.budget_gib (now {retention.budget_gib:g})" if dropped else "set retention.checkpoints: all"
    there = ", ".join(record.spec.title for record in kept) or "none"
    return UserError(
        problem,
        code="predict.models-not-kept",
        path=results.study_dir.path / "runs",
        found=f"models kept of this arm: {there} (retention.checkpoints: {retention.checkpoints})",
        expected="the model of every seed asked for",
        hint=f"{setting} and train again with: bertft run CONFIG --force",
    )


def _read(source: str, results: StudyResults, file_format: str | None) -> Inputs:
    data, kind = results.study.data, results.study.head.kind
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
