"""Heat maps over the images that they belong to, as PNG files."""

import collections
import hashlib
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np

from keras_medformers.explain import overlay, place_on_picture
from keras_medformers.registry import preprocessor
from keras_medformers.support.errors import UserError
from training.predict.facts import Facts
from training.runs.network_input import crop_fraction as crop_fraction_of

LIKELIEST, ALL = "likeliest", "all"

DIGEST_HEX_DIGITS = 8


def seen_share(facts: Facts) -> float | None:
    """Which part of an image a model sees, by its preprocessing; see `network_input.crop_fraction`."""
    return crop_fraction_of(preprocessor(facts.model, facts.input_size, facts.modality))


class Overlays:
    """Draws and writes overlays.

    Args:
        folder: Where to; made if absent.
        files: All files that there will be overlays of, so that each gets a name of its own.
        crop_fraction: What `seen_share` gives.
        labels: Labels to draw: names, or `ALL`; or `LIKELIEST`, of each output the one with the highest
            probability.
        to_picture: See `Modality.to_picture`.
    """

    def __init__(
        self,
        folder: Path,
        files: Sequence[Path],
        crop_fraction: float | None,
        labels: Sequence[str],
        to_picture: Callable[[np.ndarray], np.ndarray],
    ):
        self._folder = folder
        self._stems = collections.Counter(path.stem.casefold() for path in files)
        self._labels = set(labels)
        self._crop_fraction = crop_fraction
        self._to_picture = to_picture
        folder.mkdir(exist_ok=True)

    def write(
        self,
        path: Path,
        pixels: np.ndarray,
        probabilities: dict[str, dict[str, float]],
        heat_maps: dict[str, np.ndarray],
    ) -> list[str]:
        """Writes the overlays of one image.

        Args:
            path: Its file.
            pixels: Its raw pixels `(height, width, channels)`.
            probabilities: By output and label.
            heat_maps: By output, `(labels, map_height, map_width)` in [0, 1].

        Returns:
            The files' names.

        Raises:
            UserError: If a label that was asked for is none of the model's.
        """
        known = {label for of_output in probabilities.values() for label in of_output}
        if unknown := self._labels - known - {ALL, LIKELIEST}:
            raise UserError(
                f"expected --label to be {ALL}, {LIKELIEST}, or among {', '.join(sorted(known))}. "
                f"Received: {', '.join(sorted(unknown))}"
            )

        picture, names = self._to_picture(pixels), []
        for output, of_output in probabilities.items():
            best = max(of_output, key=of_output.get)
            for label, heat in zip(of_output, heat_maps[output], strict=True):
                if not self._labels & {ALL, label} and not (
                    LIKELIEST in self._labels and label == best
                ):
                    continue
                placed = place_on_picture(heat, *pixels.shape[:2], self._crop_fraction)
                names.append(self._name(path, label))
                shown = overlay(picture, placed)
                (self._folder / names[-1]).write_bytes(
                    cv2.imencode(".png", shown[..., ::-1])[1].tobytes()
                )

        return names

    def _name(self, path: Path, label: str) -> str:
        stem = path.stem
        if self._stems[stem.casefold()] > 1:
            digest = hashlib.sha256(os.fsencode(path)).hexdigest()
            stem += f"_{digest[:DIGEST_HEX_DIGITS]}"
        return re.sub(r"[^\w.-]+", "_", f"{stem}_{label}") + ".png"
