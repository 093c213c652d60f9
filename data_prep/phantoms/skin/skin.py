"""The skin around and below a lesion: its tone, mottling, furrows and pores."""

import numpy as np

from data_prep.phantoms.skin.canvas import Canvas
from data_prep.phantoms.skin.texture import (
    distance_to_points,
    lattice_points,
    ridges,
    smooth_noise,
)


def draw_skin(rng: np.random.Generator, canvas: Canvas) -> None:
    """Draws skin onto an empty canvas: pale pink to light brown, as in ISIC2018's mostly fair patients."""
    melanin = 0.06 + 0.34 * rng.beta(1.2, 3.0)
    blood = rng.uniform(0.06, 0.30)
    mottling = smooth_noise(rng, 3.5)
    grain = smooth_noise(rng, 0.18)
    furrows = _furrows(rng)
    canvas.melanin += (
        melanin * (1.0 + 0.10 * mottling + 0.05 * grain)
        + rng.uniform(0.01, 0.05) * furrows
    )
    canvas.blood += blood * (1.0 - 0.12 * mottling + 0.10 * grain)


def _furrows(rng: np.random.Generator) -> np.ndarray:
    """The criss-cross of fine lines between the skin's plateaus, 1 in their depth."""
    spacing_mm = rng.uniform(0.6, 1.1)
    plateaus = distance_to_points(lattice_points(rng, spacing_mm, 0.22))
    return np.clip(
        plateaus / np.float32(0.55 * spacing_mm) - 0.45, 0.0, 1.0
    ) + 0.4 * ridges(rng, 1.2, 12.0)
