"""Efficient Scopeformer: its family on slices, and the backbones it stands on.

Barhoumi, Bouaynaya and Rasool, "Efficient Scopeformer: Towards Scalable and Rich Feature
Extraction for Intracranial Hemorrhage Detection".
"""

from data_prep.labels import HEMORRHAGE_LABELS
from training.papers.paper import (
    Column,
    ModelGroup,
    Paper,
    PaperRow,
    PaperTable,
    Recipe,
    four_decimals,
    millions,
    percent,
)

# --- Tables ---

ACCURACY = Column("accuracy", "accuracy", ("slices", "accuracy"), percent)
LOSS = Column("log_loss", "loss", ("slices", "log_loss"), four_decimals)
RECALL = Column("recall", "recall", ("slices", "recall"), percent)
TRAINABLE = Column(
    "trainable_parameters", "trainable parameters", ("trainable_parameters",), millions
)

ACCURACY_NOTE = (
    "Accuracy: ours is the mean over the labels of the share of slices that are right at a "
    'probability of 0.5. The paper names "weighted accuracy" (section III.H) without a '
    "formula; ours weighted as the loss stands in the first table. Nor is the paper's a mean "
    "over its Table 4, which is 69.8 to 83.4% for models that have 93.0 to 94.7% in Table 3."
)
LABEL_ACCURACY_NOTE = (
    "Accuracy of a label: ours is the share of slices that are right at a probability of 0.5, "
    'so a model that never finds it has one minus its prevalence: on RSNA 86% for "any" and '
    "99.6% for epidural. The paper's Table 4 is below that, so its accuracies may be of "
    "positive slices only, or of a balanced sample."
)
LOSS_NOTE = (
    "Loss: ours is divided by the sum of the label weights, as in RSNA's metric. The paper's "
    "equation (3) is a sum, its text says weighted average."
)
RECALL_NOTE = (
    "Recall: ours is the mean over the labels that have positives; the paper does not define "
    "it."
)
PARAMETERS_NOTE = (
    "Trainable parameters: ours are all that trained, also the layers of the backbones that "
    "are not frozen. The paper's fit its encoders and projections alone."
)
RSNA = dict(
    scored_on="validation slices of RSNA's challenge",
    datasets=("rsna_ich", "phantom_head_ct"),
)

TABLE_1 = PaperTable(
    number="Table 1",
    caption="design configurations",
    columns=(
        Column("backbones", "CNN blocks"),
        Column("layers", "layers"),
        Column("feature_size", "feature size"),
        Column("mlp_dim", "MLP"),
        Column("heads", "heads"),
        Column("parameters", "parameters", form=millions),
    ),
    rows=tuple(
        PaperRow(name, model, printed)
        for name, model, printed in (
            (
                "Scopeformer (S)",
                "scopeformer_small",
                ("4", "8", "516", "3072", "12", "34 M"),
            ),
            (
                "Scopeformer (B)",
                "scopeformer_base",
                ("4", "8", "512", "4096", "16", "42 M"),
            ),
            (
                "Scopeformer (M)",
                "scopeformer_medium",
                ("4", "8", "512", "5120", "16", "43 M"),
            ),
            (
                "Scopeformer (L)/4",
                "scopeformer_large_4",
                ("4", "4", "1024", "4096", "16", "51 M"),
            ),
            (
                "Scopeformer (L)/8",
                "scopeformer_large_8",
                ("4", "8", "1024", "4096", "16", "102 M"),
            ),
            (
                "Scopeformer (L)/16",
                "scopeformer_large_16",
                ("4", "16", "1024", "4096", "16", "203 M"),
            ),
            (
                "Deep Scopeformer (L)/8",
                "deep_scopeformer",
                ("4", "8", "1024", "4096", "16", "102 M"),
            ),
            (
                "Deep Scopeformer TR (L)/8",
                "deep_scopeformer_tr",
                ("3", "8", "384", "4096", "16", "6 M"),
            ),
            (
                "Efficient Scopeformer",
                "efficient_scopeformer",
                ("3", "8", "384", "4096", "16", "6 M"),
            ),
            (
                "Scopeformer [17]",
                "scopeformer_3cnn",
                ("3", "12", "3072", "3072", "8", "755 M"),
            ),
            (
                "Scaled Scopeformer [17]",
                "scopeformer_scaled",
                ("4", "8", "4096", "4096", "16", "870 M"),
            ),
        )
    ),
    notes=(
        "In the text of the paper that was read, the numbers of CNN blocks of the plain "
        "Scopeformers stand in the column of the names.",
        "Deep Scopeformer TR and Efficient Scopeformer have three CNN blocks here, four in the "
        "text; ours have four. Without DenseNet201, which the text removes: --set "
        '\'model_config.backbones=["resnet152v2","efficientnetb5","xception"]\'.',
    ),
)


def _count(model: str) -> str:
    """What Table 1 prints, for tables that have no counts of their own."""
    return TABLE_1.printed(model, "parameters")


TABLE_2 = PaperTable(
    **RSNA,
    number="Table 2",
    caption="stacks of Xceptions, pre-trained on ImageNet (I) or its restyled pictures (S)",
    columns=(ACCURACY, LOSS, TRAINABLE),
    rows=(
        PaperRow("ViT, 256×256×3", "scopeformer_vit", ("94.33%", "0.1822", "")),
        PaperRow(
            "1-CNN-ViT (S), 7×7×1024", "scopeformer_1cnn", ("96.95%", "0.08272", "")
        ),
        PaperRow(
            "2-CNN-ViT (I-I), 7×7×2048", "scopeformer_2cnn", ("97.22%", "0.07984", "")
        ),
        PaperRow(
            "2-CNN-ViT (S-S), 7×7×2048", "scopeformer_2cnn", ("97.26%", "0.07934", "")
        ),
        PaperRow(
            "2-CNN-ViT (I-S), 7×7×2048", "scopeformer_2cnn", ("97.46%", "0.07754", "")
        ),
        PaperRow(
            "3-CNN-ViT (I-I-S), 7×7×3072",
            "scopeformer_3cnn",
            ("98.04%", "0.07050", _count("scopeformer_3cnn")),
        ),
    ),
    definitions=(ACCURACY_NOTE, LOSS_NOTE, PARAMETERS_NOTE),
    notes=(
        "Runs of two Xceptions stand below the paper's last row of two, whatever the backbones' "
        "weights.",
        "Of the trainable parameters the paper prints one count, in Table 1.",
    ),
)

TABLE_3 = PaperTable(
    **RSNA,
    number="Table 3",
    caption="sizes of the Scopeformer",
    columns=(ACCURACY, LOSS, RECALL, TRAINABLE),
    rows=(
        PaperRow(
            "Small (S)", "scopeformer_small", ("93.00%", "0.1703", "84.95%", "34 M")
        ),
        PaperRow(
            "Base (B)", "scopeformer_base", ("93.92%", "0.1461", "89.29%", "42 M")
        ),
        PaperRow(
            "Medium (M)", "scopeformer_medium", ("93.88%", "0.2285", "88.44%", "43 M")
        ),
        PaperRow(
            "Large (L)/4", "scopeformer_large_4", ("93.12%", "0.1378", "87.81%", "51 M")
        ),
        PaperRow(
            "Large (L)/8",
            "scopeformer_large_8",
            ("94.69%", "0.1197", "89.33%", "102 M"),
        ),
        PaperRow(
            "Large (L)/16",
            "scopeformer_large_16",
            ("92.57%", "0.1395", "87.34%", "203 M"),
        ),
    ),
    definitions=(ACCURACY_NOTE, LOSS_NOTE, RECALL_NOTE, PARAMETERS_NOTE),
)

TABLE_4 = PaperTable(
    **RSNA,
    number="Table 4",
    caption="accuracy of each label",
    columns=(
        *(
            Column(
                f"accuracy_{label}",
                label,
                ("slices", "labels", label, "accuracy"),
                percent,
            )
            for label in HEMORRHAGE_LABELS
        ),
        TRAINABLE,
    ),
    rows=tuple(
        PaperRow(name, model, (*printed, TABLE_3.printed(model, TRAINABLE.key)))
        for name, model, printed in (
            (
                "Small",
                "scopeformer_small",
                ("70.83%", "98.08%", "85.95%", "90.13%", "77.04%", "74.54%"),
            ),
            (
                "Base",
                "scopeformer_base",
                ("70.5%", "95.73%", "87.28%", "91.72%", "78.57%", "74.35%"),
            ),
            (
                "Medium",
                "scopeformer_medium",
                ("60.26%", "90.18%", "71.10%", "70.73%", "65.49%", "60.78%"),
            ),
            (
                "Large, read as (L)/8",
                "scopeformer_large_8",
                ("71.34%", "96.98%", "85.94%", "90.5%", "78.69%", "77.08%"),
            ),
        )
    ),
    definitions=(LABEL_ACCURACY_NOTE, PARAMETERS_NOTE),
    notes=(
        "The paper has the models as columns; its counts of parameters are in Table 3.",
    ),
)

TABLE_5 = PaperTable(
    **RSNA,
    number="Table 5",
    caption="forms of attention and of tokens",
    columns=(ACCURACY, LOSS, TRAINABLE),
    rows=(
        PaperRow(
            "Scopeformer (L)/8", "scopeformer_large_8", ("94.69%", "0.1197", "102 M")
        ),
        PaperRow(
            "Deep Scopeformer (L)/8", "deep_scopeformer", ("96.03%", "0.1088", "102 M")
        ),
        PaperRow(
            "Deep Scopeformer TR (L)/8",
            "deep_scopeformer_tr",
            ("95.40%", "0.1176", "6 M"),
        ),
        PaperRow(
            "Efficient Scopeformer",
            "efficient_scopeformer",
            ("95.77%", "0.1160", "6 M"),
        ),
        PaperRow(
            "Efficient Scopeformer (P)",
            "efficient_scopeformer",
            ("96.94%", "0.0833", "5 M"),
            settings={"frozen_fraction": 1.0},
        ),
    ),
    definitions=(ACCURACY_NOTE, LOSS_NOTE, PARAMETERS_NOTE),
    notes=(
        "Runs whose backbones are frozen whole stand below (P), whose backbones the paper first "
        "trained on RSNA.",
    ),
)

# --- Recipes ---

RSNA_LABEL_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 1.0, 1.0)
"""Of the hemorrhage challenge's metric: "any hemorrhage" counts twice."""

# Sections III.F and III.G: 70% of each backbone frozen. The paper names neither optimizer,
# schedule, epochs nor hardware; AdamW with a cosine is ours. Made for one GPU.
SCOPEFORMER = dict(
    dataset="rsna_ich",
    frozen_fraction=0.7,
    label_weights=RSNA_LABEL_WEIGHTS,
    augmentation="soft",
    epochs=10,
    batch_size=32,
    learning_rate=1e-4,
)

# Section III.A: frozen backbones, whose features are stored once. Optimizer and schedule are ours,
# too.
SCOPEFORMER_FROZEN = dict(
    dataset="rsna_ich",
    frozen_fraction=1.0,
    label_weights=RSNA_LABEL_WEIGHTS,
    epochs=30,
    batch_size=64,
    learning_rate=3e-4,
)

# On phantoms: shows that everything learns, no more.
PHANTOMS = dict(
    dataset="phantom_head_ct",
    label_weights=RSNA_LABEL_WEIGHTS,
    epochs=3,
    batch_size=8,
    learning_rate=3e-4,
    warmup_epochs=0.5,
    precision="mixed_bfloat16",
)

# Their backbones are untrained and frozen.
SCOPEFORMER_PHANTOMS = PHANTOMS | dict(backbone_weights="none", frozen_fraction=1.0)

N_CNN = ("scopeformer_1cnn", "scopeformer_2cnn", "scopeformer_3cnn")

GPU = "a GPU; the paper names none"


def _on_rsna(model: str) -> str:
    return f"make train MODEL={model} DATASET=rsna_ich DATA_DIR=..."


RECIPES = {
    **{
        model: Recipe(
            dict(SCOPEFORMER, model=model),
            about="Encoders over the maps of four backbones, 70% of each frozen.",
            expected={"Table 5": (row,)},
            hardware=GPU,
            commands=(_on_rsna(model),),
        )
        for model, row in (
            ("efficient_scopeformer", "Efficient Scopeformer"),
            ("deep_scopeformer", "Deep Scopeformer (L)/8"),
            ("deep_scopeformer_tr", "Deep Scopeformer TR (L)/8"),
        )
    },
    **{
        row.model: Recipe(
            dict(SCOPEFORMER, model=row.model),
            about="A size of the Scopeformer; its labels are in Table 4.",
            expected={"Table 3": (row.name,)},
            hardware=GPU,
            commands=(_on_rsna(row.model),),
        )
        for row in TABLE_3.rows
    },
    "efficient_scopeformer_p": Recipe(
        dict(SCOPEFORMER_FROZEN, model="efficient_scopeformer"),
        about="(P): the backbones, pre-trained on RSNA by the recipe scopeformer_backbone, stay "
        "frozen, so their features are stored once.",
        expected={"Table 5": ("Efficient Scopeformer (P)",)},
        hardware=GPU,
        commands=(
            "for B in resnet152v2 efficientnetb5 densenet201 xception",
            "do make train MODEL=scopeformer_backbone BACKBONE=$B DATASET=rsna_ich DATA_DIR=...",
            "done",
            "W=runs/scopeformer_backbone",
            "make train MODEL=scopeformer DATASET=rsna_ich DATA_DIR=... RUN=runs/p \\",
            '  ARGS="--recipe efficient_scopeformer_p --backbone-weights \\',
            "  ${W}_resnet152v2_rsna_ich/backbones/resnet152v2.weights.h5 \\",
            "  ${W}_efficientnetb5_rsna_ich/backbones/efficientnetb5.weights.h5 \\",
            "  ${W}_densenet201_rsna_ich/backbones/densenet201.weights.h5 \\",
            '  ${W}_xception_rsna_ich/backbones/xception.weights.h5"',
        ),
    ),
    **{
        model: Recipe(
            dict(SCOPEFORMER_FROZEN, model=model, input_size=224, learning_rate=1e-4),
            about="Frozen Xceptions. I is ImageNet, S ImageNet restyled, each trained on RSNA after "
            "that by scopeformer_backbone, one of them (the paper does not say which) with hard "
            "augmentation.",
            expected={
                "Table 2": tuple(row.name for row in TABLE_2.rows if row.model == model)
            },
            hardware="a GPU, of 40 GB for three Xceptions; the paper names none",
            commands=commands,
        )
        for model, commands in (
            ("scopeformer_1cnn", ()),
            (
                "scopeformer_2cnn",
                (
                    "make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich \\",
                    "  DATA_DIR=... RUN=runs/i",
                    "make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich \\",
                    '  DATA_DIR=... RUN=runs/s ARGS="--backbone-weights \\',
                    '  runs/imagenet_backbone_xception_image_folder/backbones/xception.weights.h5"',
                    "make train MODEL=scopeformer_2cnn DATASET=rsna_ich DATA_DIR=... \\",
                    '  ARGS="--backbone-weights runs/i/backbones/xception.weights.h5 \\',
                    '  runs/s/backbones/xception.weights.h5"',
                ),
            ),
            ("scopeformer_3cnn", ()),
        )
    },
    "scopeformer_vit": Recipe(
        dict(
            model="scopeformer_vit",
            dataset="rsna_ich",
            label_weights=RSNA_LABEL_WEIGHTS,
            augmentation="soft",
            epochs=30,
            batch_size=64,
            learning_rate=1e-4,
        ),
        about="A ViT on the slices themselves.",
        expected={"Table 2": ("ViT, 256×256×3",)},
        hardware=GPU,
        commands=(_on_rsna("scopeformer_vit"),),
    ),
    "scopeformer_backbone": Recipe(
        dict(
            SCOPEFORMER, model="scopeformer_backbone", frozen_fraction=0.0, epochs=150
        ),
        about="Sections III.A and III.F: a backbone as a classifier of RSNA's slices, 150 epochs on "
        "top of ImageNet, for (P) and Table 2; no score is printed. Its run folder has "
        "backbones/NAME.weights.h5, which --backbone-weights takes.",
        hardware="days on one GPU",
        commands=(
            "make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=...",
        ),
    ),
    "scopeformer_backbone_hard": Recipe(
        dict(
            SCOPEFORMER,
            model="scopeformer_backbone",
            frozen_fraction=0.0,
            epochs=150,
            augmentation="hard",
        ),
        about="The same with hard augmentation, for one of the backbones of Table 2.",
        hardware="days on one GPU",
        commands=(
            "make train MODEL=scopeformer_backbone BACKBONE=xception DATASET=rsna_ich DATA_DIR=... \\",
            '  RUN=runs/hard ARGS="--recipe scopeformer_backbone_hard"',
        ),
    ),
    "imagenet_backbone": Recipe(
        dict(
            model="imagenet_backbone",
            dataset="image_folder",
            frozen_fraction=0.0,
            input_size=224,
            augmentation="crop",
            epochs=20,
            batch_size=64,
            learning_rate=1e-4,
        ),
        about="Section III.A: the pre-training (S) of Table 2, classification of ImageNet's pictures "
        "redrawn in the style of a slice (Fig. 2), on top of ImageNet. No score, optimizer or "
        "length is printed.",
        hardware="days on one GPU",
        commands=(
            "make restyle DATA_DIR=imagenet/train STYLE=slice.dcm OUTPUT=restyled",
            "make train MODEL=imagenet_backbone BACKBONE=xception DATASET=image_folder \\",
            "  DATA_DIR=restyled",
        ),
    ),
    "scopeformer_phantoms": Recipe(
        dict(SCOPEFORMER_PHANTOMS, model="efficient_scopeformer"),
        about="The demonstration: full size on phantoms, with untrained backbones. The other sizes "
        "find its features stored, but have 7 to 160 times the parameters to train.",
        ours={
            "validation log loss": "0.352, 26% below the constant prevalence's 0.478",
            "test log loss": "0.405, 16% below the constant prevalence's 0.483",
        },
        hardware="within 15 minutes on 2 CPU cores",
        commands=("make train MODEL=scopeformer", "make train MODEL=scopeformer_small"),
    ),
    **{
        f"{model}_phantoms": Recipe(
            dict(
                SCOPEFORMER_PHANTOMS,
                model=model,
                input_size=224,
                epochs=1,
                warmup_epochs=0.25,
                learning_rate=1e-4,
            ),
            about="The same at 224 pixels, where the map is 7 x 7, for one epoch.",
            commands=(f"make train MODEL={model}",),
        )
        for model in N_CNN
    },
    "scopeformer_vit_phantoms": Recipe(
        dict(PHANTOMS, model="scopeformer_vit", learning_rate=1e-4),
        about="The same for a ViT on the slices, from scratch.",
        commands=("make train MODEL=scopeformer_vit",),
    ),
    "scopeformer_backbone_phantoms": Recipe(
        dict(
            SCOPEFORMER_PHANTOMS,
            model="scopeformer_backbone",
            frozen_fraction=0.0,
            epochs=2,
        ),
        about="The pre-training of a backbone on slices, as short as the demonstration.",
        commands=("make train MODEL=scopeformer_backbone BACKBONE=xception",),
    ),
    "imagenet_backbone_phantoms": Recipe(
        dict(
            model="imagenet_backbone",
            dataset="phantom_skin",
            backbone_weights="none",
            frozen_fraction=0.0,
            input_size=128,
            augmentation="crop",
            crop_min_area=0.5,
            epochs=2,
            batch_size=16,
            learning_rate=3e-4,
            precision="mixed_bfloat16",
        ),
        about="The pre-training of a backbone on drawn lesions, as short as the demonstration.",
        commands=("make train MODEL=imagenet_backbone BACKBONE=xception",),
    ),
}

# --- The paper ---

PAPER = Paper(
    name="Efficient Scopeformer",
    title="Efficient Scopeformer: Towards Scalable and Rich Feature Extraction for Intracranial "
    "Hemorrhage Detection",
    authors="Y. Barhoumi, N. C. Bouaynaya, G. Rasool",
    citation="Barhoumi et al., *Efficient Scopeformer*",
    models=(
        ModelGroup(
            {
                "efficient_scopeformer": "5.2",
                "deep_scopeformer": "102.9",
                "deep_scopeformer_tr": "5.2",
            },
            tables="Table 5",
            printed_in="Table 1",
            aliases={"efficient_scopeformer": "scopeformer"},
            equal="no code published; re-attention as DeepViT's, to 5e-5",
            reproduced="not on RSNA's data yet",
        ),
        ModelGroup(
            {
                "scopeformer_small": "35.0",
                "scopeformer_base": "43.1",
                "scopeformer_medium": "51.5",
                "scopeformer_large_4": "52.5",
                "scopeformer_large_8": "102.9",
                "scopeformer_large_16": "203.7",
            },
            tables="Tables 3 and 4",
            printed_in="Table 1",
        ),
        ModelGroup(
            {
                "scopeformer_1cnn": "126.0",
                "scopeformer_2cnn": "352.7",
                "scopeformer_3cnn": "680.0",
                "scopeformer_vit": "86",
                "scopeformer_scaled": "814.2",
            },
            tables="Tables 1 and 2",
            printed_in="Table 1",
        ),
    ),
    recipes=RECIPES,
    tables=(TABLE_1, TABLE_2, TABLE_3, TABLE_4, TABLE_5),
    differences=(
        "The paper came without code. Our readings are noted in "
        "`keras_medformers/models/scopeformer.py`: position embeddings stay when the class token "
        "goes; no norm follows the last encoder; pooling before the classifier is over the whole "
        "map; re-attention is as in DeepViT's published code (with a bias and BatchNorm over "
        "heads).",
        "Optimizer, schedule, epochs and hardware are ours, since the paper names none.",
        "The loss is divided by the sum of its weights, as RSNA's metric is.",
        "Slices are resized in Hounsfield units, before the windows are applied; the paper names no "
        "order.",
        "Parameters of the Scopeformers are counted without backbones and without the "
        "classifier, as the paper's are. Table 1's "
        f"{_count('scopeformer_medium')} of Medium and {_count('scopeformer_3cnn')} of Scopeformer "
        "[17] fit no reading of its own settings.",
        "Features as tokens save parameters, not time: on 2 CPU cores attention over 512 features "
        "takes 13 times as long as over 64 positions (`python -m benchmarks.attention_width`).",
        "On stored features a model without encoders trains over 100 times as fast as with its "
        "backbones in every step, `scopeformer_small` about 5 times, since the encoders then are "
        "what takes time (`python -m benchmarks.feature_records`).",
    ),
)
