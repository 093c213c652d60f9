"""Signed distances to simple solids in mm (negative inside) and the soft edges made from them."""

import numpy as np


def step(value: np.ndarray, width: float) -> np.ndarray:
    """A smooth step from 0 to 1 about zero, `width` wide."""
    t = np.clip(value / np.float32(width) + np.float32(0.5), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def inside(distance_mm: np.ndarray, edge_mm: float) -> np.ndarray:
    """The share of a pixel inside a solid: 1 well inside, 0 outside, a ramp `edge_mm` wide between."""
    return np.clip(np.float32(0.5) - distance_mm * np.float32(1.0 / edge_mm), 0.0, 1.0)


def smooth_max(a: np.ndarray, b: np.ndarray, radius_mm: float) -> np.ndarray:
    """The intersection of two solids with the edge rounded."""
    return 0.5 * (a + b + np.sqrt((a - b) ** 2 + np.float32(radius_mm**2)))


def smooth_min(a: np.ndarray, b: np.ndarray, radius_mm: float) -> np.ndarray:
    """The union of two solids with the joint filled."""
    return 0.5 * (a + b - np.sqrt((a - b) ** 2 + np.float32(radius_mm**2)))


def ellipsoid(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    center_mm: tuple[float, ...],
    radii_mm: tuple[float, ...],
) -> np.ndarray:
    """Signed distance, to first order, to an ellipsoid with axes along the coordinates."""
    dx, dy, dz = x - center_mm[0], y - center_mm[1], z - center_mm[2]
    a, b, c = (np.float32(1.0 / radius**2) for radius in radii_mm)
    f2 = dx * dx * a + dy * dy * b + dz * dz * c
    gradient = np.sqrt(
        dx * dx * a * a + dy * dy * b * b + dz * dz * c * c
    ) + np.float32(1e-4)
    f = np.sqrt(f2)
    return (f2 - f) / gradient


def cone(
    x: np.ndarray,
    y: np.ndarray,
    z: np.ndarray,
    start_mm: tuple[float, ...],
    end_mm: tuple[float, ...],
    start_radius_mm: float,
    end_radius_mm: float,
) -> np.ndarray:
    """Signed distance to a segment with a radius that changes linearly along it."""
    ax, ay, az = (float(e - s) for s, e in zip(start_mm, end_mm, strict=True))
    dx, dy, dz = x - start_mm[0], y - start_mm[1], z - start_mm[2]
    along = np.clip(
        (dx * ax + dy * ay + dz * az) * (1.0 / (ax * ax + ay * ay + az * az)), 0.0, 1.0
    )
    radius = start_radius_mm + (end_radius_mm - start_radius_mm) * along
    dx, dy, dz = dx - ax * along, dy - ay * along, dz - az * along
    return np.sqrt(dx * dx + dy * dy + dz * dz) - radius
