"""The benchmark: its examples, its measuring, its table, and (slow) the whole of it at tiny sizes."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from benchmarks import against_trainer
from benchmarks.contestants import BERTFT as OURS
from benchmarks.contestants import MAX_LENGTH, TRAINERS, TRAINING, Figures, Job, study_config
from benchmarks.examples import (
    LABELS,
    MAX_WORDS,
    MEAN_WORDS,
    MIN_WORDS,
    SD_WORDS,
    ExampleFiles,
    encoder_words,
    generate,
    read_examples,
    write_examples,
)
from benchmarks.measuring import Command, ProcessFailed, run_measured
from benchmarks.tables import markdown_page, ratios, rows, text_table
from benchmarks.timing import busiest_slot, first_step_at
from bertft_core.config import UserError, parse_study
from bertft_core.records import RunRecord
from bertft_core.training.optimizer import n_warmup_steps
from tests.helpers.small_records import make_card, make_spec, make_study

WORDS = [f"{a}{b}{c}" for a in "abcdefghijklm" for b in "aeiouxyzwvtsr" for c in "nopqrstuvwxyz"]
TRAINER = Figures(
    wall_seconds=200.0,
    cpu_seconds=380.0,
    peak_memory_bytes=1000 * 2**20,
    examples_per_second=50.0,
    startup_seconds=8.0,
    training_examples_per_second=26.0,
    accuracy=0.8,
    n_steps=125,
    gpu_bytes=None,
)
BERTFT = replace(TRAINER, wall_seconds=125.0, examples_per_second=80.0, orchestration_ratio=0.034)


def test_the_same_generator_makes_the_same_texts_and_another_one_others() -> None:
    first, again, other = (generate(50, WORDS, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_made_up_texts_have_the_lengths_of_reviews_and_both_labels() -> None:
    examples = generate(3000, WORDS, np.random.default_rng(0))
    lengths = np.array([len(text.split()) for text, _ in examples])
    assert lengths.mean() == pytest.approx(MEAN_WORDS, abs=0.6)
    assert lengths.std() == pytest.approx(SD_WORDS, abs=0.6)
    assert MIN_WORDS <= lengths.min() < lengths.max() <= MAX_WORDS
    assert {word for text, _ in examples for word in text.split()} <= set(WORDS)
    assert [sum(label == name for _, label in examples) for name in LABELS] == [1500, 1500]


def test_the_words_tell_the_label_so_that_there_is_something_to_learn() -> None:
    examples = generate(2000, WORDS, np.random.default_rng(0))
    counts = {word: np.ones(2) for word in WORDS}
    for text, label in examples[:1500]:
        for word in text.split():
            counts[word][LABELS.index(label)] += 1
    votes = [sum(np.diff(np.log(counts[word]))[0] for word in text.split()) > 0 for text, _ in examples[1500:]]
    right = np.mean([vote == (label == "positive") for vote, (_, label) in zip(votes, examples[1500:], strict=True)])
    assert right > 0.8


def test_only_whole_lower_case_words_of_the_vocabulary_are_used_frequent_ones_first() -> None:
    vocabulary = {word: 1000 + i for i, word in enumerate(WORDS)}
    vocabulary |= {"zebra": 3, "[CLS]": 0, "##ing": 1, "Film": 2, "a": 4, "42": 5, "über": 6, "Ġgood": 7}
    assert encoder_words(vocabulary) == ["zebra", "good", *WORDS]


def test_an_encoder_without_english_words_is_refused() -> None:
    with pytest.raises(UserError, match="--file"):
        encoder_words({"电": 0, "影": 1, "film": 2})


def test_a_file_of_the_users_is_read_shuffled_and_cut_into_two_splits(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("body,mark\n" + "".join(f"text number {i},{'ab'[i % 2]}\n" for i in range(40)))
    examples = read_examples(path, "body", "mark", np.random.default_rng(0))
    files = write_examples(examples, tmp_path, n_train=25, n_validation=8, origin="mine.csv")
    train, validation = (
        [json.loads(line) for line in part.read_text().splitlines()] for part in (files.train_path, files.validation_path)
    )
    assert (files.n_train, files.n_validation, files.labels) == (25, 8, ("a", "b")) == (len(train), len(validation), ("a", "b"))
    texts = [row["text"] for row in validation + train]
    assert len(set(texts)) == 33
    assert texts != sorted(texts, key=lambda text: int(text.split()[-1]))
    with pytest.raises(UserError, match="mark"):
        read_examples(path, "body", "marks", np.random.default_rng(0))


def test_medians_and_ratios_of_the_table_are_those_of_hand_values() -> None:
    first = {"Trainer": TRAINER, "Trainer, padded": replace(TRAINER, wall_seconds=500.0), "bertft": BERTFT}
    second = {name: replace(each, wall_seconds=each.wall_seconds + 100.0) for name, each in first.items()}
    table = {row[0]: row[1:] for row in rows([first, second])}
    assert table["wall time"] == ("250.0 s", "550.0 s", "175.0 s")
    assert table["examples/s, everything included"] == ("50.0", "50.0", "80.0")
    assert table["peak memory, all processes"] == ("1,000 MiB",) * 3
    assert table["orchestration ÷ training time"] == ("–", "–", "3.4%")
    assert "peak GPU memory of one run" not in table
    assert ratios([first, second]) == [("times as fast as", "Trainer", "Trainer, padded"), ("bertft", "1.43", "3.14")]


def test_table_and_page_show_every_row_and_the_facts() -> None:
    rounds = [{"Trainer": TRAINER, "bertft": BERTFT}] * 2
    text, page = text_table(rounds), markdown_page(rounds, {"machine": "a quiet one"})
    assert [len({len(line) for line in part.splitlines()}) for part in text.split("\n\n")] == [1, 1]
    for row in rows(rounds):
        assert row[0] in text
        assert f"| {' | '.join(row)} |" in page
    assert "- **machine**: a quiet one" in page
    assert "| 2 | 200.0 s | 125.0 s |" in page


def _record(directory: Path, start: str, end: str, train: float, evaluate: float) -> RunRecord:
    spec = make_spec(make_study(), make_card(directory))
    day = "2026-01-01T10:"
    return RunRecord(
        spec=spec,
        digest=spec.digest,
        status="ok",
        started_at=f"{day}{start}+00:00",
        ended_at=f"{day}{end}+00:00",
        train_seconds=train,
        evaluate_seconds=evaluate,
    )


def test_the_busiest_slot_and_the_first_step_follow_from_the_records(tmp_path: Path) -> None:
    records = [
        _record(tmp_path, "00:52.000", "01:40.000", 44.0, 3.0),  # after the first, beside the second
        _record(tmp_path, "00:00.000", "00:50.000", 45.0, 4.0),
        _record(tmp_path, "00:00.500", "01:30.000", 80.0, 5.0),
    ]
    assert busiest_slot(records) == (89.0, 96.0)
    assert first_step_at(records) == pytest.approx(1767261601.0)  # 10:00:01 UTC


def _job(directory: Path) -> Job:
    files = ExampleFiles(directory / "t.jsonl", directory / "v.jsonl", LABELS, 2000, 400, "made up")
    return Job(files, directory / "encoder", True, n_seeds=5, epochs=1, device="cpu", slots=[{}, {}])


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_both_contestants_are_given_the_same_settings(tmp_path: Path, precision: str) -> None:
    from benchmarks.trainer_process import arguments

    job = _job(tmp_path)
    study = parse_study(study_config(job, precision))
    given = {"epochs": job.epochs, "device": "cpu", "precision": precision} | TRAINING
    ours, theirs = study.training, arguments(given, 3, tmp_path / "out")
    assert study.data.max_length == MAX_LENGTH
    assert (study.seeds.n, study.execution.slots, study.n_runs_per_arm) == (5, 2, 5)
    assert (ours.learning_rate, ours.weight_decay, ours.max_grad_norm, ours.epochs) == (
        theirs.learning_rate,
        theirs.weight_decay,
        theirs.max_grad_norm,
        theirs.num_train_epochs,
    )
    assert (ours.adam_beta1, ours.adam_beta2, ours.adam_epsilon) == (theirs.adam_beta1, theirs.adam_beta2, theirs.adam_epsilon)
    assert ours.batch_size == theirs.per_device_train_batch_size * theirs.gradient_accumulation_steps
    assert n_warmup_steps(125, ours.warmup_ratio) == theirs.get_warmup_steps(125) == 13
    assert (ours.schedule, ours.precision) == (theirs.lr_scheduler_type.value, "bf16" if theirs.bf16 else "fp32")
    assert ours.evaluate_every_epochs == 1.0
    assert theirs.eval_strategy.value == "epoch"


def _python(directory: Path, title: str, code: str) -> Command:
    return Command(title, [sys.executable, "-c", code], directory / f"{title}.log")


def test_commands_share_the_slots_and_their_children_are_measured(tmp_path: Path) -> None:
    child = "b = bytearray(150 * 2**20); import time; time.sleep(1.2)"
    parent = f"import os, subprocess, sys; print(os.environ['SLOT']); subprocess.run([sys.executable, '-c', {child!r}])"
    busy = "import os, time\nprint(os.environ['SLOT'])\nwhile time.process_time() < 0.6: pass"
    commands = [_python(tmp_path, "big", parent), *(_python(tmp_path, f"busy-{i}", busy) for i in range(2))]
    ended: dict[str, float] = {}
    usage = run_measured(commands, [{"SLOT": "one"}, {"SLOT": "two"}], ended.__setitem__)
    assert set(ended) == {"big", "busy-0", "busy-1"}
    assert [command.log_path.read_text().strip() for command in commands[:2]] == ["one", "two"]
    assert usage.peak_memory_bytes > 150 * 2**20
    assert usage.cpu_seconds > 1.2
    assert max(ended.values()) <= usage.wall_seconds < sum(ended.values())


def test_a_process_that_fails_is_reported_with_its_log_and_leaves_no_other_running(tmp_path: Path) -> None:
    sleeper = _python(tmp_path, "sleeper", "import time; time.sleep(60)")
    failing = _python(tmp_path, "failing", "import time; time.sleep(0.3); raise SystemExit('no more memory')")
    started = time.monotonic()
    with pytest.raises(ProcessFailed, match=r"failing ended with code 1(.|\n)*no more memory"):
        run_measured([sleeper, failing], [{}, {}], lambda title, seconds: None)
    assert time.monotonic() - started < 20
    assert not [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE and _sleeps(child)]


def _sleeps(process: psutil.Process) -> bool:
    return "import time; time.sleep(60)" in process.cmdline()


def test_sizes_must_be_positive(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        against_trainer.parse(["--seeds", "0"])
    assert "0 is not positive" in capsys.readouterr().err
    assert against_trainer.parse(["--quick", "--seeds", "3"]).seeds == 3
    assert against_trainer.chosen(against_trainer.parse([])) == ["Trainer", "bertft"]
    everyone = against_trainer.parse(["--also", "bf16", "onednn", "padded"])
    assert against_trainer.chosen(everyone) == [*TRAINERS, *OURS]
    assert vars(against_trainer.parse([])).items() >= against_trainer.FULL.items()


def test_a_mistake_in_the_users_file_ends_with_code_2_before_anything_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.csv").write_text("text,label\ngood,1\n,0\n")
    assert against_trainer.main(["--file", str(tmp_path / "mine.csv")]) == 2
    assert "mine.csv:3" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_benchmark_runs_at_tiny_sizes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = [str(tmp_path / name) for name in ("figures.json", "docs/page.md")]
    assert against_trainer.main(["--quick", "--json", written[0], "--markdown", written[1]]) == 0
    [figures] = json.loads(Path(written[0]).read_text())["rounds"]
    for side in figures.values():
        assert side["n_steps"] == 3
        assert 0 < side["startup_seconds"] < side["wall_seconds"]
        assert side["peak_memory_bytes"] > 2**28
        assert side["examples_per_second"] == pytest.approx(96 / side["wall_seconds"])
    assert figures["bertft"]["orchestration_ratio"] > 0
    shown = capsys.readouterr()
    assert "times as fast as" in shown.out
    assert shown.err.count("ended after") == 3  # two Trainer processes, one bertft
    assert "| wall time |" in Path(written[1]).read_text()
