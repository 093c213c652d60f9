"""The papers' tables with our runs' scores beside them: `python -m training.compare`."""
