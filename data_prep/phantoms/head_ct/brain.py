"""Brain, ventricles, cisterns, falx and tentorium of the phantom head, as signed distances in mm.

Everything is given in the head coordinates of `skull`. Both sides are made from one by |x|; the asymmetry
comes from the random warp of the points.
"""

import numpy as np

from data_prep.phantoms.head_ct.shapes import cone, ellipsoid, smooth_max, smooth_min

# Polyline of one lateral ventricle: frontal horn to atrium, then occipital and temporal horns.
_FRONTAL_TIP = (15.0, -37.0, 59.0)
_FRONTAL_HORN = (6.5, -19.0, 65.0)
_BODY = (9.5, 4.0, 73.0)
_BODY_BACK = (17.0, 23.0, 71.0)
_ATRIUM = (25.0, 34.0, 61.0)
_OCCIPITAL_TIP = (20.0, 58.0, 56.0)
_TEMPORAL = (34.0, 20.0, 45.0)
_TEMPORAL_TIP = (31.0, -6.0, 30.0)


def lateral_ventricles(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, widening_mm: float
) -> np.ndarray:
    """The two lateral ventricles, with the septum pellucidum between them."""
    ax = np.abs(x)
    w = widening_mm
    horn = cone(ax, y, z, _FRONTAL_TIP, _FRONTAL_HORN, 2.6 + w, 4.4 + w)
    body = cone(ax, y, z, _FRONTAL_HORN, _BODY, 4.4 + w, 4.6 + w)
    back = cone(ax, y, z, _BODY, _BODY_BACK, 4.6 + w, 5.0 + w)
    atrium = cone(ax, y, z, _BODY_BACK, _ATRIUM, 5.0 + w, 6.0 + w)
    occipital = cone(ax, y, z, _ATRIUM, _OCCIPITAL_TIP, 6.0 + w, 1.6 + 0.8 * w)
    upper = cone(ax, y, z, _ATRIUM, _TEMPORAL, 6.0 + w, 2.0 + 0.6 * w)
    temporal = cone(ax, y, z, _TEMPORAL, _TEMPORAL_TIP, 2.0 + 0.6 * w, 1.2 + 0.6 * w)
    distance = smooth_min(np.minimum(horn, body), np.minimum(back, atrium), 1.5)
    distance = smooth_min(
        distance, np.minimum(occipital, np.minimum(upper, temporal)), 1.5
    )
    caudate = ellipsoid(ax, y, z, (14.5, -22.0, 63.0), (5.0, 9.0, 9.0))
    distance = smooth_max(distance, -caudate, 1.5)
    return np.maximum(distance, 0.7 - ax)


def midline_ventricles(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, widening_mm: float
) -> np.ndarray:
    """The third ventricle (a slit between the thalami) and the fourth (a tent before the cerebellum)."""
    w = 0.5 * widening_mm
    third = ellipsoid(x, y, z, (0.0, 1.0, 51.0), (2.2 + w, 15.0, 11.0))
    fourth = ellipsoid(x, y, z, (0.0, 32.0, 18.0), (7.0 + w, 4.2 + w, 12.0))
    return smooth_min(third, fourth, 0.5)


def tentorium_height(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the tentorium over the posterior fossa."""
    slope = np.sqrt((x / 64.0) ** 2 + ((y - 22.0) / 62.0) ** 2)
    return 24.0 + 34.0 * np.maximum(1.0 - slope, -0.2)


def incisura(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The opening of the tentorium for the brainstem (negative inside)."""
    return ellipsoid(x, y, np.zeros_like(x), (0.0, 8.0, 0.0), (17.0, 24.0, 10.0))


def posterior_fossa(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """The space below the tentorium, behind the petrous ridges."""
    ax = np.abs(x)
    petrous = 0.447 * (ax - 12.0) - 0.895 * (y + 2.0)
    below = (z - tentorium_height(x, y)) * 0.85
    return smooth_max(below, petrous, 1.0)


def brainstem(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Midbrain, pons and medulla."""
    pons = ellipsoid(x, y, z, (0.0, 13.0, 20.0), (16.0, 11.0, 17.0))
    midbrain = cone(np.abs(x), y, z, (5.5, 12.0, 30.0), (7.0, 9.0, 41.0), 9.5, 8.0)
    medulla = cone(x, y, z, (0.0, 18.0, 14.0), (0.0, 26.0, -30.0), 8.5, 7.5)
    return smooth_min(smooth_min(pons, midbrain, 2.0), medulla, 2.0)


def folia(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, wobble_mm: np.ndarray
) -> np.ndarray:
    """Distance to the clefts of the cerebellum, shells 5 mm apart round its peduncles; never negative."""
    r = np.sqrt(x * x * 0.7 + (y - 22.0) ** 2 + (z - 18.0) ** 2) + 1.2 * wobble_mm
    return np.abs(np.mod(r, 5.0) - 2.5)


def cisterns(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, widening_mm: float
) -> np.ndarray:
    """Suprasellar star, the cisterns round the brainstem, and the cisterna magna."""
    angle = np.arctan2(x, -(y + 9.0))
    star = np.sqrt(x * x + (y + 9.0) ** 2) - (9.5 + 3.5 * np.cos(5.0 * angle))
    star = smooth_max(star, np.abs(z - 35.0) - 8.0, 2.0)
    stem = brainstem(x, y, z)
    around = smooth_max(stem - (2.6 + 0.5 * widening_mm), np.abs(z - 28.0) - 20.0, 2.0)
    # Behind the pons the peduncles join the cerebellum; behind the midbrain there is a cistern again.
    around = smooth_max(around, 0.7 * (y - 10.0 - 2.2 * np.maximum(z - 31.0, 0.0)), 2.0)
    quadrigeminal = ellipsoid(x, y, z, (0.0, 25.0, 45.0), (8.0, 4.0, 6.5))
    magna = ellipsoid(x, y, z, (0.0, 62.0, -4.0), (14.0, 9.0, 16.0))
    distance = smooth_min(
        smooth_min(star, around, 2.0), np.minimum(quadrigeminal, magna), 1.0
    )
    return np.maximum(distance, -stem)


def sylvian_fissures(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, widening_mm: float
) -> np.ndarray:
    """Each fissure: a cleft from the side of the brain to the insula, and the cleft over the insula."""
    ax = np.abs(x)
    half = 1.0 + 0.45 * widening_mm
    opening = -22.0 + 0.8 * (z - 36.0)
    stem = smooth_max(np.abs(y - opening - 0.08 * (ax - 42.0)) - half, 41.0 - ax, 1.0)
    stem = smooth_max(stem, np.abs(z - 48.0) - 17.0, 3.0)
    over = np.abs(ax - 41.0 - 0.006 * (y + 8.0) ** 2 * np.sign(-8.0 - y) * 0.5) - half
    insula = smooth_max(
        over,
        np.sqrt(((y + 7.0) / 21.0) ** 2 + ((z - 51.0) / 14.0) ** 2) * 16.0 - 16.0,
        2.0,
    )
    return smooth_min(stem, insula, 1.0)


def interhemispheric(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, wobble_mm: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where the two hemispheres are apart: half-thickness, and the fade towards the corpus callosum.

    Returns:
        `sheet`, the signed x distance to the middle; `limit`, negative where the fissure exists.
    """
    sheet = x - wobble_mm
    callosum = ellipsoid(np.zeros_like(x), y, z, (0.0, 2.0, 58.0), (10.0, 42.0, 25.0))
    return sheet, -callosum


def deep_nuclei(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> np.ndarray:
    """Caudate heads, lentiform nuclei and thalami (grey), and the insular cortex."""
    ax = np.abs(x)
    caudate = ellipsoid(ax, y, z, (14.0, -23.0, 62.0), (5.0, 9.0, 10.0))
    turned = ax - 25.0 - 0.35 * (y + 7.0)
    lentiform = ellipsoid(turned, y, z, (0.0, -7.0, 55.0), (5.8, 15.0, 11.0))
    thalamus = ellipsoid(
        ax - 0.25 * (y - 9.0), y, z, (10.5, 9.0, 57.0), (7.5, 13.0, 10.0)
    )
    return np.minimum(np.minimum(caudate, lentiform), thalamus)
