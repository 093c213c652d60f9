"""The walls of the head holder where they touch the head, which no erosion can tell from skin.

Seen along rays from the middle of the head, a wall is a thin run of dense pixels beyond the head. The
outermost wall is fitted with an ellipse where it stands free, and the others lie at smaller scales of the
same ellipse; one that nowhere stands free shows in the head's outline, which keeps to one scale along it.
Where a ray finds the head ending in a wall, the head ends where the wall begins.
"""

from typing import NamedTuple

import cv2
import numpy as np

from data_prep.modalities.head_ct.treatment.morphology import pixels

RAYS = 720
ANGLES = np.arange(RAYS) * (2 * np.pi / RAYS)
STEPS_PER_PIXEL = 2
MOST_WALLS = 2

THICKEST_WALL = 9 / 512
"""Along a ray, which need not cross it at a right angle; a share of the picture's width, as the next ones."""

NARROWEST_GAP = 4 / 512
"""Between two walls."""

MISFIT = 1 / 512
"""How far from its ellipse a wall may lie."""

FEWEST_RAYS = RAYS // 36
"""On which the outermost wall has to stand free."""

FEWEST_RAYS_FURTHER_IN = RAYS // 120
FEWEST_RAYS_IN_OUTLINE = RAYS // 20

BEYOND_ENDS_RAYS = RAYS // 12
"""A wall is looked for as far beyond where it was seen."""

CROSS = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))

FITTINGS = 6
ROUNDNESS = 0.05
"""Weight of a circle around the head beside the points of a wall; decides where few of them are known."""

OFF_CIRCLE = np.array(
    [[1, 0, -1, 0, 0], [0, 1, 0, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 1]]
)


class Ellipse(NamedTuple):
    """The points p where `(p - center) @ form @ (p - center)` is 1.

    Attributes:
        center: x and y in pixels from the rays' origin.
        form: Symmetric matrix.
    """

    center: np.ndarray
    form: np.ndarray

    def scale_at(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """By how much the ellipse has to grow or shrink to go through a point; 1 on it."""
        x, y = x - self.center[0], y - self.center[1]
        (a, b), (_, c) = self.form
        return np.sqrt(a * x * x + 2 * b * x * y + c * y * y)

    def scale_on_rays(self, radius: np.ndarray) -> np.ndarray:
        """The same for points at a radius on each ray."""
        return self.scale_at(np.cos(ANGLES) * radius, np.sin(ANGLES) * radius)


def cut_walls(head: np.ndarray, binary: np.ndarray) -> np.ndarray:
    """Takes the holder's walls off a head.

    Args:
        head: 1 in the head and in what touches it.
        binary: 1 wherever there is tissue or wall.

    Returns:
        The head without the parts of walls that lie along it, and without what is beyond them.
    """
    if not head.any():
        return head

    origin = np.argwhere(head).mean(axis=0)
    runs, outline = _runs_from_outside(
        _along_rays(binary, origin), pixels(THICKEST_WALL, binary)
    )
    outermost, width = runs[0, 1], binary.shape[1]
    ellipse = _fit_ellipse(outermost, MISFIT * width)
    if ellipse is None:
        return head

    pixel = 1 / np.nanmean(outermost)
    misfit = MISFIT * width * pixel
    limits, zone_begins = _limits(
        ellipse.scale_on_rays(runs),
        ellipse.scale_on_rays(outline),
        misfit,
        NARROWEST_GAP * width * pixel,
    )
    y, x = np.ogrid[: head.shape[0], : head.shape[1]]
    y, x = y - origin[0], x - origin[1]
    ray = np.rint(np.arctan2(y, x) * (RAYS / (2 * np.pi))).astype(np.int64) % RAYS
    scale = ellipse.scale_at(x, y)
    cut = head & (scale < limits[ray]).astype(np.uint8)

    # At their borders head and holder share pixels.
    return np.where(scale < zone_begins[ray], cut, cv2.erode(cut, CROSS))


def _along_rays(binary: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """The picture by ray and by step along it, bool."""
    longest = int(np.hypot(*binary.shape))
    polar = cv2.warpPolar(
        binary,
        (STEPS_PER_PIXEL * longest, RAYS),
        tuple(origin[::-1].tolist()),
        longest,
        cv2.INTER_NEAREST | cv2.WARP_FILL_OUTLIERS,
    )
    return polar > 0


def _runs_from_outside(
    dense: np.ndarray, thickest: int
) -> tuple[np.ndarray, np.ndarray]:
    """Peels thin runs off the rays.

    Args:
        dense: From `_along_rays`.
        thickest: Pixels to which a run is thin.

    Returns:
        Where runs begin and end, in pixels along the rays, of shape `(MOST_WALLS, 2, RAYS)`, NaN where there
        is none; and where the run behind them ends, that of the head.
    """
    dense = dense.copy()
    steps = np.arange(dense.shape[1])
    runs = np.full((MOST_WALLS, 2, RAYS), np.nan)
    peeling = np.ones(RAYS, bool)
    for run in runs:
        last = _last(dense)
        gap = _last(~dense & (steps < last[:, None]))
        peeling &= (last - gap <= thickest * STEPS_PER_PIXEL) & (gap >= 0)
        run[:, peeling] = np.stack([gap + 1, last + 1])[:, peeling] / STEPS_PER_PIXEL
        dense &= ~peeling[:, None] | (steps <= gap[:, None])
    return runs, (_last(dense) + 1) / STEPS_PER_PIXEL


def _last(flags: np.ndarray) -> np.ndarray:
    """Place of the last true value of each row, -1 where there is none."""
    return np.where(
        flags.any(axis=1), flags.shape[1] - 1 - flags[:, ::-1].argmax(axis=1), -1
    )


def _fit_ellipse(radius: np.ndarray, misfit: float) -> Ellipse | None:
    """The ellipse through most of the points given by their radius on each ray; None where there is none."""
    known = np.isfinite(radius)
    if np.count_nonzero(known) < FEWEST_RAYS:
        return None

    unit = radius[known].mean()
    x, y = (
        (radius * np.cos(ANGLES))[known] / unit,
        (radius * np.sin(ANGLES))[known] / unit,
    )
    used = np.ones(len(x), bool)
    for _ in range(FITTINGS):
        u, v = x[used], y[used]
        terms = np.concatenate(
            [np.stack([u * u, 2 * u * v, v * v, u, v], axis=1), ROUNDNESS * OFF_CIRCLE]
        )
        wanted = np.concatenate([np.ones(len(u)), np.zeros(len(OFF_CIRCLE))])
        a, b, c, *linear = np.linalg.lstsq(terms, wanted, rcond=None)[0]
        form = np.array([[a, b], [b, c]])
        if np.linalg.eigvalsh(form)[0] <= 0:
            return None
        center = -0.5 * np.linalg.solve(form, linear)
        ellipse = Ellipse(center, form / (1 + center @ form @ center))
        off = np.abs(ellipse.scale_at(x, y) - 1) * unit
        used = off < max(misfit, np.median(off))

    return (
        Ellipse(ellipse.center * unit, ellipse.form / unit**2)
        if np.mean(used) > 0.5
        else None
    )


def _limits(
    runs: np.ndarray, outline: np.ndarray, misfit: float, narrowest_gap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Where the head ends.

    Args:
        runs: Scales at which thin runs begin and end.
        outline: Scales at which the run behind them ends.
        misfit: Scale of `MISFIT`.
        narrowest_gap: Scale of `NARROWEST_GAP`.

    Returns:
        By ray, the scale at which the head ends, infinite where it is not cut; and the scale from which on
        it may lie at the holder, infinite where it does not.
    """
    walls = _free_walls(runs, narrowest_gap)
    on_wall = np.zeros(RAYS, bool)
    for begin, _ in walls:
        on_wall |= (np.abs(runs[:, 0] - begin) < 2 * misfit).any(axis=0)
    near = _rays_near(on_wall)
    limits = np.where(on_wall, outline + 0.5 * misfit, np.inf)
    if not walls:
        return limits, limits

    hidden = (
        _wall_in_outline(outline[near], walls, misfit)
        if len(walls) < MOST_WALLS
        else None
    )
    if hidden:
        walls = [hidden, *walls]
    for begin, end in walls:
        in_wall = near & (outline > begin - misfit) & (outline < end + misfit)
        limits[in_wall] = np.minimum(limits[in_wall], begin - 0.75 * misfit)

    return limits, np.where(near, walls[0][0] - 3 * misfit, np.inf)


def _free_walls(runs: np.ndarray, narrowest_gap: float) -> list[tuple[float, float]]:
    """Scales at which walls begin and end, from the inside, where enough thin runs agree."""
    begins, ends = (
        np.sort(side[np.isfinite(side)]) for side in np.moveaxis(runs, 1, 0)
    )
    cuts = np.flatnonzero(np.diff(begins) > narrowest_gap) + 1
    groups = zip(np.split(begins, cuts), np.split(ends, cuts), strict=True)
    walls = [
        (float(np.median(begin)), float(np.median(end)))
        for begin, end in groups
        if len(begin) >= FEWEST_RAYS_FURTHER_IN
    ]
    return walls[-MOST_WALLS:]


def _wall_in_outline(
    outline: np.ndarray, walls: list[tuple[float, float]], misfit: float
) -> tuple[float, float] | None:
    """A wall further in than all others at whose outside the head's outline keeps to one scale."""
    further_in = np.sort(outline[outline < walls[0][0] - misfit])
    together = np.searchsorted(further_in, further_in + misfit) - np.arange(
        len(further_in)
    )
    if not len(together) or together.max() < FEWEST_RAYS_IN_OUTLINE:
        return None
    end = further_in[together.argmax()] + 0.5 * misfit
    begin, outermost_end = walls[-1]
    return float(end - (outermost_end - begin)), float(end)


def _rays_near(seen: np.ndarray) -> np.ndarray:
    """The rays from the first to the last on which walls are seen, and some more: all but the widest gap."""
    rays = np.flatnonzero(seen)
    if not rays.size:
        return seen
    gaps = np.diff(rays, append=rays[0] + RAYS)
    widest = gaps.argmax()
    first = rays[(widest + 1) % rays.size] - BEYOND_ENDS_RAYS
    near = np.zeros(RAYS, bool)
    near[
        np.arange(first, first + RAYS - gaps[widest] + 2 * BEYOND_ENDS_RAYS) % RAYS
    ] = True
    return near
