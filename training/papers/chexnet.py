"""CheXNet's way with radiographs: one pretrained backbone, any number of labels.

Rajpurkar, Irvin et al., "CheXNet: Radiologist-Level Pneumonia Detection on Chest X-Rays with
Deep Learning", arXiv:1711.05225.
"""

from training.papers.paper import ModelGroup, Paper, Recipe

RADIOGRAPHS = dict(
    model="radiograph_backbone",
    frozen_fraction=0.0,
    input_size=224,
    augmentation="soft",
    epochs=20,
    batch_size=16,
    learning_rate=1e-4,
)

RECIPES = {
    "radiograph_backbone": Recipe(
        dict(RADIOGRAPHS, dataset="radiograph_csv"),
        about="Section 2: DenseNet-121 from ImageNet's weights on radiographs of 224 pixels with "
        "any number of labels, batch 16. Rate and schedule are ours. Nobody has run it on "
        "ChestX-ray14 here.",
        commands=(
            "make train MODEL=radiograph_backbone DATASET=radiograph_csv DATA_DIR=...",
            "make train MODEL=radiograph_backbone BACKBONE=resnet50 DATASET=radiograph_csv \\",
            "  DATA_DIR=... RUN=runs/resnet50",
        ),
    ),
    "radiograph_backbone_folders": Recipe(
        dict(RADIOGRAPHS, dataset="radiograph_folders"),
        about="The same where a radiograph has exactly one class, that of its folder.",
        commands=(
            "make train MODEL=radiograph_backbone DATASET=radiograph_folders DATA_DIR=...",
        ),
    ),
}

PAPER = Paper(
    name="CheXNet",
    title="CheXNet: Radiologist-Level Pneumonia Detection on Chest X-Rays with Deep Learning",
    authors="P. Rajpurkar, J. Irvin, K. Zhu, B. Yang, H. Mehta, T. Duan, D. Ding, A. Bagul, "
    "C. Langlotz, K. Shpanskaya, M. P. Lungren, A. Y. Ng",
    citation="Rajpurkar, Irvin et al., *CheXNet*",
    models=(
        ModelGroup(
            {"radiograph_backbone": "6.97"}, tables="section 2", reproduced="no"
        ),
    ),
    recipes=RECIPES,
    tables=(),
    differences=(
        "No published weights or tables of CheXNet are here: only its backbone, its input size "
        "and its batch are followed, as a recipe for radiographs.",
        "Radiographs are shown to the network as DICOM presents them, whole, brought to a square "
        "by area averaging. Augmentation turns, zooms and shifts beside exchanging left and "
        "right, which is all that the paper names; the rate follows a cosine instead of being "
        "divided by 10 at plateaus, and AdamW stands in for Adam.",
    ),
)
