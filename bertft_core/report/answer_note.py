"""The answer and the question of a study as a note in Markdown: for the pages of MLflow and Prefect."""

from bertft_core.report import paper_tables, table_formats
from bertft_core.report.formatting import escapes
from bertft_core.report.prose import grammar, study_text, study_title
from bertft_core.storage.study_results import StudyResults


def answer_note(results: StudyResults) -> str:
    """The answer in a clause and what was asked, all that a folded note shows; the evidence; the results.

    MLflow's pages fold a note to its first line, and its list of studies shows the first words as they are written, so nothing
    comes before the answer, not even a mark that makes it bold.
    """
    summary, description = results.summary, results.study.description
    sentences = study_text.sentences(summary)
    short = study_title.answer(summary) or sentences.pop(0)
    question = f" *{escapes.markdown(description)}*" if description else ""
    tables = paper_tables.tables_of(paper_tables.scores_of_summary(summary), summary.headline_key, summary.comparison)
    parts = [
        f"{escapes.markdown(grammar.ended(short))}{question}",
        "\n".join(f"- {escapes.markdown(sentence)}" for sentence in (*sentences, *study_text.not_counted(summary))),
        *(table_formats.markdown(table) for table in tables if table.name == "results"),
    ]
    return "\n\n".join(part for part in parts if part)
