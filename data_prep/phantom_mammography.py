"""Draws phantoms of mammograms: `python -m data_prep.phantom_mammography`.

At home in `data_prep.phantoms.mammography`.
"""

from data_prep.phantoms.mammography.__main__ import main
from keras_medformers.support.command_line import run

if __name__ == "__main__":
    raise SystemExit(run(main))
