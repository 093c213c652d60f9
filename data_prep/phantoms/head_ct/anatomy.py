"""One random head: its measures, and the fields that say where each of its tissues is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from data_prep.phantoms.head_ct import brain, skull
from data_prep.phantoms.head_ct.noise import NoiseVolume
from data_prep.phantoms.head_ct.shapes import smooth_max

_SULCI_WAVELENGTH_MM = 25.0
_WARP_WAVELENGTH_MM = 75.0
_CELL_WAVELENGTH_MM = 11.0
_NEVER_MM = np.float32(50.0)


@dataclass
class Points:
    """Where the pixels of one plane are in the head, in mm; arrays of one 2D shape.

    Attributes:
        x: To the patient's left, from the middle of the head.
        y: To the back.
        z: Up.
        down: How far along gravity, which is to the back of the scanner for a patient lying face up.
    """

    x: np.ndarray
    y: np.ndarray
    z: np.ndarray
    down: np.ndarray


@dataclass
class Fields:
    """Signed distances in mm (negative inside) and random fields on the points of one plane."""

    points: Points
    warped: Points
    noise: list
    radial: np.ndarray
    mm: dict = field(default_factory=dict)


class Head:
    """A random head of plausible size and age.

    Args:
        rng: Source of randomness; two heads made from equal generators are the same.
    """

    def __init__(self, rng: np.random.Generator):
        self.scale = (
            1.0
            + 0.035 * np.clip(rng.standard_normal(), -2, 2)
            + 0.02 * np.clip(rng.standard_normal(3), -2, 2)
        )
        self.atrophy = float(rng.beta(1.6, 2.4))
        self.skull_mm = float(rng.uniform(5.0, 8.0))
        self.scalp_mm = float(rng.uniform(-1.0, 2.5))
        self.bone_hu = float(rng.uniform(1000.0, 1350.0))
        self.grey_hu = float(rng.uniform(36.0, 39.0))
        self.white_hu = float(rng.uniform(28.0, 30.5))
        self.csf_hu = float(rng.uniform(4.0, 9.0))
        self.ventricle_mm = (
            -0.8 + 4.0 * self.atrophy + 0.6 * float(rng.standard_normal())
        )
        self.noise = NoiseVolume(
            rng,
            (
                _SULCI_WAVELENGTH_MM,
                _WARP_WAVELENGTH_MM,
                _WARP_WAVELENGTH_MM,
                _CELL_WAVELENGTH_MM,
            ),
            (0.22, 0.35, 0.35, 0.3),
        )

    def fields(self, points: Points, shift: Callable | None = None) -> Fields:
        """Evaluates the anatomy on the points of a plane.

        Args:
            points: `Points` in head coordinates of this head (mm).
            shift: Function of x, y, z giving the displacement (mm) of the brain by masses, or None.
        """
        x, y, z = (
            axis / np.float32(s)
            for axis, s in zip((points.x, points.y, points.z), self.scale, strict=True)
        )
        noise = self.noise.sample(x, y, z)
        _, warp_a, warp_b, _ = noise
        unwarped = Points(x, y, z, points.down)
        bx, by, bz = x + 2.2 * warp_a, y + 2.2 * warp_b, z + 1.6 * (warp_a - warp_b)
        if shift is not None:
            dx, dy, dz = shift(x, y, z)
            bx, by, bz = bx - dx, by - dy, bz - dz

        warped = Points(bx, by, bz, points.down)
        low = float(z.min()) < skull.BASE_TOP_MM
        dome, radial = skull.cranium(x, y, z)
        dome = dome + 0.9 * warp_a
        fields = Fields(unwarped, warped, noise, radial)
        mm = fields.mm
        mm["dome"] = dome
        mm["table"] = dome - (self.skull_mm + 0.8 * warp_b)
        scalp, muscle = skull.scalp_thickness(x, y, z, warp_b)
        mm["skin"] = mm["table"] - (scalp + self.scalp_mm)
        mm["muscle"] = mm["table"] - (muscle + 1.2)

        if low:
            self._base(fields)
        else:
            mm["cavity"] = dome

        self._brain(fields, low)
        return fields

    def outline(self, points: Points) -> np.ndarray:
        """Signed distance to somewhat more than the head, quick to have; negative inside."""
        x, y, z = (
            axis / np.float32(s)
            for axis, s in zip((points.x, points.y, points.z), self.scale, strict=True)
        )
        dome, _ = skull.cranium(x, y, z)
        scalp, _ = skull.scalp_thickness(x, y, z, 1.0)
        return dome - (self.skull_mm + self.scalp_mm + scalp + 7.0)

    def _base(self, fields: Fields) -> None:
        x, y, z = fields.points.x, fields.points.y, fields.points.z
        mm = fields.mm
        mm["floor"] = (
            skull.floor_height(x, y) + 1.2 * fields.noise[2] - z
        ) * np.float32(0.8)
        mm["cavity"] = smooth_max(mm["dome"], mm["floor"], 3.0)
        mm["cavity"] = smooth_max(mm["cavity"], 2.0 - skull.frontal_sinus(x, y, z), 3.0)
        mm["petrous"] = skull.petrous_bone(x, y, z)
        mm["orbit"], mm["globe"], mm["lens"], mm["nerve"] = skull.orbits(x, y, z)
        mm["front"] = y + 40.0
        mm["air"] = skull.air_spaces(x, y, z, fields.noise[3])

    def _brain(self, fields: Fields, low: bool) -> None:
        x, y, z = fields.warped.x, fields.warped.y, fields.warped.z
        mm = fields.mm
        w = np.float32(self.ventricle_mm)
        depth = -mm["cavity"]
        if low:
            fossa = brain.posterior_fossa(x, y, z)
            mm["incisura"] = brain.incisura(x, y)
            mm["stem"] = brain.brainstem(x, y, z)
            mm["cisterns"] = (
                brain.cisterns(x, y, z, 1.5 * self.atrophy) + 0.6 * fields.noise[3]
            )
            mm["folia"] = brain.folia(x, y, z, fields.noise[3])
        else:
            fossa = np.full_like(x, _NEVER_MM)

        mm["fossa"] = fossa
        mm["lateral"] = brain.lateral_ventricles(x, y, z, w)
        mm["midline"] = brain.midline_ventricles(x, y, z, w)
        mm["sylvian"] = brain.sylvian_fissures(
            x + 1.2 * fields.noise[0] + 1.0 * fields.noise[3],
            y + 2.0 * fields.noise[0] + 1.0 * fields.noise[3],
            z,
            2.0 * self.atrophy,
        )
        mm["nuclei"] = brain.deep_nuclei(x, y, z)
        sheet, limit = brain.interhemispheric(x, y, z, 1.0 * fields.noise[2])
        mm["middle"] = sheet
        mm["middle_limit"] = limit
        self._sulci(fields, depth)

    def _sulci(self, fields: Fields, depth: np.ndarray) -> None:
        mm = fields.mm
        center = np.float32(skull.WIDEST_LEVEL_MM)
        pull = np.power(np.maximum(fields.radial, 0.25), np.float32(-0.6))
        x, y, z = fields.warped.x, fields.warped.y, fields.warped.z
        sulci, bend, _, _ = self.noise.sample(
            x * pull + 60.0, y * pull, (z - center) * pull
        )
        steepness = 2.0 * np.pi / _SULCI_WAVELENGTH_MM
        mm["sulci"] = sulci * np.float32(1.0 / steepness)
        reach = 17.0 + 5.0 * bend
        mm["sulci_reach"] = depth - reach
        width = 0.4 + 1.0 * self.atrophy + 0.25 * fields.noise[1]
        mm["sulci_width"] = width * np.clip(1.5 * (1.0 - depth / reach), -0.5, 1.0)
        mm["pia"] = mm["cavity"] + 0.8 + 1.6 * self.atrophy
