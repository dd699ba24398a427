"""The question and the answer of a study as a note in Markdown: for the pages of MLflow and Prefect."""

from bertft_core.report import paper_tables, table_formats
from bertft_core.report.formatting import escapes
from bertft_core.report.prose import study_text
from bertft_core.storage.study_results import StudyResults


def answer_note(results: StudyResults) -> str:
    """The study's description, a bullet for each sentence of the answer and each problem, and the table of results."""
    summary = results.summary
    said = [*study_text.sentences(summary), *study_text.not_counted(summary)]
    tables = paper_tables.tables_of(paper_tables.scores_of_summary(summary), summary.headline_key, summary.comparison)
    parts = [
        *([f"**{escapes.markdown(results.study.description)}**"] if results.study.description else []),
        "\n".join(f"- {escapes.markdown(sentence)}" for sentence in said),
        *(table_formats.markdown(table) for table in tables if table.name == "results"),
    ]
    return "\n\n".join(parts)
