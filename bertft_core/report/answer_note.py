"""The question and the answer of a study as a note in Markdown: for the pages of MLflow and Prefect."""

from bertft_core.report import paper_tables, table_formats
from bertft_core.report.formatting import escapes
from bertft_core.report.prose import study_text
from bertft_core.storage.study_results import StudyResults


def answer_note(results: StudyResults) -> str:
    """The study's description and the answer in one paragraph, all that a folded note shows; what else is said; the results."""
    summary = results.summary
    first, *others = (escapes.markdown(each) for each in (*study_text.sentences(summary), *study_text.not_counted(summary)))
    question = f"**{escapes.markdown(results.study.description)}** " if results.study.description else ""
    tables = paper_tables.tables_of(paper_tables.scores_of_summary(summary), summary.headline_key, summary.comparison)
    parts = [
        question + first,
        "\n".join(f"- {sentence}" for sentence in others),
        *(table_formats.markdown(table) for table in tables if table.name == "results"),
    ]
    return "\n\n".join(parts)
