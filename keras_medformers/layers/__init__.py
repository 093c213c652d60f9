"""Layers that Keras does not have, written with `keras.ops` for every backend."""

from keras_medformers.layers.area_resize import AreaResize
from keras_medformers.layers.attention import SelfAttention
from keras_medformers.layers.hounsfield import HEAD_CT_WINDOWS, HounsfieldWindows
from keras_medformers.layers.position_embedding import PositionEmbedding
from keras_medformers.layers.re_attention import ReAttention
from keras_medformers.layers.transformer import Mlp, TransformerBlock

__all__ = [
    "HEAD_CT_WINDOWS",
    "AreaResize",
    "HounsfieldWindows",
    "Mlp",
    "PositionEmbedding",
    "ReAttention",
    "SelfAttention",
    "TransformerBlock",
]
