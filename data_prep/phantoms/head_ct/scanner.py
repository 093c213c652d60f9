"""The scanner: pose, gantry tilt, slice thickness, head holder, blur and noise; from a head to HU images."""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from data_prep.phantoms.head_ct.anatomy import Head, Points
from data_prep.phantoms.head_ct.hemorrhage import Hemorrhage, mass_effect
from data_prep.phantoms.head_ct.shapes import inside
from data_prep.phantoms.head_ct.tissues import AIR_HU, Canvas, Painter

FIELD_STEP_PX = 2
_OUTLINE_STEP_PX = 8
SUB_PLANES = 3
_CENTER_LEVEL_MM = 45.0
LOWEST_MM, HIGHEST_MM = 6.0, 98.0


def _rotation(axis: int, degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = c
    matrix[i, j], matrix[j, i] = -s, s
    return matrix


@dataclass
class Acquisition:
    """How one series was taken: drawn at random by `Acquisition.draw`."""

    size_px: int
    spacing_mm: float
    thickness_mm: float
    tilt_degrees: float
    head_to_patient: np.ndarray
    shift_mm: np.ndarray
    noise_hu: float
    blur_px: float
    table_mm: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator, size_px: int, slices: int) -> "Acquisition":
        """Draws how a patient lies in the scanner, and where the slices are."""
        tilt = float(rng.choice((0.0, rng.uniform(4.0, 20.0)), p=(0.35, 0.65)))
        # The gantry is tilted to follow the base of the skull of a head that lies at that angle.
        pitch = -tilt + float(np.clip(rng.normal(0.0, 3.0), -6, 6))
        turn = _rotation(2, float(np.clip(rng.normal(0.0, 5.0), -12, 12)))
        roll = _rotation(1, float(np.clip(rng.normal(0.0, 2.5), -6, 6)))
        margin = 0.5 * (HIGHEST_MM - LOWEST_MM) / slices
        table = np.linspace(
            LOWEST_MM + margin * rng.uniform(0.2, 1.2), HIGHEST_MM, slices
        )

        return cls(
            size_px=size_px,
            spacing_mm=(float(rng.uniform(225.0, 245.0)) + 0.8 * tilt) / size_px,
            thickness_mm=5.0,
            tilt_degrees=tilt,
            head_to_patient=turn @ roll @ _rotation(0, pitch),
            shift_mm=rng.normal(0.0, 4.0, 3) * (1.0, 1.0, 0.0),
            noise_hu=float(rng.uniform(2.5, 4.5)),
            blur_px=float(rng.uniform(0.6, 1.0)),
            table_mm=table,
        )

    @property
    def orientation(self) -> np.ndarray:
        """Row and column directions of the slices in patient coordinates (PS3.3 C.7.6.2.1.1)."""
        t = np.radians(self.tilt_degrees)
        return np.array([[1.0, 0.0, 0.0], [0.0, np.cos(t), -np.sin(t)]])

    def corner_mm(self, index: int) -> np.ndarray:
        """The centre of the first pixel of a slice in patient coordinates."""
        middle = 0.5 * (self.size_px - 1) * self.spacing_mm
        center = np.array([0.0, 0.0, self.table_mm[index] - _CENTER_LEVEL_MM])
        return center - middle * self.orientation.sum(axis=0)

    def plane(
        self, index: int, offset_mm: float, step_px: int, box: tuple[slice, slice]
    ) -> Points:
        """The points of a plane parallel to a slice, on a grid of `step_px` pixels.

        Args:
            index: Which slice.
            offset_mm: Along the slice's normal.
            step_px: Pixels per grid point.
            box: Row and column slices of the part of the image that is wanted.

        Returns:
            `Points` in head coordinates.
        """
        row, column = self.orientation
        down, across = (
            (np.arange(part.start, part.stop, step_px) + 0.5 * (step_px - 1))
            * self.spacing_mm
            for part in box
        )
        origin = (
            self.corner_mm(index) + offset_mm * np.cross(row, column) - self.shift_mm
        )
        to_head = self.head_to_patient.T
        o, r, c = to_head @ origin, to_head @ row, to_head @ column
        o[2] += _CENTER_LEVEL_MM
        x, y, z = (
            (o[k] + r[k] * across[None, :] + c[k] * down[:, None]).astype(np.float32)
            for k in range(3)
        )
        gravity = np.broadcast_to(
            (origin[1] + column[1] * down[:, None]).astype(np.float32), x.shape
        )

        return Points(x, y, z, gravity)


@dataclass
class SliceImage:
    """One slice.

    Attributes:
        hu: As scanned.
        shares: How much of each pixel each tracked tissue fills (0..1), before blur and noise; None for one
            that is not there.
        below_tentorium: Which pixels are in the posterior fossa, in the middle of the slice's thickness.
    """

    hu: np.ndarray
    shares: dict
    below_tentorium: np.ndarray


def scan(
    head: Head,
    hemorrhages: list[Hemorrhage],
    acquisition: Acquisition,
    index: int,
    rng: np.random.Generator,
    tracked: Sequence[str] | None,
) -> SliceImage:
    """Images one slice of a head.

    Args:
        head: `anatomy.Head`.
        hemorrhages: Its bleedings.
        acquisition: `Acquisition` of the series.
        index: Which slice of the series, from the lowest.
        rng: Source of the noise.
        tracked: Names of the tissues whose shares are wanted; None for all.

    Returns:
        A `SliceImage` of float32 HU.
    """
    shift = mass_effect(hemorrhages)
    background = Canvas(
        np.full((acquisition.size_px,) * 2, AIR_HU, np.float32), tracked
    )
    _paint_holder(background, acquisition)
    box = _head_box(head, acquisition, index)
    planes = []
    for k in range(SUB_PLANES):
        offset = acquisition.thickness_mm * ((k + 0.5) / SUB_PLANES - 0.5)
        fields = head.fields(
            acquisition.plane(index, offset, FIELD_STEP_PX, box), shift
        )
        canvas = background.part(box)
        Painter(fields, canvas.hu.shape, 1.3 * acquisition.spacing_mm).paint(
            canvas, head, hemorrhages, fields
        )
        canvas.hu -= cv2.resize(_dark_band(fields.points), canvas.hu.shape[::-1])
        planes.append(canvas)
        if k == SUB_PLANES // 2:
            below_tentorium = np.zeros(background.hu.shape, bool)
            below_tentorium[box] = (
                cv2.resize(fields.mm["fossa"], canvas.hu.shape[::-1]) < 0.0
            )

    background.replace(box, planes)
    hu = cv2.GaussianBlur(background.hu, (0, 0), acquisition.blur_px)
    hu += _noise(rng, acquisition, float(fields.points.z.mean()))
    return SliceImage(hu, background.shares, below_tentorium)


def _head_box(head: Head, acquisition: Acquisition, index: int) -> tuple[slice, slice]:
    """Row and column slices, of even bounds, that hold the head with some room."""
    whole = (slice(0, acquisition.size_px), slice(0, acquisition.size_px))
    near = head.outline(acquisition.plane(index, 0.0, _OUTLINE_STEP_PX, whole)) < 0.0
    bounds = []
    for axis in (1, 0):
        used = np.flatnonzero(near.any(axis=axis))
        first, last = (used[0], used[-1]) if used.size else (0, 0)
        start = max(0, int(first - 1) * _OUTLINE_STEP_PX)
        bounds.append(
            slice(start, min(acquisition.size_px, int(last + 2) * _OUTLINE_STEP_PX))
        )
    return tuple(bounds)


def _paint_holder(canvas: Canvas, acquisition: Acquisition) -> None:
    """A U-shaped shell of plastic and foam under the back of the head."""
    middle = 0.5 * (acquisition.size_px - 1)
    place = ((np.arange(acquisition.size_px) - middle) * acquisition.spacing_mm).astype(
        np.float32
    )
    x, y = place[None, :], place[:, None]
    radial = (np.sqrt((x / 92.0) ** 2 + (y / 107.0) ** 2) - 1.0) * 100.0
    above = 30.0 - y
    edge = 1.3 * acquisition.spacing_mm
    canvas.paint(
        "holder", inside(np.maximum(np.abs(radial) - 4.0, above), edge), -890.0
    )
    canvas.paint(
        "holder",
        inside(np.maximum(np.abs(np.abs(radial) - 4.0) - 0.9, above), edge),
        60.0,
    )


def _dark_band(points: Points) -> np.ndarray:
    """Beam hardening: the dark band between the petrous bones, in HU to take away."""
    across = (
        ((points.y - 8.0) / 13.0) ** 2
        + (points.x / 34.0) ** 2
        + ((points.z - 10.0) / 11.0) ** 2
    )
    return 9.0 * np.exp(-across)


def _noise(
    rng: np.random.Generator, acquisition: Acquisition, level_mm: float
) -> np.ndarray:
    """Noise with the grain of a soft kernel, stronger low in the head, where more bone is in the way."""
    size = (acquisition.size_px, acquisition.size_px)
    white = rng.standard_normal(size, dtype=np.float32)
    grain = cv2.GaussianBlur(white, (0, 0), 1.1) - 0.5 * cv2.GaussianBlur(
        white, (0, 0), 2.5
    )
    grain *= np.float32(1.0 / 0.2)
    strength = acquisition.noise_hu * (
        1.0 + 0.6 * np.clip((40.0 - level_mm) / 40.0, 0.0, 1.0)
    )
    return grain * np.float32(strength)
