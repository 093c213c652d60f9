"""Photographs redrawn in the style of a CT slice, to pre-train backbones on shapes of such a look.

`restyle(content_dir, style_path, output_dir, StyleTransferConfig(...))` redraws a folder tree; so does
`python -m data_prep.style_transfer`.

References:
    Gatys, Ecker, Bethge, A Neural Algorithm of Artistic Style, arXiv:1508.06576, 2015.
    Gatys, Ecker, Bethge, Image Style Transfer Using Convolutional Neural Networks, CVPR 2016.
    Barhoumi et al., Efficient Scopeformer, section III.A and Fig. 2: ImageNet so redrawn.
"""

from keras_medformers.support.quiet_tensorflow import import_tensorflow

import_tensorflow()  # first and without its greetings

from data_prep.style_transfer.config import StyleTransferConfig  # noqa: E402
from data_prep.style_transfer.restyle import restyle  # noqa: E402

__all__ = ["StyleTransferConfig", "restyle"]
