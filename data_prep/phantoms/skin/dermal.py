"""Lesions of the dermis: dermatofibroma and vascular lesions.

References:
    Zaballos et al., Dermoscopy of dermatofibromas: a prospective morphological study of 412 cases, Archives
    of Dermatology 144(1), 2008.
    Zaballos et al., Dermoscopy of solitary angiokeratomas: a morphological study, Archives of Dermatology
    143(3), 2007: lacunae.
"""

import numpy as np

from data_prep.phantoms.head_ct.shapes import inside, step
from data_prep.phantoms.skin.canvas import Canvas
from data_prep.phantoms.skin.marks import scatter, spots
from data_prep.phantoms.skin.melanocytic import SCAR_WHITE, network
from data_prep.phantoms.skin.outline import outline
from data_prep.phantoms.skin.texture import ridges, smooth_noise

SEPTUM = (0.88, 0.72, 0.72)
LACUNA_COLORS = {
    "cherry": ((0.66, 0.08, 0.10), (0.78, 0.16, 0.16)),
    "purple": ((0.38, 0.08, 0.20), (0.58, 0.12, 0.22)),
    "thrombosed": ((0.13, 0.05, 0.12), (0.40, 0.07, 0.16)),
}


def draw_dermatofibroma(rng: np.random.Generator, canvas: Canvas) -> None:
    """DF: a white scar-like patch in the centre, around it a delicate light brown network that fades out.

    Round and symmetric. Here and there the white is itself a coarse net, and a pink flush lies around it.
    """
    radius_mm = rng.uniform(2.0, 3.9)
    distance = outline(
        rng,
        radius_mm,
        rng.uniform(1.0, 1.3),
        waviness=0.035 * radius_mm,
        roughness=0.03,
    )
    ring_mm = rng.uniform(0.7, 1.3)
    body = inside(distance + np.float32(ring_mm / 2), ring_mm)
    tone = rng.uniform(0.28, 0.70)
    lines = network(rng, rng.uniform(0.34, 0.50), 0.15, rng.uniform(0.15, 0.3))
    canvas.melanin += body * (tone * (0.45 + 0.9 * lines))
    canvas.blood += body * np.float32(rng.uniform(0.02, 0.32))
    center_share = rng.uniform(0.38, 0.62)
    core = inside(
        distance + np.float32(radius_mm * (1.0 - center_share)), rng.uniform(0.5, 1.1)
    )
    strength = rng.uniform(0.5, 0.85)
    if rng.random() < 0.3:
        core = core * (0.45 + 0.55 * ridges(rng, 0.9, 2.5))
    canvas.cover(SCAR_WHITE, strength * core * (0.95 + 0.08 * smooth_noise(rng, 0.8)))


def draw_vascular_lesion(rng: np.random.Generator, canvas: Canvas) -> None:
    """VASC: red, purple or blue-black lacunae, round to oval, well separated by pale septa; a sharp edge.

    Cherry angiomas are bright red, others purple; in thrombosed ones some lacunae are nearly black and a
    whitish veil lies over them.
    """
    kind = rng.choice(tuple(LACUNA_COLORS))
    radius_mm = rng.uniform(1.5, 3.6)
    distance = outline(
        rng, radius_mm, rng.uniform(1.0, 1.4), waviness=0.05 * radius_mm, roughness=0.05
    )
    body = inside(distance, rng.uniform(0.2, 0.5))
    canvas.blood += body * np.float32(rng.uniform(0.3, 0.9))
    canvas.cover(SEPTUM, 0.35 * body)
    apart_mm = rng.uniform(0.55, 0.95)
    lacunae = scatter(
        rng, inside(distance + 0.3, 0.2), int(rng.integers(14, 60)), apart_mm=apart_mm
    )
    sizes_mm = apart_mm * rng.uniform(0.32, 0.58, len(lacunae))
    stretch = rng.uniform(1.0, 1.5, len(lacunae))
    dark = rng.random(len(lacunae)) < rng.uniform(0.3, 0.7)
    for color, chosen in zip(LACUNA_COLORS[kind], (dark, ~dark), strict=True):
        of_color = spots(
            lacunae[chosen], sizes_mm[chosen], elongations=stretch[chosen], blur_mm=0.09
        )
        canvas.cover(color, 0.9 * of_color)

    if kind == "thrombosed":
        veil = step(smooth_noise(rng, radius_mm) - 0.2, 1.0) * inside(
            distance + 0.5, 0.8
        )
        canvas.cover((0.80, 0.76, 0.82), np.float32(rng.uniform(0.2, 0.45)) * veil)
