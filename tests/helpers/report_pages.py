"""Reports of a small study, and pages taken apart into tags and texts."""

from __future__ import annotations

from html.parser import HTMLParser

from bertft_core.evaluation.summarize import evaluated
from bertft_core.planning.run_specs import plan_runs
from bertft_core.report.study_report import write_report
from bertft_core.storage.study_dir import StudyDir
from bertft_core.storage.study_results import StudyResults
from tests.helpers.small_records import make_card, make_record, make_study, make_sweep

EVIL = "<script>alert('x')</script>"


INLINE = {"span", "strong", "a", "code"}
VOID = {"meta", "link", "br", "img", "hr", "input"}


CHOSEN = {"full": {"learning_rate": 2e-4, "batch_size": 8}}


class Page(HTMLParser):
    """Collects tags and texts, and fails on tags that do not close in order."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.ids, self.links, self.texts, self.words = [], [], [], [], [], ""
        self.feed(text)
        self.words = " ".join(self.words.split())  # as a reader sees them: a part of a line is no word of its own
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append(f"{tag} phone" if attributes.get("class") == "phone" else tag)  # the same drawing again, narrower
        self.words += "" if tag in INLINE else " "
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [attributes[name] for name in ("href", "src", "data", "xlink:href") if name in attributes]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.words += "" if tag in INLINE else " "

    def handle_data(self, data):
        self.texts.append(data)
        self.words += data


def write_small_report(tmp_path, *, study=None, labels=("negative", "positive"), statuses=None, bare=False, **card_changes):
    study = study or make_study()
    study_dir, card = StudyDir(tmp_path, study.name), make_card(tmp_path, labels).model_copy(update=card_changes)
    chosen = CHOSEN if study.arms.get("full") and study.arms["full"].search else {}
    planned = plan_runs(study, card, chosen)
    records = {}
    for spec in [] if bare else planned:
        status, error = (statuses or {}).get((spec.arm, spec.index), ("ok", None))
        accuracy = 0.5 if status == "collapsed" else 0.6 + 0.2 * (spec.arm == "full") + 0.05 * spec.index
        records[spec.digest] = make_record(spec, card, study_dir, status=status, accuracy=accuracy, error=error)
    sweeps = {} if bare or not chosen else {"full": make_sweep(study_dir)}
    results = evaluated(StudyResults(study, card, study_dir, records, planned, sweeps))
    return write_report(results), results.summary, study
