"""HCT and the GMIC baselines on mammograms, patches first.

Taha, Truong Vu et al., "Deep is a Luxury We Don't Have".
"""

from data_prep.labels import FINDING_TYPES
from training.papers.paper import (
    Column,
    ModelGroup,
    Paper,
    PaperRow,
    PaperTable,
    Recipe,
    percent,
)

# --- Tables ---

AREA = Column("auc", "AUC", ("auc", "auc"), percent)
TRAINABLE = Column(
    "trainable_parameters",
    "parameters",
    ("trainable_parameters",),
    lambda count: f"{count / 1e6:.2f} M",
)

INTERVAL_NOTE = (
    "AUC: its intervals are percentiles of 10,000 draws, as the paper's. Ours draw patients with "
    "all their images; the paper's width is that of images drawn one by one, which ours have in "
    "evaluation.json as auc_over_images_interval."
)
TYPE_NOTE = (
    "AUC of a type of finding: malignant images with it against all non-malignant images. The "
    'paper writes "all negative images, i.e., no findings at all"; benign findings are among ours.'
)

ADAM, ASAM = (
    {"optimizer": "adam", "sharpness": "none"},
    {"optimizer": "adam", "sharpness": "asam"},
)
NAMES = {
    "gmic": "GMIC",
    "def_gmic": "Def-GMIC",
    "hct_nystrom": "HCT, Nyström",
    "hct_softmax": "HCT, Per-Softmax",
    "hct": "HCT, Per-RELU",
}
"""Rows of the paper's tables by our models, in its order."""

Areas = tuple[tuple[str, str, str], ...]
"""Area and the ends of its interval in percent, for each of `NAMES`."""

_PARAMETERS = {"gmic": "2.80 M", "def_gmic": "2.89 M"} | dict.fromkeys(
    ("hct_nystrom", "hct_softmax", "hct"), "1.73 M"
)


def _table_3(
    number: str,
    caption: str,
    datasets: tuple[str, ...],
    scored_on: str,
    adam: Areas,
    asam: Areas,
    notes: tuple[str, ...] = (),
) -> PaperTable:
    rows = [
        PaperRow(
            f"{NAMES[model]}; {optimizer}",
            model,
            (_PARAMETERS[model], f"{area}% ({low}% to {high}%)"),
            settings,
        )
        for optimizer, settings, areas in (
            ("Adam", ADAM, adam),
            ("Adam + ASAM", ASAM, asam),
        )
        for model, (area, low, high) in zip(NAMES, areas, strict=True)
    ]
    return PaperTable(
        number=number,
        caption=caption,
        scored_on=scored_on,
        datasets=datasets,
        columns=(TRAINABLE, AREA),
        rows=tuple(rows),
        definitions=(INTERVAL_NOTE,),
        notes=notes,
    )


TABLE_3_PATCHES = _table_3(
    "Table 3, patch",
    "patches of mammograms, malignant or not",
    ("mammography_patches", "phantom_mammography_patches"),
    "patches of OPTIMAM's test split",
    (
        ("96.13", "95.43", "96.78"),
        ("96.24", "95.54", "96.88"),
        ("96.41", "95.76", "97.01"),
        ("96.35", "95.68", "96.97"),
        ("96.34", "95.66", "96.97"),
    ),
    (
        ("96.29", "95.62", "96.92"),
        ("96.71", "96.07", "97.29"),
        ("96.65", "96.02", "97.23"),
        ("96.68", "96.05", "97.26"),
        ("96.73", "96.09", "97.32"),
    ),
)

TABLE_3_IMAGES = _table_3(
    "Table 3, image",
    "whole mammograms, malignant or not",
    ("mammography", "phantom_mammography"),
    "7,358 images of OPTIMAM's test split, 1,195 of them malignant",
    (
        ("85.04", "83.74", "86.36"),
        ("85.17", "83.86", "86.45"),
        ("84.83", "83.49", "86.14"),
        ("86.64", "85.38", "87.86"),
        ("86.29", "85.02", "87.54"),
    ),
    (
        ("86.58", "85.34", "87.80"),
        ("87.45", "86.24", "88.63"),
        ("86.73", "85.49", "87.95"),
        ("87.39", "86.14", "88.59"),
        ("88.00", "86.80", "89.18"),
    ),
    notes=(
        "Fig. 5: the paper's networks gain about 4% from half (1664×1280) to full resolution.",
    ),
)

TABLE_A1 = PaperTable(
    number="Table A1",
    caption="AUC of whole mammograms by type of finding",
    scored_on="images of OPTIMAM's test split, networks trained with ASAM",
    datasets=("mammography", "phantom_mammography"),
    columns=tuple(
        Column(
            f"auc_{name}",
            name.replace("_", " "),
            ("auc", "by_finding_type", name, "auc"),
            percent,
        )
        for name in FINDING_TYPES
    ),
    rows=tuple(
        PaperRow(NAMES[model], model, printed, ASAM)
        for model, printed in (
            ("gmic", ("90.1%", "91.5%", "78.1%", "80.5%")),
            ("def_gmic", ("91.2%", "91.6%", "82.5%", "83.7%")),
            ("hct_nystrom", ("90.2%", "90.9%", "81.0%", "83.1%")),
            ("hct_softmax", ("90.9%", "92.2%", "81.2%", "85.3%")),
            ("hct", ("91.3%", "92.4%", "82.6%", "85.5%")),
        )
    ),
    definitions=(TYPE_NOTE, INTERVAL_NOTE),
)

GAINS_BY_THIRD = {"small": 0.006, "medium": 0.031, "large": 0.011}
"""What HCT-RELU's area has over GMIC's, by third of the findings' sizes (Fig. A2b)."""

# --- Recipes ---

# Section 3: patches first, then whole images that start from their weights; both with a cosine.
# Adam, or Adam with ASAM (rho 0.05; eta is ASAM's authors'). What augmentation does in detail is
# ours.
MAMMOGRAM_PATCHES = dict(
    dataset="mammography_patches",
    batch_size=160,
    epochs=80,
    learning_rate=6e-4,
    final_learning_rate=0.0,
    warmup_epochs=0.0,
    optimizer="adam",
    weight_decay=0.0,
    augmentation="flips_noise",
)

# A batch goes through the network in parts of 8 images, some 7 GB; the paper's graphics card of
# 48 GB takes all at once, with accumulation_steps=1. The shuffle buffer holds records of some 5 MB
# each.
MAMMOGRAMS = MAMMOGRAM_PATCHES | dict(
    dataset="mammography",
    batch_size=32,
    accumulation_steps=4,
    learning_rate=2e-5,
    shuffle_buffer=256,
)

SHARP = dict(sharpness="asam", rho=0.05)

# At an eighth of full resolution, so that it takes minutes.
PHANTOM_PATCHES = MAMMOGRAM_PATCHES | dict(
    dataset="phantom_mammography_patches", batch_size=32, epochs=20, learning_rate=1e-3
)
PHANTOM_MAMMOGRAMS = MAMMOGRAMS | dict(
    dataset="phantom_mammography",
    batch_size=16,
    accumulation_steps=1,
    epochs=25,
    learning_rate=1e-3,
)

OF_RECIPE = {"hct": ("hct", "hct_softmax", "hct_nystrom"), "gmic": ("gmic", "def_gmic")}
"""The networks that a recipe serves."""

ONE_GPU = "patches on one 2080 Ti, images on one A6000"


def _expected(model: str, optimizer: str, *tables: str) -> dict[str, tuple[str, ...]]:
    rows = tuple(f"{NAMES[network]}; {optimizer}" for network in OF_RECIPE[model])
    return dict.fromkeys(tables, rows)


RECIPES = {
    "hct": Recipe(
        dict(MAMMOGRAMS, model="hct", first_stage="hct_patches"),
        about="Both stages on OPTIMAM's mammograms, which are given out on application, the first "
        "in the run's folder patches. At half resolution, Fig. 5, in records of another name.",
        expected=_expected("hct", "Adam", "Table 3, image", "Table 3, patch"),
        hardware=ONE_GPU,
        commands=(
            "make train MODEL=hct DATASET=mammography DATA_DIR=...",
            "make tfrecords DATASET=mammography DATA_DIR=... RECORDS=records/half \\",
            '  ARGS="--image-size 1664"',
            "make train MODEL=hct DATASET=mammography DATA_DIR=... RECORDS=records/half \\",
            "  RUN=runs/hct_half",
        ),
    ),
    "hct_asam": Recipe(
        dict(MAMMOGRAMS, model="hct", first_stage="hct_patches_asam", **SHARP),
        about="The same with Adam and ASAM.",
        expected=_expected("hct", "Adam + ASAM", "Table 3, image", "Table 3, patch"),
        hardware=ONE_GPU,
        commands=(
            "make train MODEL=hct DATASET=mammography DATA_DIR=... RUN=runs/hct_asam \\",
            '  ARGS="--recipe hct_asam"',
        ),
    ),
    "gmic": Recipe(
        dict(MAMMOGRAMS, model="gmic", first_stage="gmic_patches"),
        about="The baselines, both stages.",
        expected=_expected("gmic", "Adam", "Table 3, image", "Table 3, patch"),
        hardware=ONE_GPU,
        commands=("make train MODEL=def_gmic DATASET=mammography DATA_DIR=...",),
    ),
    "gmic_asam": Recipe(
        dict(MAMMOGRAMS, model="gmic", first_stage="gmic_patches_asam", **SHARP),
        about="The baselines with Adam and ASAM.",
        expected=_expected("gmic", "Adam + ASAM", "Table 3, image", "Table 3, patch"),
        hardware=ONE_GPU,
    ),
    **{
        f"{model}_patches": Recipe(
            dict(MAMMOGRAM_PATCHES, model=model),
            about="The first stage, which may be run alone, for other runs to start from by "
            "--first-stage.",
            expected=_expected(model, "Adam", "Table 3, patch"),
            hardware=ONE_GPU,
            commands=(
                f"make train MODEL={model} DATASET=mammography_patches DATA_DIR=...",
                f"make train MODEL={model} DATASET=mammography \\",
                f'  ARGS="--first-stage runs/{model}_mammography_patches"',
            ),
        )
        for model in OF_RECIPE
    },
    **{
        f"{model}_patches_asam": Recipe(
            dict(MAMMOGRAM_PATCHES, model=model, **SHARP),
            about="The first stage with Adam and ASAM.",
            expected=_expected(model, "Adam + ASAM", "Table 3, patch"),
            hardware=ONE_GPU,
        )
        for model in OF_RECIPE
    },
    **{
        f"{model}_phantoms": Recipe(
            dict(
                PHANTOM_MAMMOGRAMS,
                model=model,
                first_stage=f"{model}_patches_phantoms",
            ),
            about="The demonstration, both stages on drawn mammograms with large findings. Says "
            "nothing about patients.",
            ours=ours,
            hardware="about 10 minutes on 2 CPU cores",
            commands=(f"make train MODEL={model}",),
        )
        for model, ours in (
            (
                "hct",
                {
                    "AUC on test patches": "98.2% (96.4 to 99.6)",
                    "AUC on test images": "94.7% (90.1 to 98.1)",
                },
            ),
            ("gmic", {}),
        )
    },
    **{
        f"{model}_patches_phantoms": Recipe(
            dict(PHANTOM_PATCHES, model=model),
            about="The first stage of the demonstration.",
        )
        for model in OF_RECIPE
    },
}

# --- The paper ---

PAPER = Paper(
    name="HCT",
    title="Deep is a Luxury We Don't Have",
    authors="A. Taha, Y. N. Truong Vu, B. Mombourquette, T. P. Matthews, J. Su, S. Singh",
    citation="Taha, Truong Vu et al., *Deep is a Luxury We Don't Have*",
    models=(
        ModelGroup(
            {
                "gmic": "2.80",
                "def_gmic": "2.89",
                "hct": "1.74",
                "hct_softmax": "1.74",
                "hct_nystrom": "1.74",
            },
            tables="Tables 3 and A1",
            printed_in="Table 3, image",
            equal="outputs to 5e-5, gradients to 1e-3 (`def_gmic`, `hct_nystrom`: parts)",
        ),
    ),
    recipes=RECIPES,
    tables=(TABLE_3_PATCHES, TABLE_3_IMAGES, TABLE_A1),
    differences=(
        "HCT and GMIC were written from the paper. `hct_nystrom` has the published Nystrom "
        "attention's defaults.",
        "Negative patches are one per non-malignant image (`--negatives-per-image`), since the "
        "paper gives no number.",
        "Images for processing are shown as the logarithm of attenuation; right breasts are "
        "flipped by where the breast lies.",
        "The text has a gain of 5.0% for architectural distortion and of 4.5% for focal asymmetry; "
        "Table A1 has them the other way round.",
        "On 2 busy CPU cores a forward pass over 3328 x 2560 pixels takes a sixth of the official "
        "code's time (one thread each) and 0.77 of its memory beyond the libraries' own "
        "(`python -m benchmarks.hct --original FOLDER`); Performer's time grows with tokens^0.99 "
        "(ReLU) and ^1.01 (softmax) up to 65,536 tokens, Nystrom's with ^1.5 "
        "(`python -m benchmarks.attention_scaling`).",
    ),
)
