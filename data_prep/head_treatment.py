"""Takes the head holder out of CT slices: `python -m data_prep.head_treatment`.

At home in `data_prep.modalities.head_ct.treatment`.
"""

from data_prep.modalities.head_ct.treatment.__main__ import main
from keras_medformers.support.command_line import run

if __name__ == "__main__":
    raise SystemExit(run(main))
