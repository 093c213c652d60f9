"""Grad-CAM of a run's network, over images as they are stored."""

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from data_prep.modalities import get_reader
from keras_medformers import registry
from keras_medformers.explain import (
    encoders_of,
    grad_cam,
    overlay,
    place_on_picture,
)
from keras_medformers.modalities import get_modality
from keras_medformers.support.errors import UserError
from training.explain.batches import fitting_batch
from training.runs import network_input
from training.runs.config import Config
from training.runs.reading import settings_of_run
from training.runs.trained_model import load_model
from training.tasks import tasks

GRID_LAYERS = ("global_feature_map", "patch_embed")
"""Layers whose map, where a model has one, is read as tokens."""


class Explainer:
    """A run's network and what belongs to it.

    Args:
        run_dir: Folder of a trained run.
        layer_name: Layer whose map is used; None takes the model's feature layer, or of a network that is all
            tokens those that go into its last encoder.
        label: Label to show, or None for the predicted one.

    Raises:
        UserError: If there is no such run, label or layer.
    """

    def __init__(self, run_dir: str | Path, layer_name: str | None, label: str | None):
        self.config = Config.load(run_dir)
        if label is not None and label not in self.config.label_names:
            raise UserError(
                f"expected --label to be one of {', '.join(self.config.label_names)}, received {label!r}"
            )

        self.class_index = (
            None if label is None else self.config.label_names.index(label)
        )
        self.modality = get_modality(self.config.modality)
        self.noun = self.modality.one
        self.task = tasks.task_of(self.config)
        self.model = self.task.with_one_output(load_model(run_dir))
        features = registry.model_entry(self.config.model).layers.features
        self.layer_name, self.grid = _layer_and_grid(self.model, layer_name, features)
        self.preprocessor = network_input.preprocessor_of(self.config)
        self.crop_fraction = network_input.crop_fraction(self.preprocessor)

    def read(self, path: Path) -> np.ndarray:
        """A file's image as the records of the run hold such images.

        Raises:
            UnreadableImage: If it cannot be had.
        """
        return get_reader(self.config.modality).read(path, self._settings).pixels

    @functools.cached_property
    def _settings(self):
        return settings_of_run(self.config)

    def explain(
        self, images: Sequence[np.ndarray]
    ) -> Iterator[tuple[dict, np.ndarray, np.ndarray]]:
        """Explains raw images.

        Args:
            images: List of what `read` gives.

        Yields:
            Per image what was found (`predicted`, `label` and its `probability`), the image as uint8 RGB, and
            the same with the heat over it.

        Raises:
            UserError: If the layer does not fit.
        """
        inputs = np.concatenate(
            [np.asarray(self.preprocessor(image[np.newaxis])) for image in images]
        )
        try:
            maps, logits = grad_cam(
                self.model,
                inputs,
                self.layer_name,
                self._classes(inputs),
                grid=self.grid,
                batch_size=fitting_batch(inputs, len(inputs)),
                return_logits=True,
            )
        except ValueError as error:
            raise UserError(str(error)) from error

        names = self.config.label_names
        for image, heat, scores in zip(images, maps, logits, strict=True):
            probabilities = self.task.probabilities(scores)
            predicted = int(self.task.answer(probabilities[np.newaxis])[0])
            shown = predicted if self.class_index is None else self.class_index
            row = {
                "predicted": names[predicted],
                "label": names[shown],
                "probability": probabilities[shown],
            }
            picture = self.modality.to_picture(image)
            yield (
                row,
                picture,
                overlay(
                    picture,
                    place_on_picture(heat, *image.shape[:2], self.crop_fraction),
                ),
            )

    def _classes(self, inputs):
        """The class to show; None for that of the highest logit, which of several tasks says nothing."""
        if self.class_index is not None or len(self.task.spec.outputs) == 1:
            return self.class_index
        return self.task.answer(
            self.task.probabilities(self.model.predict_on_batch(inputs))
        )


def _layer_and_grid(model, layer_name, features):
    """The layer asked for, or the usual one; and how its tokens lie in the image, if it gives tokens."""
    layers = {layer.name: layer for layer in model.layers}
    if layer_name is None:
        layer_name = features
        if len(layers[features].output.shape) == 2:  # of the class token, not of a map
            encoders = encoders_of(model)
            layer_name = (
                encoders[-2].name if len(encoders) > 1 else "position_embedding"
            )

    grids = [layers[name].output.shape[1:3] for name in GRID_LAYERS if name in layers]
    gives_tokens = (
        layer_name in layers
        and len(getattr(layers[layer_name].output, "shape", ())) == 3
    )
    return layer_name, grids[0] if gives_tokens and grids else None
