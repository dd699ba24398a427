"""The tables of a report as LaTeX sets them in an article of two columns. Needs Debian's texlive-latex-base."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bertft_core.report import references
from tests.helpers.report_pages import write_small_report

# booktabs is not in texlive-latex-base
PAPER = r"""\documentclass[10pt,twocolumn]{article}
\newcommand{\toprule}{\hline}\newcommand{\midrule}{\hline}\newcommand{\bottomrule}{\hline}
\begin{document}
Tables \ref{tab:results} and \ref{tab:pairs}.
\input{tables/results.tex}
\input{tables/pairs.tex}
\nocite{*}\bibliographystyle{plain}\bibliography{references}
\end{document}
"""


@pytest.mark.slow
def test_the_tables_of_a_report_compile_and_fit_the_page(tmp_path):
    if (pdflatex := shutil.which("pdflatex")) is None:
        pytest.fail("no pdflatex on this machine: run apt-get install texlive-latex-base", pytrace=False)
    page, *_ = write_small_report(tmp_path)
    folder = Path(page).parent
    (folder / "paper.tex").write_text(PAPER)
    command = [pdflatex, "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    (folder / "references.bib").write_text("\n\n".join(references.entries().values()))  # those that no small study uses, too
    for words in (command, ["bibtex", "paper"], command, command):
        ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
        assert ended.returncode == 0, ended.stdout
        assert "Warning--" not in ended.stdout, "of bibtex, about an entry that lacks something"
    assert re.findall(r"Overfull.*|LaTeX Warning: Reference.*", ended.stdout) == []
    assert (folder / "tables" / "results.tex").read_text().startswith(r"\begin{table}[t]"), "two arms fit one column"
    assert (folder / "paper.pdf").stat().st_size > 10_000
