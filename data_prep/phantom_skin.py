"""Draws phantoms of skin lesions: `python -m data_prep.phantom_skin`.

At home in `data_prep.phantoms.skin`.
"""

from data_prep.phantoms.skin.__main__ import main
from keras_medformers.support.command_line import run

if __name__ == "__main__":
    raise SystemExit(run(main))
