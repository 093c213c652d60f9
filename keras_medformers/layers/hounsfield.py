"""Hounsfield units to the windowed channels that a network reads."""

import keras
from keras import ops

HEAD_CT_WINDOWS = ((40, 80), (80, 200), (40, 380))
"""Brain, subdural and soft tissue windows as (level, width) in HU (seed paper's section III.D)."""


@keras.saving.register_keras_serializable("keras_medformers")
class HounsfieldWindows(keras.layers.Layer):
    """Stacks windows of a CT slice as channels in [0, 255].

    Each window is clipped to level - width / 2 ... level + width / 2 and scaled linearly. DICOM's
    own windowing (PS3.3 C.11.2.1.2) is for display and depends on the stored bits; this does not.

    Args:
        windows: Sequence of `(level, width)` pairs in HU; the head CT's three by default.

    Input shape:
        `(batch, height, width, 1)` in HU, integer or float.

    Output shape:
        `(batch, height, width, len(windows))`, float32 in [0, 255].

    Raises:
        ValueError: If there is no window or a width is not positive.

    Reference:
        Barhoumi et al., Efficient Scopeformer, section III.D and Fig. 4.
    """

    def __init__(self, windows=HEAD_CT_WINDOWS, **kwargs):
        super().__init__(**kwargs)
        self.windows = tuple((float(level), float(width)) for level, width in windows)
        if not self.windows or any(width <= 0 for _, width in self.windows):
            raise ValueError(
                "Expected at least one (level, width) pair in HU with a positive width. "
                f"Received: windows={windows}"
            )

    def call(self, hu):
        lowest = ops.convert_to_tensor(
            [level - width / 2 for level, width in self.windows], "float32"
        )
        width = ops.convert_to_tensor([width for _, width in self.windows], "float32")
        return 255.0 * ops.clip((ops.cast(hu, "float32") - lowest) / width, 0.0, 1.0)

    def compute_output_spec(self, hu):
        return keras.KerasTensor((*hu.shape[:-1], len(self.windows)), dtype="float32")

    def get_config(self):
        return {**super().get_config(), "windows": self.windows}
