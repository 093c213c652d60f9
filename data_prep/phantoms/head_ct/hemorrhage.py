"""Bleedings inside the head: random solids whose shape and place make their kind."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from data_prep.phantoms.head_ct import skull
from data_prep.phantoms.head_ct.anatomy import Fields, Points
from data_prep.phantoms.head_ct.shapes import ellipsoid, smooth_max, step

DEEP, LOBAR, SUBTENTORIAL = "deep", "lobar", "subtentorial"

# What a bleeding fills: all inside the skull, only the spaces round the brain, or only the ventricles.
CAVITY, SUBARACHNOID_SPACE, VENTRICLES = "cavity", "subarachnoid space", "ventricles"


@dataclass
class Hemorrhage:
    """One bleeding.

    Attributes:
        kind: The label it makes positive.
        location: Deep, lobar or subtentorial, where the slice does not say otherwise.
        space: What it fills.
        hu: Its mean radiodensity.
        distance: Function of `anatomy.Fields` giving the signed distance in mm, negative inside.
        center_mm: Its middle in head coordinates.
        push_mm: How far it displaces the brain near it.
        oedema_mm: Width of the dark rim.
        edge_mm: Softness of its border.
    """

    kind: str
    location: str
    space: str
    hu: float
    distance: object
    center_mm: tuple
    push_mm: float = 0.0
    oedema_mm: float = 0.0
    edge_mm: float = 0.0


def mass_effect(hemorrhages: list[Hemorrhage]) -> Callable | None:
    """The displacement of the brain by the bleedings, as a function of x, y, z in mm; None without any."""
    pushing = [h for h in hemorrhages if h.push_mm > 0.0]
    if not pushing:
        return None

    def shift(x: np.ndarray, y: np.ndarray, z: np.ndarray) -> list[np.ndarray]:
        total = [np.zeros_like(x) for _ in range(3)]
        for h in pushing:
            inward = np.array([0.0, 0.0, 55.0]) - np.array(h.center_mm)
            inward[1:] *= 0.4
            inward *= h.push_mm / (np.linalg.norm(inward) + 1e-6)
            r2 = (
                (x - h.center_mm[0]) ** 2
                + (y - h.center_mm[1]) ** 2
                + (z - h.center_mm[2]) ** 2
            )
            weight = np.exp(r2 * np.float32(-1.0 / (2.0 * 42.0**2)))
            for axis in range(3):
                total[axis] += np.float32(inward[axis]) * weight
        return total

    return shift


def _on_ray(direction: tuple[float, ...], radial: float) -> tuple[float, ...]:
    """The point of a ray from the middle of the cranium at radial place `radial` (1 is the inner table)."""
    direction = np.asarray(direction, np.float32) / np.linalg.norm(direction)
    reach = 0.5
    for _ in range(60):
        p = direction * reach + np.float32([0, 0, skull.WIDEST_LEVEL_MM])
        _, f = skull.cranium(*(p.reshape(3, 1, 1)))
        if f.item() >= radial:
            break
        reach *= 1.0 + min(0.3, max(0.005, radial / max(f.item(), 1e-3) - 1.0))
    return tuple(float(v) for v in p)


def _convexity_direction(
    rng: np.random.Generator, low: float = -0.25, high: float = 0.8
) -> tuple[float, ...]:
    """A direction to the side of the head, seldom straight to the front or back."""
    side = rng.choice((-1.0, 1.0))
    angle = np.clip(rng.normal(0.1, 0.5), -1.1, 1.1)
    return side * np.cos(angle), np.sin(angle) * 1.2, rng.uniform(low, high)


def _blood_hu(rng: np.random.Generator) -> float:
    return float(rng.uniform(62.0, 80.0))


def _radius2(points: Points, center: tuple[float, ...]) -> np.ndarray:
    return (
        (points.x - center[0]) ** 2
        + (points.y - center[1]) ** 2
        + (points.z - center[2]) ** 2
    )


def epidural(rng: np.random.Generator) -> Hemorrhage:
    """A biconvex lens between the inner table and the dura."""
    center = _on_ray(_convexity_direction(rng), 1.0)
    radius = float(np.clip(rng.lognormal(np.log(34.0), 0.25), 12.0, 50.0))
    thickness = float(radius * rng.uniform(0.45, 0.75))

    def distance(fields: Fields) -> np.ndarray:
        bulge = thickness * (1.0 - _radius2(fields.points, center) / radius**2)
        depth = -fields.mm["cavity"]
        return smooth_max((depth - bulge) * 0.85, -fields.mm["fossa"], 1.0)

    return Hemorrhage(
        "epidural", LOBAR, CAVITY, _blood_hu(rng), distance, center, 0.35 * thickness
    )


def subdural(rng: np.random.Generator) -> Hemorrhage:
    """A crescent over one hemisphere, or a band along the falx."""
    if rng.random() < 0.2:
        return _parafalcine(rng)
    center = _on_ray(_convexity_direction(rng, 0.0, 0.7), 1.0)
    radius = float(rng.uniform(50.0, 78.0))
    thickness = float(np.clip(rng.lognormal(np.log(10.5), 0.4), 2.5, 20.0))
    side = np.sign(center[0])

    def distance(fields: Fields) -> np.ndarray:
        r = np.sqrt(_radius2(fields.points, center))
        layer = (
            thickness * (step(radius * 0.75 - r, radius * 0.6) + 0.06 * fields.noise[3])
            - 0.4
        )
        layer = layer * step(radius * 1.02 - r, 4.0)
        one_side = 1.5 - side * fields.mm["middle"]
        distance = np.maximum((-fields.mm["cavity"] - layer) * 0.95, one_side)
        return smooth_max(distance, -fields.mm["fossa"], 1.0)

    return Hemorrhage(
        "subdural", LOBAR, CAVITY, _blood_hu(rng), distance, center, 0.45 * thickness
    )


def _parafalcine(rng: np.random.Generator) -> Hemorrhage:
    center = (
        0.0,
        float(rng.choice((-62.0, 55.0)) + rng.uniform(-8.0, 8.0)),
        float(rng.uniform(72.0, 95.0)),
    )
    radius = float(rng.uniform(25.0, 40.0))
    thickness = float(rng.uniform(3.0, 7.0))
    side = float(rng.choice((-1.0, 1.0)))

    def distance(fields: Fields) -> np.ndarray:
        r = np.sqrt(_radius2(fields.points, center))
        layer = thickness * (step(radius - r, 14.0) + 0.1 * fields.noise[3])
        across = side * fields.mm["middle"]
        band = np.maximum(across - layer, -across)
        return np.maximum(np.maximum(band, r - radius), fields.mm["middle_limit"] + 2.0)

    return Hemorrhage("subdural", LOBAR, CAVITY, _blood_hu(rng), distance, center)


def subarachnoid(rng: np.random.Generator) -> Hemorrhage:
    """Blood in the sulci of a part of the convexity, or in the basal cisterns and Sylvian fissures."""
    if rng.random() < 0.45:
        center = (float(rng.normal(0.0, 10.0)), -6.0, 36.0)
        radius = float(rng.uniform(42.0, 70.0))
        stretch = 0.55
    else:
        center = _on_ray(_convexity_direction(rng), 0.95)
        radius = float(rng.uniform(32.0, 60.0))
        stretch = 1.0

    def distance(fields: Fields) -> np.ndarray:
        p = fields.points
        r2 = (
            (p.x - center[0]) ** 2
            + (p.y - center[1]) ** 2
            + ((p.z - center[2]) / stretch) ** 2
        )
        return np.sqrt(r2) - radius + 5.0 * fields.noise[3]

    return Hemorrhage(
        "subarachnoid",
        LOBAR,
        SUBARACHNOID_SPACE,
        float(rng.uniform(58.0, 72.0)),
        distance,
        center,
        edge_mm=6.0,
    )


def intraparenchymal(
    rng: np.random.Generator, least_mm: float = 2.5, median_mm: float = 17.0
) -> Hemorrhage:
    """An irregular clot in the brain with a rim of oedema: deep, lobar or below the tentorium.

    Args:
        rng: Generator.
        least_mm: Smallest radius, unless its place is narrower.
        median_mm: Median of the radii, before the place limits them.
    """
    place = rng.choice((DEEP, LOBAR, SUBTENTORIAL), p=(0.45, 0.38, 0.17))
    side = float(rng.choice((-1.0, 1.0)))
    jitter = rng.normal(0.0, 2.0, 3)
    limit = 34.0
    if place == DEEP:
        center = (
            (side * 26.0, -4.0, 55.0)
            if rng.random() < 0.6
            else (side * 12.0, 9.0, 57.0)
        )
        limit = 26.0
    elif place == LOBAR:
        center = _on_ray(
            _convexity_direction(rng, 0.0, 0.9), float(rng.uniform(0.6, 0.8))
        )
    else:
        center = (side * 22.0, 48.0, 14.0) if rng.random() < 0.7 else (0.0, 13.0, 20.0)
        limit = 19.0 if center[0] else 9.0
    center = tuple(float(v) for v in np.asarray(center) + jitter)
    radius = float(
        np.clip(rng.lognormal(np.log(median_mm), 0.5), min(least_mm, limit), limit)
    )
    stretch = rng.uniform(0.8, 1.25, 3)
    roughness = float(rng.uniform(0.06, 0.14)) * radius

    def distance(fields: Fields) -> np.ndarray:
        p = fields.points
        solid = ellipsoid(p.x, p.y, p.z, center, tuple(radius * stretch))
        solid = solid + roughness * (fields.noise[0] + 0.6 * fields.noise[3])
        bound = fields.mm["pia"] + 1.0
        tent = fields.mm["fossa"] if place == SUBTENTORIAL else -fields.mm["fossa"]
        return smooth_max(np.maximum(solid, bound), tent, 1.0)

    return Hemorrhage(
        "intraparenchymal",
        place,
        CAVITY,
        _blood_hu(rng),
        distance,
        center,
        push_mm=0.18 * radius,
        oedema_mm=float(rng.uniform(2.0, 4.0) + 0.2 * radius),
    )


def intraventricular(rng: np.random.Generator) -> Hemorrhage:
    """Blood settled in the dependent parts of the ventricles, sometimes a cast of one side and the middle."""
    level = float(np.clip(rng.normal(42.0, 12.0), 5.0, 58.0))
    cast_side = float(rng.choice((-1.0, 1.0))) if rng.random() < 0.5 else 0.0

    def distance(fields: Fields) -> np.ndarray:
        settled = level - fields.points.down + 1.0 * fields.noise[3]
        if cast_side:
            settled = np.minimum(settled, -1.0 - cast_side * fields.warped.x)
        return settled

    return Hemorrhage(
        "intraventricular",
        DEEP,
        VENTRICLES,
        float(rng.uniform(58.0, 75.0)),
        distance,
        (0.0, level, 60.0),
        edge_mm=1.5,
    )


KINDS = {
    "epidural": epidural,
    "intraparenchymal": intraparenchymal,
    "intraventricular": intraventricular,
    "subarachnoid": subarachnoid,
    "subdural": subdural,
}
