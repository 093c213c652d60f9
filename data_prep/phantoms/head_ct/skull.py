"""Skull, skull base, orbits, air spaces and scalp of the phantom head, as signed distances in mm.

Head coordinates are the patient's (x to the left, y to the back, z up) with the origin in the middle of the
skull, at the level of the ear canals, for a head of average size.
"""

import numpy as np

from data_prep.phantoms.head_ct.shapes import (
    cone,
    ellipsoid,
    smooth_max,
    smooth_min,
    step,
)

HALF_WIDTH_MM = 68.0
HALF_LENGTH_MM = 85.0
WIDEST_LEVEL_MM = 46.0
VERTEX_MM = 110.0
_LOWER_HEIGHT_MM = 120.0
BASE_TOP_MM = 52.0


def cranium(
    x: np.ndarray, y: np.ndarray, z: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The inner table as if the cranium had no floor.

    Returns:
        The signed distance, and the radial place: 0 in the middle of the head, 1 on the inner table.
    """
    x = x * (1.0 - 0.10 * np.clip(y / HALF_LENGTH_MM - 0.15, -0.9, 0.6))
    height = np.where(
        z > WIDEST_LEVEL_MM, VERTEX_MM - WIDEST_LEVEL_MM, _LOWER_HEIGHT_MM
    ).astype(np.float32)
    gx, gy = x / HALF_WIDTH_MM**2, y / HALF_LENGTH_MM**2
    w = np.abs(z - WIDEST_LEVEL_MM) / height
    u = x * gx + y * gy
    u_root = np.sqrt(np.sqrt(u))
    f = np.sqrt(np.sqrt(u * u_root + w * w * np.sqrt(w)))
    f = f * np.power(f, np.float32(0.6)) + np.float32(1e-3)
    slope = np.sqrt((gx * gx + gy * gy) * u_root * u_root + (w / height) ** 2 * w)
    slope = slope / (f * np.sqrt(f)) + np.float32(1e-4)
    return (f - 1.0) / slope, f


def floor_height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the skull base: anterior fossa, sphenoid wings, sella, petrous ridges, posterior fossa."""
    ax = np.abs(x)
    wing = y + 28.0 + 0.25 * ax
    petrous = -0.447 * (ax - 12.0) + 0.895 * (y + 2.0)
    roof = (
        25.0
        + 9.0 * np.exp(-(((ax - 31.0) / 15.0) ** 2) - ((y + 58.0) / 20.0) ** 2)
        + 0.05 * ax
    )
    bowl = 12.0 - 16.0 * np.exp(-(((ax - 38.0) / 17.0) ** 2) - ((y + 10.0) / 17.0) ** 2)
    front = step(-wing, 8.0)
    height = bowl * (1.0 - front) + roof * front
    height += 6.0 * np.exp(-((wing / 4.5) ** 2)) * step(ax - 8.0, 8.0)
    sella = step(15.0 - ax, 8.0) * step(wing, 6.0) * step(4.0 - y, 10.0)
    height = height * (1.0 - sella) + 27.0 * sella
    behind = step(petrous, 10.0) * step(y, 10.0)
    posterior = -12.0 + 0.009 * ax * ax + 0.012 * np.maximum(y - 25.0, 0.0) ** 2
    height = height * (1.0 - behind) + posterior * behind
    ridge = np.exp(-((petrous / 7.0) ** 2)) * step(ax - 12.0, 8.0)

    return np.maximum(height, 4.0 + 20.0 * ridge)


def petrous_bone(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The pyramids and the mastoid, where the base is thick bone."""
    ax = np.abs(x)
    pyramid = cone(ax, y, z, (14.0, 2.0, 10.0), (60.0, 24.0, 8.0), 8.0, 17.0)
    return pyramid


def orbits(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> tuple[np.ndarray, ...]:
    """Orbit (a cone of fat), globe, lens, and the optic nerve with the two straight muscles beside it."""
    ax = np.abs(x)
    fat = cone(ax, y, z, (15.0, -36.0, 18.0), (33.0, -76.0, 12.0), 4.0, 17.5)
    globe = ellipsoid(ax, y, z, (32.0, -74.0, 12.0), (12.0, 12.0, 12.0))
    lens = ellipsoid(ax, y, z, (32.0, -83.0, 12.0), (4.5, 2.0, 4.5))
    nerve = cone(ax, y, z, (30.5, -62.0, 12.0), (15.0, -36.0, 18.0), 1.8, 1.8)
    medial = cone(ax, y, z, (22.0, -68.0, 12.0), (13.0, -38.0, 17.0), 1.8, 1.4)
    lateral = cone(ax, y, z, (44.0, -66.0, 12.0), (19.0, -38.0, 17.0), 1.8, 1.4)
    return fat, globe, lens, np.minimum(nerve, np.minimum(medial, lateral))


def air_spaces(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, cells: np.ndarray
) -> np.ndarray:
    """Ethmoid and sphenoid sinuses, nasal cavity, frontal sinus, mastoid cells and ear canals.

    Args:
        x: To the patient's left, in mm.
        y: To the back.
        z: Up.
        cells: A random field of short wavelength, which cuts the septa between the air cells.
    """
    ax = np.abs(x)
    septa = 0.9 - 2.6 * np.abs(cells)
    ethmoid = smooth_max(
        ellipsoid(ax, y, z, (6.5, -58.0, 10.0), (5.5, 24.0, 14.0)), septa, 0.5
    )
    sphenoid = ellipsoid(ax, y, z, (8.0, -20.0, 14.0), (7.2, 11.0, 10.0))
    mastoid = smooth_max(
        ellipsoid(ax, y, z, (57.0, 30.0, 2.0), (9.0, 15.0, 20.0)),
        0.6 - 3.0 * np.abs(cells),
        0.5,
    )
    canal = cone(ax, y, z, (46.0, 14.0, 6.0), (86.0, 15.0, 4.0), 2.6, 3.6)
    nose = ellipsoid(ax, y, z, (5.0, -70.0, -14.0), (4.0, 22.0, 14.0))
    air = smooth_min(np.minimum(ethmoid, sphenoid), np.minimum(mastoid, canal), 0.5)
    return np.minimum(np.minimum(air, frontal_sinus(x, y, z)), nose)


def frontal_sinus(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The two air spaces in the frontal bone above the nose."""
    return ellipsoid(np.abs(x - 1.0), y, z, (9.0, -86.5, 33.0), (8.0, 4.0, 10.0))


def scalp_thickness(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, noise: float | np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Scalp, with the temporal muscles low on the sides and the neck muscles low at the back."""
    temporal = np.exp(-(((y + 28.0) / 20.0) ** 2) - ((z - 18.0) / 26.0) ** 2) * step(
        np.abs(x) - 40.0, 20.0
    )
    neck = np.exp(-(((z + 12.0) / 16.0) ** 2)) * step(y - 40.0, 30.0)
    nose = np.exp(-((x / 10.0) ** 2) - ((z - 2.0) / 16.0) ** 2) * step(-y - 60.0, 20.0)
    return (
        5.5 + 1.0 * noise + 9.0 * temporal + 16.0 * neck + 14.0 * nose,
        8.5 * temporal + 12.0 * neck,
    )
