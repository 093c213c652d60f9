"""Heat maps in the graph against those that `keras_medformers.explain` draws outside of one."""

import keras
import numpy as np
import pytest

import keras_medformers
from keras_medformers.explain import class_attention, grad_cam
from keras_medformers.serving.signatures import Network

SMALL = dict(num_layers=2, mlp_dim=8, num_heads=2)
SCOPEFORMER = SMALL | {"feature_size": 12, "backbones": ("mobilenet",)}
SIZE_PX = 64


def make_model(name, num_classes, channels=3, **settings):
    """The model, where weights that start at zero or near it are large enough to make a difference."""
    keras.utils.set_random_seed(5)
    model = keras_medformers.create_model(
        name, num_classes, (SIZE_PX, SIZE_PX, channels), **settings
    )
    random = np.random.default_rng(0)
    for layer in model.layers:
        if layer.name.endswith("head") or layer.name.startswith("encoder"):
            for variable in layer.variables:
                spread = random.normal(0, 0.5, variable.shape)
                variable.assign(
                    abs(spread) + 0.1 if "variance" in variable.path else spread
                )
    return model


def make_images(channels=3, highest=1):
    images = np.random.default_rng(1).uniform(
        -highest, highest, (2, SIZE_PX, SIZE_PX, channels)
    )
    return images.astype("float32")


@pytest.mark.parametrize(
    ("name", "channels", "settings"),
    [
        ("efficient_scopeformer", 3, SCOPEFORMER),
        ("scopeformer_small", 3, SCOPEFORMER),
        (
            "hifuse_narrow",
            3,
            {"window_size": 2, "depths": (1, 1, 1, 1), "embed_dims": (12, 24, 48, 96)},
        ),
        ("hct", 1, {}),
    ],
)
def test_equal_grad_cam(name, channels, settings):
    model, images = make_model(name, 3, channels, **settings), make_images(channels)
    answer = Network.of(model, "feature_map", "softmax").explaining_graph(images)
    for index in range(3):
        expected = grad_cam(model, images, "feature_map", index, resize=False)
        np.testing.assert_allclose(answer["heat_maps"][:, index], expected, atol=1e-3)
    assert answer["heat_maps"].numpy().max() == pytest.approx(1)
    assert answer["heat_maps"].shape[2:] == answer["features"].shape[1:3]
    np.testing.assert_allclose(
        answer["probabilities"].numpy().sum(axis=1), 1, atol=1e-5
    )


VIT = SMALL | {"embed_dim": 8, "patch_size": 16}


def test_equal_class_attention():
    model, images = make_model("scopeformer_vit", 3, **VIT), make_images(highest=255)
    answer = Network.of(model, "class_features", "sigmoid").explaining_graph(images)
    for index in range(3):
        expected = class_attention(model, images, index, resize=False)
        np.testing.assert_allclose(answer["heat_maps"][:, index], expected, atol=1e-4)
    assert answer["heat_maps"].shape == (2, 3, 4, 4) and np.ptp(expected) > 0.1
    assert "transform_attention" not in vars(model.get_layer("encoder_0").attn)


def test_of_two_tasks_each_has_its_own():
    model, images = (
        make_model("dtvit_small", None, **VIT, classifier_dim=4),
        make_images(),
    )
    answer = Network.of(model, "class_features", "softmax").explaining_graph(images)
    assert sorted(answer) == [
        "features", "hemorrhage", "hemorrhage_heat_maps", "location", "location_heat_maps"
    ]  # fmt: skip
    for task, classes in (("hemorrhage", 2), ("location", 3)):
        of_task = keras.Model(model.input, model.output[task])
        for index in range(classes):
            expected = class_attention(of_task, images, index, resize=False)
            np.testing.assert_allclose(
                answer[f"{task}_heat_maps"][:, index], expected, atol=1e-4
            )


def test_where_no_class_speaks_for_anything_maps_are_zero():
    model = make_model("gmic", 2, 1)
    model.get_layer("head").kernel.assign(np.zeros_like(model.get_layer("head").kernel))
    answer = Network.of(model, "feature_map", "softmax").explaining_graph(
        make_images(1)
    )
    assert not answer["heat_maps"].numpy().any()


def test_a_network_without_a_map_is_refused():
    image = keras.Input((8, 8, 1))
    features = keras.layers.Flatten(name="features")(image)
    model = keras.Model(image, keras.layers.Dense(2)(features))
    with pytest.raises(
        ValueError, match=r"feature_layer='features' of shape \(None, 64\)"
    ):
        Network.of(model, "features", "softmax")
