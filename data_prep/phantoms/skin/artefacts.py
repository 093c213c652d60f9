"""What gets between skin and lens: hairs, a ruler, bubbles and a film of gel."""

import cv2
import numpy as np

_SHIFT_BITS = 4
_SCALE = 1 << _SHIFT_BITS

HAIR_COLORS = ((28, 20, 17), (52, 36, 26), (96, 70, 48), (176, 150, 120))
INK = (30, 30, 34)


def add_artefacts(
    rng: np.random.Generator, picture: np.ndarray, px_per_mm: float
) -> np.ndarray:
    """Draws what this picture happens to have of them.

    Args:
        rng: Source of randomness.
        picture: Uint8 RGB of shape `(height, width, 3)`.
        px_per_mm: Its resolution.

    Returns:
        uint8 of the same shape.
    """
    if rng.random() < 0.25:
        picture = _gel(rng, picture, px_per_mm)
    if rng.random() < 0.45:
        picture = _hairs(rng, picture, px_per_mm)
    if rng.random() < 0.15:
        picture = _bubbles(rng, picture, px_per_mm)
    if rng.random() < 0.12:
        picture = _ruler(rng, picture, px_per_mm)
    return picture


def _blend(picture: np.ndarray, color: tuple[int, ...], mask: np.ndarray) -> np.ndarray:
    """Lays a colour over a picture; `mask` is uint8 of shape `(height, width)`, 255 where it is opaque."""
    coverage = cv2.merge([mask, mask, mask])
    paint = np.empty_like(picture)
    paint[:] = color
    over = cv2.multiply(paint, coverage, scale=1 / 255)
    return cv2.add(
        cv2.multiply(picture, cv2.bitwise_not(coverage), scale=1 / 255), over
    )


def _hairs(
    rng: np.random.Generator, picture: np.ndarray, px_per_mm: float
) -> np.ndarray:
    height, width = picture.shape[:2]
    count = int(rng.integers(2, 9) if rng.random() < 0.7 else rng.integers(10, 28))
    color = HAIR_COLORS[rng.integers(len(HAIR_COLORS))]
    direction = rng.uniform(0.0, 2.0 * np.pi)
    mask = np.zeros((height, width), np.uint8)
    t = np.linspace(0.0, 1.0, 14)[:, None]
    for _ in range(count):
        start = rng.uniform((-0.1, -0.1), (1.1, 1.1)) * (width, height)
        heading = direction + rng.normal(0.0, 0.55)
        length = rng.uniform(4.0, 13.0) * px_per_mm
        along = length * np.array([np.cos(heading), np.sin(heading)])
        bend = rng.normal(0.0, 0.22) * np.array([-along[1], along[0]])
        path = start + t * along + 4.0 * t * (1.0 - t) * bend
        thickness = max(1, round(rng.uniform(0.04, 0.10) * px_per_mm))
        points = np.rint(path * _SCALE).astype(np.int32)
        cv2.polylines(
            mask,
            [points],
            False,
            int(rng.integers(150, 245)),
            thickness,
            cv2.LINE_AA,
            _SHIFT_BITS,
        )

    return _blend(picture, color, cv2.GaussianBlur(mask, (0, 0), 0.6))


def _bubbles(
    rng: np.random.Generator, picture: np.ndarray, px_per_mm: float
) -> np.ndarray:
    """Air in the gel: bright rings with a glint."""
    height, width = picture.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    for _ in range(int(rng.integers(2, 14))):
        center = (
            np.rint(rng.uniform((0, 0), (width, height)) * _SCALE).astype(int).tolist()
        )
        radius = rng.uniform(0.10, 0.55) * px_per_mm
        cv2.circle(mask, center, int(radius * _SCALE), 110, 1, cv2.LINE_AA, _SHIFT_BITS)
        glint = [
            int(center[0] - 0.5 * radius * _SCALE),
            int(center[1] - 0.5 * radius * _SCALE),
        ]
        cv2.circle(
            mask, glint, int(0.16 * radius * _SCALE), 235, -1, cv2.LINE_AA, _SHIFT_BITS
        )

    return _blend(picture, (245, 243, 240), cv2.GaussianBlur(mask, (0, 0), 0.7))


def _gel(rng: np.random.Generator, picture: np.ndarray, px_per_mm: float) -> np.ndarray:
    """Broad, faint smears that shine."""
    height, width = picture.shape[:2]
    small = rng.standard_normal((6, 6), dtype=np.float32)
    film = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    mask = np.clip((film - 0.9) * 45.0, 0.0, 38.0).astype(np.uint8)
    return _blend(picture, (238, 240, 245), mask)


def _ruler(
    rng: np.random.Generator, picture: np.ndarray, px_per_mm: float
) -> np.ndarray:
    """A scale along one edge: a tick per mm, a longer one every five."""
    height, width = picture.shape[:2]
    vertical = bool(rng.random() < 0.5)
    long_side, short_side = (height, width) if vertical else (width, height)
    edge = round(rng.uniform(0.02, 0.10) * short_side)
    thickness = max(1, round(0.05 * px_per_mm))
    mask = np.zeros((height, width), np.uint8)
    far = bool(rng.random() < 0.5)
    for tick in range(int(long_side / px_per_mm) + 1):
        at = round(tick * px_per_mm)
        length = (0.9 if tick % 5 == 0 else 0.5) * px_per_mm
        ends = [(at, round(edge)), (at, round(edge + length))]
        if far:
            ends = [(a, short_side - 1 - b) for a, b in ends]
        if vertical:
            ends = [(b, a) for a, b in ends]
        cv2.line(mask, *ends, 225, thickness, cv2.LINE_AA)

    return _blend(picture, INK, mask)
