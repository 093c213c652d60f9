"""A run folder's `report.html`: one page without outside resources, and its pictures as files."""

from training.report.examples import RIGHT, WRONG, choose_examples
from training.report.run_folder import read_epochs, write_report

__all__ = ["RIGHT", "WRONG", "choose_examples", "read_epochs", "write_report"]
