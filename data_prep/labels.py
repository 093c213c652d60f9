"""Label names, each set in the one order used everywhere: records, models, metrics, exported signatures."""

from keras_medformers.tasks import TaskSpec, register_task

ANY = "any"
"""The label of data that have one for "at least one of the others"."""

HEMORRHAGE_LABELS = (
    ANY,
    "epidural",
    "intraparenchymal",
    "intraventricular",
    "subarachnoid",
    "subdural",
)
"""RSNA's subtypes; `any` is 1 when at least one of the others is."""

ICH_LABELS = (ANY,)
"""Normal or hemorrhage, where no subtypes are known."""

LOCATION_LABELS = ("deep", "lobar", "subtentorial")
"""Where the largest bleeding of a slice lies; slices without bleeding have none."""

HEMORRHAGE_AND_LOCATION = register_task(
    TaskSpec(
        {"hemorrhage": ("normal", "ich"), "location": LOCATION_LABELS},
        depends_on={"location": ("hemorrhage", "ich")},
        stored_as={"hemorrhage": ANY},
    )
)
"""Whether a slice shows a hemorrhage, and where the largest lies (DTViT)."""

SKIN_LESION_LABELS = ("MEL", "NV", "BCC", "AKIEC", "BKL", "DF", "VASC")
"""ISIC2018 task 3: melanoma, melanocytic nevus, basal cell carcinoma, actinic keratosis, benign keratosis,
dermatofibroma, vascular lesion; exactly one of them."""

COVID_LABELS = ("NonCOVID", "COVID")
"""COVID19-CT; exactly one of them."""

MAMMOGRAM_LABELS = ("non_malignant", "malignant")
"""Mammograms; exactly one of them."""

FINDING_TYPES = (
    "mass",
    "calcifications",
    "architectural_distortion",
    "focal_asymmetry",
)
"""What is found in mammograms (HCT, Table A1)."""

LATERALITIES = ("left", "right")
"""Which breast a mammogram shows."""

KVASIR_LABELS = (
    "dyed-lifted-polyps",
    "dyed-resection-margins",
    "esophagitis",
    "normal-cecum",
    "normal-pylorus",
    "normal-z-line",
    "polyps",
    "ulcerative-colitis",
)
"""Kvasir's folders; exactly one of them."""
