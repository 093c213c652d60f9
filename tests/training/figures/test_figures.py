"""What the report's pictures show."""

import numpy as np

from training import figures

RIGHT, WRONG = "right", "wrong"


def test_learning_curves_mark_the_lowest_and_the_constant_score():
    rows = [
        {"epoch": epoch, "val_log_loss": loss}
        for epoch, loss in ((1, 0.4), (2, 0.2), (3, 0.3))
    ]
    axes = figures.learning_curves(rows, 0.35, "test").axes[0]
    texts = [text.get_text() for text in axes.get_legend().get_texts()]
    assert "lowest: 0.2000, epoch 2" in texts
    assert "constant prevalence, test split: 0.3500" in texts


def test_calibration_points_are_observed_shares():
    labels = np.array([0] * 9 + [1] + [1, 1, 1, 0])
    probabilities = np.array([0.05] * 10 + [1.0] * 4)
    axes = figures.calibration(
        labels, probabilities, "share with any", "probability of any"
    ).axes[0]
    points = axes.containers[0].lines[0]
    np.testing.assert_allclose(points.get_xdata(), [0.05, 1.0])
    np.testing.assert_allclose(points.get_ydata(), [0.1, 0.75])


def test_large_pictures_are_made_smaller():
    picture = np.zeros((1300, 650, 3), "uint8")
    example = figures.Example("one", picture, [1, 0], [0.9, 0.1])
    figure = figures.example_sheet(
        {RIGHT: [example], WRONG: []}, ["any", "epidural"], 0.5
    )
    image = next(axes.images[0] for axes in figure.subfigs[0].axes if axes.images)
    assert image.get_array().shape == (640, 320, 3)


def test_labels_of_one_class_have_no_curve():
    labels = np.array([[1, 0], [0, 0], [1, 0]])
    probabilities = np.full((3, 2), 0.5)
    for draw in (figures.roc_curves, figures.precision_recall_curves):
        legend = draw(labels, probabilities, ["any", "epidural"]).axes[0].get_legend()
        assert [text.get_text().split(":")[0] for text in legend.get_texts()] == ["any"]
    nothing = np.zeros((3, 2), int)
    assert figures.to_png(
        figures.roc_curves(nothing, probabilities, ["any", "epidural"])
    )


def test_learning_curves_ring_the_best_epoch_of_each_score():
    rows = [{"epoch": 1, "val_log_loss": 0.9, "val_accuracy": 0.6, "val_f1": 0.5}]
    rows.append({"epoch": 2, "val_log_loss": 1.1, "val_accuracy": 0.7, "val_f1": 0.4})
    scores = {"val_accuracy": "accuracy", "val_f1": "F1"}
    losses, below = figures.learning_curves(
        rows, 1.2, "test", "cross-entropy", scores
    ).axes
    assert losses.get_ylabel() == "cross-entropy"
    texts = [text.get_text() for text in below.get_legend().get_texts()]
    assert texts == [
        "accuracy",
        "highest: 0.7000, epoch 2",
        "F1",
        "highest: 0.5000, epoch 1",
    ]
    assert (
        len(
            figures.learning_curves(
                [{"epoch": 1, "loss": 1.0}], 1.2, "test", scores=scores
            ).axes
        )
        == 1
    )


def test_confusion_matrix_has_counts_above_shares_of_the_true_class():
    axes = figures.confusion_matrix([[30, 10], [0, 1500]], ["MEL", "NV"]).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert texts == ["30", "75.0%", "10", "25.0%", "0", "1,500", "100.0%"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 1]])
    assert [label.get_text() for label in axes.get_yticklabels()] == [
        "MEL\n40",
        "NV\n1,500",
    ]
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "MEL\n30",
        "NV\n1,510",
    ]
    assert figures.to_png(
        figures.confusion_matrix([[0, 0], [2, 3]], ["absent", "a-long-class-name"])
    )


def test_photographs_are_shown_as_they_are_in_rows_of_four():
    photographs = [np.full((20 + i, 30, 3), 40 * i, "uint8") for i in range(5)]
    examples = [
        figures.Example(str(i), photo, [1, 0], [0.9, 0.1])
        for i, photo in enumerate(photographs)
    ]
    figure = figures.example_sheet(
        {RIGHT: examples, WRONG: examples[:1]}, ["MEL", "NV"]
    )
    assert len(figure.subfigs) == 3
    shown = [
        axes.images[0].get_array()
        for part in figure.subfigs
        for axes in part.axes
        if axes.images
    ]
    assert len(shown) == 6
    for picture, photo in zip(shown, [*photographs, photographs[0]], strict=True):
        np.testing.assert_array_equal(picture, photo)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "true class",
        "other classes",
    ]
