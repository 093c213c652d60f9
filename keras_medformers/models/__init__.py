"""One file per architecture; importing this package registers them all."""

from keras_medformers.models import (
    backbone_classifier,
    dtvit,
    gmic,
    hct,
    hifuse,
    scopeformer,
    scopeformer_vit,
    vit,
)

__all__ = [
    "backbone_classifier",
    "dtvit",
    "gmic",
    "hct",
    "hifuse",
    "scopeformer",
    "scopeformer_vit",
    "vit",
]
