"""What people read: the result table, the HTML report and its tables. Imports no torch."""

from bertft_core.report.comparison_page import write_comparison
from bertft_core.report.study_report import write_report
from bertft_core.report.text_table import result_table

__all__ = ["result_table", "write_comparison", "write_report"]
