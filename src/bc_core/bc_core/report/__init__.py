"""The report of a run: figures as JSON, pictures and videos as one HTML page, a table for the terminal.

report = write_report(Path("out/demo"), Path("out/demo"))
print(format_table(report))
"""

from bc_core.report.table import format_table
from bc_core.report.write import write_report

__all__ = ["format_table", "write_report"]
