"""What a model's answer rests on.

Class activation, feature and attention maps, receptive fields, likeness of encoders.
"""

from keras_medformers.explain.attention_maps import attention_maps, attention_of
from keras_medformers.explain.attention_rollout import (
    attention_rollout,
    class_attention,
    has_class_attention,
)
from keras_medformers.explain.effective_receptive_field import (
    ReceptiveField,
    effective_receptive_field,
)
from keras_medformers.explain.feature_maps import (
    backbone_maps,
    has_projections,
    map_redundancy,
    map_tensors,
)
from keras_medformers.explain.grad_cam import grad_cam
from keras_medformers.explain.layer_outputs import encoders_of, layer_outputs
from keras_medformers.explain.overlay import overlay, place_on_picture
from keras_medformers.explain.similarity import cosine_to_last, encoder_similarity

__all__ = [
    "ReceptiveField",
    "attention_maps",
    "attention_of",
    "attention_rollout",
    "backbone_maps",
    "class_attention",
    "cosine_to_last",
    "effective_receptive_field",
    "encoder_similarity",
    "encoders_of",
    "grad_cam",
    "has_class_attention",
    "has_projections",
    "layer_outputs",
    "map_redundancy",
    "map_tensors",
    "overlay",
    "place_on_picture",
]
