"""DTViT: outputs by task, decoders of both versions, counts, files, training, preprocessing."""

import math

import keras
import numpy as np
import pytest

import keras_medformers

TINY = dict(
    input_shape=(32, 32, 3),
    patch_size=8,
    num_layers=2,
    embed_dim=24,
    mlp_dim=32,
    num_heads=4,
)
IMAGES = np.random.default_rng(0).normal(size=(4, 32, 32, 3)).astype("float32")


def build(num_classes=None, **settings):
    keras.utils.set_random_seed(0)
    return keras_medformers.create_model(
        "dtvit_small", num_classes, **{**TINY, "classifier_dim": 12, **settings}
    )


def count(name, **settings):
    """Parameters, without memory for them."""
    with keras.StatelessScope(initialize_variables=False):
        model = keras_medformers.create_model(name, **settings)
    return sum(math.prod(weight.shape) for weight in model.weights)


@pytest.mark.parametrize(
    "name, encoder, dim",
    [
        ("base", 85_798_656, 768),
        ("large", 303_301_632, 1024),
        ("huge", 630_764_800, 1280),
    ],
)
def test_counts_of_both_versions(name, encoder, dim):
    hidden = dim // 2
    decoders = 2 * (dim + 1) * hidden + (hidden + 1) * (2 + 3)

    assert count(f"dtvit_{name}") == encoder + decoders
    assert count(f"dtvit_{name}", classifier_dim=None) == encoder + (dim + 1) * (2 + 3)
    assert count(f"dtvit_{name}", num_classes=0) == encoder


def test_the_papers_model_is_the_large_one():
    assert keras_medformers.registry.resolve_name("dtvit") == "dtvit_large"


def test_logits_by_task():
    outputs = build()(IMAGES)

    assert {task: logits.shape for task, logits in outputs.items()} == {
        "hemorrhage": (4, 2),
        "location": (4, 3),
    }


def test_both_decoders_read_the_class_token_of_one_encoder():
    model = build()
    features = keras.Model(model.input, model.get_layer("class_features").output)(
        IMAGES
    )
    outputs = model(IMAGES)

    for task in ("hemorrhage", "location"):
        hidden, head = (
            model.get_layer(f"{task}_head_hidden"),
            model.get_layer(f"{task}_head"),
        )
        assert hidden.kernel.shape == (24, 12)
        x = np.asarray(features) @ np.asarray(hidden.kernel) + np.asarray(hidden.bias)
        exact_gelu = x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))
        expected = exact_gelu @ np.asarray(head.kernel) + np.asarray(head.bias)
        np.testing.assert_allclose(outputs[task], expected, rtol=1e-4, atol=1e-6)


def test_first_versions_decoders_are_single_layers():
    model = build(classifier_dim=None, classifier_activation="softmax")
    names = {layer.name for layer in model.layers}

    assert "hemorrhage_head" in names and "hemorrhage_head_hidden" not in names
    for probabilities in model(IMAGES).values():
        np.testing.assert_allclose(np.sum(probabilities, axis=-1), 1.0, rtol=1e-5)


def test_the_small_one_reads_tokens_from_convolutions_the_papers_from_patches():
    stems = {"small": 4, "base": 0, "large": 0, "huge": 0}
    for name, convolutions in stems.items():
        with keras.StatelessScope(initialize_variables=False):
            model = keras_medformers.create_model(f"dtvit_{name}")
        found = [
            layer.name for layer in model.layers if layer.name.startswith("stem_conv")
        ]
        assert len(found) == convolutions, name


def test_other_tasks_and_none():
    assert set(build({"side": 4}).output) == {"side"}
    assert build(0).output_shape == (None, 24)


@pytest.mark.parametrize("num_classes", [2, {"hemorrhage": 0}])
def test_refuses_classes_that_are_not_by_task(num_classes):
    with pytest.raises(
        ValueError, match="`num_classes` .*'hemorrhage': 2.*Received: num_classes="
    ):
        build(num_classes)


def test_training_lowers_both_losses_and_moves_every_weight():
    model = build()
    before = model.get_weights()
    losses = {
        task: keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        for task in model.output
    }
    labels = {"hemorrhage": np.array([0, 1, 1, 1]), "location": np.array([0, 0, 1, 2])}
    model.compile(keras.optimizers.Adam(1e-3), losses, run_eagerly=True)

    first = model.evaluate(IMAGES, labels, return_dict=True, verbose=0)
    for _ in range(4):
        model.train_on_batch(IMAGES, labels)
    last = model.evaluate(IMAGES, labels, return_dict=True, verbose=0)

    assert all(last[f"{task}_loss"] < first[f"{task}_loss"] for task in labels)
    still = [
        v.path
        for v, old in zip(model.weights, before, strict=True)
        if np.array_equal(v, old)
    ]
    assert still == []


def test_preprocessor_crops_windows_and_normalises():
    hu = np.full((1, 512, 512, 1), -1000, "int16")
    hu[:, 32:480, 32:480] = 40  # what stays after the crop
    hu[:, 200:300, 200:300] = 1000

    x = np.asarray(keras_medformers.preprocessor("dtvit")(hu))

    assert x.shape == (1, 224, 224, 3) and x.dtype == "float32"
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    np.testing.assert_allclose(x[0, 0, 0], (0.5 - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(x[0, -1, -1], (0.5 - mean) / deviation, atol=1e-5)
    np.testing.assert_allclose(x[0, 112, 112], (1.0 - mean) / deviation, atol=1e-5)


def test_preprocessor_keeps_the_proportion_at_other_sizes():
    layer = keras_medformers.preprocessor("dtvit_small", image_size=112)

    assert layer.get_layer("resize").height == 128
    assert layer(np.zeros((1, 60, 70, 1), "int16")).shape == (1, 112, 112, 3)
