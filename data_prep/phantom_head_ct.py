"""Draws phantoms of head CT: `python -m data_prep.phantom_head_ct`.

At home in `data_prep.phantoms.head_ct`.
"""

from data_prep.phantoms.head_ct.__main__ import main
from keras_medformers.support.command_line import run

if __name__ == "__main__":
    raise SystemExit(run(main))
