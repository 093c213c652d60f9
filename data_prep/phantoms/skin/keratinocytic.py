"""Lesions of the epidermis: basal cell carcinoma, actinic keratosis and benign keratosis.

References:
    Kittler et al., Standardization of terminology in dermoscopy/dermatoscopy: Results of the third consensus
    conference of the International Society of Dermoscopy, Journal of the American Academy of Dermatology
    74(6), 2016.
    Zalaudek et al., Dermoscopy of facial nonpigmented actinic keratosis, British Journal of Dermatology
    155(5), 2006: the strawberry pattern.
"""

import numpy as np

from data_prep.phantoms.head_ct.shapes import inside, step
from data_prep.phantoms.skin.canvas import Canvas
from data_prep.phantoms.skin.marks import scatter, spots, vessels
from data_prep.phantoms.skin.outline import outline
from data_prep.phantoms.skin.texture import (
    distance_to_points,
    lattice_points,
    ridges,
    smooth_noise,
)

PEARL = (0.90, 0.76, 0.75)
BLUE_GREY = (0.36, 0.39, 0.47)
EROSION = (0.62, 0.22, 0.12)
SCALE_WHITE = (0.93, 0.90, 0.84)
KERATIN_YELLOW = (0.86, 0.72, 0.50)
CYST_WHITE = (0.96, 0.92, 0.80)
PLUG_BROWN = (0.20, 0.12, 0.07)


def draw_basal_cell_carcinoma(rng: np.random.Generator, canvas: Canvas) -> None:
    """BCC: a pearly pink nodule without a pigment network.

    Sharp, thick vessels that branch like trees; blue-grey ovoid nests and leaf-like lobes at the edge; here
    and there an orange-red erosion and shiny white lines. A third is pigmented, with many nests.
    """
    radius_mm = rng.uniform(2.2, 4.8)
    distance = outline(
        rng,
        radius_mm,
        rng.uniform(1.0, 1.5),
        waviness=0.09 * radius_mm,
        roughness=rng.uniform(0.04, 0.1),
    )
    body = inside(distance, rng.uniform(0.4, 1.2))
    canvas.blood += body * (
        rng.uniform(0.12, 0.35) * (1.0 + 0.4 * smooth_noise(rng, 1.6))
    )
    canvas.melanin += body * np.float32(rng.uniform(0.0, 0.25))
    canvas.cover(
        PEARL,
        np.float32(rng.uniform(0.15, 0.5)) * inside(distance + 0.3, 1.2) * _sheen(rng),
    )

    if rng.random() < 0.5:
        streaks = vessels(
            rng, scatter(rng, body, int(rng.integers(4, 14))), 0.10, 0.9, winding=0.1
        )
        canvas.cover((0.97, 0.93, 0.92), 0.4 * streaks * body)

    pigmented = rng.random() < 0.35
    count = int(rng.integers(5, 13) if pigmented else rng.integers(0, 5))
    nests = scatter(
        rng, body * (0.15 + inside(abs(distance + 0.6) - 0.3, 0.8)), count, apart_mm=0.7
    )
    nest_map = spots(
        nests,
        rng.uniform(0.22, 0.65, len(nests)),
        rng.uniform(0.6, 1.0, len(nests)),
        elongations=rng.uniform(1.0, 2.2, len(nests)),
        blur_mm=0.16,
    )
    canvas.cover(
        BLUE_GREY,
        (0.85 if pigmented else 0.65)
        * nest_map
        * (0.85 + 0.2 * smooth_noise(rng, 0.5)),
    )

    if rng.random() < 0.3:
        erosion = scatter(rng, inside(distance + 1.0, 0.5), 1)
        wound = spots(erosion, rng.uniform(0.4, 1.1, len(erosion)), blur_mm=0.15)
        canvas.cover(EROSION, 0.85 * wound * (0.8 + 0.2 * smooth_noise(rng, 0.4)))

    trees = scatter(
        rng,
        inside(abs(distance + 0.3) - 0.2, 0.8),
        int(rng.integers(2, 6)),
        apart_mm=1.0,
    )
    width_mm = rng.uniform(0.06, 0.13)
    tree = vessels(rng, trees, width_mm, radius_mm * 1.3, branching=0.22)
    canvas.cover(
        (0.62, 0.17, 0.19),
        np.float32(rng.uniform(0.55, 0.85)) * tree * inside(distance - 0.5, 0.6),
    )


def _sheen(rng: np.random.Generator) -> np.ndarray:
    """Uneven gloss, from 0 to 1."""
    return step(smooth_noise(rng, 1.8) + 0.3, 2.5)


def draw_actinic_keratosis(rng: np.random.Generator, canvas: Canvas) -> None:
    """AKIEC: an ill-defined pink-red patch with a rough white or yellow scale.

    The strawberry pattern: a red net around the openings of hair follicles, which are pale with a yellow or
    white plug. A third is like Bowen's disease instead: clusters of coiled, dot-like vessels. A quarter is
    pigmented, with brown dots between the follicles.
    """
    radius_mm = rng.uniform(2.6, 5.0)
    distance = outline(
        rng,
        radius_mm,
        rng.uniform(1.0, 1.6),
        waviness=0.10 * radius_mm,
        roughness=rng.uniform(0.08, 0.2),
    )
    body = inside(distance, rng.uniform(1.2, 2.6))
    red = rng.uniform(0.15, 0.45)
    canvas.blood += body * (red * (1.0 + 0.25 * smooth_noise(rng, 1.0)))

    if rng.random() < 0.67:
        spacing_mm = rng.uniform(0.62, 0.95)
        follicles = lattice_points(rng, spacing_mm, 0.14)
        away = distance_to_points(follicles)
        halo = inside(away - np.float32(0.30 * spacing_mm), 0.12)
        canvas.blood += body * np.float32(rng.uniform(0.15, 0.45)) * (1.0 - halo)
        canvas.cover((0.90, 0.72, 0.66), 0.3 * body * halo)
        plugs = inside(away - np.float32(rng.uniform(0.06, 0.11)), 0.09)
        canvas.cover(
            KERATIN_YELLOW if rng.random() < 0.5 else SCALE_WHITE, 0.55 * body * plugs
        )
    else:
        clusters = step(smooth_noise(rng, 2.0), 1.0)
        coils = scatter(rng, body * clusters, int(rng.integers(60, 160)), apart_mm=0.2)
        canvas.cover(
            (0.60, 0.14, 0.17), 0.7 * spots(coils, rng.uniform(0.05, 0.10, len(coils)))
        )

    if rng.random() < 0.25:
        dots = scatter(rng, body, int(rng.integers(60, 200)), apart_mm=0.18)
        canvas.melanin += 0.9 * spots(
            dots, rng.uniform(0.04, 0.10, len(dots)), blur_mm=0.05
        )
        canvas.melanin += body * np.float32(rng.uniform(0.1, 0.4))

    flakes = step(
        smooth_noise(rng, 1.5) + 0.5 * smooth_noise(rng, 0.35) - rng.uniform(0.5, 1.3),
        1.1,
    )
    scale = SCALE_WHITE if rng.random() < 0.7 else KERATIN_YELLOW
    canvas.cover(
        scale, np.float32(rng.uniform(0.5, 0.85)) * flakes * inside(distance + 0.5, 1.0)
    )


def draw_benign_keratosis(rng: np.random.Generator, canvas: Canvas) -> None:
    """BKL: sharply cut as if stuck on, waxy, tan to dark brown or grey.

    Milia-like cysts (small white-yellow pearls), comedo-like openings (brown-black plugs), fissures and
    ridges as on a brain, a moth-eaten edge. A fifth is a flat solar lentigo, with fingerprint lines and few
    cysts; a tenth like lichen planus, with coarse grey grains.
    """
    kind = rng.choice(("seborrhoeic", "lentigo", "lichenoid"), p=(0.7, 0.2, 0.1))
    radius_mm = rng.uniform(2.2, 4.8)
    distance = outline(
        rng,
        radius_mm,
        rng.uniform(1.0, 1.7),
        waviness=0.06 * radius_mm,
        roughness=rng.uniform(0.04, 0.16),
    )
    body = inside(distance, rng.uniform(0.10, 0.25))
    tone = rng.uniform(0.3, 1.1) if kind == "seborrhoeic" else rng.uniform(0.22, 0.5)
    shade = tone * (1.0 + 0.12 * smooth_noise(rng, 1.2))

    if kind == "lichenoid":
        grains = scatter(rng, body, int(rng.integers(100, 220)), apart_mm=0.16)
        canvas.cover(
            (0.42, 0.42, 0.46),
            0.7 * spots(grains, rng.uniform(0.05, 0.12, len(grains))),
        )

    if kind == "lentigo":
        shade = shade * (0.75 + 0.5 * ridges(rng, 0.55, 3.0))
    elif rng.random() < 0.65:
        shade = shade * (1.25 - 0.5 * ridges(rng, rng.uniform(1.0, 1.8), 5.0))
    else:
        shade = shade * (0.9 + 0.7 * ridges(rng, rng.uniform(1.2, 2.0), 9.0))

    canvas.melanin += body * shade
    canvas.blood += body * np.float32(rng.uniform(0.0, 0.2))
    canvas.cover(KERATIN_YELLOW, body * np.float32(rng.uniform(0.05, 0.35)))
    few = 0.2 if kind != "seborrhoeic" else 1.0
    deep = inside(distance + 0.25, 0.3)
    openings = scatter(rng, deep, int(rng.integers(0, 16) * few), apart_mm=0.35)
    plugs = spots(
        openings,
        rng.uniform(0.10, 0.26, len(openings)),
        elongations=rng.uniform(1.0, 1.8, len(openings)),
    )
    canvas.cover(PLUG_BROWN, 0.85 * plugs)
    cysts = scatter(rng, deep, int(rng.integers(5, 26) * few), apart_mm=0.3)
    sizes_mm, strengths = (
        rng.uniform(0.07, 0.22, len(cysts)),
        rng.uniform(0.6, 1.0, len(cysts)),
    )
    pearls = spots(cysts, sizes_mm, strengths, blur_mm=0.05)
    canvas.cover(CYST_WHITE, 0.9 * pearls)
