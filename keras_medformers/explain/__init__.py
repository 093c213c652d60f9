"""What a model's answer rests on: class activation maps and their pictures."""

from keras_medformers.explain.grad_cam import grad_cam
from keras_medformers.explain.overlay import overlay, place_on_picture

__all__ = ["grad_cam", "overlay", "place_on_picture"]
