"""Paints the tissues of one plane in Hounsfield units from the fields of the anatomy, with soft edges."""

import copy
from collections.abc import Sequence

import cv2
import numpy as np

from data_prep.phantoms.head_ct import hemorrhage as bleeding
from data_prep.phantoms.head_ct.anatomy import Fields, Head
from data_prep.phantoms.head_ct.hemorrhage import Hemorrhage
from data_prep.phantoms.head_ct.shapes import inside

AIR_HU = -1000.0
TRUTH = {
    "air": 0,
    "holder": 1,
    "skin and muscle": 2,
    "fat": 3,
    "bone": 4,
    "air space": 5,
    "eye": 6,
    "csf": 7,
    "grey": 8,
    "white": 9,
    "dura": 10,
    "oedema": 11,
    "epidural": 21,
    "intraparenchymal": 22,
    "intraventricular": 23,
    "subarachnoid": 24,
    "subdural": 25,
}


class Canvas:
    """An image in HU that tissues are painted on, each over the ones before.

    Args:
        hu: What is there before, float32 (rows, columns); it is painted over.
        tracked: Names of the tissues whose visible share per pixel is wanted, or None for all of `TRUTH`.
    """

    def __init__(self, hu: np.ndarray, tracked: Sequence[str] | None = None):
        self.hu = hu
        self.shares = {} if tracked is None else dict.fromkeys(tracked)
        self._all = tracked is None
        if self._all:
            self.shares["air"] = np.ones_like(hu)

    def paint(self, tissue: str, share: np.ndarray, hu: float | np.ndarray) -> None:
        """Covers `share` (0..1 per pixel) of what is there with `tissue` of `hu` (number or image)."""
        for name, seen in self.shares.items():
            if seen is not None:
                self.shares[name] = seen * (1.0 - share)
        if self._all or tissue in self.shares:
            before = self.shares.get(tissue)
            self.shares[tissue] = share if before is None else before + share
        self.hu += share * (hu - self.hu)

    def part(self, box: tuple[slice, slice]) -> "Canvas":
        """A copy of the part of the canvas in `box` (row and column slices)."""
        part = copy.copy(self)
        part.hu = self.hu[box].copy()
        part.shares = {
            name: None if share is None else share[box].copy()
            for name, share in self.shares.items()
        }
        return part

    def replace(self, box: tuple[slice, slice], parts: "list[Canvas]") -> None:
        """Puts the mean of `parts`, canvases of the same size, into `box`."""
        self.hu[box] = sum(part.hu for part in parts) / len(parts)
        for name in dict.fromkeys(name for part in parts for name in part.shares):
            shares = [
                part.shares[name] for part in parts if part.shares.get(name) is not None
            ]
            if shares:
                if self.shares.get(name) is None:
                    self.shares[name] = np.zeros_like(self.hu)
                self.shares[name][box] = sum(shares) / len(parts)


class Painter:
    """Paints one plane.

    Args:
        fields: `anatomy.Fields` on a coarser grid over the same area.
        shape: Rows and columns of the image.
        edge_mm: Width of the soft edges, about one pixel.
    """

    def __init__(self, fields: Fields, shape: tuple[int, int], edge_mm: float):
        self._mm = fields.mm
        self._noise = fields.noise
        self._size = (shape[1], shape[0])
        self._edge = edge_mm
        self._fine = {}

    def fine(self, name: str) -> np.ndarray:
        """A field at the image's resolution."""
        if name not in self._fine:
            self._fine[name] = self.enlarge(self._mm[name])
        return self._fine[name]

    def enlarge(self, field: np.ndarray) -> np.ndarray:
        """A coarse field at the image's resolution."""
        return cv2.resize(field, self._size, interpolation=cv2.INTER_LINEAR)

    def within(self, distance: np.ndarray) -> np.ndarray:
        """Share of each pixel that lies inside a signed distance, edges softened."""
        return inside(distance, self._edge)

    def paint(
        self, canvas: Canvas, head: Head, hemorrhages: list[Hemorrhage], fields: Fields
    ) -> None:
        """Paints scalp, skull, base, brain and bleedings, in this order."""
        self._texture = self.enlarge(self._noise[3])
        self._paint_scalp(canvas)
        self._paint_skull(canvas, head)
        if "floor" in self._mm:
            self._paint_base(canvas, head)
        self._paint_brain(canvas, head, hemorrhages, fields)

    def _paint_scalp(self, canvas: Canvas) -> None:
        skin = self.fine("skin")
        canvas.paint("skin and muscle", self.within(skin), 40.0)
        canvas.paint("fat", self.within(skin + 2.0), -92.0 + 8.0 * self._texture)
        canvas.paint("skin and muscle", self.within(self.fine("muscle")), 52.0)

    def _paint_skull(self, canvas: Canvas, head: Head) -> None:
        table, dome = self.fine("table"), self.fine("dome")
        canvas.paint("bone", self.within(table), head.bone_hu + 60.0 * self._texture)
        diploe = np.maximum(table + 1.7, 1.5 - dome)
        canvas.paint(
            "bone", self.within(diploe), 0.5 * head.bone_hu + 90.0 * self._texture
        )

    def _paint_base(self, canvas: Canvas, head: Head) -> None:
        below = np.maximum(self.fine("dome") + 1.5, 3.0 - self.fine("floor"))
        soft = np.maximum(below, -self.fine("petrous"))
        canvas.paint("skin and muscle", self.within(soft), 48.0 + 10.0 * self._texture)
        orbit = self.fine("orbit")
        canvas.paint(
            "bone", self.within(np.maximum(np.abs(orbit - 1.0) - 1.2, below)), 700.0
        )
        opened = np.maximum(orbit, self.fine("skin") + 3.0)
        canvas.paint(
            "fat", self.within(np.maximum(opened, 1.5 - self.fine("floor"))), -88.0
        )
        canvas.paint(
            "skin and muscle", self.within(np.maximum(self.fine("nerve"), orbit)), 38.0
        )
        globe = self.fine("globe")
        canvas.paint("eye", self.within(globe), 45.0)
        canvas.paint("eye", self.within(globe + 1.4), 9.0)
        canvas.paint("eye", self.within(self.fine("lens")), 85.0)
        air = self.fine("air")
        outside = 1.5 - self.fine("cavity")
        front_table = self.fine("table") + np.where(
            self.fine("front") < 0, 1.6, -9.0
        ).astype(np.float32)
        canvas.paint(
            "bone",
            self.within(np.maximum(air - 1.1, np.maximum(outside, self.fine("table")))),
            650.0,
        )
        canvas.paint(
            "air space",
            self.within(np.maximum(air, np.maximum(outside, front_table))),
            -960.0,
        )

    def _paint_brain(
        self, canvas: Canvas, head: Head, hemorrhages: list[Hemorrhage], fields: Fields
    ) -> None:
        cavity = self.within(self.fine("cavity"))
        pia, sulci = self.fine("pia"), np.abs(self.fine("sulci"))
        middle, limit = np.abs(self.fine("middle")), self.fine("middle_limit")
        fossa, sylvian = self.fine("fossa"), self.fine("sylvian")
        blood = [(h, self.enlarge(h.distance(fields))) for h in hemorrhages]

        width = self.fine("sulci_width")
        for h, distance in blood:
            if h.space == bleeding.SUBARACHNOID_SPACE:
                width = width + 0.5 * inside(distance, h.edge_mm) * (width > 0)
        cleft = sulci - width
        above = -fossa
        cleft = np.maximum(cleft, above + 1.0)
        gap = np.maximum(middle - (0.7 + 0.9 * head.atrophy), limit)
        gap = np.maximum(gap, above)
        csf = np.maximum(
            self.within(cleft),
            np.maximum(self.within(gap), self.within(np.maximum(sylvian, above))),
        )
        grey = np.minimum(-pia, np.maximum(cleft, self.fine("sulci_reach")))
        grey = np.minimum(
            grey, np.minimum(np.maximum(gap, above), np.maximum(sylvian, above))
        )
        grey_share = np.maximum(
            inside(grey - 3.0, 1.5), inside(self.fine("nuclei"), 2.0)
        )
        if "stem" in self._mm:
            stem, cisterns = self.fine("stem"), self.fine("cisterns")
            csf = np.maximum(csf, self.within(cisterns))
            in_fossa = self.within(fossa)
            cortex = inside(-pia - 9.0 + 2.5 * self._texture, 4.0) - 0.45 * self.within(
                self.fine("folia") - 0.35
            )
            grey_share = grey_share * (1.0 - in_fossa) + in_fossa * (
                0.35 + 0.65 * cortex
            )
            grey_share = np.where(stem < 0, 0.25, grey_share)
        csf = np.maximum(csf, 1.0 - self.within(pia))
        ventricles = self.within(np.minimum(self.fine("lateral"), self.fine("midline")))

        canvas.paint("csf", cavity, head.csf_hu)
        tissue = cavity * (1.0 - csf)
        canvas.paint("white", tissue, head.white_hu)
        canvas.paint("grey", tissue * grey_share, head.grey_hu)
        canvas.paint("csf", cavity * ventricles, head.csf_hu)
        self._paint_dura(canvas, cavity, middle, limit, fossa)
        self._paint_blood(
            canvas,
            cavity,
            cavity * csf * (1.0 - ventricles),
            cavity * ventricles,
            blood,
        )

    def _paint_dura(
        self,
        canvas: Canvas,
        cavity: np.ndarray,
        middle: np.ndarray,
        limit: np.ndarray,
        fossa: np.ndarray,
    ) -> None:
        falx = np.maximum(middle - 0.55, np.maximum(limit + 4.0, -fossa))
        canvas.paint("dura", cavity * self.within(falx), 56.0)
        depth = -self.fine("cavity")
        sinus = np.maximum(middle + 0.6 * depth - 4.5, np.maximum(-fossa, limit))
        canvas.paint("dura", cavity * self.within(sinus) * 0.9, 54.0)
        if "incisura" in self._mm:
            tent = np.maximum(np.abs(fossa) - 0.7, -self.fine("incisura"))
            canvas.paint("dura", cavity * self.within(tent) * 0.9, 52.0)

    def _paint_blood(
        self,
        canvas: Canvas,
        cavity: np.ndarray,
        subarachnoid: np.ndarray,
        ventricles: np.ndarray,
        blood: list[tuple[Hemorrhage, np.ndarray]],
    ) -> None:
        room = {
            bleeding.CAVITY: cavity,
            bleeding.SUBARACHNOID_SPACE: subarachnoid,
            bleeding.VENTRICLES: ventricles,
        }
        for h, distance in blood:
            if h.oedema_mm:
                rim = inside(distance - 0.6 * h.oedema_mm, 0.8 * h.oedema_mm)
                rim = rim * (cavity - subarachnoid) * (1.0 - ventricles)
                canvas.paint("oedema", 0.9 * rim, 17.0)
        for h, distance in blood:
            share = room[h.space] * inside(distance, max(h.edge_mm, self._edge))
            canvas.paint(h.kind, share, h.hu + 3.0 * self._texture)
