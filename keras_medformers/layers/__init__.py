"""Layers that Keras does not have, written with `keras.ops` for every backend."""

from keras_medformers.layers.area_resize import AreaResize
from keras_medformers.layers.attention import SelfAttention
from keras_medformers.layers.batch_normalization import UnbiasedBatchNormalization
from keras_medformers.layers.caffe_pixels import CaffePixels
from keras_medformers.layers.class_token import ClassToken
from keras_medformers.layers.deformable_convolution import DeformableConv2D
from keras_medformers.layers.grey_to_rgb import GreyToRGB
from keras_medformers.layers.hifuse_blocks import GlobalBlock, LocalBlock
from keras_medformers.layers.hounsfield import HEAD_CT_WINDOWS, HounsfieldWindows
from keras_medformers.layers.image_standardization import ImageStandardization
from keras_medformers.layers.inverted_residual_mlp import InvertedResidualMlp
from keras_medformers.layers.map_attention import ChannelAttention, SpatialAttention
from keras_medformers.layers.nystrom_attention import NystromAttention
from keras_medformers.layers.patch_merging import PatchMerging
from keras_medformers.layers.performer_attention import (
    PerformerAttention,
    redraw_random_features,
)
from keras_medformers.layers.position_embedding import PositionEmbedding
from keras_medformers.layers.re_attention import ReAttention
from keras_medformers.layers.resize_and_crop import ResizeAndCrop
from keras_medformers.layers.strided_convolution import StridedConv2D
from keras_medformers.layers.transformer import Mlp, TransformerBlock
from keras_medformers.layers.window_attention import WindowAttention

__all__ = [
    "HEAD_CT_WINDOWS",
    "AreaResize",
    "CaffePixels",
    "ChannelAttention",
    "ClassToken",
    "DeformableConv2D",
    "GlobalBlock",
    "GreyToRGB",
    "HounsfieldWindows",
    "ImageStandardization",
    "InvertedResidualMlp",
    "LocalBlock",
    "Mlp",
    "NystromAttention",
    "PatchMerging",
    "PerformerAttention",
    "PositionEmbedding",
    "ReAttention",
    "ResizeAndCrop",
    "SelfAttention",
    "SpatialAttention",
    "StridedConv2D",
    "TransformerBlock",
    "UnbiasedBatchNormalization",
    "WindowAttention",
    "redraw_random_features",
]
