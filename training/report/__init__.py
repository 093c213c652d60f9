"""A run folder's `report.html`: one page without outside resources, and its pictures as files.

What it says of scores is the task's, see `training.tasks`.
"""

from training.report.run_folder import read_epochs, write_report

__all__ = ["read_epochs", "write_report"]
