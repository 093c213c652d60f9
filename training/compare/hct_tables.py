"""HCT's tables, as printed: areas under the ROC curve of patches and images, and of each type of finding.

Reference:
    Taha, Truong Vu et al., "Deep is a Luxury We Don't Have", table 3, table A1, Figs. 5 and A2.
"""

from data_prep.labels import FINDING_TYPES
from training.compare.paper_table import Column, PaperRow, PaperTable, percent

HCT = "HCT"

AREA = Column("auc", "AUC", ("auc", "auc"), percent)
TRAINABLE = Column(
    "trainable_parameters",
    "parameters",
    ("trainable_parameters",),
    lambda count: f"{count / 1e6:.2f} M",
)

INTERVAL_NOTE = (
    "AUC: its intervals are percentiles of 10,000 draws, as the paper's. Ours draw patients with all their "
    "images; the paper's width is that of images drawn one by one, which ours have in evaluation.json as "
    "auc_over_images_interval."
)
TYPE_NOTE = (
    "AUC of a type of finding: malignant images with it against all non-malignant images. The paper writes "
    '"all negative images, i.e., no findings at all"; benign findings are among ours.'
)
PHANTOM_NOTE = (
    "Patches and images of phantoms are far easier, or harder, than those of patients."
)

ADAM, ASAM = (
    {"optimizer": "adam", "sharpness": "none"},
    {"optimizer": "adam", "sharpness": "asam"},
)
_NAMES = {
    "gmic": "GMIC",
    "def_gmic": "Def-GMIC",
    "hct_nystrom": "HCT, Nyström",
    "hct_softmax": "HCT, Per-Softmax",
    "hct": "HCT, Per-RELU",
}
_PARAMETERS = {"gmic": "2.80 M", "def_gmic": "2.89 M"} | dict.fromkeys(
    ("hct_nystrom", "hct_softmax", "hct"), "1.73 M"
)


def _table_3(number, caption, datasets, scored_on, adam, asam):
    rows = [
        PaperRow(
            f"{_NAMES[model]}; {optimizer}",
            model,
            (_PARAMETERS[model], printed),
            settings,
        )
        for optimizer, settings, areas in (
            ("Adam", ADAM, adam),
            ("Adam + ASAM", ASAM, asam),
        )
        for model, printed in zip(_NAMES, areas, strict=True)
    ]
    return PaperTable(
        paper=HCT,
        number=number,
        caption=caption,
        scored_on=scored_on,
        datasets=datasets,
        columns=(TRAINABLE, AREA),
        rows=tuple(rows),
        definitions=(INTERVAL_NOTE,),
        notes=(
            "Fig. 5: the paper's networks gain about 4% from half (1664×1280) to full resolution.",
        )
        if "image" in number
        else (),
    )


TABLE_3_PATCHES = _table_3(
    "Table 3, patch",
    "patches of mammograms, malignant or not",
    ("mammography_patches", "phantom_mammography_patches"),
    "patches of OPTIMAM's test split",
    (
        "96.13% (95.43% to 96.78%)",
        "96.24% (95.54% to 96.88%)",
        "96.41% (95.76% to 97.01%)",
        "96.35% (95.68% to 96.97%)",
        "96.34% (95.66% to 96.97%)",
    ),
    (
        "96.29% (95.62% to 96.92%)",
        "96.71% (96.07% to 97.29%)",
        "96.65% (96.02% to 97.23%)",
        "96.68% (96.05% to 97.26%)",
        "96.73% (96.09% to 97.32%)",
    ),
)

TABLE_3_IMAGES = _table_3(
    "Table 3, image",
    "whole mammograms, malignant or not",
    ("mammography", "phantom_mammography"),
    "7,358 images of OPTIMAM's test split, 1,195 of them malignant",
    (
        "85.04% (83.74% to 86.36%)",
        "85.17% (83.86% to 86.45%)",
        "84.83% (83.49% to 86.14%)",
        "86.64% (85.38% to 87.86%)",
        "86.29% (85.02% to 87.54%)",
    ),
    (
        "86.58% (85.34% to 87.80%)",
        "87.45% (86.24% to 88.63%)",
        "86.73% (85.49% to 87.95%)",
        "87.39% (86.14% to 88.59%)",
        "88.00% (86.80% to 89.18%)",
    ),
)

TABLE_A1 = PaperTable(
    paper=HCT,
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
        PaperRow(_NAMES[model], model, printed, ASAM)
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

HCT_TABLES = (TABLE_3_PATCHES, TABLE_3_IMAGES, TABLE_A1)

GAINS_BY_THIRD = {"small": 0.006, "medium": 0.031, "large": 0.011}
"""What HCT-RELU's area has over GMIC's, by third of the findings' sizes (appendix, Fig. A2b)."""
