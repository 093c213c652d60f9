"""The tables of the papers, as printed.

References:
    Barhoumi, Bouaynaya and Rasool, "Efficient Scopeformer: Towards Scalable and Rich Feature Extraction for
    Intracranial Hemorrhage Detection", tables 2 to 5.

    Huo et al., "HiFuse: Hierarchical Multi-Scale Feature Fusion Network for Medical Image Classification",
    tables 4 to 6. DTViT's are in `dtvit_tables`, HCT's in `hct_tables`.
"""

from data_prep.labels import HEMORRHAGE_LABELS
from training.compare.dtvit_tables import DTVIT_TABLES
from training.compare.hct_tables import HCT_TABLES
from training.compare.paper_table import (
    Column,
    PaperRow,
    PaperTable,
    four_decimals,
    millions,
    percent,
)

SCOPEFORMER, HIFUSE = "Efficient Scopeformer", "HiFuse"

ACCURACY = Column("accuracy", "accuracy", ("slices", "accuracy"), percent)
LOSS = Column("log_loss", "loss", ("slices", "log_loss"), four_decimals)
RECALL = Column("recall", "recall", ("slices", "recall"), percent)
TRAINABLE = Column(
    "trainable_parameters", "trainable parameters", ("trainable_parameters",), millions
)

ACCURACY_NOTE = (
    "Accuracy: ours is the mean over the labels of the share of slices that are right at a probability of "
    '0.5. The paper names "weighted accuracy" (section III.H) without a formula; ours weighted as the loss '
    "stands in the first table. Nor is the paper's a mean over its Table 4, which is 69.8 to 83.4% for "
    "models that have 93.0 to 94.7% in Table 3."
)
LABEL_ACCURACY_NOTE = (
    "Accuracy of a label: ours is the share of slices that are right at a probability of 0.5, so a model "
    'that never finds it has one minus its prevalence: on RSNA 86% for "any" and 99.6% for epidural. The '
    "paper's Table 4 is below that, so its accuracies may be of positive slices only, or of a balanced "
    "sample."
)
LOSS_NOTE = (
    "Loss: ours is divided by the sum of the label weights, as in RSNA's metric. The paper's equation (3) is "
    "a sum, its text says weighted average."
)
RECALL_NOTE = "Recall: ours is the mean over the labels that have positives; the paper does not define it."
PARAMETERS_NOTE = (
    "Trainable parameters: ours are all that trained, also the layers of the backbones that are not frozen. "
    "The paper's fit its encoders and projections alone."
)
RSNA = dict(
    paper=SCOPEFORMER,
    scored_on="validation slices of RSNA's challenge",
    datasets=("rsna_ich", "phantom_head_ct"),
)

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
            ("98.04%", "0.07050", "755 M"),
        ),
    ),
    definitions=(ACCURACY_NOTE, LOSS_NOTE, PARAMETERS_NOTE),
    notes=(
        "Runs of two Xceptions stand below the paper's last row of two, whatever the backbones' weights.",
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
    rows=(
        PaperRow(
            "Small",
            "scopeformer_small",
            ("70.83%", "98.08%", "85.95%", "90.13%", "77.04%", "74.54%", "34 M"),
        ),
        PaperRow(
            "Base",
            "scopeformer_base",
            ("70.5%", "95.73%", "87.28%", "91.72%", "78.57%", "74.35%", "42 M"),
        ),
        PaperRow(
            "Medium",
            "scopeformer_medium",
            ("60.26%", "90.18%", "71.10%", "70.73%", "65.49%", "60.78%", "43 M"),
        ),
        PaperRow(
            "Large, read as (L)/8",
            "scopeformer_large_8",
            ("71.34%", "96.98%", "85.94%", "90.5%", "78.69%", "77.08%", "102 M"),
        ),
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
        "Runs whose backbones are frozen whole stand below (P), whose backbones the paper first trained on "
        "RSNA.",
    ),
)

PICTURE_SCORES = tuple(
    Column(key, name, ("images", key), percent)
    for key, name in (
        ("accuracy", "accuracy"),
        ("f1", "F1"),
        ("precision", "precision"),
        ("recall", "recall"),
    )
)
PARAMETERS = Column("parameters", "parameters", ("parameters",), millions)
MULTIPLY_ADDS = Column("multiply_adds", "multiply-adds", (), "{:.2f} G".format)

MEANS_NOTE = "F1, precision and recall of exclusive classes are means over the classes, however rare each is."
HIFUSE_4 = PaperTable(
    paper=HIFUSE,
    number="Table 4",
    caption="skin lesions of ISIC2018",
    scored_on="pictures of ISIC2018 task 3, split by picture",
    datasets=("isic2018", "phantom_skin"),
    columns=(PARAMETERS, MULTIPLY_ADDS, *PICTURE_SCORES),
    rows=(
        PaperRow(
            "ConvNeXt-B",
            None,
            ("88.59 M", "15.36 G", "76.52%", "50.94%", "66.84%", "50.52%"),
        ),
        PaperRow(
            "VGG-19",
            None,
            ("143.68 M", "19.67 G", "79.25%", "61.83%", "63.71%", "60.89%"),
        ),
        PaperRow(
            "Mixer-L/16",
            None,
            ("208.20 M", "44.57 G", "78.92%", "59.88%", "61.36%", "59.16%"),
        ),
        PaperRow(
            "T2T-ViT_t-24",
            None,
            ("64.00 M", "12.69 G", "77.59%", "57.21%", "59.60%", "55.94%"),
        ),
        PaperRow(
            "DeiT-base",
            None,
            ("86.57 M", "16.86 G", "72.31%", "41.01%", "47.19%", "44.09%"),
        ),
        PaperRow(
            "ViT-B/16",
            None,
            ("86.86 M", "33.03 G", "78.32%", "60.93%", "64.16%", "60.52%"),
        ),
        PaperRow(
            "Swin-B",
            None,
            ("87.77 M", "15.14 G", "79.79%", "63.95%", "65.09%", "63.65%"),
        ),
        PaperRow(
            "ViT-B/32",
            None,
            ("88.30 M", "8.56 G", "77.92%", "57.52%", "58.74%", "56.90%"),
        ),
        PaperRow(
            "Conformer-base-p16",
            None,
            ("83.29 M", "22.89 G", "82.66%", "72.44%", "73.31%", "71.66%"),
        ),
        PaperRow(
            "HiFuse_Tiny",
            "hifuse_tiny",
            ("82.49 M", "8.13 G", "82.99%", "72.99%", "73.67%", "72.87%"),
        ),
        PaperRow(
            "HiFuse_Small",
            "hifuse_small",
            ("93.82 M", "8.84 G", "83.59%", "72.70%", "72.70%", "73.14%"),
        ),
        PaperRow(
            "HiFuse_Base",
            "hifuse_base",
            ("127.80 M", "10.97 G", "84.12%", "75.32%", "76.52%", "74.74%"),
        ),
    ),
    definitions=(MEANS_NOTE,),
    notes=(
        "Parameters: the paper's fit neither form of its inverted residual MLP; the README has more.",
        "Split: ours keeps pictures of one lesion together, unless the records were made with --split "
        "paper.",
    ),
)

HIFUSE_5 = PaperTable(
    paper=HIFUSE,
    number="Table 5",
    caption="CT slices of COVID19-CT",
    scored_on="test pictures of COVID19-CT's published lists",
    datasets=("covid19_ct",),
    columns=PICTURE_SCORES,
    rows=(
        PaperRow("ConvNeXt-B", None, ("55.38%", "54.68%", "54.95%", "54.81%")),
        PaperRow("VGG-19", None, ("59.14%", "57.55%", "59.04%", "58.13%")),
        PaperRow("Mixer-L/16", None, ("70.43%", "70.12%", "70.38%", "70.06%")),
        PaperRow("T2T-ViT_t-24", None, ("63.44%", "60.34%", "65.68%", "61.89%")),
        PaperRow("DeiT-base", None, ("50.54%", "39.31%", "44.47%", "47.96%")),
        PaperRow("ViT-B/16", None, ("65.05%", "64.88%", "64.90%", "64.87%")),
        PaperRow("Swin-B", None, ("60.75%", "56.36%", "63.20%", "58.95%")),
        PaperRow("ViT-B/32", None, ("61.83%", "60.59%", "61.89%", "60.94%")),
        PaperRow("Conformer-base-p16", None, ("75.81%", "75.60%", "76.81%", "77.81%")),
        PaperRow(
            "HiFuse_Tiny", "hifuse_tiny", ("74.73%", "74.67%", "74.65%", "74.73%")
        ),
        PaperRow(
            "HiFuse_Small", "hifuse_small", ("76.88%", "76.31%", "77.78%", "76.19%")
        ),
        PaperRow(
            "HiFuse_Base", "hifuse_base", ("76.34%", "76.17%", "76.30%", "76.11%")
        ),
    ),
    definitions=(MEANS_NOTE,),
)

HIFUSE_6 = PaperTable(
    paper=HIFUSE,
    number="Table 6",
    caption="endoscopy of Kvasir",
    scored_on="pictures of Kvasir, mean of two runs that change halves",
    datasets=("kvasir",),
    columns=PICTURE_SCORES,
    rows=(
        PaperRow("ConvNeXt-B", None, ("74.60%", "74.61%", "74.78%", "74.64%")),
        PaperRow("VGG-19", None, ("77.75%", "77.75%", "77.86%", "77.83%")),
        PaperRow("Mixer-L/16", None, ("74.30%", "74.14%", "74.43%", "74.34%")),
        PaperRow("T2T-ViT_t-24", None, ("76.90%", "76.78%", "77.60%", "76.91%")),
        PaperRow("DeiT-base", None, ("52.15%", "48.48%", "56.72%", "52.29%")),
        PaperRow("ViT-B/16", None, ("76.10%", "75.94%", "76.49%", "76.23%")),
        PaperRow("Swin-B", None, ("77.30%", "77.29%", "77.74%", "77.44%")),
        PaperRow("ViT-B/32", None, ("73.80%", "73.50%", "74.24%", "73.72%")),
        PaperRow("Conformer-base-p16", None, ("84.25%", "84.27%", "84.45%", "84.37%")),
        PaperRow(
            "HiFuse_Tiny", "hifuse_tiny", ("84.85%", "84.89%", "84.96%", "84.90%")
        ),
        PaperRow(
            "HiFuse_Small", "hifuse_small", ("85.00%", "84.96%", "85.08%", "85.00%")
        ),
        PaperRow(
            "HiFuse_Base", "hifuse_base", ("84.35%", "84.41%", "84.50%", "84.48%")
        ),
    ),
    definitions=(MEANS_NOTE,),
    notes=(
        "Each of our rows is one half; `python -m training.average` gives the mean of both.",
    ),
)

TABLES = (
    TABLE_2,
    TABLE_3,
    TABLE_4,
    TABLE_5,
    HIFUSE_4,
    HIFUSE_5,
    HIFUSE_6,
    *DTVIT_TABLES,
    *HCT_TABLES,
)
"""All tables, in the order in which they are shown."""
