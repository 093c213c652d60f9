"""Official PyTorch checkpoints as the weights of this package's models.

`load_state_dict(model, read_checkpoint(path))` does it, `python -m keras_medformers.porting` writes the
result to a file.
"""

from keras_medformers.porting import hct as _hct  # noqa: F401  (registers its rules)
from keras_medformers.porting import hifuse as _hifuse  # noqa: F401  (registers its rules)
from keras_medformers.porting import vit as _vit  # noqa: F401  (registers its rules)
from keras_medformers.porting.checkpoint import read_checkpoint
from keras_medformers.porting.state_dict import load_state_dict

__all__ = ["load_state_dict", "read_checkpoint"]
