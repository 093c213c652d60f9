"""DTViT's tables, as printed: each decoder's scores with and without augmentation.

References:
    Fan, Lu et al., "Dual-Task Vision Transformer for Rapid and Accurate Intracerebral Hemorrhage
    Classification on CT Images", table 3; and table 2 of the first version.
"""

from training.compare.paper_table import Column, PaperRow, PaperTable, three_decimals
from training.tasks.two_tasks import CLASSES_OF_TASKS, HEMORRHAGE, LOCATION

LATER, FIRST = "DTViT", "DTViT, first version"
OTHER_SIZES = ("dtvit_small", "dtvit_base", "dtvit_huge")
POSITIVE = CLASSES_OF_TASKS[HEMORRHAGE][0]

HEMORRHAGE_NOTE = (
    f'Classifier 1: precision, recall, F1 and specificity are those of the class "{POSITIVE}", which alone '
    "fits the paper's counts of slices. A run's report has them for ich, too, where recall is the share of "
    "hemorrhages that are found."
)
LOCATION_NOTE = (
    "Classifier 2: precision, recall, F1 and specificity are means over the three locations; the paper does "
    "not say what its are. Ours is scored over the slices with hemorrhage."
)
SPECIFICITY_NOTE = (
    "Specificity is TN / (TN + FP); the paper's equation (6) is misprinted."
)
TEST_NOTE = (
    "Test slices: ours are of patients that training has not seen. The paper divides slices, the first "
    "version after replicating them, so that copies sit on both sides."
)


def _columns(task, of_class=()):
    """Accuracy of a task, and its other scores, of one class or the means."""
    others = ("precision", "recall", "f1", "specificity")
    return (
        Column("accuracy", "accuracy", (task, "accuracy"), three_decimals),
        *(
            Column(
                key,
                "F1" if key == "f1" else key,
                (task, *of_class, key),
                three_decimals,
            )
            for key in others
        ),
    )


def _rows(optimizer, with_augmentation, without):
    return tuple(
        PaperRow(
            name,
            "dtvit_large",
            printed,
            {"optimizer": optimizer, **settings},
            OTHER_SIZES,
        )
        for name, printed, settings in (
            ("with augmentation", with_augmentation, {}),
            ("without augmentation", without, {"augmentation": "none"}),
        )
    )


def _tables(paper, number, scored_on, optimizer, hemorrhage, location):
    shared = dict(
        paper=paper,
        scored_on=scored_on,
        datasets=("ich_location", "phantom_ich_location", "phantom_head_ct"),
        notes=(
            "Runs of other sizes than the paper's large one stand below its rows, too.",
        ),
    )
    return (
        PaperTable(
            **shared,
            number=f"{number}, classifier 1",
            caption="hemorrhage or not",
            columns=_columns(HEMORRHAGE, ("labels", POSITIVE)),
            rows=_rows(optimizer, *hemorrhage),
            definitions=(HEMORRHAGE_NOTE, SPECIFICITY_NOTE, TEST_NOTE),
        ),
        PaperTable(
            **shared,
            number=f"{number}, classifier 2",
            caption="location of the hemorrhage",
            columns=_columns(LOCATION),
            rows=_rows(optimizer, *location),
            definitions=(LOCATION_NOTE, SPECIFICITY_NOTE, TEST_NOTE),
        ),
    )


DTVIT_TABLES = (
    *_tables(
        LATER,
        "Table 3",
        "1,266 test slices of Yulin's data",
        "adamw",
        (("1", "1", "1", "1", "1"), ("0.996", "0.991", "1", "0.995", "0.995")),
        (
            ("0.996", "0.998", "0.997", "0.997", "1"),
            ("0.992", "0.994", "0.996", "0.995", "0.995"),
        ),
    ),
    *_tables(
        FIRST,
        "Table 2",
        "3,023 test slices of Yulin's data, replicated",
        "sgd",
        (
            ("0.992", "0.996", "0.987", "0.991", "0.997"),
            ("0.974", "0.953", "0.991", "0.972", "0.960"),
        ),
        (
            ("0.974", "0.962", "0.969", "0.966", "0.995"),
            ("0.877", "0.756", "0.987", "0.856", "0.986"),
        ),
    ),
)
