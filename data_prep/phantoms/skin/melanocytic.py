"""Lesions of pigment cells: nevi, orderly, and melanomas, which break every rule of order.

Reference:
    Argenziano et al., Dermoscopy of pigmented skin lesions: results of a consensus meeting via the Internet,
    Journal of the American Academy of Dermatology 48(5), 2003: pattern analysis and the ABCD rule.
"""

import numpy as np

from data_prep.phantoms.head_ct.shapes import inside, step
from data_prep.phantoms.skin.canvas import X_MM, Y_MM, Canvas
from data_prep.phantoms.skin.marks import scatter, spots
from data_prep.phantoms.skin.outline import outline
from data_prep.phantoms.skin.texture import (
    distance_to_points,
    lattice_points,
    smooth_noise,
)

BLUE_WHITE = (0.55, 0.60, 0.70)
SCAR_WHITE = (0.90, 0.84, 0.82)


def network(
    rng: np.random.Generator, spacing_mm: float, jitter: float, line_share: float
) -> np.ndarray:
    """A pigment network: dark lines around pale holes, 1 on the lines.

    Args:
        rng: Source of randomness.
        spacing_mm: Between holes.
        jitter: Disorder of the holes, in spacings.
        line_share: Width of the lines, relative to the spacing.
    """
    away = distance_to_points(lattice_points(rng, spacing_mm, jitter))
    hole_mm = np.float32(0.5 * spacing_mm * (1.0 - line_share))
    return step(away - hole_mm, 0.3 * spacing_mm)


def draw_nevus(rng: np.random.Generator, canvas: Canvas) -> None:
    """NV: round or oval, symmetric, one or two browns, an even pattern that thins out towards the edge.

    Three patterns: reticular (a regular network), globular (even round globules), homogeneous. One in six is
    a little irregular, as atypical nevi are.
    """
    atypical = rng.random() < 0.17
    radius_mm = rng.uniform(1.8, 4.3)
    distance = outline(
        rng,
        radius_mm,
        elongation=rng.uniform(1.0, 1.45),
        waviness=0.035 * radius_mm * (3.0 if atypical else 1.0),
        roughness=0.10 if atypical else 0.02,
    )
    fading_mm = rng.uniform(0.5, 0.9 + 0.35 * radius_mm)
    body = inside(distance + np.float32(fading_mm / 2), fading_mm)
    depth = np.clip(-distance / np.float32(radius_mm), 0.0, 1.0)
    tone = rng.uniform(0.40, 1.05)
    center = rng.uniform(-0.3, 0.5)
    shade = (
        tone * (1.0 + center * (depth - 0.5)) * (1.0 + 0.07 * smooth_noise(rng, 1.5))
    )
    if atypical:
        shade = shade * (1.0 + 0.3 * step(smooth_noise(rng, radius_mm * 1.5), 1.0))
    pattern = rng.choice(("reticular", "globular", "homogeneous"), p=(0.6, 0.22, 0.18))
    if pattern == "reticular":
        lines = network(rng, rng.uniform(0.32, 0.52), 0.15, rng.uniform(0.25, 0.45))
        contrast = rng.uniform(0.3, 0.6) * (1.0 + 0.25 * smooth_noise(rng, 1.5))
        shade = shade * (1.0 - contrast + 1.6 * contrast * lines)
    elif pattern == "globular":
        spacing_mm = rng.uniform(0.42, 0.65)
        away = distance_to_points(lattice_points(rng, spacing_mm, 0.10))
        shade = shade * (
            0.65 + 0.75 * inside(away - np.float32(0.3 * spacing_mm), 0.08)
        )

    canvas.melanin += body * shade
    canvas.blood += body * np.float32(rng.uniform(0.0, 0.22))


def draw_melanoma(rng: np.random.Generator, canvas: Canvas) -> None:
    """MEL: asymmetric, ragged, of several colours, with structures in disorder.

    Light to dark brown and black in patches, an atypical network of broad broken lines, dots and globules of
    any size, and, each in some: a blue-white veil, grey-white regression, pink areas, streaks at the edge.
    One in six is early: small, with a little of each.
    """
    vigor = rng.uniform(0.35, 0.55) if rng.random() < 0.17 else rng.uniform(0.7, 1.0)
    radius_mm = rng.uniform(2.2, 3.6) + 1.2 * vigor
    distance = outline(
        rng,
        radius_mm * 0.85,
        elongation=rng.uniform(1.1, 1.5),
        asymmetry=vigor * rng.uniform(0.3, 0.9),
        waviness=vigor * rng.uniform(0.25, 0.5),
        roughness=vigor * rng.uniform(0.08, 0.18),
    )
    distance = distance + 0.28 * vigor * _streaks(rng)
    # The edge is abrupt on one side and fades on the other.
    fading_mm = 0.15 + 0.8 * step(smooth_noise(rng, 5.0), 1.5)
    body = np.clip(0.5 - (distance + 0.5 * fading_mm) / fading_mm, 0.0, 1.0)
    patches = smooth_noise(rng, radius_mm * 0.9)
    shade = rng.uniform(0.5, 0.95) * (1.0 + 0.55 * vigor * np.tanh(1.3 * patches))
    black = step(smooth_noise(rng, radius_mm) - np.float32(rng.uniform(0.5, 1.1)), 1.0)
    shade = shade + vigor * rng.uniform(0.8, 1.4) * black
    lines = network(rng, rng.uniform(0.45, 0.75), 0.26, rng.uniform(0.4, 0.6))
    where_lines = step(smooth_noise(rng, 3.0), 1.0)
    shade = shade * (1.0 + where_lines * (0.85 * lines - 0.45))
    dots = _dots(rng, body, int(rng.integers(15, 60) * vigor))
    canvas.melanin += body * np.maximum(shade, 0.08) + 1.3 * dots
    pink = step(smooth_noise(rng, radius_mm) - np.float32(rng.uniform(0.0, 0.9)), 0.9)
    canvas.blood += body * np.float32(0.3 * vigor) * pink

    if rng.random() < 0.75:
        veil = step(smooth_noise(rng, radius_mm * 0.9) - 0.5, 1.6) * inside(
            distance + 0.8, 1.2
        )
        canvas.cover(BLUE_WHITE, np.float32(vigor * rng.uniform(0.4, 0.7)) * veil)

    if rng.random() < 0.5:
        scar = step(smooth_noise(rng, radius_mm * 0.8) - 1.0, 1.2) * inside(
            distance + 0.4, 0.8
        )
        canvas.cover(SCAR_WHITE, np.float32(0.6 * vigor) * scar)


def _streaks(rng: np.random.Generator) -> np.ndarray:
    """Rays around the centre, from -1 to 1: streaks and pseudopods where they cross the edge."""
    angle = np.arctan2(Y_MM, X_MM)
    rays = np.sin(
        angle * np.float32(rng.integers(18, 30)) + 1.5 * smooth_noise(rng, 2.5)
    )
    sector = step(np.cos(angle - np.float32(rng.uniform(0.0, 2 * np.pi))) - 0.2, 0.6)
    return rays * sector


def _dots(rng: np.random.Generator, body: np.ndarray, count: int) -> np.ndarray:
    points = scatter(rng, body * (0.2 + step(smooth_noise(rng, 2.5), 1.0)), count)
    sizes_mm = rng.lognormal(np.log(0.11), 0.45, len(points)).clip(0.05, 0.35)
    return spots(points, sizes_mm, rng.uniform(0.5, 1.0, len(points)))
