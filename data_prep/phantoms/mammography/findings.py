"""Findings: what each type adds to the brightness around its centre, benign and malignant.

A finding is drawn on a square tile of its own, in mm from its centre, and added to the breast. Benign masses
are round and smooth, malignant ones irregular with spicules; benign calcifications few, round and coarse,
malignant ones many, fine and of many shapes; a distortion is a star of lines without a mass; an asymmetry a
density without a border (HCT, section 6).
"""

from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantoms.mammography.noise import fractal, smooth_step

_SHIFT = 4
_OVERSAMPLING = 3
SEEN = 0.05
"""A pixel belongs to the finding's box where it adds more than this."""


@dataclass(frozen=True)
class Tile:
    """A finding on its tile.

    Attributes:
        added: Brightness to add; float32 (side, side).
        smoothed: How much of the tissue's own texture is lost, 0 to 1;
            float32 (side, side).
    """

    added: np.ndarray
    smoothed: np.ndarray


def size_of(finding_type: str, malignant: bool, rng: np.random.Generator) -> float:
    """Radius in mm of a finding: its body's, a star's or a cluster's."""
    low, high = {
        ("mass", False): (4.5, 11.0),
        ("mass", True): (4.0, 10.0),
        ("calcifications", False): (6.0, 13.0),
        ("calcifications", True): (4.0, 9.0),
        ("architectural_distortion", True): (8.0, 15.0),
        ("focal_asymmetry", False): (7.0, 11.0),
        ("focal_asymmetry", True): (9.0, 15.0),
    }[finding_type, malignant]
    return rng.uniform(low, high)


def draw(
    finding_type: str,
    malignant: bool,
    radius_mm: float,
    spacing_mm: float,
    rng: np.random.Generator,
) -> Tile:
    """Draws a finding.

    Args:
        finding_type: Of `labels.FINDING_TYPES`.
        malignant: Whether it is.
        radius_mm: See `size_of`.
        spacing_mm: Distance of pixels.
        rng: Source of randomness.

    Returns:
        `Tile` of odd side, with the finding at its middle pixel.
    """
    half = int(np.ceil(2.6 * radius_mm / spacing_mm)) + 2
    kind = {
        "mass": _spiculated_mass if malignant else _round_mass,
        "calcifications": _fine_calcifications if malignant else _coarse_calcifications,
        "architectural_distortion": _distortion,
        "focal_asymmetry": _asymmetry if malignant else _faint_asymmetry,
    }[finding_type]
    return kind(radius_mm / spacing_mm, half, spacing_mm, rng)


def box_of(added: np.ndarray) -> tuple[int, ...]:
    """First column and row, width and height of what is seen of a tile, from its upper left corner."""
    seen = np.abs(added) > SEEN
    columns, rows = np.flatnonzero(seen.any(axis=0)), np.flatnonzero(seen.any(axis=1))
    return columns[0], rows[0], columns[-1] + 1 - columns[0], rows[-1] + 1 - rows[0]


def _polar(half: int) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-half : half + 1, -half : half + 1].astype(np.float32)
    return np.hypot(x, y), np.arctan2(y, x)


def _round_mass(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    distance, angle = _polar(half)
    stretch = 1 + rng.uniform(0.0, 0.18) * np.cos(2 * (angle - rng.uniform(0, np.pi)))
    stretch += rng.uniform(0.0, 0.05) * np.cos(3 * (angle - rng.uniform(0, np.pi)))
    share = distance / (radius * stretch)
    body = 1 - smooth_step(share, 0.86, 1.04)
    halo = np.exp(-(((share - 1.13) / 0.06) ** 2))
    added = rng.uniform(0.20, 0.28) * body - 0.05 * halo
    return Tile(added.astype(np.float32), 0.6 * body)


def _spiculated_mass(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    distance, angle = _polar(half)
    ragged = np.ones_like(angle)
    for waves in range(2, 9):
        ragged += rng.normal(0, 0.22 / waves**0.7) * np.cos(
            waves * angle + rng.uniform(0, 2 * np.pi)
        )
    share = distance / (0.72 * radius * np.clip(ragged, 0.45, 1.6))
    body = 1 - smooth_step(share, 0.55, 1.2)
    star = _star(radius, half, rng, rng.integers(16, 26), (1.0, 1.9), 0.9 / spacing_mm)
    added = rng.uniform(0.32, 0.42) * body + 0.22 * star * (1 - 0.8 * body)
    return Tile(added.astype(np.float32), 0.4 * body)


def _distortion(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    bright = _star(
        radius, half, rng, rng.integers(18, 28), (0.7, 1.3), 1.0 / spacing_mm
    )
    dark = _star(radius, half, rng, rng.integers(12, 18), (0.6, 1.1), 1.1 / spacing_mm)
    distance, _ = _polar(half)
    middle = np.exp(-((distance / (0.22 * radius)) ** 2))
    added = 0.26 * bright - 0.16 * dark + 0.10 * middle
    return Tile(
        added.astype(np.float32), 0.5 * np.exp(-((distance / (0.9 * radius)) ** 2))
    )


def _asymmetry(
    radius: float,
    half: int,
    spacing_mm: float,
    rng: np.random.Generator,
    strength: tuple[float, float] = (0.22, 0.30),
) -> Tile:
    distance, angle = _polar(half)
    shape = (2 * half + 1,) * 2
    wavy = distance / radius + 0.22 * fractal(rng, shape, 1.3 * radius, 3)
    body = 1 - smooth_step(wavy, 0.2, 1.15)
    body *= np.clip(1 + 0.25 * fractal(rng, shape, 0.8 * radius, 3), 0.3, 1.6)
    return Tile(
        (rng.uniform(*strength) * body).astype(np.float32), np.zeros(shape, np.float32)
    )


def _faint_asymmetry(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    return _asymmetry(radius, half, spacing_mm, rng, strength=(0.10, 0.14))


def _fine_calcifications(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    """Many specks of every shape, close together."""
    side = (2 * half + 1) * _OVERSAMPLING
    canvas = np.zeros((side, side), np.float32)
    for _ in range(rng.integers(26, 55)):
        x, y = rng.normal(0, 0.42 * radius, 2)
        speck = np.zeros((side, side), np.uint8)
        angle = rng.uniform(0, np.pi)
        long_mm, short_mm = rng.uniform(0.45, 1.3), rng.uniform(0.3, 0.55)
        corners = []
        for corner in np.sort(rng.uniform(0, 2 * np.pi, rng.integers(4, 8))):
            along, across = (
                0.5 * long_mm * np.cos(corner),
                0.5 * short_mm * np.sin(corner),
            )
            corners.append(
                (
                    x * spacing_mm + along * np.cos(angle) - across * np.sin(angle),
                    y * spacing_mm + along * np.sin(angle) + across * np.cos(angle),
                )
            )
        points = (np.array(corners) / spacing_mm + half + 0.5) * _OVERSAMPLING
        cv2.fillPoly(
            speck,
            [np.rint(points * 2**_SHIFT).astype(np.int32)],
            255,
            cv2.LINE_AA,
            shift=_SHIFT,
        )
        np.maximum(
            canvas, speck * np.float32(rng.uniform(0.45, 0.75) / 255), out=canvas
        )

    return _calcifications(canvas, half)


def _coarse_calcifications(
    radius: float, half: int, spacing_mm: float, rng: np.random.Generator
) -> Tile:
    """A few round ones far apart."""
    side = (2 * half + 1) * _OVERSAMPLING
    canvas = np.zeros((side, side), np.float32)
    for _ in range(rng.integers(3, 8)):
        x, y = rng.uniform(-0.75 * radius, 0.75 * radius, 2)
        centre = np.rint(
            (np.array([x, y]) + half + 0.5) * _OVERSAMPLING * 2**_SHIFT
        ).astype(int)
        speck = np.zeros((side, side), np.uint8)
        size = rng.uniform(0.6, 1.2) / spacing_mm * _OVERSAMPLING
        cv2.circle(
            speck,
            centre.tolist(),
            round(size * 2**_SHIFT),
            255,
            -1,
            cv2.LINE_AA,
            shift=_SHIFT,
        )
        np.maximum(canvas, speck * np.float32(rng.uniform(0.35, 0.5) / 255), out=canvas)

    return _calcifications(canvas, half)


def _calcifications(canvas: np.ndarray, half: int) -> Tile:
    side = 2 * half + 1
    added = cv2.resize(canvas, (side, side), interpolation=cv2.INTER_AREA)
    return Tile(added, np.zeros((side, side), np.float32))


def _star(
    radius: float,
    half: int,
    rng: np.random.Generator,
    lines: int,
    reach: tuple[float, float],
    width: float,
) -> np.ndarray:
    """Lines that meet in the middle and fade outwards, 0 to 1; `reach` is their length in radii."""
    side = 2 * half + 1
    total = np.zeros((side, side), np.float32)
    turns = np.linspace(0, 2 * np.pi, lines, endpoint=False) + rng.normal(
        0, 0.12, lines
    )
    for angle in turns:
        length = radius * rng.uniform(*reach)
        bend = rng.normal(0, 0.12)
        line = np.zeros((side, side), np.uint8)
        along = np.linspace(0.1, 1.0, 6) * length
        heading = angle + bend * np.linspace(0, 1, 6)
        points = (
            np.stack([along * np.cos(heading), along * np.sin(heading)], axis=1) + half
        )
        points = np.rint(points * 2**_SHIFT).astype(np.int32)
        thickness = max(1, round(width * rng.uniform(0.7, 1.3)))
        cv2.polylines(line, [points], False, 255, thickness, cv2.LINE_AA, shift=_SHIFT)
        np.maximum(
            total, line.astype(np.float32) * (rng.uniform(0.6, 1.0) / 255), out=total
        )

    distance, _ = _polar(half)
    fade = 1 - smooth_step(distance / radius, 0.5 * reach[1], reach[1])
    return cv2.GaussianBlur(total, (0, 0), max(0.25 * width, 0.4)) * fade
